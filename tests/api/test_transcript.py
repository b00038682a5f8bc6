"""What a transcript prints: operations folded, data shortened, nothing lost without a word."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from graphql import parse, print_ast
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cairn.api.client import Answer, Client
from cairn.api.operations import operation
from cairn.api.transcript import Transcript, compact, folded, shortened
from cairn.errors import Internal

pytestmark = pytest.mark.anyio

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.parametrize("name", ["mentions", "look_at_entity", "recall", "who_am_i"])
@pytest.mark.parametrize("width", [40, 96])
def test_folding_changes_the_layout_only(name: str, width: int) -> None:
    shown = folded(operation(name), width)
    assert print_ast(parse(shown)) == print_ast(parse(operation(name)))
    assert len(shown.splitlines()) <= len(operation(name).splitlines())


def test_folding_keeps_to_the_width() -> None:
    assert folded("query {\n  me {\n    id\n    roles\n  }\n}\n", 20) == "query {\n  me { id roles }\n}"
    assert folded("query {\n  me {\n    id\n    roles\n  }\n}\n", 12) == "query {\n  me {\n    id roles\n  }\n}"


@given(value=JSON_VALUES, width=st.integers(1, 120))
def test_compact_is_the_same_json(value: Any, width: int) -> None:
    assert json.loads(compact(value, width)) == value


def test_compact_puts_on_a_line_what_fits() -> None:
    value = {"a": [1, 2, 3], "b": {"c": "some words"}}
    assert compact(value, 80) == '{"a": [1, 2, 3], "b": {"c": "some words"}}'
    assert compact(value, 30) == '{\n  "a": [1, 2, 3],\n  "b": {"c": "some words"}\n}'


def test_shortened_says_what_it_left_out() -> None:
    assert shortened({"list": list(range(12))}, 8) == {"list": [*range(8), "... and 4 more"]}
    assert shortened("x" * 500, 8) == "x" * 160 + "..."
    assert shortened([1, None, True, "x"], 4) == [1, None, True, "x"]


class Scripted(Client):
    """A client that gives one answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def execute(self, query: str, variables: dict[str, Any] | None = None, token: str | None = None) -> Answer:
        return self.answer


def transcript(answer: Answer) -> tuple[Transcript, io.StringIO]:
    out = io.StringIO()
    return Transcript(Scripted(answer), Console(file=out)), out


async def test_both_sides_are_plain_text_without_a_terminal() -> None:
    shown, out = transcript(Answer({"me": {"id": "tern", "tenant": "default", "roles": []}}, x_cache="l2", seconds=0.0125))
    shown.step("Ask", "Who am I?")
    data = await shown.ask("who_am_i")
    assert data["me"]["id"] == "tern"
    lines = out.getvalue().splitlines()
    assert lines[:3] == ["", "1. Ask", "Who am I?"]
    assert "  > query WhoAmI {" in lines
    assert "    X-Cache: l2, 12.5 ms" in lines
    assert "\x1b" not in out.getvalue()
    assert max(map(len, lines)) <= 100


async def test_the_same_operation_is_shown_once() -> None:
    shown, out = transcript(Answer({"me": None}))
    await shown.ask("who_am_i")
    await shown.ask("who_am_i")
    assert out.getvalue().count("query WhoAmI") == 1


async def test_long_lines_go_on_below() -> None:
    shown, out = transcript(Answer({"me": {"id": "word " * 30}}))
    await shown.ask("who_am_i")
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert "".join(lines).count("word") == 30


async def test_asking_until() -> None:
    shown, out = transcript(Answer({"me": {"id": "tern"}}))
    seen: list[int] = []

    def thrice(_data: dict[str, Any]) -> bool:
        seen.append(1)
        return len(seen) == 3

    await shown.ask("who_am_i", until=thrice)
    assert "asked 3 times" in out.getvalue()
    assert out.getvalue().count("tern") == 1


async def test_an_expected_refusal_is_shown() -> None:
    refusal = {"message": "version 3 is current", "extensions": {"code": "CONFLICT"}}
    shown, out = transcript(Answer(None, [refusal]))
    await shown.ask("set_state", {"input": {}}, refused="CONFLICT")
    assert "CONFLICT: version 3 is current" in out.getvalue()


@pytest.mark.parametrize(
    ("errors", "refused"),
    [([{"message": "no", "extensions": {"code": "FORBIDDEN"}}], None), ([], "CONFLICT"), ([{"message": "no"}], "CONFLICT")],
)
async def test_anything_else_stops_it(errors: list[dict[str, Any]], refused: str | None) -> None:
    shown, _ = transcript(Answer({"state": None}, errors))
    with pytest.raises(Internal, match="set_state should have come back with"):
        await shown.ask("set_state", refused=refused)
