"""Cairn's own text analysis: from text to the terms that full-text search compares.

Terms are kept in a `terms` property under Neo4j's whitespace analyser, so what a term is gets decided here and nowhere else.
Guarantee: a term holds only letters, digits and the marks that belong to a letter: no white space and nothing that Lucene's
query syntax gives a meaning to. The same text gives the same terms on every machine.

Stemming is Snowball's (Porter, https://snowballstem.org). Scripts written without spaces are cut into overlapping pairs of
characters, Han characters also into single ones (Nie, Gao, Zhang and Zhou 2000: pairs and singles together rank best).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from hashlib import sha256
from threading import Lock
from typing import Protocol, cast

import snowballstemmer

MAX_TERM = 64
"""A longer word is cut to this many characters, in texts and in queries alike."""

MAX_QUERY_TERMS = 256
"""`lucene_any` keeps this many different terms; Lucene refuses a query of more than 1,024."""

STOP_WORDS = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "d", "did", "do", "does", "for", "from", "had",
    "has", "have", "he", "her", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "ll", "m", "me", "my", "no", "not",
    "of", "on", "or", "our", "re", "s", "she", "so", "such", "t", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "us", "ve", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why",
    "will", "with", "would", "you", "your",
})  # fmt: skip
"""English function words. They are left out of a text's terms, unless it consists of nothing else."""

_WITH_STOP_WORDS = frozenset({"", "en"})

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
UNSPACED = (
    _HAN
    + "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff"  # kana, bopomofo
    + "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"  # Hangul
    + "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ec6\u0ec8-\u0ecd\u1000-\u103f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
)
"""Characters of scripts written without spaces, for a regular expression's character class."""

MARKS = "".join(re.escape(chr(code)) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in {"Mn", "Mc"})
"""Marks that belong to the letter before them, for a regular expression's character class."""

_ASCII_WORD = re.compile(r"[0-9a-z]+")
_WORD = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+(?:[{MARKS}]+[^\W_{UNSPACED}]*)*")
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_IS_HAN = re.compile(f"[{_HAN}]")
_ACCENT = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]+")
_WITHOUT_DECOMPOSITION = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})

_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "eo":
    "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru":
    "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_SCRIPTS = (("a", "\u024f", "en"), ("\u0370", "\u03ff", "el"), ("\u0400", "\u052f", "ru"), ("\u0530", "\u058f", "hy"),
            ("\u0600", "\u06ff", "ar"), ("\u0900", "\u097f", "hi"), ("\u0b80", "\u0bff", "ta"))  # fmt: skip


_stemming = Lock()


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


def terms(text: str, lang: str | None = None) -> list[str]:
    """The stemmed terms of `text` in order, repetitions kept.

    `lang` is a BCP 47 tag that picks the stemmer; a language without one is not stemmed. Without `lang` each word's script
    decides, and Latin letters are taken for English.
    """
    language = lang.partition("-")[0].lower() if lang else ""
    found: list[str] = []
    dropped: list[str] = []
    for word in _words(text):
        if _IS_UNSPACED.match(word):
            found += _parts(fold(word))
        elif term := _term(word[:MAX_TERM], language):
            (dropped if word in STOP_WORDS and language in _WITH_STOP_WORDS else found).append(term)
    return found or dropped


def name_words(text: str) -> list[str]:
    """The words of a name as they are spelled, case folded and accents stripped: what tells one name from another."""
    return _WORD.findall(fold(text))


def label_tokens(text: str) -> list[str]:
    """The terms of a name in order: its words, nothing stemmed, nothing left out, unspaced scripts cut as in `terms`.

    Idempotent: the tokens of the joined tokens are the same tokens (for unspaced scripts: the same set).
    """
    if text.isascii():
        return [word[:MAX_TERM] for word in _ASCII_WORD.findall(text.lower())]
    return [part for word in name_words(text) for part in _parts(word)]


def fold(text: str) -> str:
    """`text` with case, compatibility forms and accents taken away; marks that spell (Devanagari, Thai, kana) stay. Idempotent."""
    if text.isascii():
        return text.lower()
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", _compatible(text))).translate(_WITHOUT_DECOMPOSITION)
    return unicodedata.normalize("NFC", bare)


def lucene_any(wanted: Iterable[str]) -> str:
    """A Lucene group that matches any of `wanted`, to stand after `field:`. Repetitions are dropped; empty when there are none.

    `wanted` must come from `terms` or `label_tokens`: nothing is escaped, because nothing in them needs it.
    """
    unique = list(dict.fromkeys(wanted))[:MAX_QUERY_TERMS]
    return f"({' '.join(unique)})" if unique else ""


def scope_key(path: str) -> str:
    """A scope's name in full-text filters: 16 hex digits of its SHA-256, so that a path's slashes and case can't be misread."""
    return sha256(path.encode("utf-8")).hexdigest()[:16]


def _compatible(text: str) -> str:
    """NFKC with case folding, to its fixed point (Unicode's NFKC_Casefold, except for ignorable characters)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded if folded == text else _compatible(folded)


def _words(text: str) -> list[str]:
    return _ASCII_WORD.findall(text.lower()) if text.isascii() else _WORD.findall(_compatible(text))


@lru_cache(maxsize=200_000)
def _term(word: str, language: str) -> str:
    """The term of one word of a spaced script; empty when nothing of it is left."""
    tongue = language or _script(word)
    spelled = fold(word) if tongue == "en" else word  # other languages' stemmers look at accents
    stemmer = _stemmer(tongue)
    if stemmer is None:
        return fold(spelled)[:MAX_TERM]
    with _stemming:  # a Snowball stemmer keeps the word it works on in itself
        stem = stemmer.stemWord(spelled)
    return fold(stem)[:MAX_TERM]


def _parts(word: str) -> list[str]:
    if not _IS_UNSPACED.match(word):
        return [word[:MAX_TERM]] if word else []
    pairs = [word[i : i + 2] for i in range(len(word) - 1)]
    return [*pairs, *_IS_HAN.findall(word)] if pairs else [word]


def _script(word: str) -> str:
    first = word[0]
    return next((language for low, high, language in _SCRIPTS if low <= first <= high), "")


@cache
def _stemmer(language: str) -> _Stemmer | None:
    name = _STEMMERS.get(language)
    make = cast("Callable[[str], _Stemmer]", vars(snowballstemmer)["stemmer"])
    return make(name) if name else None
