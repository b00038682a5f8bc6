"""The `Access` of whoever asks, never older than the settings allow.

A replica keeps the rules it compiled and looks at the tenant's versions in Neo4j when a request comes and its last look was more
than `staleness` seconds ago. So a change holds everywhere within that time, whatever became of Redis; and when Neo4j does not
answer, nothing is allowed any more once that time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Generic, TypeVar

from ..errors import BadInput, Unauthenticated, Unavailable
from ..graph.access import Access, Decision, Identity
from ..graph.database import Database
from ..graph.flights import PATIENCE_SECONDS, Flights
from ..graph.keys import keyed_identities
from ..graph.rules import load_rules
from ..graph.tenants import Catalog, read_catalog, read_versions
from .compiler import compile_access
from .model import enforce
from .rules import VOUCHED
from .ruleset import RuleSet

log = logging.getLogger("cairn.policies")
T = TypeVar("T")
MAX_TENANTS = 1_000
_STRANGER = "somebody-whom-no-rule-names"


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    """What was read at a version. `settled`: read twice at it, since a commit may become visible piece by piece."""

    version: int
    value: T
    settled: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a tenant. `looked`: when the look at its versions began; `cache`: its cache generation then."""

    looked: float
    cache: int
    rules: _Part[RuleSet]
    catalog: _Part[Catalog]


@dataclass(frozen=True, slots=True)
class _Compiled:
    rules: RuleSet
    catalog: Catalog
    access: Access


