"""GraphQL queries compiled: the fields of each selection collected, and their steps worked out, once for a document.

graphql-core stays in charge. It takes each field that is no plain attribute, whatever holds an unusual value, and what a program
does not cover (`Programs.of`); it also collects the fields, so that fragments, aliases and directives mean what they mean to it. A test
compares both over generated queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import strawberry
from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableValues,
)
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from .graphql_documents import Document, Operation
from .steps import Step, step_of

_VARIANTS = 16
"""Programs that one operation has at most: one for each choice that its directives' variables make."""


@dataclass(slots=True)
class Program:
    """One query with its directives decided. What is collected here stays, so that graphql-core knows it again by its identity."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    definitions: dict[str, FragmentDefinitionNode]
    root: GraphQLObjectType
    grouped: GroupedFieldSet
    values: VariableValues
    collected: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = field(default_factory=dict)
    steps: dict[int, tuple[Step, ...]] = field(default_factory=dict)

    def fields_of(self, kind: GraphQLObjectType, details: FieldDetailsList) -> CollectedFields:
        """What is asked of an object of this type in a field."""
        known = self.collected.get((kind, id(details)))
        if known is None:
            found = collect_subfields(self.schema, self.fragments, self.values, self.operation, kind, details)
            known = self.collected[kind, id(details)] = (details, found)
        return known[1]

    def steps_of(self, kind: GraphQLObjectType, grouped: GroupedFieldSet) -> tuple[Step, ...]:
        """The steps through fields that were collected here."""
        known = self.steps.get(id(grouped))
        if known is None:
            known = self.steps[id(grouped)] = tuple(self._step(kind, *one) for one in grouped.items())
        return known

    def _step(self, kind: GraphQLObjectType, name: str, details: FieldDetailsList) -> Step:
        found = self.schema.get_field(kind, details[0].node.name.value)
        return step_of(name, details, found, lambda inner: self.steps_of(inner, self.fields_of(inner, details).grouped_field_set))


class Programs:
    """The programs of one schema."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema._schema  # pyright: ignore[reportPrivateUsage]
        special = (*schema.extensions, *cast("Any", schema).directives, *schema.exception_handlers)
        self._covers = not special and cast("Any", schema).execution_context_class is StrawberryGraphQLCoreExecutionContext

    def of(self, document: Document, operation: Operation, values: VariableValues) -> Program | None:
        """The program of a valid operation with these variables.

        None for what graphql-core does by itself: mutations and subscriptions, introspection, directives but @skip and @include, a
        schema with extensions, and an operation whose directives chose in 16 other ways before.
        """
        if not self._covers or operation.kind is not OperationType.QUERY or not operation.roots.isdisjoint(("__schema", "__type")):
            return None
        if document.deciding is None:
            return None
        choice = (operation.name, *(values.coerced.get(name) for name in document.deciding))
        programs = cast("dict[Any, Program | None]", document.programs)
        if choice not in programs:
            if len(programs) >= _VARIANTS:
                return None
            programs[choice] = self._compile(document, operation.node, values)
        return programs[choice]

    def _compile(self, document: Document, node: OperationDefinitionNode, values: VariableValues) -> Program | None:
        root = self._schema.get_root_type(node.operation)
        fragments = {name: FragmentDetails(one) for name, one in document.fragments.items()}
        if root is None or any(one.variable_definitions for one in document.fragments.values()):
            return None
        try:
            grouped = collect_fields(self._schema, fragments, values, root, node).grouped_field_set
            program = Program(self._schema, node, fragments, document.fragments, root, grouped, values)
            program.steps_of(root, grouped)
        except (GraphQLError, RecursionError):  # graphql-core will say what is wrong
            return None
        return program
