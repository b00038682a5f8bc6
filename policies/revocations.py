"""Ending tokens of identity providers before they expire, by those who may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..errors import BadInput
from ..graph.access import Access
from ..graph.changes import idempotency
from ..graph.instants import stamp
from ..graph.revocations import make_revocation, store_revocation
from ..graph.writer import Writer
from ..settings import Provider
from .vouching import principal_of


async def end_tokens(
    writer: Writer,
    providers: Sequence[Provider],
    access: Access,
    provider: str,
    jti: str | None = None,
    subject: str | None = None,
    issued_before: datetime | None = None,
    idempotency_key: str | None = None,
) -> bool:
    """Refuse one token from now on, or all that `subject` was given until `issued_before` (None: now); every replica does within a second.

    Takes `admin` on `key`; one's own subject anybody may give. Returns whether that changed anything. Raises Forbidden, and BadInput for
    an unknown provider or unless either `jti` or `subject` is given.
    """
    if subject is None or access.narrowed or principal_of(provider, subject) != access.principal:
        access.require("key", "admin")
    known = {one.name: one.issuer for one in providers}
    if provider not in known:
        raise BadInput(f"there is no identity provider {provider!r}; CAIRN_OIDC names {', '.join(sorted(known)) or 'none'}")
    revocation = make_revocation(access, known[provider], jti, subject, issued_before)
    arguments = [provider, jti, subject, stamp(issued_before)]
    once = idempotency(access.tenant, access.principal, "revokeToken", idempotency_key, arguments)
    return await store_revocation(writer, access, revocation, once)
