"""The schema keeps the names, arguments and types of the contract that clients rely on. More is welcome, less is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    EnumTypeDefinitionNode,
    InputObjectTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    parse,
    print_ast,
)

from cairn.schema import sdl


def shape(document: DocumentNode) -> dict[str, dict[str, str]]:
    """Every field, argument and enum value of a document's types, with its type."""
    found: dict[str, dict[str, str]] = {}
    for node in document.definitions:
        if isinstance(node, ObjectTypeDefinitionNode | InputObjectTypeDefinitionNode):
            fields = found.setdefault(node.name.value, {})
            for field in node.fields or ():
                fields[field.name.value] = print_ast(field.type)
                for argument in getattr(field, "arguments", None) or ():
                    fields[f"{field.name.value}({argument.name.value})"] = print_ast(argument.type)
        elif isinstance(node, EnumTypeDefinitionNode):
            found[node.name.value] = {value.name.value: "" for value in node.values or ()}
    return found


def satisfies(ours: str, theirs: str, *, given: bool) -> bool:
    """Whether a type may stand where the contract has another: an answer may be stricter, what is given may be looser."""
    if ours == theirs:
        return True
    strict, loose = (theirs, ours) if given else (ours, theirs)
    return strict == f"{loose}!"


def test_the_contract_is_kept(shared_data: Path) -> None:
    contract = shared_data.parent / "design" / "contract.graphql"
    if not contract.is_file():
        pytest.skip("needs ../shared/design/contract.graphql")
    ours = shape(parse(sdl()))
    missing: list[str] = []
    for kind, fields in shape(parse(contract.read_text(encoding="utf-8"))).items():
        for name, type in fields.items():
            have = ours.get(kind, {}).get(name)
            given = "(" in name or kind.endswith(("Input", "Filter"))
            if have is None or not satisfies(have, type, given=given):
                missing.append(f"{kind}.{name}: {type} (here: {have})")
    assert not missing, "\n".join(missing)