class Accesses:
    """Gives out `Access` values. `staleness` is in seconds; `hideable` are the `Type.field` names that rules may hide, `lendable` the
    roles that tokens of identity providers may lend.

    Guarantees: an answer rests on rules that stood at most `staleness` seconds before the question; rules are validated and
    compiled aside and then swapped in whole; any error means no.
    """

    def __init__(
        self,
        database: Database,
        staleness: float = 0.5,
        hideable: frozenset[str] = frozenset(),
        size: int = 4_096,
        patience: float = PATIENCE_SECONDS,
        lendable: frozenset[str] = frozenset(),
    ) -> None:
        self.database = database
        self._lendable = lendable
        self.hideable = hideable
        self._staleness = staleness
        self._size = size
        self._tenants: OrderedDict[str, _Known] = OrderedDict()
        self._accesses: OrderedDict[Identity, _Compiled] = OrderedDict()
        self._flights: Flights[str, None] = Flights(database.closing, patience)

    async def get(self, tenant: str, principal: str) -> Access:
        """What the principal may do now.

        Raises Unauthenticated for an unknown tenant, Unavailable when Neo4j does not answer or the tenant's rules are malformed.
        """
        return await self.access_of(Identity(tenant, principal))

    async def access_of(self, identity: Identity) -> Access:
        """What whoever has such a credential may do now. Raises like `get`."""
        return self._access(await self._known(identity.tenant, _now() - self._staleness), identity)

    def known(self, identity: Identity) -> tuple[Access, int] | None:
        """What `access_of` and `cache_generation` would answer without asking anybody; None when they would not. Looks ahead in time."""
        known, clock = self._tenants.get(identity.tenant), _now()
        if known is None or known.looked < clock - self._staleness:
            return None
        if known.looked < clock - self._staleness / 2:
            self._flights.start(identity.tenant, lambda: self._look(identity.tenant))
        return self._access(known, identity), known.cache

    async def refresh(self, tenant: str) -> None:
        """Look at the tenant now. After this, this replica answers by whatever was committed before. Raises like `get`."""
        await self._known(tenant, _now())

    async def rules(self, tenant: str) -> RuleSet:
        """The tenant's rules as they stand now, read until they are settled, so that a change may rest on them. Raises like `get`."""
        while not (known := await self._known(tenant, _now())).rules.settled:
            continue
        return known.rules.value

    async def cache_generation(self, tenant: str) -> int:
        """A number that moves when every cached answer of the tenant became stale. Raises like `get`."""
        return (await self._known(tenant, _now() - self._staleness)).cache

    async def explain(self, tenant: str, principal: str, object: str, action: str) -> Decision:
        """Whether `principal` may do `action` to `object`, and the rule that decides. Casbin is asked as well; both must say yes.

        As slow as Casbin over the principal's rules, so for explaining only. Raises like `get`.
        """
        known = await self._known(tenant, _now() - self._staleness)
        decision = self._access(known, Identity(tenant, principal)).decide(object, action)
        judged = enforce(known.rules.value.enforcer_for(principal), tenant, principal, object, action)
        if decision.allowed != judged.allowed:
            log.error("the compiled rules and Casbin disagree: tenant %r, principal %r, %r %r", tenant, principal, action, object)
            return Decision(allowed=False, rule=judged.rule if decision.allowed else decision.rule)
        return decision

    async def shared_graphs(self, tenant: str, scope: str, others: Iterable[str] = ()) -> frozenset[int]:
        """The numbers of the graphs that every reader of the memories in `scope` may read.

        Looked at are all whom a rule or a working API key names, narrowed keys and roles as well, `others`, somebody whom none of them
        names, and what roles that tokens lend come to. Raises like `get`.
        """
        known = await self._known(tenant, _now() - self._staleness)
        rules = known.rules.value
        names = {*rules.roles, *rules.roles_of, *others, _STRANGER}
        identities = {
            *(Identity(tenant, name) for name in names),
            *await keyed_identities(self.database, tenant),
            *self._lent(tenant, names),
        }
        readers = [access for access in (self._access(known, identity) for identity in identities) if scope in access.scopes]
        return frozenset[int]().union(*(access.graphs for access in readers[:1])).intersection(*(access.graphs for access in readers[1:]))

    def _lent(self, tenant: str, names: Iterable[str]) -> Iterable[Identity]:
        """Identities with lent roles, enough to stand for all: who reads a scope by one role is kept from a graph by one other at most."""
        pairs = list(combinations_with_replacement(sorted(self._lendable), 2))
        for name in (_STRANGER, *(name for name in names if name.startswith(VOUCHED))):
            yield from (Identity(tenant, name, pair) for pair in pairs)

    def adopt(self, rules: RuleSet) -> None:
        """Take over rules that this replica just committed on top of those it knew, without reading them back."""
        known = self._tenants.get(rules.tenant)
        if known is not None and known.rules.version == rules.version - 1:
            self._tenants[rules.tenant] = replace(known, rules=_Part(rules.version, rules, settled=True))

    def _access(self, known: _Known, identity: Identity) -> Access:
        rules, catalog = known.rules.value, known.catalog.value
        found = self._accesses.get(identity)
        if found is None or found.rules is not rules or found.catalog is not catalog:
            found = self._accesses[identity] = _Compiled(rules, catalog, compile_access(rules, catalog, identity, self.hideable))
        self._accesses.move_to_end(identity)
        if len(self._accesses) > self._size:
            self._accesses.popitem(last=False)
        return found.access

    async def _known(self, tenant: str, since: float) -> _Known:
        """What was known of the tenant by a look that began at `since` or later."""
        while True:
            known = self._tenants.get(tenant)
            if known is not None and known.looked >= since:
                self._tenants.move_to_end(tenant)
                return known
            await self._flights.join(tenant, lambda: self._look(tenant))

    async def _look(self, tenant: str) -> None:
        looked, known = _now(), self._tenants.get(tenant)
        versions = await read_versions(self.database, tenant)
        if versions is None:
            self._tenants.pop(tenant, None)
            raise Unauthenticated("the tenant is not known here; check the API key")
        rules = await _read(known and known.rules, versions.policy, lambda old: self._read_rules(tenant, versions.policy, old))
        catalog = await _read(known and known.catalog, versions.catalog, lambda old: self._read_catalog(tenant, old))
        if self._tenants.get(tenant) is known:
            self._tenants[tenant] = _Known(looked, versions.cache, rules, catalog)
        while len(self._tenants) > MAX_TENANTS:
            self._tenants.popitem(last=False)

    async def _read_rules(self, tenant: str, version: int, old: RuleSet | None) -> RuleSet:
        try:
            found = RuleSet.load(tenant, version, await load_rules(self.database, tenant), old)
        except BadInput as error:
            log.error("the rules of tenant %s are malformed, so nothing is allowed there: %s", tenant, error.message)
            raise Unavailable("this tenant holds a malformed rule, so nothing is allowed until it is mended; the log says which") from error
        return old if old is not None and old.version == version and old.lines == found.lines else found

    async def _read_catalog(self, tenant: str, old: Catalog | None) -> Catalog:
        found = await read_catalog(self.database, tenant)
        return old if old is not None and old == found else found


async def _read(part: _Part[T] | None, version: int, read: Callable[[T | None], Awaitable[T]]) -> _Part[T]:
    """`part`, if it was read at `version` and settled; else what `read` gives."""
    current = part is not None and part.version == version
    if part is not None and current and part.settled:
        return part
    return _Part(version, await read(part.value if part is not None else None), settled=current)


def _now() -> float:
    return asyncio.get_running_loop().time()
