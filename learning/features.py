"""What recall measures of each candidate: the features of the ranker. `docs/recall.md` says how to read them.

Measures without a scale of their own are standardised within the question's candidates (z-scores), the others are 0 to 1, or -1 to 0
where they speak against a candidate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ..graph.analysis import UNSPACED, name_words, terms
from ..graph.languages import question_terms
from ..graph.profiles import Direction, cosines
from ..graph.search import Candidate
from ..graph.searchable import PLAIN, Index
from ..graph.traits import ASKS
from .forms import Form
from .senses import NOTHING, Meant
from .words import Vector, Words, by_rank, standardised

NAMES = (
    "terms", "context", "reply", "passage", "coverage", "kin", "meaning", "nearby", "gist", "topic", "beside", "around", "speaker",
    "about", "bridge", "entities", "answer", "statement", "time", "session", "goals", "importance", "recency", "used", "asked", "current",
    "length",
)  # fmt: skip
"""The features, in the order of a model's weights."""

_TOPIC = 3
_HALF_LIFE_DAYS = 30.0
_DAY = 86_400.0
_MOST_USED = 8
_BESIDE = 0.8
"""What a turn beside a memory counts for it."""
_SMALLEST = 1e-4


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as its features see it. `session` is the one that runs, `at` the instant of asking, `index` what candidates' terms are
    keyed with, `goals` where the agent's goals point, `meant` what its words mean.
    """

    text: str
    form: Form
    session: str | None
    at: datetime
    index: Index = PLAIN
    goals: tuple[tuple[float, ...], ...] = ()
    meant: Meant = NOTHING


@dataclass(frozen=True, slots=True)
class Measured:
    """The candidates' features: one row a candidate, one column a name. `terms` are the question's, keyed as the candidates' are."""

    values: Vector
    terms: frozenset[str]


def measure(asked: Asked, found: Sequence[Candidate], bridges: Vector | None = None) -> Measured:
    """The features of every candidate. `bridges` are what `bridging.bridge` found, zeros otherwise.

    `beside` and `around` are zeros, to be filled in by `surroundings.surround`.
    """
    spelled = {speaker: " ".join(name_words(speaker)) if speaker else "" for speaker in {one.speaker for one in found}}
    speakers = [spelled[one.speaker] for one in found]
    named = _named(asked.text, speakers)
    plain = question_terms(asked.text)
    wanted = dict(zip(asked.index.tokens(plain), plain, strict=True))
    sought = frozenset(wanted)
    spoken = {term for name in named for term in asked.index.tokens(terms(name))}
    words = Words([one.words for one in found], [term for term in wanted if term not in spoken] or list(wanted))
    before, after = neighbours(found)
    own = words.scores()
    near = np.array([one.cosine for one in found])
    around = np.append(near, near.mean() if len(near) else 0.0)
    occurred = np.array([one.occurred for one in found], dtype=np.float64) / 1000.0
    rare = words.rare()
    columns = {
        "terms": by_rank(own),
        "context": standardised(words.with_neighbours(before, after)),
        "reply": _replies(found, own, before),
        "passage": by_rank(words.of_passages()),
        "coverage": standardised(words.coverage()),
        "kin": standardised(_kin(asked, words, wanted, before, after)),
        "meaning": standardised(near),
        "nearby": standardised(around[before] + around[after]),
        "gist": standardised(_gist(found, asked.meant.pointing([wanted[term] for term in words.terms], words.rarity))),
        "topic": standardised(_topics(found, own)),
        "speaker": np.array([float(name in named) for name in speakers]),
        "about": _about(found, sought, rare),
        "bridge": np.zeros(len(found)) if bridges is None else bridges,
        "entities": np.array([one.shared / (1.0 + one.shared) for one in found]),
        "answer": _answering(found, asked.form),
        "statement": np.array([-1.0 if ASKS in one.traits else 0.0 for one in found]),
        "time": _timely(occurred, asked.form.within),
        "session": np.array([float(asked.session is not None and one.session == asked.session) for one in found]),
        "goals": _toward(found, asked.goals),
        "importance": np.array([one.importance for one in found]),
        "recency": 0.5 ** (np.maximum(0.0, asked.at.timestamp() - occurred) / _DAY / _HALF_LIFE_DAYS),
        "used": np.minimum(1.0, np.log1p([one.used for one in found]) / math.log1p(_MOST_USED)),
        "asked": _asked_before(found, sought, rare, asked.index),
        "current": np.array([-1.0 if one.superseded and not asked.form.past else 0.0 for one in found]),
        "length": standardised(np.log1p(words.lengths[:-1])),
        "beside": np.zeros(len(found)),
        "around": np.zeros(len(found)),
    }
    return Measured(np.column_stack([columns[name] for name in NAMES]).reshape(len(found), len(NAMES)), sought)


def _toward(found: Sequence[Candidate], goals: Sequence[Sequence[float]]) -> Vector:
    """The cosine of each candidate to the goal nearest to it, 0 at least."""
    if not found or not goals:
        return np.zeros(len(found))
    return np.maximum(0.0, cosines([one.vector for one in found], goals).max(axis=1))


def _named(question: str, speakers: Sequence[str]) -> set[str]:
    """The speakers, as `name_words` spells them, whom the question names by their whole or first name."""
    asked = f" {' '.join(name_words(question))} "
    return {name for name in set(speakers) if name and any(_stands(part, asked) for part in (name, name.split()[0]))}


