"""Ranking: how sure it is that a stretch of text names an entity, and which of several it names.

For a label that reads like the stretch,

    strength   = alias x form x language x plainness                    all in 0..1
    weight     = strength x e^(3 c) x sqrt(1 + ln(1 + degree))
    confidence = strength x weight / (sum of the weights of the stretch's entities) x doubt

where `alias` is the label's kind, `form` how its spelling differs from the text's, `language` whether it is in the text's language,
`plainness` whether the stretch looks like a name or like everyday words, c the cosine between the text and what the graph says about
the the entity, and `degree` the number of the entity's edges. `doubt` is 1 for a strength above 0.6; weaker readings, such as a single
lower-case word, need a context that suits: for them it is 0.8 + c, held between 0.6 and 1.2. The confidence is at most 1; below
`THRESHOLD` nothing is linked.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..graph.analysis import fold
from ..graph.labels import Kind, Label
from ..graph.languages import is_ordinary
from .words import Word, is_shouted, keys, starts_sentence, surface, words

THRESHOLD = 0.4
"""Below this confidence nothing is linked."""

WEAK = 0.6
"""Readings up to this strength need a context that suits."""

_ALIAS = {Kind.PREFERRED: 1.0, Kind.ALTERNATIVE: 0.93, Kind.UNQUALIFIED: 0.9, Kind.HIDDEN: 0.85}
_FOLDED, _INFLECTED = 0.93, 0.9
_OTHER_LANGUAGE = 0.7
_LOWER_CASE, _SENTENCE_START, _SHORT = 0.6, 0.75, 0.85
_ACRONYM = 5


@dataclass(frozen=True, slots=True)
class Passage:
    """A text with its words and its language (None: unknown)."""

    text: str
    words: tuple[Word, ...]
    language: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One label that a stretch of text may mean, and how much its look speaks for that, 0 to 1."""

    label: Label
    strength: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entity that a stretch of text may mean, under its best label, with the confidence 0 to 1 that it does."""

    label: Label
    confidence: float


def read(passage: Passage, first: int, end: int, labels: Sequence[Label]) -> list[Reading]:
    """For each entity that the words from `first` up to `end` may name, its strongest label. Empty when they name none of them."""
    found = passage.words[first:end]
    stretch = surface(passage.text, found)
    best: dict[str, Reading] = {}
    for label in labels:
        strength = _strength(passage, found, stretch, label)
        if strength > 0 and (label.key not in best or best[label.key].strength < strength):
            best[label.key] = Reading(label, strength)
    return list(best.values())


def called(name: str, labels: Sequence[Label]) -> list[Label]:
    """For each entity that is surely called `name`, one label: the rules are those for a mention in the middle of a sentence."""
    found = tuple(words(f"see {name}"))
    readings = read(Passage(f"see {name}", found, None), 1, len(found), labels)
    return [reading.label for reading in readings if reading.strength > WEAK]


def needs_context(readings: Sequence[Reading]) -> bool:
    """Whether the context must be looked at: several entities compete, or one is weak."""
    return len(readings) > 1 or any(reading.strength <= WEAK for reading in readings)


def rank(readings: Sequence[Reading], contexts: Mapping[tuple[str, int], float]) -> list[Ranked]:
    """The entities of a stretch by confidence, best first. `contexts`: the cosine c for (resource key, graph) pairs, where known."""
    cosines = [contexts.get((reading.label.key, reading.label.graph)) for reading in readings]
    weights = [
        reading.strength * math.exp(3 * (cosine or 0.0)) * math.sqrt(1 + math.log1p(reading.label.degree))
        for reading, cosine in zip(readings, cosines, strict=True)
    ]
    whole = sum(weights)
    ranked = [
        Ranked(reading.label, min(1.0, reading.strength * weight / whole * _doubt(reading, cosine)))
        for reading, cosine, weight in zip(readings, cosines, weights, strict=True)
    ]
    return sorted(ranked, key=lambda candidate: (-candidate.confidence, candidate.label.iri))


def _doubt(reading: Reading, cosine: float | None) -> float:
    return 1.0 if cosine is None or reading.strength > WEAK else min(1.2, max(0.6, 0.8 + cosine))


def _strength(passage: Passage, found: Sequence[Word], stretch: str, label: Label) -> float:
    form = _form(stretch, label.text, capital_is_free=starts_sentence(passage.text, found[0].start))
    language = _language(passage.language, label.lang)
    if form == 0 or (language < 1 and len(found) == 1 and _unaccented(stretch, label.text)):
        return 0.0
    return _ALIAS[label.kind] * form * language * _plainness(passage, found, stretch, label)


def _form(stretch: str, name: str, *, capital_is_free: bool) -> float:
    """How alike a stretch of text and a name are spelled; 0 when they differ by a plural that a proper name does not have."""
    written, named = _spoken(stretch), _spoken(name)
    if written == named or (capital_is_free and _lowered(written) == named):
        return 1.0
    if _spoken(fold(stretch)) == _spoken(fold(name)):
        return _FOLDED
    if any(character.isupper() for character in (stretch[1:] if capital_is_free else stretch)) and not _are_acronyms(stretch, name):
        return 0.0
    return _INFLECTED


def _unaccented(stretch: str, name: str) -> bool:
    """Whether the two differ by accents: a single foreign word is then likelier another word."""
    return fold(stretch) == fold(name) and unicodedata.normalize("NFC", stretch.casefold()) != unicodedata.normalize("NFC", name.casefold())


@lru_cache(maxsize=20_000)
def _spoken(text: str) -> tuple[str, ...]:
    return tuple(text[word.start : word.end] for word in words(text) if word.key != ".")


def _lowered(written: tuple[str, ...]) -> tuple[str, ...]:
    return (written[0][0].lower() + written[0][1:], *written[1:])


def _language(text: str | None, label: str | None) -> float:
    return _OTHER_LANGUAGE if text and label and label.partition("-")[0].lower() != text else 1.0


def _plainness(passage: Passage, found: Sequence[Word], stretch: str, label: Label) -> float:
    """Whether the stretch looks like a name (1) or like everyday words; 0 when only its exact spelling would do, and it is not that."""
    exact = _spoken(stretch) == _spoken(label.text)
    told = exact and stretch.lower() != stretch and not is_shouted(passage.text)
    if all(is_ordinary(key, label.lang) for key in _spoken(fold(stretch))):
        acronym = stretch.isupper() and len(stretch) > 1
        return _SENTENCE_START if told and (acronym or not starts_sentence(passage.text, found[0].start)) else 0.0
    if _is_acronym(label.text):
        return 1.0 if told or _are_acronyms(stretch, label.text) else 0.0
    if not _has_case(stretch):
        return 1.0 if len(stretch) > 2 else _SHORT
    if len(keys(label.text)) > 1:
        return 1.0
    if len(stretch) <= 2:
        return _SENTENCE_START if told else 0.0
    if stretch.lower() == stretch and not any(character.isdigit() for character in stretch):
        return _LOWER_CASE
    return _SENTENCE_START if starts_sentence(passage.text, found[0].start) or is_shouted(passage.text) else 1.0


def _is_acronym(name: str) -> bool:
    return name.isupper() and len(name) <= _ACRONYM and " " not in name


def _are_acronyms(stretch: str, name: str) -> bool:
    """Whether one is the plural of the other, as in NGO and NGOs."""
    return any(_is_acronym(one) and many == one + "s" for one, many in ((stretch, name), (name, stretch)))


def _has_case(text: str) -> bool:
    return text.lower() != text or text.upper() != text
