"""Subjects' keys: unwrapped as they are needed, by their ids, and made or taken room under for what is to be sealed.

Guarantees: two replicas that make a subject's key at once end with the same one; a key is replaced long before the number of values
gets near what random nonces allow.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import Unavailable
from .changes import Step
from .database import Database, Row
from .flights import Flights
from .instants import now
from .master import unwrap, wrap
from .names import key
from .sealing import ID_BYTES, KEY_BYTES, DataKey, Sealed
from .searchable import Index
from .statements import load
from .tenant_keys import MAKING_SECONDS, Applies, TenantKey, TenantKeys
from .wrapping import erased, key_change, subject_context

_CYPHER = load("keyring")
ROOM = 2**20
"""Seals that a process takes at a time; what it does not use of them is lost."""
MOST = 2**31
"""Seals after which a subject gets a new key: half of what random nonces allow (NIST SP 800-38D, 8.3)."""
_KEYS = 50_000
_PER_CHANGE = 4 * 1_000
"""Seals that one change makes under one key at most."""
_NO_CIPHER = AESGCM(bytes(KEY_BYTES))


@dataclass(slots=True)
class _Seat:
    """A key that seals for a subject here, and how many seals are left of the room that was taken."""

    key: DataKey
    left: int


class SubjectKeys:
    """The keys of subjects that this process knows, of the tenants that `tenants` knows."""

    def __init__(self, database: Database, tenants: TenantKeys, patience: float) -> None:
        self._database = database
        self._tenants = tenants
        self._keys: OrderedDict[str, Sealed] = OrderedDict()
        self._seats: OrderedDict[tuple[str, str], _Seat] = OrderedDict()
        self._reads: Flights[tuple[str, ...], None] = Flights(database.closing, patience)
        self._taking: Flights[tuple[str, str], None] = Flights(database.closing, MAKING_SECONDS)

    def known(self, id: str) -> Sealed | None:
        """The key with that id, if it was read before."""
        return self._keys.get(id)

    async def read(self, ids: Sequence[str]) -> None:
        """Have those of the keys known that there are."""
        missing = tuple(sorted(id for id in ids if id not in self._keys))
        if missing:
            await self._reads.join(missing, lambda: self._read(missing))

    def forget(self, tenant: str) -> None:
        """Drop all keys of a tenant."""
        for id in [id for id, known in self._keys.items() if known.key is None or known.key.tenant == tenant]:
            del self._keys[id]
        for seat in [seat for seat in self._seats if seat[0] == tenant]:
            del self._seats[seat]

    async def seat(self, writer: Applies, tenant: str, subject: str) -> DataKey:
        """The key that seals for a subject, with room for as many seals as a change may have."""
        name = (tenant, subject)
        while (seat := self._seats.get(name)) is None or seat.left <= 0:
            await self._taking.join(name, lambda: self._sit(writer, tenant, subject))
        seat.left -= _PER_CHANGE
        return seat.key

    async def _sit(self, writer: Applies, tenant: str, subject: str) -> None:
        known = await self._tenants.known(tenant)
        parent = known if known.id is not None else await self._tenants.found(writer, tenant)
        self._seats[tenant, subject] = await self._take(writer, tenant, subject, parent)
        while len(self._seats) > _KEYS:
            self._seats.popitem(last=False)

    async def _take(self, writer: Applies, tenant: str, subject: str, parent: TenantKey) -> _Seat:
        while True:
            if parent.id is None or parent.cipher_key is None or parent.secret is None:
                raise Unavailable("this tenant has no key yet; try again")
            id, new = secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES)
            name = subject_name(parent.secret, subject)
            row: Row = {
                "tenant": tenant,
                "slot": key(tenant, name),
                "subject": name,
                "id": id,
                "parent": parent.id,
                "wrapped": wrap(parent.cipher_key, new, subject_context(tenant, id)),
                "at": now(),
                "room": ROOM,
                "most": MOST,
            }
            taken: Row = await writer.apply(key_change(tenant, Step(_CYPHER["keyring_take"], (row,))))
            if not taken:  # the tenant's key was rotated meanwhile
                self._tenants.forget(tenant)
                parent = await self._tenants.found(writer, tenant)
                continue
            if taken["full"]:
                continue
            if taken["id"] == id:
                return _Seat(DataKey(tenant, id, AESGCM(new)), ROOM)
            await self.read([taken["id"]])
            found = self._keys.get(taken["id"])
            if found is None or found.key is None or found.destroyed:
                raise erased()
            return _Seat(found.key, ROOM)

    async def _read(self, ids: Sequence[str]) -> None:
        for row in await self._database.read_stored(_CYPHER["keyring_keys"], {"ids": list(ids)}):
            id, tenant = row["id"], row["tenant"]
            if row["wrapped"] is None:
                self._keys[id] = Sealed(b"", DataKey(tenant, id, _NO_CIPHER), destroyed=True)
                continue
            parent = (await self._tenants.known(tenant)).parents.get(row["parent"])
            if parent is None:  # rotated since the tenant was looked at
                parent = (await self._tenants.fresh(tenant)).parents.get(row["parent"])
            if parent is None:
                raise Unavailable("the keys of this tenant are being rotated; try again")
            raw = unwrap(parent, row["wrapped"], subject_context(tenant, id))
            self._keys[id] = Sealed(b"", DataKey(tenant, id, AESGCM(raw)))
        while len(self._keys) > _KEYS:
            self._keys.popitem(last=False)


def subject_name(index: Index, subject: str) -> str:
    """What a subject is called in the graph: an agent by its id, a person by a keyed hash."""
    kind, _, name = subject.partition("/")
    return f"{kind}/{index.digest('person', name)[:32]}" if kind == "person" else subject
