"""The steps of a compiled selection: what each field of an object takes, worked out once for a document instead of once for each value.

A field that is a plain attribute of its object, and that holds a scalar, an enum, an object or a list of these, becomes a step that is
taken without graphql-core. Everything else becomes a step without an `attribute`, and graphql-core takes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from types import CoroutineType, GeneratorType
from typing import Any, NamedTuple, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
    Undefined,
)
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField

from ..schema.fields import unguarded

Convert = Callable[[Any], Any]
LISTS = frozenset({list, tuple})
_INT = 2**31


class Unusual(Exception):
    """A value that graphql-core must judge."""


class Inner(NamedTuple):
    """What an object in a field is completed with. `many`: the field holds a list of them, in which null may stand if `nulls`."""

    parent: GraphQLObjectType
    steps: tuple[Step, ...]
    many: bool
    nulls: bool
    item_type: Any


class Step(NamedTuple):
    """One field. Its value is taken as it is, or as `convert` makes it, when its type is in `exact` (None: any that can't be awaited).

    `hideable` is the name by which a rule may hide it. An `attribute` of None leaves the field to graphql-core; `quick`: it is a leaf.
    """

    name: str
    quick: bool
    attribute: str | None
    hideable: str | None
    exact: frozenset[type] | None
    convert: Convert | None
    nullable: bool
    inner: Inner | None
    details: FieldDetailsList
    return_type: Any


def step_of(
    name: str, details: FieldDetailsList, field: GraphQLField | None, steps: Callable[[GraphQLObjectType], tuple[Step, ...]]
) -> Step:
    """The step of a field; `steps` gives those through an object in it."""
    if field is None:  # graphql-core leaves it out
        return Step(name, False, None, None, None, None, True, None, details, None)
    resolve, hideable = unguarded(field)
    attribute = _attribute(field, resolve)
    return_type = type_of(field)
    nullable, kind = _opened(return_type)
    step = Step(name, False, None, hideable, None, None, nullable, None, details, return_type)
    if attribute is None:
        return step
    many = isinstance(kind, GraphQLList)
    item_type = cast("Any", kind).of_type if many else return_type
    nulls, item = _opened(item_type) if many else (False, kind)
    if isinstance(item, GraphQLObjectType):
        if item.is_type_of is not None:
            return step
        return step._replace(attribute=attribute, exact=LISTS if many else None, inner=Inner(item, steps(item), many, nulls, item_type))
    leaf = _leaf(item)
    if leaf is None:
        return step
    exact, convert = leaf
    if many:
        return step._replace(attribute=attribute, quick=True, exact=LISTS, convert=_each(exact, convert, nulls=nulls))
    return step._replace(attribute=attribute, quick=True, exact=exact, convert=convert)


@lru_cache(1_024)
def plain(kind: type) -> bool:
    """Whether values of this type are neither awaited, nor raised, nor absent."""
    return not hasattr(kind, "__await__") and not issubclass(kind, (Exception, CoroutineType, GeneratorType, type(None), type(Undefined)))


def _attribute(field: GraphQLField, resolve: object) -> str | None:
    """The attribute that a field reads, when its resolver does nothing else."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(definition, StrawberryField) or not definition.is_basic_field or field.args:
        return None
    return definition.python_name if getattr(resolve, "_is_default", False) and definition.default_resolver is getattr else None


def type_of(field: GraphQLField) -> Any:
    """The type of a field's value. (GraphQL's types are generic in ways that a type checker can't follow, hence Any.)"""
    return cast("Any", field).type


def _opened(kind: Any) -> tuple[bool, Any]:
    """Whether null may stand there, and the type without that."""
    return (False, cast("Any", kind).of_type) if isinstance(kind, GraphQLNonNull) else (True, kind)


def _leaf(kind: object) -> tuple[frozenset[type] | None, Convert | None] | None:
    """The types of values that are taken, and what makes the answer's value of them; None for what is no leaf."""
    if kind in (GraphQLString, GraphQLID):
        return frozenset({str}), None
    if kind is GraphQLBoolean:
        return frozenset({bool}), None
    if kind is GraphQLInt:
        return frozenset({int}), _int
    if kind is GraphQLFloat:
        return frozenset({float}), _float
    if isinstance(kind, GraphQLEnumType):
        definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if not isinstance(definition, StrawberryEnumDefinition):
            return None
        members = cast("type[Enum]", definition.wrapped_cls)
        return frozenset({members}), {member: kind.coerce_output_value(member) for member in members}.__getitem__
    return (None, _custom(kind)) if isinstance(kind, GraphQLScalarType) else None


def _int(value: int) -> int:
    if -_INT <= value < _INT:
        return value
    raise Unusual


def _float(value: float) -> float:
    if math.isfinite(value):
        return value
    raise Unusual


def _custom(kind: GraphQLScalarType) -> Convert:
    coerce: Convert = kind.coerce_output_value

    def convert(value: Any) -> Any:
        coerced = coerce(value)
        if coerced is None or coerced is Undefined:
            raise Unusual
        return coerced

    return convert


def _each(exact: frozenset[type] | None, convert: Convert | None, *, nulls: bool) -> Convert:
    """What makes a list of leaves; raises Unusual for one with an item that is not taken."""

    def taken(item: Any) -> Any:
        kind: type = type(cast("object", item))
        if kind in exact if exact is not None else plain(kind):
            return item if convert is None else convert(item)
        if item is None and nulls:
            return None
        raise Unusual

    def each(items: list[Any]) -> list[Any]:
        return [taken(item) for item in items]

    return each
