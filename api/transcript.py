"""What a person sees of a conversation with Cairn: each operation that was sent, what came back, and from where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import anyio
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from ..errors import Internal
from .client import Answer, Client
from .operations import operation

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"
WIDTH = 100
"""Columns when the output is no terminal."""
_LONGEST = 160
_MOST = 12
_MOST_SENT = 2
_POLL_SECONDS = 0.1
_INDENT = "    "


class Transcript:
    """Sends stored operations through a client and prints both sides. Plain text, 100 columns wide, where the console is no terminal."""

    def __init__(self, client: Client, out: Console) -> None:
        self._client = client
        self._out = out if out.is_terminal else Console(file=out.file, width=WIDTH)
        self._steps = 0
        self._sent: set[str] = set()

    def step(self, title: str, explanation: str) -> None:
        """Begin the next step, with one plain line on what happens in it."""
        self._steps += 1
        self._out.print()
        self._print(Text(f"{self._steps}. {title}", style="bold"))
        self.say(explanation)

    def say(self, text: str) -> None:
        """Print a remark."""
        self._print(Text(text))

    async def ask(
        self,
        name: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        refused: str | None = None,
        until: Callable[[dict[str, Any]], bool] | None = None,
        show: Callable[[dict[str, Any]], JSON] | None = None,
    ) -> dict[str, Any]:
        """Run the stored operation `name`, print it and its answer, and return the data.

        `token` None: as the operator. `refused`: the error code that has to come back. `until`: ask again until this holds of the
        data, and print the last answer. `show`: what to print of the data.
        Raises Internal when the answer is an error although none was expected, or none although one was.
        """
        self._show_operation(name, variables)
        answer = await self._send(name, variables, token, refused)
        asked = 1
        while until is not None and not until(answer.data or {}):
            await anyio.sleep(_POLL_SECONDS)
            answer = await self._send(name, variables, token, refused)
            asked += 1
        data = answer.data or {}
        if answer.errors:
            self._show_lines("<", f"{refused}: {answer.errors[0]['message']}", "red")
        else:
            self._show_lines("<", self._json(show(data) if show else data, _MOST), "green")
        cache = f"X-Cache: {answer.x_cache}, " if answer.x_cache else ""
        times = f", asked {asked} times" if asked > 1 else ""
        self._print(Text(f"{_INDENT}{cache}{answer.seconds * 1000:.1f} ms{times}", style="dim"))
        return data

    async def prepare(self, name: str, variables: dict[str, Any]) -> None:
        """Run the stored operation `name` without a word, whatever comes back."""
        await self._client.execute(operation(name), variables)

    async def _send(self, name: str, variables: dict[str, Any] | None, token: str | None, refused: str | None) -> Answer:
        answer = await self._client.execute(operation(name), variables, token)
        codes = [error.get("extensions", {}).get("code") for error in answer.errors]
        if codes != ([refused] if refused else []):
            found = "; ".join(str(error.get("message")) for error in answer.errors) or "no error"
            raise Internal(f"{name} should have come back with {refused or 'no error'}; it came back with {found}")
        return answer

    def _show_operation(self, name: str, variables: dict[str, Any] | None) -> None:
        if name in self._sent:
            self._show_lines(">", f"{name}.graphql, as above", "cyan")
        else:
            self._sent.add(name)
            shown = Syntax("", "graphql", theme="ansi_dark", background_color="default").highlight(folded(operation(name), self._room))
            shown.rstrip()
            self._show_lines(">", shown, "cyan")
        if variables:
            self._show_lines(" ", self._json(variables, _MOST_SENT), "dim")

    def _json(self, value: JSON, most: int) -> str:
        return compact(shortened(value, most), self._room)

    @property
    def _room(self) -> int:
        return self._out.width - len(_INDENT)

    def _show_lines(self, sign: str, text: str | Text, style: str) -> None:
        """Print what was sent (>) or came back (<); a line that is too long goes on below, indented."""
        shown = text if isinstance(text, Text) else Text(text, style=style)
        prefix = f"  {sign} "
        for line in shown.split("\n"):
            margin = len(line.plain) - len(line.plain.lstrip(" "))
            pieces = line[margin:].wrap(self._out, max(20, self._room - margin - 2)) if len(line) > self._room else [line[margin:]]
            for number, piece in enumerate(pieces):
                piece.rstrip()
                self._print(Text(prefix + " " * (margin + 2 * (number > 0)), style=style).append_text(piece))
                prefix = _INDENT

    def _print(self, text: Text) -> None:
        self._out.print(text, highlight=False)


def folded(document: str, width: int) -> str:
    """A GraphQL document with each selection, and fields without one, on one line where they fit. Expects one item a line."""
    lines = document.rstrip().split("\n")
    shown: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        margin = _margin(line)
        if line.endswith("{"):
            end = next(number for number in range(at, len(lines)) if lines[number] == f"{margin}}}")
            joined = margin + " ".join(inner.strip() for inner in lines[at : end + 1])
            if at > 0 and len(joined) <= width:
                shown.append(joined)
                at = end + 1
                continue
        if shown and _is_leaf(line) and _is_leaf(shown[-1]) and margin == _margin(shown[-1]) and len(shown[-1]) + len(line.strip()) < width:
            shown[-1] += f" {line.strip()}"
        else:
            shown.append(line)
        at += 1
    return "\n".join(shown)


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _is_leaf(line: str) -> bool:
    return not line.endswith(("{", "}"))


def shortened(value: JSON, most: int) -> JSON:
    """JSON data with long texts cut, lists cut to `most` items, and a word on what was left out."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    if isinstance(value, list):
        return [shortened(item, most) for item in value[:most]] + [f"... and {len(value) - most} more"] * (len(value) > most)
    if isinstance(value, dict):
        return {name: shortened(item, most) for name, item in value.items()}
    return value


def compact(value: JSON, width: int, margin: int = 0) -> str:
    """JSON in as few lines as fit `width`: what fits stands on one line, the rest an item a line."""
    line = json.dumps(value, ensure_ascii=False)
    if margin + len(line) <= width or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (margin + 2)
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(name)}: {compact(item, width, margin + 2)}" for name, item in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * margin + "}"
    return "[\n" + ",\n".join(inner + compact(item, width, margin + 2) for item in value) + "\n" + " " * margin + "]"
