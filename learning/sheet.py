"""A sheet: a text made of items under headings that never takes more tokens than it may.

Guarantee: `count(text) <= budget` for whatever tokenizer counts; each item is one line, so that no text of an item can pass for a heading
or for another item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from .tokens import Tokenizer


class ItemKind(Enum):
    """What an item of a context is, in the order in which a context's text has them: what changes least comes first."""

    GOAL = "GOAL"
    STATE = "STATE"
    ENTITY = "ENTITY"
    FACT = "FACT"
    MEMORY = "MEMORY"
    SUMMARY = "SUMMARY"
    TURN = "TURN"


_HEADINGS = MappingProxyType(
    {
        ItemKind.GOAL: "Goals",
        ItemKind.STATE: "State",
        ItemKind.ENTITY: "Entities",
        ItemKind.FACT: "Facts",
        ItemKind.MEMORY: "Memories",
        ItemKind.SUMMARY: "Earlier in this session",
        ItemKind.TURN: "This session",
    }
)


@dataclass(frozen=True, slots=True)
class Item:
    """One line. `source` is the id of what it is from. `place` orders the items of a kind. `tokens` is what the line takes."""

    kind: ItemKind
    source: str
    text: str
    place: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished sheet. `omitted`: how many items would belong on it and did not fit."""

    text: str
    tokens: int
    items: tuple[Item, ...]
    omitted: int


def one_line(text: str) -> str:
    """`text` with all white space made single spaces."""
    return " ".join(text.split())


class Draft:
    """A sheet in the making, for `budget` tokens."""

    def __init__(self, tokenizer: Tokenizer, budget: int) -> None:
        self.budget = budget
        self._tokenizer = tokenizer
        self._taken: dict[Item, None] = {}
        self._used: dict[ItemKind, int] = {}

    def item(self, kind: ItemKind, source: str, text: str, place: int) -> Item:
        """An item that can be taken."""
        line = one_line(text)
        return Item(kind, source, line, place, self._tokenizer.count(f"- {line}\n"))

    @property
    def room(self) -> int:
        """How many tokens are left."""
        return self.budget - sum(self._used.values())

    def has(self, item: Item) -> bool:
        """Whether the item, or another of its source and kind, was taken."""
        return item in self._taken

    def sources(self, *kinds: ItemKind) -> set[str]:
        """The sources of items of these kinds that were taken."""
        return {item.source for item in self._taken if item.kind in kinds}

    def take(self, item: Item, most: int, spare: int = 0) -> bool:
        """Take the item, unless its kind would then have more than `most` tokens or less than `spare` were left. Whether it is taken."""
        if item in self._taken:
            return True
        used = self._used.get(item.kind)
        cost = item.tokens + (self._tokenizer.count(f"\n## {_HEADINGS[item.kind]}\n") if used is None else 0)
        if (used or 0) + cost > most or cost > self.room - spare:
            return False
        self._taken[item] = None
        self._used[item.kind] = (used or 0) + cost
        return True

    def finish(self, wanted: Iterable[Item]) -> Sheet:
        """The sheet. `wanted` are the items that would belong on it. Where the lines take more together than apart, the last goes."""
        taken = list(self._taken)
        while True:
            text = _text(taken)
            tokens = self._tokenizer.count(text)
            if tokens <= self.budget or not taken:
                break
            taken.pop()
        there = {(item.kind, item.source, item.place) for item in taken}
        shown = {item.source for item in taken if item.kind in (ItemKind.MEMORY, ItemKind.TURN)}
        memories = {ItemKind.MEMORY, ItemKind.TURN}
        left = {
            item.source if item.kind in memories else (item.kind, item.source, item.place)
            for item in wanted
            if (item.kind, item.source, item.place) not in there and not (item.kind in memories and item.source in shown)
        }
        return Sheet(text, tokens, tuple(_ordered(taken)), len(left))


def fill(draft: Draft, candidates: Mapping[ItemKind, Sequence[Item]], steps: Sequence[tuple[ItemKind, float]], spare: int = 0) -> None:
    """Take candidates, best first, in `steps`: a kind and the share of the budget it may have by then. `spare` tokens are left alone.

    A memory is taken once, as a turn or as itself. Turns are taken without a gap; of other kinds what does not fit is passed over.
    """
    both = {ItemKind.TURN: ItemKind.MEMORY, ItemKind.MEMORY: ItemKind.TURN}
    for kind, share in steps:
        elsewhere = draft.sources(both[kind]) if kind in both else set[str]()
        for item in candidates.get(kind, ()):
            if item.source in elsewhere:
                continue
            if not draft.take(item, int(share * draft.budget), spare) and kind is ItemKind.TURN:
                break


def _ordered(items: Iterable[Item]) -> list[Item]:
    order = {kind: number for number, kind in enumerate(ItemKind)}
    return sorted(items, key=lambda item: (order[item.kind], item.place))


def _text(items: Iterable[Item]) -> str:
    sections: dict[ItemKind, list[str]] = {}
    for item in _ordered(items):
        sections.setdefault(item.kind, [f"## {_HEADINGS[item.kind]}"]).append(f"- {item.text}")
    return "\n\n".join("\n".join(lines) for lines in sections.values())
