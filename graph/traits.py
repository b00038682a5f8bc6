"""What a text shows on its surface: its heading, and traits such as holding a date. Recall compares them with a question's form.

Traits are cheap signs, not understanding: words and characters of some languages, nothing more.
"""

from __future__ import annotations

import re
from types import MappingProxyType

ASKS, TIME, NUMBER, NAME = "asks", "time", "number", "name"
TRAITS = (ASKS, TIME, NUMBER, NAME)

_LONGEST_HEADING = 80
_QUESTION_END = re.compile(r"[?？؟;]\W*$")
_MARKED = re.compile(r"\s*#{1,6}\s+(?P<heading>\S[^\n]*)\n")
_COLON = re.compile(r"\s*(?P<heading>[^:：.。?？!！;\n]{2,80})[:：]\s*\S")
_LINE = re.compile(r"\s*(?P<heading>[^\n.。?？!！,;:]{2,80})\n\s*\S")
_FEW, _SMALL = 3, 4
_OPENING = MappingProxyType({")": "(", "]": "[", "）": "（", "】": "【"})
_ASIDE = re.compile(r"\s*\([^)]*\)")
_WORD = re.compile(r"\w+")
_TIME_WORDS = frozenset(
    _WORD.findall("""
    yesterday today tonight tomorrow ago last next monday tuesday wednesday thursday friday saturday sunday january february march april
    may june july august september october november december day days week weeks weekend weekends month months year years
    gestern heute morgen letzte letzten letzter letztes nächste nächsten nächster nächstes woche monat jahr tag tage januar februar märz
    mai juni juli oktober dezember
    hier aujourd demain dernier dernière semaine mois année jour jours janvier février mars avril juin juillet août septembre octobre
    novembre décembre
    ayer hoy mañana pasado pasada semana mes año día días enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre
    diciembre
    """)
)
_TIMES = re.compile(
    r"\bthis morning\b|\b(?:19|20)\d\d\b|\d{1,2}[:/.-]\d{1,2}\b|昨天|今天|明天|去年|今年|明年|上周|下周|上个月|下个月|星期|[年月日号]"
)
_NUMBER_WORDS = frozenset(
    _WORD.findall("""
    one two three four five six seven eight nine ten once twice dozen several couple zwei drei vier fünf deux trois quatre cinq dos tres
    cuatro cinco
    """)
)
_NUMBERS = re.compile(r"[\d一二三四五六七八九十百千两几]")
_NAMES = re.compile(r"(?<=[^\W\d_A-Z,;] )[^\W\d_a-z]\w*[a-z]")


def heading(text: str) -> str | None:
    """What the text's heading says it is about, asides in brackets left out; None where it begins without one.

    A heading is a first line that is marked with `#` or is short and no sentence, or what stands before the first colon and could be a
    name: of at most three words, or with capitals but for its small words. More than twice as much text must follow.
    """
    for pattern in (_MARKED, _COLON, _LINE):
        match = pattern.match(text)
        if match is None or len(match["heading"]) > _LONGEST_HEADING or len(text) <= 2.5 * len(match["heading"]):
            continue
        if pattern is not _COLON or _could_name(match["heading"]):
            return _ASIDE.sub("", match["heading"]).strip() or None
    return None


def _could_name(words: str) -> bool:
    found = _ASIDE.sub("", words).split()
    return len(found) <= _FEW or all(not word[0].islower() or len(word) <= _SMALL for word in found)


def traits(text: str) -> list[str]:
    """The traits of a text: ASKS (it ends with a question, an aside in brackets left out), TIME, NUMBER, NAME (it holds such a thing)."""
    lower = text.lower()
    words = _WORD.findall(lower)
    shown = {
        ASKS: _QUESTION_END.search(_without_aside(text)) is not None,
        TIME: not _TIME_WORDS.isdisjoint(words) or _TIMES.search(lower) is not None,
        NUMBER: not _NUMBER_WORDS.isdisjoint(words) or _NUMBERS.search(text) is not None,
        NAME: _NAMES.search(text) is not None,
    }
    return [trait for trait in TRAITS if shown[trait]]


def _without_aside(text: str) -> str:
    """`text` without what stands in brackets at its end; the whole where nothing else is there."""
    bare = text.rstrip()
    start = bare.rfind(_OPENING[bare[-1]]) if bare[-1:] in _OPENING else -1
    return bare[:start] if start > 0 else text
