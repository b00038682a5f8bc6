"""Which predictions are worth running, and what came of those that were: one model a tenant, and its account.

Every prediction is scored when the next operation comes, whether it was run or not, in bins of how likely it was said to be. The bar is
the least likeliness above which at least `wanted` of the predictions came true lately; where no bin reaches that, nothing is run until
one does again, and only one session in four is still learned from. What was run and not asked for raises what is wanted of predictions.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from time import monotonic

from .operations import Found, Operation, Session, symbol
from .prefetch import Prediction, Predictor

_BINS = 20
_FORGET = 0.995
_EVIDENCE = 8.0
"""Predictions, recent ones, without which a bin says nothing."""
_STRICTEST = 0.95
_STEP = 0.02
_QUIET = 600.0
"""Seconds after which an agent begins a new session."""
_SESSIONS = 2_000
_TRIAL = 200
"""Operations during which everything is learned from, whether it pays or not."""
_SAMPLED = 4
_CONSIDERED = 8


@dataclass(slots=True)
class Account:
    """What one model did since this process began, on this replica. Counts of operations, and seconds of execution.

    `hits` were in the cache anyway, `misses` were executed, `used` were in the cache since they had been prefetched. `wasted` prefetches
    were not asked for; `cancelled` ones did not end.
    """

    predicted: int = 0
    right: int = 0
    hits: int = 0
    misses: int = 0
    issued: int = 0
    used: int = 0
    wasted: int = 0
    cancelled: int = 0
    spent: float = 0.0
    spent_in_vain: float = 0.0

    @property
    def precision(self) -> float:
        """How much of what was prefetched, and is settled, was asked for."""
        return self.used / max(1, self.used + self.wasted)

    @property
    def coverage(self) -> float:
        """How many of the misses that there would have been were hits."""
        return self.used / max(1, self.used + self.misses)

    @property
    def uplift(self) -> float:
        """By how much the share of hits rose."""
        return self.used / max(1, self.used + self.misses + self.hits)


_COUNTED = tuple(one.name for one in fields(Account))


@dataclass(slots=True)
class _Watched:
    session: Session
    at: float
    predictions: list[Prediction] = field(default_factory=list[Prediction])


class Anticipation:
    """The model of one tenant, its agents' sessions, and its account. `wanted`: the precision below which nothing is run."""

    def __init__(self, wanted: float = 0.6, clock: Callable[[], float] = monotonic) -> None:
        self.predictor = Predictor()
        self.account = Account()
        self.learned = 0
        self._least = self._wanted = wanted
        self._clock = clock
        self._sessions: OrderedDict[tuple[str, str], _Watched] = OrderedDict()
        self._asked = [0.0] * _BINS
        self._true = [0.0] * _BINS

    @property
    def bar(self) -> float | None:
        """How likely an operation must be to be run ahead; None: nothing is, since it would not pay."""
        asked = true = 0.0
        found = None
        for place in range(_BINS - 1, -1, -1):
            asked += self._asked[place]
            true += self._true[place]
            if asked >= _EVIDENCE and true / asked >= self._wanted:
                found = place / _BINS
        return found

    def heard(self, agent: str, kind: str, name: str, came: Operation, found: Found | None) -> list[Prediction]:
        """Learn that an agent's operation was answered, in its session of that name; what is worth running now, best first."""
        bar = self.bar
        if bar is None and self.learned > _TRIAL and symbol(agent, name) % _SAMPLED:
            self._sessions.pop((agent, name), None)
            return []
        watched = self._watched(agent, kind, name)
        self._score(watched, came)
        self.predictor.observe(watched.session, came, found)
        watched.predictions = self.predictor.predict(watched.session, _CONSIDERED)
        self.learned += 1
        return [] if bar is None else [one for one in watched.predictions if one.chance >= bar]

    def lose(self, agent: str, name: str) -> None:
        """Begin a session anew, of which something was not heard."""
        self._sessions.pop((agent, name), None)

    def settle(self, *, used: bool, seconds: float = 0.0) -> None:
        """A prefetch was asked for, or, having taken so many seconds, it was in vain."""
        if used:
            self.account.used += 1
            self._wanted = max(self._least, self._wanted - _STEP / 2)
        else:
            self.account.wasted += 1
            self.account.spent_in_vain += seconds
            self._wanted = min(_STRICTEST, self._wanted + (_STEP if self.account.precision < self._least + _STEP else 0.0))

    def _watched(self, agent: str, kind: str, name: str) -> _Watched:
        now = self._clock()
        watched = self._sessions.pop((agent, name), None)
        if watched is None or now - watched.at > _QUIET:
            watched = _Watched(Session(agent, kind), now)
        watched.at = now
        self._sessions[agent, name] = watched
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return watched

    def _score(self, watched: _Watched, came: Operation) -> None:
        if not watched.predictions:
            return
        self.account.predicted += 1
        self.account.right += watched.predictions[0].operation.exact == came.exact
        self._asked = [one * _FORGET for one in self._asked]
        self._true = [one * _FORGET for one in self._true]
        for one in watched.predictions:
            place = min(_BINS - 1, int(one.chance * _BINS))
            self._asked[place] += 1
            self._true[place] += one.operation.exact == came.exact


class Anticipations:
    """The models of all tenants of this process; the one that was used longest ago is forgotten when there are too many.

    Whoever runs something by them adds how to stop it to `closing`, and how to wait for it to `settling`.
    """

    def __init__(self, wanted: float = 0.6, most: int = 64) -> None:
        self._wanted, self._most = wanted, most
        self._held: OrderedDict[str, Anticipation] = OrderedDict()
        self._forgotten = dict.fromkeys(_COUNTED, 0.0)
        self.closing: list[Callable[[], Awaitable[None]]] = []
        self.settling: list[Callable[[], Awaitable[None]]] = []

    def of(self, tenant: str) -> Anticipation:
        """The model of a tenant, a new one when there was none."""
        found = self._held.get(tenant)
        if found is not None:
            self._held.move_to_end(tenant)
            return found
        found = self._held[tenant] = Anticipation(self._wanted)
        while len(self._held) > self._most:
            _, forgotten = self._held.popitem(last=False)
            for name in _COUNTED:
                self._forgotten[name] += getattr(forgotten.account, name)
        return found

    def total(self, name: str) -> float:
        """A figure of the account, added up over all models that there are and were."""
        return self._forgotten[name] + sum(getattr(model.account, name) for model in self._held.values())

    def all(self) -> dict[str, Anticipation]:
        """Every model, by tenant."""
        return dict(self._held)

    async def close(self) -> None:
        """Stop what runs by these models."""
        for close in self.closing:
            await close()
