"""The first start: a tenant with the seeded rules, and one administrator's key."""

from __future__ import annotations

from ..graph.keys import make_key, store_first_key
from ..graph.rules import Stale, load_rules
from ..graph.tenants import read_versions
from ..graph.writer import Writer
from .rules import ADMIN
from .ruleset import RuleSet
from .tenants import ensure_tenant

_ATTEMPTS = 8


async def bootstrap(writer: Writer, tenant: str) -> str | None:
    """Make sure that the tenant exists and that somebody with the role `admin` has an API key that works.

    Returns the new key's token, for the principal `admin`, to be shown once; None when there is such a key already. Of several
    replicas that start at once exactly one gets a token. Raises BadInput for an id that can't name a tenant, or malformed rules.
    """
    await ensure_tenant(writer, tenant)
    for _ in range(_ATTEMPTS - 1):
        try:
            return await _first_key(writer, tenant)
        except Stale:
            continue
    return await _first_key(writer, tenant)


async def _first_key(writer: Writer, tenant: str) -> str | None:
    versions = await read_versions(writer.database, tenant)
    if versions is None:
        raise Stale("the tenant was removed while it was made")
    rules = RuleSet.load(tenant, versions.policy, await load_rules(writer.database, tenant))
    administrators = [ADMIN, *(member for member in rules.roles_of if ADMIN in rules.reach(member))]
    new = make_key(tenant, ADMIN, "cairn")
    return new.token if await store_first_key(writer, new, administrators, versions.policy) else None
