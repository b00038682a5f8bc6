"""How a text is worded, for comparing what memories say: its words, the values in it, and the frame that is left without them.

Deterministic, without a model, and made to err on the side of "not the same": a value is a number, a name (a capital within a
sentence) or a name of a day or month that begins with a capital; signs are the words that turn a statement round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from ..graph.analysis import UNSPACED, fold

LONGEST = 20_000
"""Longer texts are not looked into."""

_TOKEN = re.compile(
    rf"""(?P<number>[$€£¥]?\d+(?:[.,:/\-]\d+)*(?:%|[€$£¥]|(?:st|nd|rd|th|am|pm)\b)?)
    |(?P<unspaced>[{UNSPACED}])
    |(?P<word>[^\W\d_{UNSPACED}]+(?:'[^\W\d_{UNSPACED}]+)*)
    |(?P<end>[.!?…。！？]+(?=\s|$)|[。！？]|\n)
    |(?P<between>[,;:]\ ?)""",
    re.VERBOSE,
)  # fmt: skip
_SENTENCE = re.compile(r"(?:[^\n.!?…。！？]|[.!?…](?!\s|$))+(?:[.!?…。！？]+|\n|$)")
_NUMBERS = frozenset({
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty",
    "hundred", "thousand",
})  # fmt: skip
SIGNS = frozenset({
    "not", "no", "never", "without", "neither", "nor", "none", "nothing", "nobody", "cannot", "on", "off", "before", "after", "up",
    "down", "in", "out", "more", "less", "most", "least", "open", "closed", "yes", "left", "right", "all", "only", "until", "since",
    "true", "false", "nicht", "kein", "keine", "keinen", "nie", "ohne", "vor", "nach", "auf", "zu", "an", "aus", "mehr", "weniger",
    "pas", "jamais", "sans", "avant", "apres", "plus", "moins", "non", "nunca", "sin", "antes", "despues", "mas", "menos", "mai",
    "senza", "不", "没", "無", "无", "非",
})  # fmt: skip
"""Words that turn a statement round: texts that differ in them do not say the same."""

SOFT = frozenset({
    "a", "an", "the", "now", "currently", "actually", "still", "already", "just", "again", "so", "well", "ok", "okay", "der", "die",
    "das", "den", "dem", "ein", "eine", "einen", "jetzt", "nun", "aktuell", "le", "la", "les", "un", "une", "maintenant", "el", "los",
    "las", "una", "ahora", "il", "lo", "gli", "adesso",
})  # fmt: skip
"""Words that a newer statement of the same may have or lack."""

Value: TypeAlias = str


@dataclass(frozen=True, slots=True)
class Wording:
    """A text as it is compared. All in the order of the text, case folded, accents stripped.

    `frame` holds the words but the soft ones, and `None` for each value; values that stand together are one.
    `sentences` counts them; `question`: whether one of them asks.
    """

    words: tuple[str, ...]
    values: tuple[Value, ...]
    frame: tuple[str | None, ...]
    signs: tuple[str, ...]
    sentences: int
    question: bool


def is_number(value: Value) -> bool:
    """Whether a value counts or measures something."""
    return any(character.isdigit() for character in value) or not _NUMBERS.isdisjoint(value.split())


class _Reading:
    """The state of reading a text from its start to its end."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.values: list[Value] = []
        self.frame: list[str | None] = []
        self.signs: list[str] = []
        self.sentences = 0
        self.question = False
        self.begins = True
        self.joined = False
        """Whether the last token was a value, which the next may belong to."""

    def value(self, text: str) -> None:
        self.words.append(text)
        if self.joined:
            self.values[-1] += f" {text}"
        else:
            self.values.append(text)
            self.frame.append(None)
        self.joined = True

    def word(self, text: str) -> None:
        self.words.append(text)
        self.joined = False
        if text in SIGNS or text.endswith("n't"):
            self.signs.append(text)
        if text not in SOFT:
            self.frame.append(text)

    def end(self, mark: str) -> None:
        self.question = self.question or "?" in mark or "？" in mark
        self.sentences += not self.begins
        self.begins, self.joined = True, False


def sentences(text: str) -> list[str]:
    """The sentences of `text`; of a text longer than `LONGEST` characters, of its beginning."""
    return [sentence for sentence in _SENTENCE.findall(text[:LONGEST]) if not sentence.isspace()]


def wording(text: str) -> Wording:
    """How `text` is worded; of a text longer than `LONGEST` characters, its beginning."""
    reading = _Reading()
    for match in _TOKEN.finditer(text[:LONGEST].replace("’", "'")):
        found = match.group()
        if match.lastgroup == "end":
            reading.end(found)
            continue
        if match.lastgroup == "between":
            reading.joined = reading.joined and found.startswith(",")
            continue
        folded = fold(found)
        named = match.lastgroup == "word" and found[0].isupper() and not reading.begins and folded.partition("'")[0] != "i"
        if match.lastgroup == "number" or named or folded in _NUMBERS:
            reading.value(folded)
        else:
            reading.word(folded)
        reading.begins = False
    reading.end("")
    return Wording(
        tuple(reading.words), tuple(reading.values), tuple(reading.frame), tuple(reading.signs), reading.sentences, reading.question
    )  # fmt: skip
