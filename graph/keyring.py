"""The keyring: a tenant's keys, unwrapped in this process for as long as they are in use.

The master key wraps one key a tenant, that wraps one data key a subject (an agent, a person named in a memory's metadata, or what all
share), and data keys seal values. A tenant's secret for searching (`searchable`) is wrapped by its key too. All are nodes in Neo4j,
wrapped; `docs/decisions/0010-encryption.md` argues why.

Guarantees: two replicas that make a key at once end with the same one; a key that was destroyed opens nothing on any replica once it
has looked at the tenant again, which requests do every `policy_staleness` seconds; nothing is committed under a destroyed key.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import Conflict, Unavailable
from .answers import PLAIN_ANSWERS, Answers, SealedAnswers
from .changes import Change, Results, Settled, Step
from .database import Database, Row
from .instants import now
from .master import MasterKey, unwrap, wrap
from .names import key
from .sealing import ID_BYTES, KEY_BYTES, DataKey, Sealed, key_id, wanted_keys
from .searchable import PLAIN, Index, KeyedIndex
from .statements import load

_CYPHER = load("keyring")
SHARED = "shared"
"""The subject of what belongs to nobody in particular."""
ROOM = 2**20
"""Seals that a process takes at a time; what it does not use of them is lost."""
MOST = 2**31
"""Seals after which a subject gets a new key: half of what random nonces allow (NIST SP 800-38D, 8.3)."""
_LOOK = 1.0
"""Seconds after which the keyring looks at a tenant by itself, for work that no request's look at the tenant comes before."""
_TENANTS = 1_000
_KEYS = 50_000


class Applies(Protocol):
    """What commits changes: the writer."""

    database: Database

    async def apply(self, change: Change) -> Any: ...


@dataclass(slots=True)
class _Tenant:
    """What is known of a tenant. `sealing`: new values are sealed."""

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
        """What words and vectors are keyed with."""
        return PLAIN if not self.keyed or self.secret is None else self.secret


@dataclass(slots=True)
class _Seat:
    """A key that seals for a subject here, and how many seals are left of the room that was taken."""

    key: DataKey
    left: int


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals values for one subject. Without a key it leaves them as they are. What it sealed is committed with a `Held` of it."""

    key: DataKey | None = None

    @property
    def id(self) -> str | None:
        """The id of the key."""
        return None if self.key is None else self.key.id

    def seal(self, text: str | None, label: str, id: str, name: str) -> str | bytes | None:
        """`text` as it is to be stored in a node's property; nothing and the empty text stay."""
        return text if self.key is None or not text else self.key.seal(text, label, id, name)


@dataclass(frozen=True, slots=True)
class Held:
    """The keys that the values of one change are sealed with. Its `step` is the change's last."""

    ids: frozenset[str] = frozenset()

    @classmethod
    def by(cls, sealers: Iterable[Sealer]) -> Held:
        """The keys of sealers."""
        return cls(frozenset(sealer.id for sealer in sealers if sealer.id is not None))

    @property
    def step(self) -> Step:
        """Holds the keys, so that none is destroyed before the commit."""
        return Step(_CYPHER["keyring_hold"], tuple({"id": id} for id in sorted(self.ids)))

    def check(self, results: Results) -> None:
        """Raise Conflict when a key was destroyed before, by the results of a change whose last step this is."""
        if len(results[-1]) != len(self.ids):
            raise _erased()


