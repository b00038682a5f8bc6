"""One subject's rules as a tree over path segments, so that a check touches few of them however many there are.

A tree depends on its rules only; `{principal}` is filled in while walking. So all who have a role share its tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from .patterns import EVERYTHING, PRINCIPAL
from .rules import Rule


class _Node:
    """A place in the tree: rules that end here, rules that end here with `/*`, and the segments that go on."""

    __slots__ = ("any", "below", "children", "here", "templates")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.templates: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.here: list[Rule] = []
        self.below: list[Rule] = []

    def grow(self, segment: str) -> _Node:
        if segment == EVERYTHING:
            self.any = self.any or _Node()
            return self.any
        return (self.templates if PRINCIPAL in segment else self.children).setdefault(segment, _Node())

    def step(self, segment: str, principal: str) -> Iterator[_Node]:
        child = self.children.get(segment)
        if child is not None:
            yield child
        if self.any is not None and segment:
            yield self.any
        for template, node in self.templates.items():
            if template.replace(PRINCIPAL, principal) == segment:
                yield node


class Grants:
    """The rules of one subject. `matching` gives exactly those whose object covers a request's.

    `digest`: a hash of the rules' texts. `templates`: the texts that hold `{principal}`.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.by_kind: dict[str, list[Rule]] = {}
        self._whole_kind: dict[str, list[Rule]] = {}
        self._bare: dict[str, list[Rule]] = {}
        self._roots: dict[str, _Node] = {}
        for rule in self.rules:
            self._add(rule)
        texts = sorted(rule.text for rule in self.rules)
        self.digest = sha256("\n".join(texts).encode()).hexdigest()
        self.templates = tuple(text for text in texts if PRINCIPAL in text)

    def _add(self, rule: Rule) -> None:
        kind, colon, path = rule.object.partition(":")
        self.by_kind.setdefault(kind, []).append(rule)
        if kind == EVERYTHING:
            return
        if not colon:
            self._bare.setdefault(kind, []).append(rule)
        elif path == EVERYTHING:
            self._whole_kind.setdefault(kind, []).append(rule)
        else:
            *above, last = path.split("/")
            node = self._roots.setdefault(kind, _Node())
            for segment in above:
                node = node.grow(segment)
            if last == EVERYTHING:
                node.below.append(rule)
            else:
                node.grow(last).here.append(rule)

    def matching(self, requested: str, principal: str) -> Iterator[Rule]:
        """The rules that cover the object `requested` when `principal` asks, whatever their action."""
        kind, colon, path = requested.partition(":")
        yield from self.by_kind.get(EVERYTHING, ())
        yield from self._whole_kind.get(kind, ())
        if not colon:
            yield from self._bare.get(kind, ())
            return
        root = self._roots.get(kind)
        nodes = [root] if root is not None else []
        for segment in path.split("/"):
            nodes = [following for node in nodes for following in node.step(segment, principal)]
            for node in nodes:
                yield from node.below
            if not nodes:
                return
        for node in nodes:
            yield from node.here

    def of_kind(self, kind: str) -> Iterator[Rule]:
        """The rules that could cover an object of this kind."""
        yield from self.by_kind.get(EVERYTHING, ())
        yield from self.by_kind.get(kind, ())
