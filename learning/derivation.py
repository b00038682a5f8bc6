"""What was said over and over becomes knowledge: one SEMANTIC memory for episodes that say the same on several occasions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..graph.analysis import terms
from .duplicates import Origin, shingles, similarity
from .phrasing import wording

OCCASIONS = 3
"""Sessions, or days where there is no session, on which the same must have been said."""
_TERMS = 3
_COMPARED = 50


@dataclass(frozen=True, slots=True)
class Episode:
    """A lasting EPISODIC memory. `stems`: ids of what was derived from it before, whatever became of that."""

    id: str
    text: str
    session: str | None
    importance: float
    occurred_at: datetime

    @property
    def occasion(self) -> str:
        """When it was said: its session, or the day."""
        return f"session {self.session}" if self.session is not None else f"day {self.occurred_at.date().isoformat()}"


@dataclass(frozen=True, slots=True)
class Lesson:
    """What episodes, in the order of their ids, come to: the id of the most central one, and an importance above theirs."""

    central: str
    episodes: tuple[str, ...]
    occasions: int
    importance: float
    occurred_at: datetime


def lessons(episodes: Sequence[Episode], origin: Mapping[str, Origin]) -> list[Lesson]:
    """What to derive from one agent's episodes in one scope; `origin` says which of them duplicate which. Deterministic."""
    groups: dict[str, list[Episode]] = {}
    for episode in sorted(episodes, key=lambda one: one.id):
        first = origin[episode.id].first if episode.id in origin else episode.id
        groups.setdefault(first, []).append(episode)
    return [_lesson(groups[first]) for first in sorted(groups) if _worth(groups[first])]


def _worth(group: Sequence[Episode]) -> bool:
    if len({episode.occasion for episode in group}) < OCCASIONS:
        return False
    return len(set(terms(group[0].text))) >= _TERMS and not wording(group[0].text).question


def _lesson(group: Sequence[Episode]) -> Lesson:
    occasions = len({episode.occasion for episode in group})
    highest = max(episode.importance for episode in group)
    importance = round(1 - (1 - highest) * 0.8 ** (occasions - 1), 4)
    return Lesson(_central(group), tuple(one.id for one in group), occasions, importance, max(one.occurred_at for one in group))


def _central(group: Sequence[Episode]) -> str:
    """The episode whose wording is nearest to all others'; of equals the first."""
    weights: dict[tuple[str, ...], int] = {}
    ids: dict[tuple[str, ...], str] = {}
    for episode in group:
        words = wording(episode.text).words
        weights[words] = weights.get(words, 0) + 1
        ids.setdefault(words, episode.id)
    likeliest = sorted(weights, key=lambda words: (-weights[words], ids[words]))[:_COMPARED]
    sets = {words: shingles(words) for words in likeliest}
    near = {words: sum(weights[other] * similarity(sets[words], sets[other]) for other in likeliest) for words in likeliest}
    return ids[min(likeliest, key=lambda words: (-near[words], ids[words]))]
