"""Words of a text for matching names: where each stands, and the key under which spellings of it meet.

Cutting is free of context: a name is cut into the same keys alone and inside any text, wherever it begins and ends at a word's
edge. Offsets are code points of the original text, as Python counts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from ..graph.analysis import MARKS, UNSPACED, fold

T = TypeVar("T")
_LONGEST = 100
_NO_PLURALS = frozenset({"always", "arms", "customs", "does", "glasses", "goods", "lens", "means", "news", "perhaps", "series", "species"})

_TOKEN = re.compile(
    rf"[{UNSPACED}]"  # scripts without spaces: each character
    rf"|[^\W_{UNSPACED}]+(?:[{MARKS}]+[^\W_{UNSPACED}]*)*"  # a word with the marks on its letters
    r"|\n[ \t\r]*\n|\.(?=\s|$)"  # an empty line and a full stop end what can be one name
    r"|[^\s\w.'’‘`\"“”«»*\-‐‑–]"  # other signs count, except quotes, hyphens and stops inside an abbreviation
)
_SENTENCE_END = re.compile(r"(?:^|[.!?…:;\n•|>–—])[\s\"'“‘«(\[*\-•]*$")
_ABBREVIATION = re.compile(r"(?:^|\W)(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Gen|Col|Sgt|Rev|Hon|Mt|vs|No|Inc|Ltd|Co)\.\s*$")


@dataclass(frozen=True, slots=True)
class Word:
    """`text[start:end]`, and the key it is compared by."""

    start: int
    end: int
    key: str


def words(text: str) -> list[Word]:
    """The words of `text` in order."""
    return [Word(match.start(), match.end(), key(match.group())) for match in _TOKEN.finditer(text)]


def keys(text: str) -> list[str]:
    """The keys of the words of `text`, in order; full stops at its end are left out."""
    found = [key(token) for token in _TOKEN.findall(text)]
    while found and found[-1] == ".":
        found.pop()
    return found


def key(word: str) -> str:
    """The key of one word, without white space: case, accents and an English plural taken away (Harman 1991, the "S stemmer")."""
    return _key(word[:_LONGEST])


@lru_cache(maxsize=200_000)
def _key(word: str) -> str:
    if word.isspace():
        return "¶"
    folded = "".join(fold(word).split())  # some signs unfold into a space and an accent
    if len(folded) < 4 or not folded.endswith("s") or not folded.isascii() or folded in _NO_PLURALS:
        return folded or word
    if folded.endswith("ies"):
        return folded if folded.endswith(("eies", "aies")) else folded[:-3] + "y"
    if folded.endswith("es"):
        return folded if folded.endswith(("aes", "ees", "oes")) else folded[:-1]
    return folded if folded.endswith(("us", "ss")) else folded[:-1]


def is_word(token: str) -> bool:
    """Whether the token is made of letters or digits, not of signs."""
    return any(character.isalnum() for character in token)


def starts_sentence(text: str, start: int) -> bool:
    """Whether a capital at `start` may be there only because a sentence, a line or a quotation begins."""
    before = text[max(0, start - 40) : start]
    return _SENTENCE_END.search(before) is not None and _ABBREVIATION.search(before) is None


def is_shouted(text: str) -> bool:
    """Whether capitals say nothing in `text`: it has several words and no lower-case letter."""
    return text.upper() == text and text.lower() != text and len(text.split()) > 2


def apart(spans: Iterable[T], bounds: Callable[[T], tuple[int, int]], length: int) -> list[T]:
    """Those of `spans`, best first, that overlap none taken before, in the order of the text. `length` bounds all offsets."""
    taken = bytearray(length)
    chosen: list[T] = []
    for span in spans:
        start, end = bounds(span)
        if not any(taken[start:end]):
            taken[start:end] = b"\x01" * (end - start)
            chosen.append(span)
    return sorted(chosen, key=bounds)


def surface(text: str, found: Sequence[Word]) -> str:
    """The stretch of `text` from the first of these words to the last."""
    return text[found[0].start : found[-1].end]
