"""Making and ending API keys, by those who may.

Whoever can make a key for a principal can act as that principal. So making one takes `admin` on `key`, and for a principal that may
change the rules, `admin` on `policy` too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..errors import BadInput, Forbidden, NotFound
from ..graph.access import Access
from ..graph.changes import idempotency
from ..graph.instants import stamp
from ..graph.keys import NewKey, find_key, make_key, revoke_key, store_key
from ..graph.writer import Writer
from .accesses import Accesses
from .administration import Administration
from .bounds import parse_bounds
from .rules import ADMIN, VOUCHED
from .ruleset import RuleSet
from .seed import seeded_roles


async def create_key(
    writer: Writer,
    accesses: Accesses,
    access: Access,
    principal: str,
    role: str | None = None,
    expires_at: datetime | None = None,
    idempotency_key: str | None = None,
    scopes: Sequence[tuple[str, str]] | None = None,
) -> NewKey:
    """Make an API key for `principal`, and with `role` assign that role first. `scopes`, (object, action), narrow it.

    Raises Forbidden without `admin` on `key`, or without `admin` on `policy` when a role is given or the principal has that itself;
    BadInput for a principal that is named like a role, and for a scope that can't be one. A narrowed key makes none, since they could
    do more than it.
    """
    access.require("key", "admin")
    if access.narrowed:
        raise Forbidden("a key with scopes can't make keys; use one without")
    new = make_key(access.tenant, principal, access.principal, expires_at, parse_bounds(scopes))
    _check_no_role(await accesses.rules(access.tenant), principal)
    if role is not None:
        await Administration(writer, accesses).assign_role(access, principal, role)
    if (await accesses.get(access.tenant, principal)).may("policy", "admin"):
        access.require("policy", "admin")
    narrowed = [] if new.key.scopes is None else [[scope.text for scope in new.key.scopes]]
    arguments = [principal, role, stamp(expires_at), *narrowed]
    once = idempotency(access.tenant, access.principal, "createApiKey", idempotency_key, arguments)
    return await store_key(writer, access, new, once)


async def end_key(writer: Writer, accesses: Accesses, access: Access, id: str, idempotency_key: str | None = None) -> bool:
    """Revoke an API key; every replica refuses it within a second. Returns whether it worked until now.

    Raises NotFound for a key that is neither one's own nor one that one may end, by `admin` on `key`.
    """
    if not access.may("key", "admin"):
        key = await find_key(accesses.database, id)
        if key is None or access.narrowed or (key.tenant, key.principal) != (access.tenant, access.principal):
            raise NotFound(f"there is no API key {id!r} that you may revoke")
    return await revoke_key(writer, access, id, idempotency(access.tenant, access.principal, "revokeApiKey", idempotency_key, id))


def _check_no_role(rules: RuleSet, principal: str) -> None:
    """A principal has whatever rules name it, so one named like a role would have that role. Only the first administrator does.

    Nor may a key stand for somebody whom an identity provider vouches for.
    """
    if principal.startswith(VOUCHED):
        raise BadInput(f"principals that begin with {VOUCHED!r} come from identity providers and have no API keys; choose another name")
    if principal != ADMIN and principal in rules.assigned | seeded_roles(rules.tenant):
        raise BadInput(f"{principal!r} is the name of a role; choose another name for the principal, and assign it the role")
