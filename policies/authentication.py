"""Who holds this API key: the first question of every request."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ..errors import CairnError, Unauthenticated
from ..graph.access import Identity
from ..graph.changes import Event
from ..graph.database import Database
from ..graph.flights import PATIENCE_SECONDS, Flights
from ..graph.instants import now
from ..graph.keys import TOUCH_EVERY, ApiKey, find_key, secret_hash, split_token, touch_key
from ..graph.writer import Writer

log = logging.getLogger("cairn.policies")
_INVALID = "the API key is not valid; check that it is whole, or ask an administrator for a new one"
_NO_HASH = secret_hash("")
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Verified:
    """A key whose secret was right. `looked`: when the look at the database began."""

    looked: float
    key: ApiKey
    identity: Identity


class Authenticator:
    """Tells whom an API key stands for. `staleness`, in seconds, is how long a key that was verified is not looked up again.

    Guarantees: secrets are compared in constant time; a malformed, unknown or revoked key and a wrong secret are told apart neither by
    the answer nor by whether a hash is compared; a revoked key
    works for at most `staleness` seconds more on other replicas, not at all on this one, and an expired one nowhere.
    """

    def __init__(self, database: Database, writer: Writer, staleness: float = 0.5, patience: float = PATIENCE_SECONDS) -> None:
        self._database = database
        self._writer = writer
        self._staleness = staleness
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._touching: set[asyncio.Task[None]] = set()
        self._flights: Flights[bytes, None] = Flights(database.closing, patience)
        self._revocations = 0
        writer.listeners.append(self._heed)

    async def authenticate(self, token: str | None) -> Identity:
        """Whom the token stands for. Raises Unauthenticated; Unavailable when Neo4j does not answer."""
        if not token:
            raise Unauthenticated("an API key is needed; send it as the header `Authorization: Bearer cairn_...`")
        parts = split_token(token)
        if parts is None:
            raise Unauthenticated(_INVALID)
        place = sha256(token.encode("ascii")).digest()
        since = _clock() - self._staleness
        while (found := self._verified.get(place)) is None or found.looked < since:
            await self._flights.join(place, lambda: self._verify(place, *parts))
        key = found.key
        if key.expires_at is not None and key.expires_at <= now():
            raise Unauthenticated("the API key has expired; ask an administrator for a new one")
        self._touch(key)
        return key.identity

    def known(self, token: str) -> Identity | None:
        """What `authenticate` would answer without asking anybody; None when it would not. Looks ahead before it no longer would."""
        if not token.isascii():
            return None
        place, clock = sha256(token.encode("ascii")).digest(), _clock()
        found = self._verified.get(place)
        if found is None or found.looked < clock - self._staleness:
            return None
        if found.key.expires_at is not None and found.key.expires_at <= now():
            return None
        if found.looked < clock - self._staleness / 2 and (parts := split_token(token)) is not None:
            self._flights.start(place, lambda: self._verify(place, *parts))
        self._touch(found.key)
        return found.identity

    async def close(self) -> None:
        """Wait until the uses of keys that were seen are noted."""
        await asyncio.gather(*self._touching, return_exceptions=True)

    async def _verify(self, place: bytes, id: str, secret: str) -> None:
        looked, revocations = _clock(), self._revocations
        key = await find_key(self._database, id)
        right = hmac.compare_digest(key.hash if key is not None else _NO_HASH, secret_hash(secret))
        if key is None or not right or key.revoked_at is not None:
            self._verified.pop(place, None)
            raise Unauthenticated(_INVALID)
        if revocations == self._revocations:  # else look again: this key may have been the one
            self._verified[place] = _Verified(looked, key, key.identity)
        while len(self._verified) > MAX_REMEMBERED:
            self._verified.popitem(last=False)

    async def _heed(self, events: Sequence[Event]) -> None:
        """Forget keys that were revoked on this replica, before whoever revoked them is answered."""
        ended = {event.id for event in events if event.kind == "key"}
        if ended:
            self._revocations += 1
            self._verified = OrderedDict((place, one) for place, one in self._verified.items() if one.key.id not in ended)

    def _touch(self, key: ApiKey) -> None:
        """Note the use in the background, unless this replica did so a moment ago."""
        clock = _clock()
        if clock - self._touched.get(key.id, float("-inf")) < TOUCH_EVERY.total_seconds():
            return
        self._touched[key.id] = clock
        self._touched.move_to_end(key.id)
        while len(self._touched) > MAX_REMEMBERED:
            self._touched.popitem(last=False)
        task = asyncio.create_task(self._note(key))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _note(self, key: ApiKey) -> None:
        try:
            await touch_key(self._writer, key)
        except CairnError as error:
            log.warning("the use of API key %s could not be noted: %s", key.id, error.message)


def _clock() -> float:
    return asyncio.get_running_loop().time()
