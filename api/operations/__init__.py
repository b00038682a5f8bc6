"""The stored GraphQL operations that the command line and the demo send: one `.graphql` file each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def operation(name: str) -> str:
    """The text of `api/operations/<name>.graphql`. Raises FileNotFoundError when there is none."""
    return (files("cairn.api.operations") / f"{name}.graphql").read_text(encoding="utf-8")


def operations() -> list[str]:
    """The texts of all stored operations."""
    found = [file for file in files("cairn.api.operations").iterdir() if file.name.endswith(".graphql")]
    return [file.read_text(encoding="utf-8") for file in found]