class Keyring:
    """The keys of one process. `sealing`: whether new tenants seal their values.

    A look at a tenant's keys ends after `patience` seconds with Unavailable, so that a connection that died silently keeps nobody waiting.
    """

    def __init__(self, database: Database, master: MasterKey, *, sealing: bool = True, patience: float = 10.0) -> None:
        self.sealing = sealing
        self._patience = patience
        self._database = database
        self.master = master
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._keys: OrderedDict[str, Sealed] = OrderedDict()
        self._seats: OrderedDict[tuple[str, str], _Seat] = OrderedDict()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def index(self, writer: Applies | None, tenant: str) -> Index:
        """The tenant's index. With a writer its key is made if there is none; without, there is nothing to be found yet, and any does."""
        known = await self._known(tenant)
        if known.keyed and known.id is None and writer is not None:
            known = await self._found(writer, tenant)
        return known.index

    async def prepare(self, writer: Applies, tenant: str) -> None:
        """Make the tenant's key if it is to seal and has none. Raises Unavailable when the master key does not open the one it has."""
        known = await self._known(tenant)
        if known.sealing and known.id is None:
            await self._found(writer, tenant)

    async def answers(self, tenant: str) -> Answers | None:
        """What the tenant's answers are kept with outside Neo4j; None when they may not be kept, because the tenant has no key yet."""
        known = await self._known(tenant)
        return known.answers if known.sealing or known.answers is not None else PLAIN_ANSWERS

    async def sealer(self, writer: Applies, tenant: str, subject: str) -> Sealer:
        """The sealer of a subject; of a tenant that does not seal, one that does nothing. Raises Unavailable when there is no key."""
        known = await self._known(tenant)
        return Sealer(await self._seat(writer, tenant, subject)) if known.sealing else Sealer()

    async def load(self, values: Sequence[bytes]) -> dict[bytes, Sealed]:
        """For each sealed value the same with its key."""
        wanted = wanted_keys(values)
        for tenant in {known.key.tenant for id in wanted if (known := self._keys.get(id)) is not None and known.key is not None}:
            await self._known(tenant)  # drops the keys of a tenant that changed
        missing = [id for id in wanted if id not in self._keys]
        if missing:
            await self._read(missing)
        found: dict[bytes, Sealed] = {}
        for raw in values:
            known = self._keys.get(key_id(raw) or "")
            found[raw] = Sealed(raw) if known is None else Sealed(raw, known.key, known.destroyed)
        return found

    async def name(self, tenant: str, subject: str) -> str:
        """What a subject is called in the graph."""
        known = await self._known(tenant)
        return subject_name(known.secret or PLAIN, subject)

    def saw(self, tenant: str, version: int) -> None:
        """Told by whoever looked at a tenant just now; drops what is known of one that changed."""
        known = self._tenants.get(tenant)
        if known is None:
            return
        if known.version != version:
            self.forget(tenant)
        else:
            known.looked = _now()

    def forget(self, tenant: str) -> None:
        """Drop everything that is known of a tenant."""
        self._tenants.pop(tenant, None)
        for id in [id for id, known in self._keys.items() if known.key is None or known.key.tenant == tenant]:
            del self._keys[id]
        for seat in [seat for seat in self._seats if seat[0] == tenant]:
            del self._seats[seat]

    async def _known(self, tenant: str) -> _Tenant:
        known = self._tenants.get(tenant)
        if known is not None and _now() - known.looked < _LOOK:
            return known
        looked = _now()
        rows = await self._look("keyring_tenant", {"tenant": tenant})
        if not rows:
            return _Tenant(looked, 0, sealing=False, keyed=False)
        row = rows[0]
        if known is not None and known.version == row["version"] and known.id == (row["key"] and row["key"]["id"]):
            known.looked = looked
            return known
        if known is not None:
            self.forget(tenant)
        return await self._keep(tenant, looked, row)

    async def _look(self, statement: str, parameters: Row) -> list[Row]:
        try:
            async with asyncio.timeout(self._patience):
                return await self._database.read_stored(_CYPHER[statement], parameters)
        except TimeoutError:
            raise Unavailable("the graph database does not answer; try again in a moment") from None

    async def _keep(self, tenant: str, looked: float, row: Row) -> _Tenant:
        found = _Tenant(looked, row["version"], row["sealing"], row["keyed"])
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
        self._tenants[tenant] = found
        while len(self._tenants) > _TENANTS:
            self.forget(next(iter(self._tenants)))
        return found

    async def _found(self, writer: Applies, tenant: str) -> _Tenant:
        """The tenant with a key, which is made if there is none."""
        async with self._alone(tenant, ""):
            if (known := await self._known(tenant)).id is not None:
                return known
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
            await writer.apply(_change(tenant, Step(_CYPHER["keyring_found"], (row,))))
            self._tenants.pop(tenant, None)
            return await self._known(tenant)

    async def _seat(self, writer: Applies, tenant: str, subject: str) -> DataKey:
        """The key that seals for a subject, with room for this seal and as many as a change may have."""
        name = (tenant, subject)
        if (seat := self._seats.get(name)) is None or seat.left <= 0:
            async with self._alone(tenant, subject):
                if (seat := self._seats.get(name)) is None or seat.left <= 0:
                    parent = await self._found(writer, tenant) if (known := await self._known(tenant)).id is None else known
                    seat = self._seats[name] = await self._take(writer, tenant, subject, parent)
                    while len(self._seats) > _KEYS:
                        self._seats.popitem(last=False)
        seat.left -= _PER_CHANGE
        return seat.key

    @asynccontextmanager
    async def _alone(self, tenant: str, what: str) -> AsyncGenerator[None]:
        """One at a time does this here."""
        lock = self._locks.setdefault((tenant, what), asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._locks.pop((tenant, what), None)

    async def _take(self, writer: Applies, tenant: str, subject: str, parent: _Tenant) -> _Seat:
        if parent.id is None or parent.cipher_key is None or parent.secret is None:
            raise Unavailable("this tenant has no key yet; try again")
        while True:
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
            taken: Row = await writer.apply(_change(tenant, Step(_CYPHER["keyring_take"], (row,))))
            if not taken:  # the tenant's key was rotated meanwhile
                self.forget(tenant)
                parent = await self._found(writer, tenant)
                return await self._take(writer, tenant, subject, parent)
            if taken["full"]:
                continue
            if taken["id"] == id:
                return _Seat(DataKey(tenant, id, AESGCM(new)), ROOM)
            found = (await self.load_ids([taken["id"]]))[taken["id"]]
            if found.key is not None:
                return _Seat(found.key, ROOM)
            raise _erased()

    async def load_ids(self, ids: Sequence[str]) -> dict[str, Sealed]:
        """Keys by their ids."""
        missing = [id for id in ids if id not in self._keys]
        if missing:
            await self._read(missing)
        return {id: self._keys[id] for id in ids if id in self._keys}

    async def _read(self, ids: Sequence[str]) -> None:
        for row in await self._look("keyring_keys", {"ids": list(ids)}):
            id, tenant = row["id"], row["tenant"]
            if row["wrapped"] is None:
                self._keys[id] = Sealed(b"", DataKey(tenant, id, _NO_CIPHER), destroyed=True)
                continue
            parent = (await self._known(tenant)).parents.get(row["parent"])
            if parent is None:  # rotated since the tenant was looked at
                self._tenants.pop(tenant, None)
                parent = (await self._known(tenant)).parents.get(row["parent"])
            if parent is None:
                raise Unavailable("the keys of this tenant are being rotated; try again")
            raw = unwrap(parent, row["wrapped"], subject_context(tenant, id))
            self._keys[id] = Sealed(b"", DataKey(tenant, id, AESGCM(raw)))
        while len(self._keys) > _KEYS:
            self._keys.popitem(last=False)


_PER_CHANGE = 4 * 1_000
"""Seals that one change makes under one key at most."""
_NO_CIPHER = AESGCM(bytes(KEY_BYTES))


def tenant_context(tenant: str, id: str) -> bytes:
    """What the master key wraps a tenant's key for."""
    return b"cairn tenant key\0" + key(tenant, id).encode("utf-8")


def index_context(tenant: str) -> bytes:
    """What a tenant's key wraps its secret for searching for."""
    return b"cairn index\0" + tenant.encode("utf-8")


def subject_context(tenant: str, id: str) -> bytes:
    """What a tenant's key wraps a subject's key for."""
    return b"cairn subject key\0" + key(tenant, id).encode("utf-8")


async def sealer_for(writer: Applies, tenant: str, subject: str) -> Sealer:
    """What seals for a subject; where there is no keyring, one that does nothing."""
    ring = writer.database.keyring
    return Sealer() if ring is None else await ring.sealer(writer, tenant, subject)


async def index_for(writer: Applies, tenant: str) -> Index:
    """What words and vectors that are written are keyed with."""
    ring = writer.database.keyring
    return PLAIN if ring is None else await ring.index(writer, tenant)


async def index_of(database: Database, tenant: str) -> Index:
    """What words and vectors that are looked for are keyed with."""
    ring = database.keyring
    return PLAIN if ring is None else await ring.index(None, tenant)


def subject_name(index: Index, subject: str) -> str:
    """What a subject is called in the graph: an agent by its id, a person by a keyed hash."""
    kind, _, name = subject.partition("/")
    return f"{kind}/{index.digest('person', name)[:32]}" if kind == "person" else subject


def _change(tenant: str, step: Step) -> Change:
    """A change that answers the one row of its one step."""

    def settle(results: Results) -> Settled:
        return Settled(dict(results[0][0]) if results[0] else {}, ())

    return Change(tenant=tenant, actor="cairn", steps=(step,), settle=settle)


def _erased() -> Conflict:
    return Conflict("the data of this subject was erased just now; send this again if it is to be kept nevertheless")


def _now() -> float:
    return asyncio.get_running_loop().time()


def agent_subject(agent: str) -> str:
    """The subject of what is an agent's."""
    return f"agent/{agent}"


def person_subject(name: str) -> str:
    """The subject of what is about a person."""
    return f"person/{name}"
