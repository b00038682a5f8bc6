"""Tenants' keys: what this process knows of each tenant's key and secret, looked at anew from time to time.

Guarantees: two replicas that make a tenant's key at once end with the same one; however many want to know of a tenant at once, one
looks, and a look has a deadline, so that a connection that died silently keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from .answers import SealedAnswers
from .changes import Change, Step
from .database import Database, Row
from .flights import Flights
from .instants import now
from .master import MasterKey, unwrap, wrap
from .sealing import ID_BYTES, KEY_BYTES
from .searchable import PLAIN, Index, KeyedIndex, LookupIndex
from .statements import load
from .wrapping import index_context, key_change, tenant_context

_CYPHER = load("keyring")
_LOOK = 1.0
"""Seconds after which a tenant is looked at, for work that no request's look at the tenant comes before."""
_TENANTS = 1_000
MAKING_SECONDS = 120.0
"""A key that is being made waits for the writer, which has a patience of its own."""


class Applies(Protocol):
    """What commits changes: the writer."""

    database: Database

    async def apply(self, change: Change) -> Any: ...


@dataclass(slots=True)
class TenantKey:
    """What is known of a tenant. `sealing`: new values are sealed. `keyed`: its words and vectors are keyed, those that are written."""

    looked: float
    version: int
    sealing: bool
    keyed: bool
    id: str | None = None
    cipher_key: bytes | None = field(default=None, repr=False)
    secret: KeyedIndex | None = field(default=None, repr=False)
    answers: SealedAnswers | None = field(default=None, repr=False)
    parents: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    """What wraps subjects' keys, by id: the tenant's key, and the one before it while a rotation is under way."""

    @property
    def index(self) -> Index:
        """What words, vectors and what values are found by are keyed with."""
        if self.secret is None:
            return PLAIN
        return self.secret if self.keyed else LookupIndex(self.secret)


class TenantKeys:
    """The keys of tenants. `dropped` is called with a tenant of which what was known holds no more."""

    def __init__(self, database: Database, master: MasterKey, patience: float, dropped: Callable[[str], None]) -> None:
        self.master = master
        self._database = database
        self._dropped = dropped
        self._known: OrderedDict[str, TenantKey] = OrderedDict()
        self._looks: Flights[str, TenantKey] = Flights(database.closing, patience)
        self._new_looks: Flights[str, TenantKey] = Flights(database.closing, patience)
        self._making: Flights[str, None] = Flights(database.closing, MAKING_SECONDS)

    async def known(self, tenant: str) -> TenantKey:
        """What is known of a tenant, not older than a second but for what `saw` was told."""
        known = self._known.get(tenant)
        if known is not None and _now() - known.looked < _LOOK:
            return known
        return await self._looks.join(tenant, lambda: self._look(tenant))

    async def found(self, writer: Applies, tenant: str) -> TenantKey:
        """The tenant with a key, which is made if there is none."""
        if (known := await self.known(tenant)).id is not None:
            return known
        await self._making.join(tenant, lambda: self._make(writer, tenant))
        return await self.fresh(tenant)

    async def fresh(self, tenant: str) -> TenantKey:
        """What is known of a tenant by a look that begins now, for who knows that it changed."""
        self._known.pop(tenant, None)
        return await self._new_looks.join(tenant, lambda: self._look(tenant))

    def saw(self, tenant: str, version: int) -> None:
        """Told by whoever looked at a tenant just now."""
        known = self._known.get(tenant)
        if known is None:
            return
        if known.version != version:
            self.forget(tenant)
        else:
            known.looked = _now()

    def forget(self, tenant: str) -> None:
        """Drop everything that is known of a tenant."""
        self._known.pop(tenant, None)
        self._dropped(tenant)

    async def _look(self, tenant: str) -> TenantKey:
        known, looked = self._known.get(tenant), _now()
        rows = await self._database.read_stored(_CYPHER["keyring_tenant"], {"tenant": tenant})
        if not rows:
            return TenantKey(looked, 0, sealing=False, keyed=False)
        row = rows[0]
        if known is not None and known.version == row["version"] and known.id == (row["key"] and row["key"]["id"]):
            known.looked = looked
            return known
        if known is not None:
            self.forget(tenant)
        found = self._known[tenant] = await self._opened(tenant, looked, row)
        while len(self._known) > _TENANTS:
            self.forget(next(iter(self._known)))
        return found

    async def _opened(self, tenant: str, looked: float, row: Row) -> TenantKey:
        found = TenantKey(looked, row["version"], row["sealing"], row["keyed"])
        stored: Row | None = row["key"]
        if stored is not None:
            found.id = stored["id"]
            found.cipher_key = await self.master.unwrap(stored["master"], stored["wrapped"], tenant_context(tenant, stored["id"]))
            found.parents[stored["id"]] = found.cipher_key
            if stored["previous"] is not None:
                context = tenant_context(tenant, stored["previous"])
                wrapped: bytes = stored["previousWrapped"]
                found.parents[stored["previous"]] = await self.master.unwrap(stored["previousMaster"], wrapped, context)
            secret = unwrap(found.cipher_key, stored["index"], index_context(tenant))
            found.secret, found.answers = KeyedIndex(secret), SealedAnswers(secret)
        return found

    async def _make(self, writer: Applies, tenant: str) -> None:
        id, new = secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES)
        by, wrapped = await self.master.wrap(new, tenant_context(tenant, id))
        row: Row = {
            "tenant": tenant,
            "id": id,
            "master": by,
            "wrapped": wrapped,
            "index": wrap(new, secrets.token_bytes(KEY_BYTES), index_context(tenant)),
            "at": now(),
        }
        await writer.apply(key_change(tenant, Step(_CYPHER["keyring_found"], (row,))))


def _now() -> float:
    return asyncio.get_running_loop().time()
