"""What a GraphQL operation costs: how many objects it can return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableValues,
    get_argument_values,
    get_named_type,
)

_SIZES = ("first", "last", "limit")
_TOKENS = "tokenBudget"
_TOKENS_AN_OBJECT = 20
"""A context is made of about as many objects as it has lines, and a line has about this many tokens."""
_FLAT = frozenset({"Int", "Float", "String", "ID", "Boolean"})
_UNSIZED = 10
"""What a list without a page size counts for."""


def cost_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: VariableValues,
) -> int:
    """How many objects a valid operation can return, at least 1.

    A field with a page size (`first`, `last` or `limit`, also within an input object; variables and defaults count) returns that
    many, one with a `tokenBudget` one for every 20 tokens of it; a list directly below it (`edges`, `hits`) is what was counted
    already; any other list counts as 10, a list of input objects as its length. Sizes multiply on the way down. Scalars are free,
    introspection is not. Fragments are expanded.
    """
    root = schema.get_root_type(operation.operation)
    return 1 if root is None else max(1, _Cost(schema, fragments, variables).selections(operation.selection_set, root, paged=False))


def sizing(operation: OperationDefinitionNode) -> tuple[str, ...] | None:
    """The variables that alone decide what an operation costs; None when one is of a type that others may be hidden in."""
    names: list[str] = []
    for definition in operation.variable_definitions or ():
        kind = definition.type.type if isinstance(definition.type, NonNullTypeNode) else definition.type
        if not isinstance(kind, NamedTypeNode) or kind.name.value not in _FLAT:
            return None
        if kind.name.value == "Int":
            names.append(definition.variable.name.value)
    return tuple(names)


class _Cost:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], variables: VariableValues) -> None:
        self._schema = schema
        self._fragments = fragments
        self._variables = variables
        self._known: dict[tuple[str, bool], int] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLCompositeType, *, paged: bool) -> int:
        total = 0
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                total += self._field(selection, parent, paged=paged)
            elif isinstance(selection, InlineFragmentNode):
                inner = self._type(selection.type_condition.name.value) if selection.type_condition else parent
                total += self.selections(selection.selection_set, inner, paged=paged)
            elif isinstance(selection, FragmentSpreadNode):
                total += self._fragment(selection.name.value, paged=paged)
        return total

    def _fragment(self, name: str, *, paged: bool) -> int:
        if (name, paged) not in self._known:
            self._known[name, paged] = 0
            node = self._fragments.get(name)
            if node is not None:
                inner = self._type(node.type_condition.name.value)
                self._known[name, paged] = self.selections(node.selection_set, inner, paged=paged)
        return self._known[name, paged]

    def _field(self, node: FieldNode, parent: GraphQLCompositeType, *, paged: bool) -> int:
        field = _definition(node.name.value, parent)
        if field is None or node.selection_set is None:
            return 0
        size = page_size(self._arguments(field, node))
        count = size or (_UNSIZED if not paged and _is_list(field) else 1)
        inner = cast("GraphQLCompositeType", get_named_type(_type(field)))
        return count * (1 + self.selections(node.selection_set, inner, paged=size is not None))

    def _arguments(self, field: GraphQLField, node: FieldNode) -> Mapping[str, Any]:
        if not field.args:
            return {}
        try:
            return get_argument_values(field, node, self._variables)
        except GraphQLError:
            return {}

    def _type(self, name: str) -> GraphQLCompositeType:
        return cast("GraphQLCompositeType", self._schema.type_map[name])


def page_size(arguments: Mapping[str, Any]) -> int | None:
    """The number of objects that a field with these arguments may return; None when they don't say."""
    found = [_size(name, value) for name, value in arguments.items()]
    for value in arguments.values():
        if isinstance(value, Mapping):
            found += [_size(name, inner) for name, inner in cast("Mapping[str, Any]", value).items()]
        elif _is_objects(value):
            found.append(len(value))
    sizes = [size for size in found if size is not None]
    return max(sizes) if sizes else None


def _size(name: str, value: Any) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    if name == _TOKENS:
        return max(1, value // _TOKENS_AN_OBJECT)
    return max(1, value) if name in _SIZES else None


def _is_objects(value: Any) -> TypeGuard[Sequence[Mapping[str, Any]]]:
    if not isinstance(value, list):
        return False
    items = cast("list[Any]", value)
    return bool(items) and isinstance(items[0], Mapping)


def _type(field: GraphQLField) -> Any:
    return cast("Any", field).type


def _is_list(field: GraphQLField) -> bool:
    return str(_type(field)).startswith("[")


_META: dict[str, GraphQLField] = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


def _definition(name: str, parent: GraphQLCompositeType) -> GraphQLField | None:
    if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return parent.fields.get(name) or _META.get(name)
    return None
