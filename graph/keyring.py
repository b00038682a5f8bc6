"""The keyring: a tenant's keys, unwrapped in this process for as long as they are in use.

The master key wraps one key a tenant (`tenant_keys`), that wraps one data key a subject (`subject_keys`: an agent, a person named in a
memory's metadata, or what all share), and data keys seal values. A tenant's secret for searching (`searchable`) is wrapped by its key
too. All are nodes in Neo4j, wrapped; `docs/decisions/0010-encryption.md` argues why.

Guarantees: two replicas that make a key at once end with the same one; a key that was destroyed opens nothing on any replica once it
has looked at the tenant again, which requests do every `policy_staleness` seconds; nothing is committed under a destroyed key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .answers import PLAIN_ANSWERS, Answers
from .database import Database
from .flights import PATIENCE_SECONDS
from .master import MasterKey
from .sealing import DataKey, Sealed, key_id, wanted_keys
from .searchable import PLAIN, Index
from .subject_keys import SubjectKeys, subject_name
from .tenant_keys import Applies, TenantKeys

SHARED = "shared"
"""The subject of what belongs to nobody in particular."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals values for one subject. Without a key it leaves them as they are. A change that commits them holds it (`held_by`)."""

    key: DataKey | None = None

    @property
    def id(self) -> str | None:
        """The id of the key."""
        return None if self.key is None else self.key.id

    def seal(self, text: str | None, label: str, id: str, name: str) -> str | bytes | None:
        """`text` as it is to be stored in a node's property; nothing and the empty text stay."""
        return text if self.key is None or not text else self.key.seal(text, label, id, name)


class Keyring:
    """The keys of one process. `sealing`: whether new tenants seal their values.

    A look at keys ends after `patience` seconds with Unavailable, so that a connection that died silently keeps nobody waiting.
    """

    def __init__(self, database: Database, master: MasterKey, *, sealing: bool = True, patience: float = PATIENCE_SECONDS) -> None:
        self.sealing = sealing
        self.master = master
        self.plain: Answers = PLAIN_ANSWERS
        """What the answers of tenants that do not encrypt are kept with."""
        self._tenants = TenantKeys(database, master, patience, self._dropped)
        self._subjects = SubjectKeys(database, self._tenants, patience)

    async def index(self, writer: Applies | None, tenant: str) -> Index:
        """The tenant's index. With a writer its key is made if there is none; without, there is nothing to be found yet, and any does."""
        known = await self._tenants.known(tenant)
        if (known.keyed or known.sealing) and known.id is None and writer is not None:
            known = await self._tenants.found(writer, tenant)
        return known.index

    async def prepare(self, writer: Applies, tenant: str) -> None:
        """Make the tenant's key if it is to seal and has none. Raises Unavailable when the master key does not open the one it has."""
        known = await self._tenants.known(tenant)
        if known.sealing and known.id is None:
            await self._tenants.found(writer, tenant)

    async def answers(self, tenant: str) -> Answers | None:
        """What the tenant's answers are kept with outside Neo4j; None when they may not be kept, because the tenant has no key yet."""
        known = await self._tenants.known(tenant)
        return known.answers if known.sealing or known.answers is not None else self.plain

    async def sealer(self, writer: Applies, tenant: str, subject: str) -> Sealer:
        """The sealer of a subject; of a tenant that does not seal, one that does nothing. Raises Unavailable when there is no key."""
        known = await self._tenants.known(tenant)
        return Sealer(await self._subjects.seat(writer, tenant, subject)) if known.sealing else Sealer()

    async def load(self, values: Sequence[bytes]) -> dict[bytes, Sealed]:
        """For each sealed value the same with its key."""
        wanted = wanted_keys(values)
        for tenant in {one.key.tenant for id in wanted if (one := self._subjects.known(id)) is not None and one.key is not None}:
            await self._tenants.known(tenant)  # drops the keys of a tenant that changed
        await self._subjects.read(sorted(wanted))
        found: dict[bytes, Sealed] = {}
        for raw in values:
            known = self._subjects.known(key_id(raw) or "")
            found[raw] = Sealed(raw) if known is None else Sealed(raw, known.key, known.destroyed)
        return found

    async def name(self, tenant: str, subject: str) -> str:
        """What a subject is called in the graph."""
        known = await self._tenants.known(tenant)
        return subject_name(known.secret or PLAIN, subject)

    def saw(self, tenant: str, version: int) -> None:
        """Told by whoever looked at a tenant just now; drops what is known of one that changed."""
        self._tenants.saw(tenant, version)

    def forget(self, tenant: str) -> None:
        """Drop everything that is known of a tenant."""
        self._tenants.forget(tenant)

    def _dropped(self, tenant: str) -> None:
        self._subjects.forget(tenant)


def held_by(sealers: Iterable[Sealer]) -> frozenset[str]:
    """The keys that a change holds whose values these sealed: its `held`."""
    return frozenset(sealer.id for sealer in sealers if sealer.id is not None)


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


def agent_subject(agent: str) -> str:
    """The subject of what is an agent's."""
    return f"agent/{agent}"


def person_subject(name: str) -> str:
    """The subject of what is about a person."""
    return f"person/{name}"
