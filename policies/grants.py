"""One subject's rules as a tree over path segments, so that a check touches few of them however many there are.

A tree depends on its rules only; `{principal}` is filled in while walking. So all who have a role share its tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from ..graph.path_tree import PathTree
from .patterns import EVERYTHING, PRINCIPAL, action_matches
from .rules import Rule


class Readable:
    """Positions of paths that rules let, and do not let, read."""

    def __init__(self) -> None:
        self.allowed: set[int] = set()
        self.denied: set[int] = set()

    @property
    def positions(self) -> list[int]:
        """Those that may be read, in order: a denial anywhere wins."""
        return sorted(self.allowed - self.denied)

    def judge(self, rules: Iterable[Rule], place: PathTree, *, below: bool = False) -> None:
        """Take in rules that cover the path that ends at a place, or all that end there or below it."""
        for rule in rules:
            if action_matches("read", rule.action):
                chosen = self.allowed if rule.effect == "allow" else self.denied
                if below:
                    chosen.update(place.positions())
                elif place.at is not None:
                    chosen.add(place.at)


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

    def meet(self, place: PathTree, principal: str) -> Iterator[tuple[_Node, PathTree]]:
        """Every step that leads on both here and in a tree of paths."""
        few, many = (self.children, place.children) if len(self.children) < len(place.children) else (place.children, self.children)
        for segment in few:
            if segment in many:
                yield self.children[segment], place.children[segment]
        if self.any is not None:
            for segment, child in place.children.items():
                if segment:
                    yield self.any, child
        for template, node in self.templates.items():
            child = place.children.get(template.replace(PRINCIPAL, principal))
            if child is not None:
                yield node, child


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

    def judge(self, kind: str, tree: PathTree, principal: str, readable: Readable) -> None:
        """Tell `readable` what the rules say of reading the objects `kind:<path>`, for all paths of a tree."""
        for rules in (self.by_kind.get(EVERYTHING, ()), self._whole_kind.get(kind, ())):
            readable.judge(rules, tree, below=True)
        root = self._roots.get(kind)
        waiting = [] if root is None else [(root, tree)]
        while waiting:
            node, place = waiting.pop()
            for following, child in node.meet(place, principal):
                readable.judge(following.here, child)
                readable.judge(following.below, child, below=True)
                if child.children:
                    waiting.append((following, child))

    def of_kind(self, kind: str) -> Iterator[Rule]:
        """The rules that could cover an object of this kind."""
        yield from self.by_kind.get(EVERYTHING, ())
        yield from self.by_kind.get(kind, ())
