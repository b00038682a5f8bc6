"""Which newer statement takes the place of an older one: the same speaker says the same of the same, but another number, date or name.

A rule, not a guess, and a careful one. The older text is one short sentence; a sentence of the newer text has the same words in the
same order, soft words aside, and the same values but for one; a word says that something *is* so (is, lives, costs, ...) and the
value that differs stands behind it; who or what it is said of stands before. Events (went, met, bought) are no such statements:
they do not end each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .phrasing import Wording, is_number, sentences, wording

MAX_WORDS = 40
_STATES = frozenset({
    "is", "are", "i'm", "we're", "am", "live", "lives", "work", "works", "cost", "costs", "weighs", "weigh", "starts", "begins", "ends",
    "opens", "closes", "expires", "prefer", "prefers", "has", "have", "ist", "sind", "bin", "wohnt", "wohne", "lebt", "lebe",
    "arbeitet", "arbeite", "kostet", "heisst", "est", "sont", "habite", "vit", "coute", "vive", "cuesta", "abita", "lavora", "costa",
    "是", "住",
})  # fmt: skip
_COUNTED = frozenset({"has", "have"})
"""With these only another number is another state: who has a dog may have a cat too."""
_PASSING = frozenset({
    "today", "tonight", "tomorrow", "yesterday", "this", "last", "ago", "heute", "morgen", "gestern", "aujourd'hui", "demain", "hier",
    "hoy", "manana", "ayer", "oggi", "domani", "ieri", "sometimes", "often", "usually", "maybe", "perhaps", "if", "might",
})  # fmt: skip
_POINTING = frozenset({
    "it", "it's", "that", "that's", "this", "these", "those", "there", "there's", "here", "here's", "he", "he's", "she", "she's",
    "they", "they're", "you", "you're", "one", "es", "er", "sie", "das", "dies", "hier", "dort", "il", "elle", "ce", "c'est", "ella",
})  # fmt: skip
_SPEAKING = frozenset(
    {"i", "i'm", "my", "we", "we're", "our", "ich", "mein", "meine", "wir", "unser", "je", "mon", "ma", "nous", "notre", "我"}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A memory that may state how something is. `speaker`: who says so."""

    id: str
    text: str
    speaker: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Succession:
    """That `newer` says another value than `older`, of the same; since when, and in what they differ."""

    older: str
    newer: str
    since: datetime
    reason: str


_Key = tuple[str | None, tuple[str | None, ...], int, tuple[str, ...]]


def successions(statements: Sequence[Statement]) -> dict[str, Succession]:
    """For each statement, by id, that a later one contradicts, the first one that does. `statements` are of one scope and agent.

    Deterministic, whatever the order they come in.
    """
    groups: dict[_Key, list[tuple[Statement, str]]] = {}
    single: set[str] = set()
    for statement in statements:
        parts = sentences(statement.text)
        if len(parts) == 1:
            single.add(statement.id)
        for part in parts:
            for key, value in _keys(part, statement.speaker):
                groups.setdefault(key, []).append((statement, value))
    found: dict[str, Succession] = {}
    for group in groups.values():
        for succession in _within(sorted(group, key=lambda pair: (pair[0].occurred_at, pair[0].id))):
            if succession.older not in single:
                continue
            known = found.get(succession.older)
            if known is None or (succession.since, succession.newer) < (known.since, known.newer):
                found[succession.older] = succession
    return found


def _within(group: Sequence[tuple[Statement, str]]) -> Iterable[Succession]:
    """In a group in the order of time: each with the next later one that has another value."""
    times = [statement.occurred_at for statement, _ in group]
    changes = list(range(1, len(group) + 1))
    for place in range(len(group) - 2, -1, -1):
        if group[place + 1][1] == group[place][1]:
            changes[place] = changes[place + 1]
    for statement, value in group:
        place = bisect_right(times, statement.occurred_at)
        if place < len(group) and group[place][1] == value:
            place = changes[place]
        if place < len(group):
            newer, other = group[place]
            yield Succession(statement.id, newer.id, newer.occurred_at, f"“{value}” became “{other}”, all else being the same")


def _keys(sentence: str, speaker: str | None) -> Iterable[tuple[_Key, str]]:
    """What a sentence shares with those it could contradict, for each value that could differ, with that value."""
    if len(sentence) > 40 * MAX_WORDS:
        return
    worded = wording(sentence)
    state = _state(worded, speaker)
    if state is None:
        return
    places = [place for place, word in enumerate(worded.frame) if word is None]
    for index, (place, value) in enumerate(zip(places, worded.values, strict=True)):
        if place > state and (is_number(value) or worded.frame[state] not in _COUNTED):
            others = (*worded.values[:index], *worded.values[index + 1 :])
            yield (speaker, worded.frame, index, others), value


def _state(worded: Wording, speaker: str | None) -> int | None:
    """Where the frame says that something is so; None when the text is no plain statement of how something is."""
    if worded.sentences != 1 or worded.question or not worded.values or len(worded.words) > MAX_WORDS:
        return None
    words = set(worded.words)
    if words & _PASSING or (speaker is None and words & _SPEAKING):
        return None
    state = next((place for place, word in enumerate(worded.frame) if word in _STATES), None)
    if state is None or worded.frame[0] in _POINTING or (state == 0 and worded.frame[0] not in _SPEAKING):
        return None
    following = worded.frame[state + 1] if state + 1 < len(worded.frame) else None
    return None if following is not None and following.endswith("ing") else state