def _stands(name: str, asked: str) -> bool:
    if name[0] in UNSPACED or not name.isascii():
        return len(name) > 1 and name in asked
    return len(name) > 1 and f" {name} " in asked


def neighbours(found: Sequence[Candidate]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of what comes before and after each candidate in its session, -1 where that is not among them."""
    place = {one.id: at for at, one in enumerate(found)}
    after = np.array([place.get(one.next or "", -1) for one in found], dtype=np.intp)
    before = np.full(len(found), -1, dtype=np.intp)
    for at, following in enumerate(after):
        if following >= 0:
            before[following] = at
    return before, after


def _replies(found: Sequence[Candidate], own: Vector, before: NDArray[np.intp]) -> Vector:
    """How well the turn before a candidate answers, where that turn asks something itself: what follows may be what was asked for."""
    asks = np.array([*(ASKS in one.traits for one in found), False])
    return np.where(asks[before], np.append(standardised(own), 0.0)[before], 0.0)


def _kin(asked: Asked, words: Words, wanted: Mapping[str, str], before: NDArray[np.intp], after: NDArray[np.intp]) -> Vector:
    """How much of the question, by rarity, each candidate or a turn beside it has in the same words or in words like them."""
    others = [
        (word, at, value)
        for at, term in enumerate(words.terms)
        if (sense := asked.meant.words.get(wanted[term]))
        for word, value in zip(asked.index.tokens(sense.terms), sense.nearness, strict=True)
    ]
    near = words.kin(others)
    return np.maximum.reduce([near[:-1], _BESIDE * near[before], _BESIDE * near[after]]) @ words.rarity


def _gist(found: Sequence[Candidate], wanted: Direction) -> Vector:
    """The cosine of each candidate to where the question points, both seen from the middle of all candidates; 0 where there is none."""
    length = len(wanted)
    there = [at for at, one in enumerate(found) if length and len(one.vector) == length]
    values = np.zeros(len(found))
    if there:
        rows = np.array([found[at].vector for at in there])
        middle = rows.mean(axis=0)
        rows -= middle
        lengths = np.linalg.norm(rows, axis=1)
        across = wanted - middle * (float(middle @ wanted) / (float(middle @ middle) or 1.0))
        values[there] = rows @ across / (np.where(lengths < _SMALLEST, np.inf, lengths) * (float(np.linalg.norm(across)) or 1.0))
    return values.round(6)


def _topics(found: Sequence[Candidate], own: Vector) -> Vector:
    """For each candidate how well its session answers: the mean of the three best in it; what has no session, like the mean of all."""
    sessions: dict[str, list[float]] = defaultdict(list)
    for one, score in zip(found, own.tolist(), strict=True):
        if one.session is not None:
            sessions[one.session].append(score)
    best = {
        session: scores[0] if len(scores) == 1 else sum(sorted(scores)[-_TOPIC:]) / min(_TOPIC, len(scores))
        for session, scores in sessions.items()
    }
    known = [best[one.session] for one in found if one.session is not None]
    middle = sum(known) / len(known) if known else 0.0
    return np.array([middle if one.session is None else best[one.session] for one in found])


def _about(found: Sequence[Candidate], asked: frozenset[str], rare: dict[str, float]) -> Vector:
    """How much of a candidate's heading stands in the question, by rarity and squared."""
    unknown = math.log1p(len(found) / 1.5)
    values = np.zeros(len(found))
    for at, one in enumerate(found):
        if one.heading:
            heading = set(one.heading.split())
            weight = math.fsum(rare.get(word, unknown) for word in heading)
            values[at] = (math.fsum(rare.get(word, unknown) for word in heading & asked) / weight) ** 2 if weight else 0.0
    return values


def _asked_before(found: Sequence[Candidate], asked: frozenset[str], rare: dict[str, float], index: Index) -> Vector:
    """How like the question is to one that the candidate was useful for: the part of both that they share, by rarity and squared."""
    values = np.zeros(len(found))
    if not any(one.asked for one in found):
        return values

    def like(terms: frozenset[str]) -> float:
        both = math.fsum(rare.get(term, 1.0) for term in asked | terms)
        return (math.fsum(rare.get(term, 1.0) for term in asked & terms) / both) ** 2 if both else 0.0

    questions = {question for one in found for question in one.asked}
    known = {question: like(frozenset(index.tokens(question_terms(question)))) for question in questions}
    for at, one in enumerate(found):
        values[at] = max((known[question] for question in one.asked), default=0.0)
    return values


def _answering(found: Sequence[Candidate], form: Form) -> Vector:
    """How much of what the question's form wants each candidate holds."""
    parts = {traits: min(1.0, sum(part for trait, part in form.wanted if trait in traits)) for traits in {one.traits for one in found}}
    return np.array([parts[one.traits] for one in found], dtype=np.float64)


def _timely(occurred: Vector, within: tuple[datetime, datetime] | None) -> Vector:
    """1 for what occurred (in seconds since 1970) in the time that the question names, less the farther from it, by that time's length."""
    if within is None:
        return np.zeros(len(occurred))
    start, end = (at.timestamp() for at in within)
    outside = np.maximum(np.maximum(start - occurred, occurred - end), 0.0)
    return np.exp(-outside / max(end - start, _DAY))
