"""Queries of any shape for a schema: aliases, fragments with and without names, directives, the same field twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

Arguments = Mapping[str, Sequence[str]]
"""What may stand in the parentheses of a field, `Type.field`."""

DIRECTIVES = (
    "",
    "",
    "",
    "",
    "@skip(if: true)",
    "@include(if: false)",
    "@include(if: $yes)",
    "@skip(if: $yes)",
    "@skip(if: $no) @include(if: $yes)",
)


@dataclass
class Generator:
    """Makes up one query. Fields with arguments are asked for only as `arguments` has it; `left_out` fields never."""

    chance: Random
    schema: GraphQLSchema
    arguments: Arguments
    left_out: frozenset[str]
    fragments: list[str] = field(default_factory=list)
    room: int = 40

    def document(self) -> str:
        query = self.schema.query_type
        assert query is not None
        body = self.selections(query, 4)
        return "\n".join([f"query Generated($yes: Boolean! = true, $no: Boolean = false) {body}", *self.fragments])

    def selections(self, kind: GraphQLNamedType, depth: int) -> str:
        parts = [self.selection(kind, depth) for _ in range(self.chance.randint(1, 6))]
        return "{ " + " ".join([part for part in parts if part] or ["__typename"]) + " }"

    def selection(self, kind: GraphQLNamedType, depth: int) -> str:
        way = self.chance.choice(["field"] * 8 + ["inline", "named", "typename"])
        directive = self.chance.choice(DIRECTIVES)
        if way == "typename" or self.room <= 0:
            return f"__typename {directive}"
        if way != "field" and depth > 0:
            self.room -= 1
            possible = [kind.name, *(one.name for one in self.schema.get_possible_types(kind))] if is_abstract_type(kind) else [kind.name]
            if isinstance(kind, GraphQLObjectType):
                possible += [one.name for one in kind.interfaces]
            condition = self.chance.choice(possible)
            inner = self.selections(self.schema.type_map[condition], depth - 1)
            if way == "inline":
                on = f"on {condition} " if condition != kind.name or self.chance.random() < 0.5 else ""
                return f"... {on}{directive} {inner}"
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {condition} {inner}")
            return f"...{name} {directive}"
        return self.field(kind, depth, directive)

    def field(self, kind: GraphQLNamedType, depth: int, directive: str) -> str:
        if isinstance(kind, GraphQLUnionType):
            return "__typename"
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        usable = [name for name, one in kind.fields.items() if self.usable(f"{kind.name}.{name}", one, depth)]
        if not usable:
            return "__typename"
        name = self.chance.choice(usable)
        self.room -= 1
        given = ["", *self.arguments.get(f"{kind.name}.{name}", ())]
        if any(is_required_argument(one) for one in kind.fields[name].args.values()):
            given = given[1:]
        number = self.chance.randrange(len(given))
        alias = self.chance.choice(["", "", "x"]) or ("" if number == 0 else "y")
        alias = f"{alias}{number}{name}: " if alias else ""
        inner = get_named_type(kind.fields[name].type)
        below = "" if is_leaf_type(inner) else self.selections(inner, depth - 1)
        return f"{alias}{name}{f'({given[number]})' if given[number] else ''} {directive} {below}"

    def usable(self, name: str, one: GraphQLField, depth: int) -> bool:
        if name in self.left_out or (depth <= 0 and not is_leaf_type(get_named_type(one.type))):
            return False
        return name in self.arguments or not any(is_required_argument(argument) for argument in one.args.values())


def make_query(chance: Random, schema: GraphQLSchema, arguments: Arguments, left_out: frozenset[str] = frozenset()) -> str:
    """A query; now and then one that the schema's validation refuses."""
    return Generator(chance, schema, arguments, left_out).document()
