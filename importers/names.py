"""Names in a text that no graph may know: people, places and things written with capitals, found with care rather than zeal.

A trained spaCy pipeline finds them where one is installed; none is ever downloaded. Without one, runs of capitalised words are
taken, except where a capital proves nothing: at a sentence's start, in headlines, in shouting, and single nouns in German.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import cast

import spacy
from spacy.language import Language
from spacy.util import get_installed_models

from ..graph.analysis import fold
from ..graph.languages import is_ordinary
from .ranking import Passage
from .words import Word, apart, is_shouted, starts_sentence, surface

_NAMED = frozenset({"PERSON", "PER", "ORG", "GPE", "LOC", "FAC", "PRODUCT", "EVENT", "WORK_OF_ART", "MISC"})
_UNUSED_PIPES = ["tagger", "morphologizer", "parser", "senter", "attribute_ruler", "lemmatizer", "trainable_lemmatizer"]
SURE = 0.8
"""From this confidence on a name stands before a shorter one, within it, that a graph knows."""

_BY_PIPELINE, _UNSURE, _KNOWN = 0.85, 0.6, 0.9
_LONGEST = 6
_CONNECTORS = frozenset({
    "of", "de", "la", "le", "du", "des", "del", "della", "di", "da", "do", "dos", "van", "von", "der", "den", "ten", "ter", "al",
    "el", "bin", "ibn", "&",
})  # fmt: skip
_NOT_NAMES = frozenset({
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january", "february", "march", "april", "may",
    "june", "july", "august", "september", "october", "november", "december", "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "today", "tomorrow", "yesterday", "hi",
    "hey", "hello", "dear", "thanks", "thank", "wow", "yes", "yeah", "yep", "no", "nope", "oh", "ah", "well", "please", "ok",
    "okay", "sure", "great", "good", "nice", "congrats", "congratulations", "happy", "merry", "sorry", "bye", "lol", "omg", "mr",
    "mrs", "ms", "dr", "prof", "sir", "madam", "i", "am", "pm", "ad", "bc", "tv", "pc", "cv", "id", "ps", "faq", "todo",
})  # fmt: skip
_LOOKS_LIKE_VERB = re.compile(r"\w{2,}(?:ing|ed|ly)")
_HEADLINE = 0.8

Finder = Callable[[str], list[tuple[int, int]]]
"""Finds the names in a text, as (start, end) in code points."""


@dataclass(frozen=True, slots=True)
class Found:
    """A name at `text[start:end]`, and the confidence, 0 to 1, that it is one."""

    start: int
    end: int
    confidence: float


def proper_names(passage: Passage, known: Sequence[str] = (), finder: Finder | None = None) -> list[Found]:
    """The names in a text, longest first where they overlap, in order. `known` are names to look for, such as the speaker's."""
    if is_shouted(passage.text):
        spans = []
    elif finder is not None:
        spans = [Found(start, end, _BY_PIPELINE) for start, end in finder(passage.text) if end > start]
    else:
        spans = list(_capitalised(passage))
    spans += [found for name in known for found in _spelled(passage, name)]
    best = sorted(spans, key=lambda span: (span.start - span.end, span.start, -span.confidence))
    return apart(best, lambda span: (span.start, span.end), len(passage.text))


def capitals(passage: Passage) -> list[str]:
    """Every run of capitalised words, and each of their words, that might be a name: for questions, where a wrong guess finds nothing."""
    text = passage.text
    runs = [[word for word in run if not is_ordinary(text[word.start : word.end].lower(), passage.language)] for run in _runs(passage)]
    whole = [surface(text, run) for run in runs if run]
    return list(dict.fromkeys([*whole, *(text[word.start : word.end] for run in runs for word in run)]))


def trained_finder() -> Finder | None:
    """A finder that uses an installed trained pipeline, an English one before others; None when there is none."""
    models = sorted(get_installed_models(), key=lambda name: (not name.startswith("en_core_web"), name))
    return pipeline_finder(spacy.load(models[0], exclude=_UNUSED_PIPES)) if models else None


def pipeline_finder(pipeline: Language) -> Finder:
    """A finder that takes the entities a spaCy pipeline sets. Safe to call from several threads."""
    lock = Lock()
    zone = cast("Callable[[], AbstractContextManager[object]]", vars(Language)["memory_zone"].__get__(pipeline))

    def find(text: str) -> list[tuple[int, int]]:
        with lock, zone():  # else the pipeline would keep every new word for ever
            return [(span.start_char, span.end_char) for span in pipeline(text).ents if span.label_ in _NAMED]

    return find


def _spelled(passage: Passage, name: str) -> Iterator[Found]:
    """Where the text spells `name`, or one of its words, with a capital."""
    parts = {part for part in name.split() if len(part) > 1 and part[0].isupper() and not is_ordinary(part.lower(), None)}
    for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", passage.text) if name[:1].isupper() else ():
        yield Found(match.start(), match.end(), _KNOWN)
    for word in passage.words:
        if passage.text[word.start : word.end] in parts:
            yield Found(word.start, word.end, _KNOWN)


def _capitalised(passage: Passage) -> Iterator[Found]:
    text = passage.text
    if _is_headline(passage):
        return
    for run in _runs(passage):
        names = [word for word in run if text[word.start].isupper()]
        first = names[0]
        while names and _proves_nothing(passage, names[0], alone=len(names) == 1):
            names.pop(0)
        if not names or len(names) > _LONGEST or (len(names) == 1 and (passage.language == "de" or names[0].end - names[0].start < 3)):
            continue
        sure = len(names) > 1 and not (names[0] is first and starts_sentence(text, first.start))
        yield Found(names[0].start, run[-1].end, SURE if sure else _UNSURE)


def _runs(passage: Passage) -> Iterator[list[Word]]:
    """Capitalised words that follow each other, with connectors between them (`University of Paris`)."""
    text = passage.text
    run: list[Word] = []
    waiting: list[Word] = []
    for word in passage.words:
        written = text[word.start : word.end]
        joined = not run or _joins(text[(waiting or run)[-1].end : word.start])
        if joined and _may_be_part(written):
            run += [*waiting, word]
            waiting = []
        elif run and joined and written in _CONNECTORS and not waiting:
            waiting = [word]
        else:
            if run:
                yield run
            run, waiting = ([word], []) if _may_be_part(written) else ([], [])
    if run:
        yield run


def _joins(between: str) -> bool:
    return between in {" ", "-", "‐", "'", "’"}


def _may_be_part(written: str) -> bool:
    return written[0].isupper() and fold(written) not in _NOT_NAMES


def _proves_nothing(passage: Passage, word: Word, *, alone: bool) -> bool:
    """Whether the capital of a run's first word says little: an everyday word, or a sentence's start."""
    written = passage.text[word.start : word.end]
    lowered = written.lower()
    if is_ordinary(lowered, passage.language):
        return True
    if not starts_sentence(passage.text, word.start):
        return False
    return alone or _LOOKS_LIKE_VERB.fullmatch(lowered) is not None


def _is_headline(passage: Passage) -> bool:
    long = [passage.text[word.start : word.end] for word in passage.words if word.end - word.start > 3]
    capital = sum(1 for written in long if written[0].isupper())
    return len(long) >= 5 and capital / len(long) > _HEADLINE
