"""The form of a question: what an answer would hold, whether it asks about the past, and which time it names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ..graph.traits import NAME, NUMBER, TIME

_WANTED = (
    (TIME, 1.0, r"\b(?:when|what (?:date|day|month|year|time)|how long|wann|seit wann|quand|cuándo)\b|什么时候|何时|哪[天年月]|几[点月号]"),
    (NUMBER, 0.7, r"\b(?:how (?:many|much|often|long|old)|wie ?viele?|wie oft|combien|cuánt[oa]s?)\b|多少|几"),
    (NAME, 0.4, r"\b(?:who|where|which|whose|wer|wo|welche[rs]?|qui|où|quel(?:le)?|quién|dónde|cuál)\b|谁|哪里|哪个"),
)
_FORMS = tuple((trait, part, re.compile(pattern, re.IGNORECASE)) for trait, part, pattern in _WANTED)
_PAST = re.compile(
    r"\b(?:used to|before|previously|formerly|originally|at first|back then|in the past|earlier|früher|vorher|avant|autrefois|antes)\b"
    r"|以前|之前|过去|原来",
    re.IGNORECASE,
)
_TIMELY = re.compile(
    r"\d|\b(?:ago|last|yesterday|today|week|month|year|spring|summer|autumn|winter|fall|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|"
    r"february|march|april|may|june|july|august|september|october|november|december|vor|letzte[nrs]?|gestern|dernière?|hier|ayer|pasad[oa])\b"
    r"|昨|去年|上",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DAY = re.compile(r"\b\d{1,2}(?:st|nd|rd|th)?\b(?!\s*(?:weeks?|months?|years?))|day\b|\bago\b|yesterday|today", re.IGNORECASE)
_MONTH = re.compile(r"(?!year|summer|winter|spring|autumn|fall|since|during)\b[^\W\d_]{3,}", re.IGNORECASE)
_WEEK = re.compile(r"\bweek", re.IGNORECASE)
_SURE = re.compile(r"\d|\b(?:ago|last|yesterday|today|week|in|since|during|of)\b|[^\x00-\x7f]", re.IGNORECASE)
_MOST = 400


@dataclass(frozen=True, slots=True)
class Form:
    """`wanted`: traits of a text that could answer, with how much each counts. `past`: it asks how things were.

    `within`: the time that it names, first instant and the one after the last.
    """

    wanted: tuple[tuple[str, float], ...] = ()
    past: bool = False
    within: tuple[datetime, datetime] | None = None


def form(question: str, now: datetime) -> Form:
    """The form of a question that is asked at `now`, on which "last week" depends (to the day)."""
    wanted = tuple((trait, part) for trait, part, pattern in _FORMS if pattern.search(question))
    timely = len(question) <= _MOST and _TIMELY.search(question) is not None
    within = _within(question, now.date().isoformat()) if timely else None
    return Form(wanted, _PAST.search(question) is not None, within)


@lru_cache(maxsize=4_096)
def _within(question: str, day: str) -> tuple[datetime, datetime] | None:
    """The time that a question names, as dateparser reads it; the most exact one, where it names several."""
    from dateparser.search import search_dates

    base = datetime.fromisoformat(day)
    settings = {"RELATIVE_BASE": base, "PREFER_DATES_FROM": "past", "PREFER_DAY_OF_MONTH": "first"}
    languages = ["en"] if question.isascii() else None
    try:
        named = search_dates(question, languages=languages, settings=settings)  # pyright: ignore[reportArgumentType]
    except (ValueError, OverflowError, RecursionError):
        return None
    sure = _SURE.search(question) is not None
    spans = [_span(text, at.replace(tzinfo=UTC)) for text, at in named or () if len(text) > 2 and (sure or _YEAR.search(text))]
    return min(spans, key=lambda span: span[1] - span[0], default=None)


def _span(text: str, at: datetime) -> tuple[datetime, datetime]:
    """The day, week, month or year that the words of a date stand for."""
    start = at.replace(hour=0, minute=0, second=0, microsecond=0)
    bare = _YEAR.sub("", text)
    if _WEEK.search(bare):
        return start - timedelta(days=start.weekday()), start + timedelta(days=7 - start.weekday())
    if _DAY.search(bare):
        return start, start + timedelta(days=1)
    if _MONTH.search(bare):
        first = start.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    first = start.replace(month=1, day=1)
    return first, first.replace(year=first.year + 1)
