"""How much one GraphQL operation may ask for: its shape (deep, wide, aliased) and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from ..errors import TooCostly
from ..settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """The most an operation may have. `cost` is what `cost_of` counts."""

    depth: int = 15
    tokens: int = 5_000
    aliases: int = 50
    cost: int = 50_000
    roots: int = 30
    width: int = 200
    fields: int = 1_000
    directives: int = 50
    merges: int = 5_000
    items: int = 2_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits an administrator set."""
        return cls(settings.max_query_depth, settings.max_query_tokens, settings.max_query_aliases, settings.max_query_cost)


@dataclass(frozen=True, slots=True)
class Shape:
    """The measures of a selection with its fragments expanded. `depth` counts levels that have selections of their own."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    width: int = 0

    def beside(self, other: Shape) -> Shape:
        """The shape of this selection with `other` in the same set."""
        return Shape(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            max(self.width, other.width),
        )


def check_shape(operation: OperationDefinitionNode, document: DocumentNode, limits: Limits) -> None:
    """Raise TooCostly when `operation` is larger than `limits`, before the expensive validation. Takes time linear in the document."""
    fragments = fragments_of(document)
    try:
        shape = _Measure(fragments).selections(operation.selection_set)
    except RecursionError:
        raise TooCostly("the operation's fragments are nested too deeply; use fewer") from None
    roots = sum(1 for _ in root_fields(operation, fragments))
    for found, most, what in (
        (shape.depth, limits.depth, "levels deep"),
        (roots, limits.roots, "fields at its root"),
        (shape.width, limits.width, "selections in one place"),
        (shape.aliases, limits.aliases, "aliases"),
        (shape.directives + len(operation.directives or ()), limits.directives, "directives"),
        (shape.fields, limits.fields, "fields"),
    ):
        if found > most:
            raise TooCostly(f"the operation has {found} {what} and at most {most} are allowed; ask for less at a time")
    if _merges([operation.selection_set], fragments, limits.depth) > limits.merges:
        raise TooCostly("the operation asks for the same fields in the same place too often; ask for each once")


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """The document's fragments by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def root_fields(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[str]:
    """Names of the fields that the operation asks its root for, through fragments, each fragment once."""
    seen = set[str]()
    waiting = [operation.selection_set]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                yield node.name.value
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen and node.name.value in fragments:
                seen.add(node.name.value)
                waiting.append(fragments[node.name.value].selection_set)


def _merges(sets: list[SelectionSetNode], fragments: Mapping[str, FragmentDefinitionNode], levels: int) -> int:
    """How many pairs of fields have the same name in the same answer, so many levels deep: validation compares each pair.

    Takes time linear in the fields, with fragments expanded; `check_shape` has bounded those before. A fragment may be within itself.
    """
    if not sets or levels < 0:
        return 0
    found: dict[str, tuple[int, list[SelectionSetNode]]] = {}
    spread = set[str]()
    waiting = list(sets)
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                name = (node.alias or node.name).value
                count, inner = found.get(name, (0, []))
                found[name] = count + 1, [*inner, node.selection_set] if node.selection_set else inner
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread and node.name.value in fragments:
                spread.add(node.name.value)
                waiting.append(fragments[node.name.value].selection_set)
    return sum(count * (count - 1) // 2 + _merges(inner, fragments, levels - 1) for count, inner in found.values())


class _Measure:
    """Measures selections, each fragment once; a fragment within itself counts nothing (validation refuses it later)."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, Shape] = {}

    def selections(self, node: SelectionSetNode) -> Shape:
        shape = Shape(width=len(node.selections))
        for selection in node.selections:
            shape = shape.beside(self._selection(selection))
        return shape

    def _selection(self, node: Any) -> Shape:
        directives = len(node.directives or ())
        if isinstance(node, FragmentSpreadNode):
            return self._fragment(node.name.value).beside(Shape(directives=directives))
        inner = self.selections(node.selection_set) if node.selection_set is not None else Shape()
        if isinstance(node, InlineFragmentNode):
            return inner.beside(Shape(directives=directives))
        deeper = inner.depth + (1 if node.selection_set is not None else 0)
        aliases = 1 if node.alias is not None else 0
        return Shape(deeper, inner.fields + 1, inner.aliases + aliases, inner.directives + directives, inner.width)

    def _fragment(self, name: str) -> Shape:
        if name not in self._known:
            self._known[name] = Shape()
            node = self._fragments.get(name)
            if node is not None:
                self._known[name] = self.selections(node.selection_set)
        return self._known[name]
