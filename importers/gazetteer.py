"""A gazetteer: every name that a tenant's graphs give to resources, and where such names stand in a text.

A spaCy `PhraseMatcher` finds the spans; beside it stands which label, in which graph, a span may mean. Graphs come and go one by
one, also while texts are searched in other threads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Protocol, cast

from spacy.matcher import PhraseMatcher
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..graph.labels import Kind, Label
from .words import Word, is_word, keys

LONGEST = 12
"""Names of more words are titles or sentences; nobody repeats them word by word."""

_QUALIFIED = re.compile(r"(?P<bare>\S.*?)\s*\([^()]+\)", re.DOTALL)
_UNKNOWN = "\0"
_SLICE = 2_000


class _Strings(Protocol):
    def add(self, string: str) -> int: ...
    def __getitem__(self, number: int) -> str: ...


class _Matcher(Protocol):
    def add(self, key: str, docs: list[list[int]]) -> None: ...
    def __call__(self, doclike: Doc) -> list[tuple[int, int, int]]: ...


class Gazetteer:
    """The names of one tenant. Threads may search it while one replaces graphs; a search sees a graph's names old or new."""

    def __init__(self) -> None:
        vocab = Vocab()  # without the attributes of a language's words, which cost more than all the rest
        self._vocab = vocab
        self._strings = cast("_Strings", vocab.strings)
        self._matcher = cast("_Matcher", PhraseMatcher(vocab, attr="ORTH"))
        self._words = set[str]()
        self._labels: dict[str, dict[int, tuple[Label, ...]]] = {}
        self._graphs: dict[int, set[str]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """How many different names it holds."""
        return len(self._labels)

    def replace(self, graph: int, labels: Iterable[Label]) -> None:
        """Make `labels` all that is known of `graph`. Takes seconds for a hundred thousand: call it in a thread."""
        found: dict[str, list[Label]] = {}
        for label in labels:
            for pattern, meant in _patterns(label):
                found.setdefault(pattern, []).append(meant)
        patterns = list(found)
        for start in range(0, len(patterns), _SLICE):
            with self._lock:
                for pattern in patterns[start : start + _SLICE]:
                    self._put(pattern, graph, tuple(found[pattern]))
        with self._lock:
            gone = self._graphs.get(graph, set[str]()) - found.keys()
            self._graphs[graph] = set(found)
            for pattern in gone:
                del self._labels[pattern][graph]

    def add(self, label: Label) -> None:
        """Add one name to what is known of its graph."""
        with self._lock:
            for pattern, meant in _patterns(label):
                known = self._labels.get(pattern, {}).get(label.graph, ())
                if all(other.key != meant.key for other in known):
                    self._put(pattern, label.graph, (*known, meant))
                self._graphs.setdefault(label.graph, set[str]()).add(pattern)

    def search(self, found: Sequence[Word]) -> list[tuple[int, int, str]]:
        """Every stretch of these words that is a name: first word, word after the last, and the name's pattern. They may overlap."""
        with self._lock:
            spelled = [word.key if word.key in self._words else _UNKNOWN for word in found]
            if spelled.count(_UNKNOWN) == len(spelled):
                return []
            matches = self._matcher(Doc(self._vocab, words=spelled))
            return [(first, end, self._strings[number]) for number, first, end in matches]

    def labels(self, pattern: str) -> list[Label]:
        """The labels that read like `pattern`, over all graphs."""
        with self._lock:
            return [label for labels in self._labels.get(pattern, {}).values() for label in labels]

    def is_cluttered(self) -> bool:
        """Whether most patterns belong to names that are gone, so that `tidied` is worth its time."""
        with self._lock:
            gone = sum(1 for labels in self._labels.values() if not labels)
        return gone > max(_SLICE, len(self._labels) // 2)

    def tidied(self) -> Gazetteer:
        """A new gazetteer with the same names and without what is left of those that are gone."""
        fresh = Gazetteer()
        with self._lock:
            graphs = {graph: {pattern: self._labels[pattern][graph] for pattern in patterns} for graph, patterns in self._graphs.items()}
        for graph, patterns in graphs.items():
            fresh._graphs[graph] = set(patterns)
            for pattern, labels in patterns.items():
                fresh._put(pattern, graph, labels)
        return fresh

    def _put(self, pattern: str, graph: int, labels: tuple[Label, ...]) -> None:
        if pattern not in self._labels:
            self._labels[pattern] = {}
            words = pattern.split(" ")
            self._words.update(words)
            # The matcher takes the hashes of a Doc's words as well as the Doc: it keeps these itself, and pickles them. Four times faster.
            self._matcher.add(pattern, [[self._strings.add(word) for word in words]])
        self._labels[pattern][graph] = labels


def _patterns(label: Label) -> list[tuple[str, Label]]:
    """What the label looks like in a text: itself, and without a qualifier in brackets at its end."""
    found = [(pattern, label)] if (pattern := pattern_of(label.text)) else []
    qualified = _QUALIFIED.fullmatch(label.text)
    if qualified and (pattern := pattern_of(qualified["bare"])):
        kind = max(label.kind, Kind.UNQUALIFIED)
        found.append((pattern, replace(label, text=qualified["bare"], kind=kind)))
    return found


def pattern_of(name: str) -> str | None:
    """The words' keys that `name` is matched by; None for a single character, a number, or nothing but signs."""
    found = keys(name) if len(name) <= 40 * LONGEST else []
    spoken = [key for key in found if is_word(key)]
    letters = "".join(spoken)
    if not letters or len(found) > LONGEST or len(letters) < 2 or letters.isnumeric():
        return None
    return " ".join(found)
