"""Who is calling: from the bearer token of a request to a `Caller` with its compiled permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from ..errors import CairnError, Unauthenticated
from ..graph.access import Access, Identity
from .rates import Rate
from .refusals import Refusals, principal_name

_LONGEST_TOKEN = 8_192
_MOST_CALLERS = 4_096


class Authenticator(Protocol):
    """Tells whose token it is. Raises Unauthenticated for one that is wrong, expired or revoked."""

    async def authenticate(self, token: str) -> Identity:
        """Whom the token stands for."""
        ...

    def known(self, token: str) -> Identity | None:
        """What `authenticate` would answer without asking anybody; None when it would not."""
        ...


class Accesses(Protocol):
    """Compiles permissions; what it answers is never older than `policy_staleness`."""

    async def access_of(self, identity: Identity) -> Access:
        """What whoever has such a credential may do."""
        ...

    async def cache_generation(self, tenant: str) -> int:
        """A number that moves when every cached answer of the tenant became stale."""
        ...

    def known(self, identity: Identity) -> tuple[Access, int] | None:
        """What the other two would answer without asking anybody; None when they would not."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: its permissions, and the generation of cached answers that it may see."""

    access: Access
    generation: int = 0
    name: str = field(init=False, compare=False)
    """What its refusals are counted under."""
    equals: bytes = field(init=False, compare=False, repr=False)
    """Equal for callers whom the same answers may be given, and different for all others."""
    own: bytes = field(init=False, compare=False, repr=False)
    """The same for the principal alone."""

    def __post_init__(self) -> None:
        access = self.access
        parts = (str(access.policy_version), access.fingerprint, access.tenant, str(self.generation))
        object.__setattr__(self, "name", principal_name(access.tenant, access.principal))
        object.__setattr__(self, "equals", digest(part.encode("utf-8", "surrogatepass") for part in parts))
        object.__setattr__(self, "own", digest([self.equals, access.principal.encode("utf-8", "surrogatepass")]))


def digest(parts: Iterable[bytes]) -> bytes:
    """A hash of 24 bytes over parts, each with its length, so that none can be taken for two."""
    found = blake2b(digest_size=24)
    for part in parts:
        found.update(len(part).to_bytes(8) + part)
    return found.digest()


class Gate:
    """Lets callers in. `refusals` counts whom it does not let in, by address, and what callers send that can't be served."""

    def __init__(self, authenticator: Authenticator, accesses: Accesses, refusals: Refusals | None = None) -> None:
        self._authenticator = authenticator
        self._accesses = accesses
        self.refusals = refusals or Refusals(Rate(0, 1))
        self._callers: dict[Identity, Caller] = {}

    def known(self, header: bytes) -> Caller | None:
        """The caller with this Authorization header, if it can be let in without asking anybody, as `enter` would; else None."""
        if header[:7] != b"Bearer " or len(header) > _LONGEST_TOKEN:
            return None
        identity = self._authenticator.known(header[7:].decode("latin-1"))
        found = None if identity is None else self._accesses.known(identity)
        return None if identity is None or found is None else self._caller(identity, *found)

    async def caller_of(self, identity: Identity) -> Caller:
        """Whoever has such a credential, with permissions as they are now, for work on its behalf. Raises like `admit`."""
        return self._caller(identity, await self._accesses.access_of(identity), await self._accesses.cache_generation(identity.tenant))

    def _caller(self, identity: Identity, access: Access, generation: int) -> Caller:
        caller = self._callers.get(identity)
        if caller is None or caller.access is not access or caller.generation != generation:
            if len(self._callers) >= _MOST_CALLERS:
                self._callers.clear()
            caller = self._callers[identity] = Caller(access, generation)
        return caller

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
        return await self.caller_of(identity)

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
