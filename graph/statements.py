"""Named Cypher statements, read from the `.cypher` file beside a module.

A file holds statements of this form; the comment's first word is the name, the rest its purpose:

    // state_set: writes the next version of a state when the expected version matches
    UNWIND $rows AS row ...;

Statements end with a semicolon at a line's end. Every statement runs as Cypher 25.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^// (?P<name>[a-z][a-z0-9_]*): (?P<purpose>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One named Cypher statement with parameters only. `text` is ready to run."""

    name: str
    purpose: str
    text: str

    def naming(self, **names: str) -> Statement:
        """The statement with identifiers replaced, for the places where Cypher takes no parameter; never with what came from outside."""
        text = self.text
        for old, new in names.items():
            text = re.sub(rf"\b{re.escape(old)}\b", lambda _, new=new: quote(new), text)
        return Statement(self.name, self.purpose, text)


@cache
def load(noun: str) -> dict[str, Statement]:
    """Every statement of `graph/<noun>.cypher`, by name.

    Raises FileNotFoundError when there is no such file and ValueError when two statements share a name.
    """
    return parse((files("cairn.graph") / f"{noun}.cypher").read_text(encoding="utf-8"))


def parse(source: str) -> dict[str, Statement]:
    """The statements in `source`, by name. Raises ValueError on a repeated name."""
    headers = list(_HEADER.finditer(source))
    ends = [header.start() for header in headers[1:]] + [len(source)]
    statements: dict[str, Statement] = {}
    for header, end in zip(headers, ends, strict=True):
        name = header["name"]
        if name in statements:
            raise ValueError(f"two statements are named {name}")
        body = source[header.end() : end].strip().removesuffix(";")
        statements[name] = Statement(name, header["purpose"], f"CYPHER 25 {body}")
    return statements


def quote(name: str) -> str:
    """`name` as a backquoted Cypher identifier; the only place where one is made."""
    if "\0" in name or not name:
        raise ValueError("an identifier may not be empty or hold a NUL")
    return "`" + name.replace("\\u0060", "`").replace("`", "``") + "`"
