"""Hidden fields: a rule such as `deny reader field:Memory.text read` makes a field null for those it denies.

Only fields that may be null can be hidden; what must not be null is hidden with the object it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import strawberry
from graphql import GraphQLField, GraphQLNonNull, GraphQLObjectType, GraphQLSchema
from graphql import default_field_resolver as default_resolver  # pyright: ignore[reportUnknownVariableType]

_ROOTS = frozenset({"Query", "Mutation", "Subscription"})
_PLUMBING = ("Connection", "Edge", "PageInfo")


def guard_fields(schema: strawberry.Schema) -> None:
    """Wrap the resolver of every hideable field so that it answers null to those from whom the field is hidden."""
    for name, field in _hideable(schema._schema):  # pyright: ignore[reportPrivateUsage]
        _guard(name, field)


@cache
def hideable_fields() -> frozenset[str]:
    """The names, `Type.field`, of all fields that a rule can hide."""
    from . import build_schema

    return frozenset(name for name, _ in _hideable(build_schema()._schema))  # pyright: ignore[reportPrivateUsage]


def unguarded(field: GraphQLField) -> tuple[Callable[..., Any] | None, str | None]:
    """A field's own resolver, and the name by which a rule can hide the field; None for one that can't be hidden."""
    return getattr(field.resolve, "guarded", (field.resolve, None))


def _hideable(schema: GraphQLSchema) -> list[tuple[str, GraphQLField]]:
    return [
        (f"{kind.name}.{name}", field)
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and kind.name not in _ROOTS and not kind.name.startswith("__")
        if not kind.name.endswith(_PLUMBING)
        for name, field in kind.fields.items()
        if not isinstance(field.type, GraphQLNonNull)
    ]


def _guard(name: str, field: GraphQLField) -> None:
    resolve = cast("Callable[..., Any]", field.resolve or default_resolver)

    def guarded(source: Any, info: Any, **arguments: Any) -> Any:
        if name in info.context.access.hidden_fields:
            return None
        return resolve(source, info, **arguments)

    vars(guarded)["guarded"] = (resolve, name)
    field.resolve = guarded
