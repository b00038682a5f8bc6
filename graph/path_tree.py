"""Paths as a tree over their segments, so that patterns over paths meet only those that they could cover."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class PathTree:
    """A place in the tree. `at`: the position of the path that ends here, if one does. `children`: what follows, by the next segment."""

    __slots__ = ("at", "children")

    def __init__(self) -> None:
        self.at: int | None = None
        self.children: dict[str, PathTree] = {}

    @classmethod
    def of(cls, paths: Iterable[str]) -> PathTree:
        """The tree of distinct paths, each with its position among them."""
        root = cls()
        for position, path in enumerate(paths):
            node = root
            for segment in path.split("/"):
                child = node.children.get(segment)
                if child is None:
                    child = node.children[segment] = cls()
                node = child
            node.at = position
        return root

    def positions(self) -> Iterator[int]:
        """The positions of all paths that end here or further down."""
        waiting: list[PathTree] = [self]
        while waiting:
            node = waiting.pop()
            if node.at is not None:
                yield node.at
            waiting.extend(node.children.values())
