"""GraphQL documents as they come in: read once, checked against the limits and the schema, and remembered by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    ListTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableNode,
    VariableValues,
    Visitor,
    get_variable_values,
    parse,
    specified_rules,
    visit,
)
from strawberry.schema.schema import validate_document

from ..errors import BadInput, TooCostly
from .cost import cost_of, sizing
from .errors import Refused
from .limits import Limits, check_shape, fragments_of, root_fields

_LONG = 32_768
"""Documents of more characters than this are not remembered."""
_MOST = 512
_MOST_CHARACTERS = 500_000
"""Characters of all documents that are remembered together: each takes up to some 400 bytes of memory once it is read."""
_MOST_ERRORS = 20
_MOST_COSTS = 64


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document. `roots` are the names of the fields it asks its root for."""

    name: str | None
    kind: OperationType
    roots: frozenset[str]
    node: OperationDefinitionNode

    @property
    def introspects_only(self) -> bool:
        """Whether it asks for nothing but the schema."""
        return all(name.startswith("__") for name in self.roots)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that parses and whose operations keep to the limits; whether it is valid, `Documents.errors` says.

    `deciding` names the variables that decide what @skip and @include leave; None when it has other directives. `programs` is for what
    is compiled of it, and goes with it.
    """

    text: str
    node: DocumentNode
    operations: tuple[Operation, ...]
    fragments: dict[str, FragmentDefinitionNode]
    deciding: tuple[str, ...] | None
    programs: dict[Any, Any] = field(default_factory=dict[Any, Any], compare=False, repr=False)
    costs: dict[Hashable, int] = field(default_factory=dict[Hashable, int], compare=False, repr=False)
    errors: list[tuple[GraphQLError, ...]] = field(default_factory=list[tuple[GraphQLError, ...]], compare=False, repr=False)

    def operation(self, name: str | None) -> Operation:
        """The operation to execute. Raises Refused when the name is unknown, or is missing and there are several."""
        if name is None:
            if len(self.operations) == 1:
                return self.operations[0]
            some = "several operations, so operationName must say which" if self.operations else "no operation"
            raise Refused(BadInput(f"the document has {some}"))
        for operation in self.operations:
            if operation.name == name:
                return operation
        raise Refused(BadInput(f"the document has no operation named {name!r}"))


class Documents:
    """Reads documents for one schema. The last ones are remembered, with the outcome of their validation, in bounded memory."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self.schema = schema
        self.limits = limits
        self._remembered: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def knows(self, text: str) -> bool:
        """Whether reading `text` takes no time."""
        return text in self._remembered

    def read(self, text: str) -> Document:
        """The document in `text`. Raises Refused when it is malformed or beyond the limits."""
        known = self._remembered.get(text)
        if known is not None:
            self._remembered.move_to_end(text)
            return known
        document = self._read(text)
        if len(text) <= _LONG:
            self._remembered[text] = document
            self._characters += len(text)
            while len(self._remembered) > _MOST or self._characters > _MOST_CHARACTERS:
                self._characters -= len(self._remembered.popitem(last=False)[0])
        return document

    def errors(self, document: Document) -> tuple[GraphQLError, ...]:
        """What is wrong with `document` by the schema; nothing when it is valid."""
        if not document.errors:
            found = validate_document(self.schema, document.node, tuple(specified_rules))
            document.errors.append(tuple(found[:_MOST_ERRORS]))
        return document.errors[0]

    def cost(self, document: Document, operation: Operation, variables: Mapping[str, Any]) -> tuple[VariableValues, int]:
        """A valid operation's variables as its resolvers get them, and what it costs with them.

        Raises Refused when they don't fit, or when it costs too much.
        """
        self._check_lists(operation, variables)
        values = get_variable_values(self.schema, operation.node.variable_definitions or (), dict(variables), max_errors=_MOST_ERRORS)
        if isinstance(values, list):
            raise Refused(*values)
        cost = self._cost(document, operation, values)
        if cost > self.limits.cost:
            most = self.limits.cost
            raise Refused(TooCostly(f"the operation can return {cost} objects and at most {most} are allowed; ask for smaller pages"))
        return values, cost

    def _cost(self, document: Document, operation: Operation, values: VariableValues) -> int:
        """What it costs, worked out once for the variables that decide it."""
        deciding = sizing(operation.node)
        if deciding is None:
            return cost_of(self.schema, operation.node, document.fragments, values)
        place = (operation.name, *(values.coerced.get(name, Undefined) for name in deciding))
        cost = document.costs.get(place)
        if cost is None:
            cost = cost_of(self.schema, operation.node, document.fragments, values)
            if len(document.costs) < _MOST_COSTS:
                document.costs[place] = cost
        return cost

    def _check_lists(self, operation: Operation, variables: Mapping[str, Any]) -> None:
        """Refuse long lists before each of their items is looked at."""
        for definition in operation.node.variable_definitions or ():
            kind = definition.type.type if isinstance(definition.type, NonNullTypeNode) else definition.type
            value = variables.get(definition.variable.name.value)
            if isinstance(kind, ListTypeNode) and isinstance(value, list) and len(cast("list[Any]", value)) > self.limits.items:
                name, found = definition.variable.name.value, len(cast("list[Any]", value))
                raise Refused(TooCostly(f"${name} has {found} items and at most {self.limits.items} are allowed; send less at a time"))

    def _read(self, text: str) -> Document:
        try:
            node = parse(text, max_tokens=self.limits.tokens)
        except GraphQLError as error:
            raise Refused(error) from error
        fragments = fragments_of(node)
        nodes = [definition for definition in node.definitions if isinstance(definition, OperationDefinitionNode)]
        try:
            for operation in nodes:
                check_shape(operation, node, self.limits)
        except TooCostly as error:
            raise Refused(error) from error
        operations = tuple(
            Operation(one.name.value if one.name else None, one.operation, frozenset(root_fields(one, fragments)), one) for one in nodes
        )
        return Document(text, node, operations, fragments, _deciding(node) if "@" in text else ())


class _Deciding(Visitor):
    """Looks at every directive of a document."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.others = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value not in ("skip", "include"):
            self.others = True
        for argument in node.arguments or ():
            if isinstance(argument.value, VariableNode):
                self.names[argument.value.name.value] = None


def _deciding(node: DocumentNode) -> tuple[str, ...] | None:
    found = _Deciding()
    visit(node, found)
    return None if found.others else tuple(found.names)
