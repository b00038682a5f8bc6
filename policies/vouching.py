"""Who holds this token of an identity provider: from what a verified token claims to a principal, a tenant and roles."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, cast

from ..errors import Unauthenticated
from ..graph.access import Identity
from ..graph.changes import Event
from ..graph.database import Database
from ..graph.flights import Flights
from ..graph.instants import now
from ..graph.revocations import is_revoked
from ..graph.writer import Writer
from ..settings import Provider
from .provider_keys import ProviderKeys
from .rules import EVERYONE, VOUCHED, is_principal
from .tokens import Claims, NotAccepted, claims_of, issuer_of, read_token, verify

log = logging.getLogger("cairn.policies")
_INVALID = "the token is not valid here; get a new one from your identity provider"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@")
_LONGEST_PLAIN = 100
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Vouched:
    """Whom a token stands for. `looked`: when the look at its keys and at the revocations began."""

    looked: float
    identity: Identity
    expires: datetime


class Vouching:
    """Tells whom the token of an identity provider stands for. `staleness`, in seconds, is how long one is not verified again.

    Guarantees: a token is taken only if a configured provider signed it, for the provider's audience, with one of its algorithms and a
    key that it publishes; an expired token works nowhere, a revoked one for at most `staleness` seconds more on other replicas and not
    at all on this one. Whatever is wrong with a token, its bearer is told the same.
    """

    def __init__(
        self, providers: Sequence[Provider], tenant: str, database: Database, writer: Writer, staleness: float = 0.5, pause: float = 10.0
    ) -> None:
        self._keys = {provider.issuer: ProviderKeys(provider, pause=pause) for provider in providers}
        self._tenant = tenant
        self._database = database
        self._staleness = staleness
        self._vouched: OrderedDict[bytes, _Vouched] = OrderedDict()
        self._flights: Flights[bytes, None] = Flights(database.closing)
        self._revocations = 0
        writer.listeners.append(self._heed)

    async def authenticate(self, token: str) -> Identity:
        """Whom the token stands for. Raises Unauthenticated; Unavailable when Neo4j or the provider's keys can't be had."""
        place = sha256(token.encode("utf-8", "surrogatepass")).digest()
        since = _clock() - self._staleness
        while (found := self._vouched.get(place)) is None or found.looked < since:
            await self._flights.join(place, lambda: self._vouch(place, token))
        if found.expires <= now():
            raise Unauthenticated("the token has expired; get a new one from your identity provider")
        return found.identity

    def known(self, token: str) -> Identity | None:
        """What `authenticate` would answer without asking anybody; None when it would not. Looks ahead before it no longer would."""
        place, clock = sha256(token.encode("utf-8", "surrogatepass")).digest(), _clock()
        found = self._vouched.get(place)
        if found is None or found.looked < clock - self._staleness or found.expires <= now():
            return None
        if found.looked < clock - self._staleness / 2:
            self._flights.start(place, lambda: self._vouch(place, token))
        return found.identity

    async def close(self) -> None:
        """End what is being fetched."""
        for keys in self._keys.values():
            await keys.close()

    async def _vouch(self, place: bytes, text: str) -> None:
        looked, revocations = _clock(), self._revocations
        try:
            vouched = await self._verified(looked, text)
        except NotAccepted as reason:
            self._vouched.pop(place, None)
            log.info("a token was not accepted: %s", reason)
            raise Unauthenticated(_INVALID) from None
        if revocations == self._revocations:  # else look again: this token may have been the one
            self._vouched[place] = vouched
        while len(self._vouched) > MAX_REMEMBERED:
            self._vouched.popitem(last=False)

    async def _verified(self, looked: float, text: str) -> _Vouched:
        token = read_token(text)
        keys = self._keys.get(issuer_of(token))
        if keys is None:
            raise NotAccepted("its issuer is none of those that are configured")
        provider = keys.provider
        if token.algorithm not in provider.algorithms:
            raise NotAccepted("its provider does not sign by its algorithm")
        verify(token, await keys.find(token.algorithm, token.key_id), provider.algorithms)
        claims = claims_of(token, provider.audience, now().timestamp())
        identity = identify(provider, claims, self._tenant)
        if await is_revoked(self._database, identity.tenant, provider.issuer, claims.jti, claims.subject, claims.issued):
            raise NotAccepted("it was revoked")
        return _Vouched(looked, identity, claims.expires)

    async def _heed(self, events: Sequence[Event]) -> None:
        """Look again at every token after a revocation on this replica, before whoever revoked is answered."""
        if any(event.kind == "revocation" for event in events):
            self._revocations += 1
            self._vouched.clear()


def identify(provider: Provider, claims: Claims, tenant: str) -> Identity:
    """The principal, tenant and roles of these claims. `tenant`: the one of providers that name none. Raises NotAccepted.

    Equal identities come from the same provider and subject only, and their principals are named as nobody else's may be.
    """
    if provider.tenant_claim is not None:
        named = _values(claims.others, provider.tenant_claim)
        tenants = {provider.tenants[name] for name in named if name in provider.tenants}
        if len(tenants) != 1:
            raise NotAccepted("its claims name no tenant that it may enter, or more than one")
        (tenant,) = tenants
    else:
        tenant = provider.tenant or tenant
    granted = {provider.roles[name] for name in _values(claims.others, provider.roles_claim) if name in provider.roles}
    roles = tuple(sorted(role for role in granted if is_principal(role) and role != EVERYONE))
    return Identity(tenant, principal_of(provider.name, claims.subject), roles)


def principal_of(provider: str, subject: str) -> str:
    """The name of the principal that a provider calls `subject`: as it is when it is short and plain, else hashed, told by two colons."""
    if len(subject) <= _LONGEST_PLAIN and _PLAIN.issuperset(subject):
        return f"{VOUCHED}{provider}:{subject}"
    return f"{VOUCHED}{provider}::{sha256(subject.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def _values(claims: Mapping[str, Any], claim: str) -> list[str]:
    """The texts in a claim: a list's, or one text's words. A name with dots leads into objects, unless a claim has it as it is."""
    found: Any = claims
    for name in [claim] if claim in claims else claim.split("."):
        found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    return [one for one in cast("list[Any]", found) if isinstance(one, str)] if isinstance(found, list) else []


def _clock() -> float:
    return asyncio.get_running_loop().time()
