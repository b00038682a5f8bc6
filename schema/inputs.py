"""Inputs that come a thousand at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from strawberry.types.arguments import InputContext
from strawberry.types.base import get_object_definition

from .scalars import CONFIG

T = TypeVar("T")


def flat(input_type: type[T]) -> type[T]:
    """Mark a strawberry input that holds only scalars, enums and lists of them: it is then built at once.

    Strawberry would work out the name and the type of each field anew for each value. What GraphQL promises of the values is
    checked before. Raises TypeError for what is no strawberry input.
    """
    definition = get_object_definition(input_type, strict=True)
    names = {CONFIG.name_converter.from_field(field): field.python_name for field in definition.fields}

    def build(made: type, value: Mapping[str, object], _context: InputContext) -> object:
        return made(**{names[name]: one for name, one in value.items()})

    definition.from_input = build
    return input_type
