"""Spotting: what a text may name, worked out without asking the graph, so that a thread can do it; and the choice that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..graph.labels import Label
from ..graph.languages import guess
from ..graph.locals import local_entity
from ..graph.mentions import Mention
from ..graph.searchable import Index
from .gazetteer import Gazetteer, pattern_of
from .names import SURE, Finder, Found, proper_names
from .ranking import THRESHOLD, WEAK, Passage, Reading, rank, read
from .words import apart, words

Contexts = Mapping[tuple[str, int], float]

_SPEAKER = 0.95
_NOBODY = frozenset({"user", "assistant", "system", "human", "ai", "agent", "bot", "tool", "me", "you", "unknown"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Where names are looked up: a gazetteer, the numbers of the graphs that may be used, and that of the scope's own names."""

    gazetteer: Gazetteer
    readable: frozenset[int]
    own: int | None
    finder: Finder | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A stretch of a text that reads like names: what they may mean among the graphs' entities, and among those local to the scope."""

    start: int
    end: int
    length: int
    known: tuple[Reading, ...]
    own: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Spotted:
    """A text with its spots, names that capitals or a pipeline show, and its speaker with the entity the graphs know by that name."""

    text: str
    spots: tuple[Spot, ...]
    names: tuple[Found, ...] = ()
    speaker: str | None = None
    voice: Label | None = None


def passage_of(text: str) -> Passage:
    """A text with its words and the guess at its language."""
    found = tuple(words(text))
    return Passage(text, found, guess(text[word.start : word.end].lower() for word in found))


def spot(text: str, speaker: str | None, sources: Sources) -> Spotted:
    """What `text` may name. Its spots do not overlap: the longest stand."""
    passage = passage_of(text)
    spots = [one for one in _read(passage, sources) if one.known or one.own]
    best = sorted(spots, key=lambda one: (-one.length, one.start))
    chosen = tuple(apart(best, lambda one: (one.start, one.end), len(text)))
    if sources.own is None:
        return Spotted(text, chosen)
    speaks = speaker if speaker and speaker.lower() not in _NOBODY else None
    names = tuple(proper_names(passage, [speaks] if speaks else [], sources.finder))
    return Spotted(text, chosen, names, speaks, _voice(speaks, sources) if speaks else None)


def mentions_in(spotted: Spotted, contexts: Contexts, tenant: str, scope: str, index: Index) -> list[Mention]:
    """The mentions of a text, in its order, none overlapping; then its speaker. Names that no graph carries become local entities."""
    mentions = [mention for one in spotted.spots if (mention := _chosen(spotted.text, one, contexts, tenant, scope, index))]
    for found in spotted.names:
        within = [mention for mention in mentions if mention.start < found.end and found.start < mention.end]
        if within and not _stands_before(found, within):
            continue
        if local := _local(tenant, scope, spotted.text, found, index):
            mentions = [mention for mention in mentions if mention not in within]
            mentions.append(local)
    mentions.sort(key=lambda mention: mention.start)
    return [*mentions, *_speaker(spotted, tenant, scope, index)]


def _read(passage: Passage, sources: Sources) -> Iterator[Spot]:
    for first, end, pattern in sources.gazetteer.search(passage.words):
        labels = sources.gazetteer.labels(pattern)
        readable = [label for label in labels if label.graph in sources.readable]
        local = [label for label in labels if label.graph == sources.own]
        known = read(passage, first, end, readable) if readable else []
        own = read(passage, first, end, local) if local else []
        strong = tuple(reading for reading in own if reading.strength > WEAK)
        yield Spot(passage.words[first].start, passage.words[end - 1].end, end - first, tuple(known), strong)


def _chosen(text: str, one: Spot, contexts: Contexts, tenant: str, scope: str, index: Index) -> Mention | None:
    stretch = text[one.start : one.end]
    for best in rank(one.known, contexts)[:1]:
        if best.confidence >= THRESHOLD:
            return Mention(one.start, one.end, stretch, best.label.key, best.label.iri, best.confidence)
    for best in rank(one.own, {})[:1]:
        unwritten = local_entity(tenant, scope, best.label.text, index) if best.label.degree == 0 else None
        return Mention(one.start, one.end, stretch, best.label.key, best.label.iri, SURE * best.confidence, unwritten)
    return None


def _stands_before(found: Found, within: Sequence[Mention]) -> bool:
    """Whether a longer name is surer than the single words within it that are known: `Paris Hilton` is not in Paris."""
    contained = all(found.start <= mention.start and mention.end <= found.end and " " not in mention.text for mention in within)
    longer = all(mention.end - mention.start < found.end - found.start for mention in within)
    return found.confidence >= SURE and contained and longer


def _local(tenant: str, scope: str, text: str, found: Found, index: Index) -> Mention | None:
    name = text[found.start : found.end]
    entity = local_entity(tenant, scope, name, index) if pattern_of(name) else None
    return Mention(found.start, found.end, name, entity.key, entity.iri, found.confidence, entity) if entity else None


def _voice(speaker: str, sources: Sources) -> Label | None:
    """The one entity of the graphs, or else of the scope, that has exactly the speaker's name; None when there is none or several."""
    pattern = pattern_of(speaker)
    labels = [label for label in sources.gazetteer.labels(pattern) if label.text == speaker] if pattern else []
    for readable in (sources.readable, frozenset({sources.own})):
        found = {label.key: label for label in labels if label.graph in readable}
        if found:
            return next(iter(found.values())) if len(found) == 1 else None
    return None


def _speaker(spotted: Spotted, tenant: str, scope: str, index: Index) -> Iterator[Mention]:
    if spotted.speaker is None:
        return
    if spotted.voice is not None and spotted.voice.degree > 0:
        yield Mention(0, 0, spotted.speaker, spotted.voice.key, spotted.voice.iri, _SPEAKER, spoken=True)
    elif entity := local_entity(tenant, scope, spotted.speaker, index):
        yield Mention(0, 0, spotted.speaker, entity.key, entity.iri, _SPEAKER, entity, spoken=True)
