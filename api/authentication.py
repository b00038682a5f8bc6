"""Who is calling: from the bearer token of a request to a `Caller` with its compiled permissions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from ..errors import CairnError, Unauthenticated
from ..graph.access import Access, Identity
from .rates import Rate
from .refusals import Refusals, principal_name

_LONGEST_TOKEN = 8_192


class Authenticator(Protocol):
    """Tells whose token it is. Raises Unauthenticated for one that is wrong, expired or revoked."""

    async def authenticate(self, token: str) -> Identity:
        """Whom the token stands for."""
        ...


class Accesses(Protocol):
    """Compiles permissions; what it answers is never older than `policy_staleness`."""

    async def access_of(self, identity: Identity) -> Access:
        """What whoever has such a credential may do."""
        ...

    async def cache_generation(self, tenant: str) -> int:
        """A number that moves when every cached answer of the tenant became stale."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: its permissions, and the generation of cached answers that it may see."""

    access: Access
    generation: int = 0

    @property
    def name(self) -> str:
        """What its refusals are counted under."""
        return principal_name(self.access.tenant, self.access.principal)


class Gate:
    """Lets callers in. `refusals` counts whom it does not let in, by address, and what callers send that can't be served."""

    def __init__(self, authenticator: Authenticator, accesses: Accesses, refusals: Refusals | None = None) -> None:
        self._authenticator = authenticator
        self._accesses = accesses
        self.refusals = refusals or Refusals(Rate(0, 1))

    async def enter(self, header: str | None, address: str | None) -> Caller:
        """The caller with this Authorization header, at this address. Raises Unauthenticated, and RateLimited after too many of those."""
        try:
            token = bearer(header)
        except Unauthenticated:
            self.refusals.check(address)
            self.refusals.note(address)
            raise
        return await self.admit(token, address)

    async def admit(self, token: str | None, address: str | None = None) -> Caller:
        """The caller with this token, with permissions as they are now. Raises Unauthenticated, also when there is none.

        Raises RateLimited, without a look at the token, when too many from this address were refused and it was never good before.
        """
        self.refusals.check_stranger(address, token or "")
        try:
            if token is None:
                raise Unauthenticated("send your API key in the header Authorization: Bearer <key>; `cairn key create` makes one")
            identity = await self._authenticator.authenticate(token)
        except Unauthenticated:
            self.refusals.note(address)
            raise
        self.refusals.trust(token)
        access = await self._accesses.access_of(identity)
        return Caller(access, await self._accesses.cache_generation(identity.tenant))

    async def refusal(self, token: str | None, every: float) -> Unauthenticated:
        """Wait, asking every so many seconds, until this token is let in no more, and return why."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.admit(token)
            except Unauthenticated as error:
                return error
            except CairnError:  # a server is away for a moment; the key is as good as before
                continue


def bearer(header: str | None) -> str | None:
    """The token in the value of an Authorization header; None without one. Raises Unauthenticated when it is of another kind."""
    if header is None or not header.strip():
        return None
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN or not token.isascii():
        raise Unauthenticated("the Authorization header must be: Bearer <API key or token>")
    return token
