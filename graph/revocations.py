"""Tokens of identity providers that are refused before they expire: single ones, and all of a subject's up to an instant.

A tenant has a list of its own, since it is the tenant's doors that they no longer open. API keys are revoked in `keys`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..errors import BadInput
from .access import Access
from .changes import Change, Entry, Event, Idempotency, Results, Settled, Step, content_hash
from .database import Database, Row
from .instants import check_instant, maybe_utc, now, stamp, utc
from .names import check_name
from .statements import load
from .writer import Writer

_CYPHER = load("revocations")
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Revocation:
    """Either the one token of an issuer with this `jti`, or all tokens of its `subject` that were issued at `issued_before` or earlier."""

    tenant: str
    issuer: str
    jti: str | None
    subject: str | None
    issued_before: datetime | None
    revoked_at: datetime
    revoked_by: str

    @property
    def id(self) -> str:
        """Its id; the later of two for the same subject takes the place of the earlier."""
        return (
            _token_id(self.tenant, self.issuer, self.jti) if self.jti is not None else _subject_id(self.tenant, self.issuer, self.subject)
        )

    def digest(self) -> str:
        """The hash of the revocation as the ledger holds it."""
        told = [self.tenant, self.issuer, self.jti, self.subject, stamp(self.issued_before), stamp(self.revoked_at), self.revoked_by]
        return content_hash(["revocation", *told])


def make_revocation(
    access: Access, issuer: str, jti: str | None = None, subject: str | None = None, issued_before: datetime | None = None
) -> Revocation:
    """A revocation, not stored yet. Raises BadInput unless either `jti` or `subject` is given, and for an instant yet to come."""
    at = now()
    if (jti is None) == (subject is None):
        raise BadInput("give either the jti of one token or the subject whose tokens shall end")
    if jti is not None:
        if issued_before is not None:
            raise BadInput("issuedBefore goes with a subject; a jti names one token")
        return Revocation(access.tenant, issuer, check_name("a token's jti", jti, _LONGEST), None, None, at, access.principal)
    until = at if issued_before is None else check_instant("issuedBefore", issued_before)
    if until > at:
        raise BadInput("issuedBefore must not lie ahead; to keep somebody out, add a rule that denies")
    return Revocation(access.tenant, issuer, None, check_name("a token's subject", subject or "", _LONGEST), until, at, access.principal)


async def store_revocation(writer: Writer, access: Access, revocation: Revocation, once: Idempotency | None = None) -> bool:
    """Store it; every replica heeds it within a second. Returns whether anything works no longer that worked until now."""

    def settle(results: Results) -> Settled:
        before, after = results[0][0]["before"], stored_revocation(results[0][0]["revocation"])
        was = None if before is None else stored_revocation(before).digest()
        if was == after.digest():
            return Settled(False, ())
        target = f"revocation:{revocation.id}"
        return Settled(True, (Entry("token.revoke", target, was, after.digest()),), (Event("revocation", access.tenant, revocation.id),))

    properties: Row = {
        "tenant": revocation.tenant,
        "issuer": revocation.issuer,
        "jti": revocation.jti,
        "subject": revocation.subject,
        "issuedBefore": revocation.issued_before,
        "revokedAt": revocation.revoked_at,
        "revokedBy": revocation.revoked_by,
    }
    row: Row = {"id": revocation.id, "at": revocation.revoked_at, "revocation": properties}
    return await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["revocations_add"], (row,)),),
            settle=settle,
            conflicts=frozenset({f"revocation:{revocation.id}"}),
            idempotency=once,
        )
    )


async def is_revoked(database: Database, tenant: str, issuer: str, jti: str | None, subject: str, issued: datetime | None) -> bool:
    """Whether the tenant's list has this token. One that does not say when it was issued counts as older than any instant."""
    ids = [_subject_id(tenant, issuer, subject), *([_token_id(tenant, issuer, jti)] if jti is not None else [])]
    rows = await database.read(_CYPHER["revocations_find"], {"tenant": tenant, "ids": ids})
    found = [stored_revocation(row["revocation"]) for row in rows]
    return any(one.issued_before is None or issued is None or issued <= one.issued_before for one in found)


def stored_revocation(row: Row) -> Revocation:
    """The revocation in a map of its node's properties."""
    return Revocation(
        row["tenant"],
        row["issuer"],
        row.get("jti"),
        row.get("subject"),
        maybe_utc(row.get("issuedBefore")),
        utc(row["revokedAt"]),
        row["revokedBy"],
    )


def _token_id(tenant: str, issuer: str, jti: str) -> str:
    return content_hash([tenant, issuer, "jti", jti])[:32]


def _subject_id(tenant: str, issuer: str, subject: str | None) -> str:
    return content_hash([tenant, issuer, "subject", subject])[:32]
