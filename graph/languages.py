"""Languages: a cheap guess at a text's language, and the words that are too ordinary to name anything.

The guess reads the script where that is enough, else counts function words (spaCy's lists, which come with the library).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from runpy import run_path
from typing import cast

import spacy

from .analysis import name_words, terms

SPOKEN = ("en", "fr", "de", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "ro", "tr", "hu", "ca", "id", "cs", "ru", "uk")
"""Languages whose function words are counted."""

_SCRIPTS = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7a3]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("th", re.compile("[\u0e01-\u0e5b]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
)
_LEAST_EVIDENCE = 2
_LOOKED_AT = 2_000


def guess(words: Iterable[str]) -> str | None:
    """The ISO 639-1 code of the language that these lower-case words are in; None when they tell too little.

    A script that one language owns decides by its share of the words; else at least two function words must speak for a
    language, and more than for any other (English wins a tie).
    """
    found = list(words)
    foreign = [word for word in found if not word.isascii()]
    for language, script in _SCRIPTS if foreign else ():
        if 2 * sum(1 for word in foreign if script.search(word)) > len(found):
            return language
    owners = _owners()
    votes = Counter(language for word in set(found) for language in owners.get(word, ()))
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0] != "en"))
    if not ranked or ranked[0][1] < _LEAST_EVIDENCE:
        return None
    tied = len(ranked) > 1 and ranked[1][1] == ranked[0][1] and ranked[0][0] != "en"
    return None if tied else ranked[0][0]


def is_ordinary(word: str, language: str | None) -> bool:
    """Whether the lower-case word is a function word, in English or in the language given (a BCP 47 tag)."""
    owners = _owners().get(word, ())
    return "en" in owners or (language is not None and language.partition("-")[0].lower() in owners)


def search_terms(text: str) -> list[str]:
    """The terms by which a text is found, and those of a question that looks for it.

    Those of `analysis.terms`, and for a text that is plainly in another language than English also the stems of that language,
    without its function words: so a text and a question meet in their own language, and still where a question is too short to tell.
    """
    found = terms(text)
    if text.isascii() and len(found) < _LEAST_EVIDENCE:
        return found
    words = name_words(text[:_LOOKED_AT])
    language = guess(words)
    if language is None or language == "en" or language not in SPOKEN:
        return found
    ordinary = {term for word in set(words) if is_ordinary(word, language) for term in (*terms(word), *terms(word, language))}
    both = [*terms(text, language), *found]
    return [term for term in both if term not in ordinary] or found


@lru_cache(maxsize=4_096)
def question_terms(question: str) -> tuple[str, ...]:
    """The `search_terms` of a question, each once; remembered, since a question is looked at from many sides."""
    return tuple(dict.fromkeys(search_terms(question)))


@cache
def _owners() -> dict[str, tuple[str, ...]]:
    """For each function word the languages that have it."""
    lists = Path(spacy.__file__).parent / "lang"
    owners: dict[str, tuple[str, ...]] = {}
    for language in SPOKEN:  # run by themselves: the package around French's takes two seconds to import
        for word in cast("set[str]", run_path(str(lists / language / "stop_words.py"))["STOP_WORDS"]):
            owners[word] = (*owners.get(word, ()), language)
    return owners
