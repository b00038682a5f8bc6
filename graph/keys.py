"""API keys: `cairn_<id>_<secret>`. Only the SHA-256 of the secret is stored; the token is shown once, when it is made."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from ..errors import BadInput, NotFound
from . import tags
from .access import Access, Bound, Identity
from .changes import Change, Entry, Event, Idempotency, Results, Settled, Step, content_hash
from .database import Database, Row
from .instants import check_instant, from_stamp, maybe_utc, now, stamp, utc
from .names import check_id, new_id
from .pages import Page, check_first, decode, encode, page
from .rules import Stale
from .statements import load
from .writer import Writer

_CYPHER = load("keys")
_RULES = load("rules")
_TOKEN = re.compile(r"cairn_(?P<id>[0-9a-f]{32})_(?P<secret>[A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key, its secret excepted. `hash`: SHA-256 of the secret, in hex. `scopes`: None when it is not narrowed."""

    id: str
    tenant: str
    principal: str
    hash: str = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: tuple[Bound, ...] | None = None

    @property
    def identity(self) -> Identity:
        """Whom the key stands for."""
        return Identity(self.tenant, self.principal, bounds=self.scopes)

    def digest(self) -> str:
        """The hash of the key as the ledger holds it."""
        parts = [self.id, self.tenant, self.principal, self.hash, stamp(self.created_at), self.created_by, stamp(self.expires_at)]
        scopes = [] if self.scopes is None else [[scope.text for scope in self.scopes]]  # older keys have hashes without
        return content_hash(["key", *parts, stamp(self.revoked_at), *scopes])


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and its token. `token` is None when an idempotency key was repeated: it was shown then, and can't be again."""

    key: ApiKey
    token: str | None = field(repr=False)


def split_token(token: str) -> tuple[str, str] | None:
    """The id and the secret of a token; None when it is not of that form."""
    found = _TOKEN.fullmatch(token)
    return (found["id"], found["secret"]) if found else None


def secret_hash(secret: str) -> str:
    """The SHA-256 of a secret, in hex. The secret has 256 random bits, so a slow hash would add nothing."""
    return sha256(secret.encode("ascii")).hexdigest()


def make_key(
    tenant: str, principal: str, created_by: str, expires_at: datetime | None = None, scopes: tuple[Bound, ...] | None = None
) -> NewKey:
    """A new key, not stored yet. Raises BadInput for an id that can't be a principal's and for an end that is past or has no zone."""
    check_id("the principal's id", principal)
    created_at = now()
    if expires_at is not None and check_instant("expiresAt", expires_at) <= created_at:
        raise BadInput("expiresAt must be in the future")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(new_id(), tenant, principal, secret_hash(secret), created_at, created_by, expires_at, scopes=scopes)
    return NewKey(key, f"cairn_{key.id}_{secret}")


async def store_key(writer: Writer, access: Access, new: NewKey, once: Idempotency | None = None) -> NewKey:
    """Store the key and return it with its token; on a repeated idempotency key the first key, without token and hash."""

    def settle(_results: Results) -> Settled:
        return Settled(_properties(new.key, text=True), (Entry("key.create", f"key:{new.key.id}", None, new.key.digest()),))

    answer = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["keys_create"], ({"key": _properties(new.key)},)),),
            settle=settle,
            tags=frozenset({f"{access.tenant}/keys"}),
            idempotency=once,
        )
    )
    key = stored_key({**answer, "createdAt": from_stamp(answer["createdAt"]), "expiresAt": from_stamp(answer["expiresAt"])})
    return new if key.id == new.key.id else NewKey(key, None)


async def store_first_key(writer: Writer, new: NewKey, administrators: Sequence[str], policy_version: int) -> bool:
    """Store the key unless one of `administrators` has one that works. Returns whether it was stored; only one of many callers is told so.

    Raises Stale when the rules, by which `administrators` was found, are no longer at `policy_version`.
    """
    tenant = new.key.tenant
    row: Row = {
        "tenant": tenant,
        "key": _properties(new.key),
        "administrators": list(administrators),
        "expected": policy_version,
        "at": now(),
    }

    def settle(results: Results) -> Settled:
        if not results[1] or not results[1][0]["current"]:
            raise Stale("the rules changed while the first key was made; try again")
        made = bool(results[1][0]["made"])
        return Settled(made, (Entry("key.create", f"key:{new.key.id}", None, new.key.digest()),) if made else ())

    return await writer.apply(
        Change(
            tenant=tenant,
            actor=new.key.created_by,
            steps=(Step(_RULES["policy_lock"], (row,)), Step(_CYPHER["keys_create_first"], (row,))),
            settle=settle,
            conflicts=frozenset({"policy"}),
            tags=frozenset({f"{tenant}/keys"}),
        )
    )


async def revoke_key(writer: Writer, access: Access, id: str, once: Idempotency | None = None) -> bool:
    """End the key. Returns whether it worked until now. Raises NotFound for a key that the tenant does not have."""
    row: Row = {"id": id, "tenant": access.tenant, "at": now()}

    def check(rows: object) -> None:
        if not rows:
            raise NotFound(f"there is no API key {id!r} that you may revoke")

    def settle(results: Results) -> Settled:
        key = stored_key(results[0][0]["key"])
        entry = Entry("key.revoke", f"key:{id}", replace(key, revoked_at=None).digest(), key.digest())
        return Settled(results[0][0]["revoked"], (entry,) if results[0][0]["revoked"] else (), (Event("key", access.tenant, id),))

    return await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["keys_revoke"], (row,)),),
            check=check,
            settle=settle,
            conflicts=frozenset({f"key:{id}"}),
            tags=frozenset({f"{access.tenant}/keys"}),
            idempotency=once,
        )
    )


async def touch_key(writer: Writer, key: ApiKey) -> None:
    """Note that the key was used, at most once a minute over all replicas. Bookkeeping: not in the ledger."""
    at = now()
    row: Row = {"id": key.id, "at": at, "unless": at - TOUCH_EVERY}
    steps = (Step(_CYPHER["keys_touch"], (row,)),)
    await writer.apply(Change(tenant=key.tenant, actor=key.principal, steps=steps, settle=lambda _: Settled(None, ())))


async def find_key(database: Database, id: str) -> ApiKey | None:
    """The key with this id, revoked and expired ones too; for authentication, which has no `Access` yet."""
    rows = await database.read(_CYPHER["keys_find"], {"id": id})
    return stored_key(rows[0]["key"]) if rows else None


async def list_keys(database: Database, access: Access, first: int, after: str | None = None, principal: str | None = None) -> Page[ApiKey]:
    """Keys in the order in which they were made, one principal's or all.

    Without `read` on `key` only one's own, and with a narrowed key none.
    """
    check_first(first)
    if not access.may("key", "read"):
        if access.narrowed or principal not in (None, access.principal):
            return Page((), (), more=False)
        principal = access.principal
    position = decode(after, str)
    tags.collect(f"{access.tenant}/keys")
    tags.collect_until(now() + TOUCH_EVERY)
    parameters: Row = {"tenant": access.tenant, "principal": principal, "after": position[0] if position else "", "limit": first + 1}
    rows = await database.read(_CYPHER["keys_list"], parameters)
    return page([stored_key(row["key"]) for row in rows], first, lambda key: encode(key.id))


async def principals_with_keys(database: Database, tenant: str) -> frozenset[str]:
    """Who has a key that works and may do all that its principal may."""
    return frozenset(identity.principal for identity in await keyed_identities(database, tenant) if identity.bounds is None)


async def keyed_identities(database: Database, tenant: str) -> frozenset[Identity]:
    """Whom keys stand for that work, narrowed ones too."""
    rows = await database.read(_CYPHER["keys_principals"], {"tenant": tenant, "now": now()})
    return frozenset(Identity(tenant, row["principal"], bounds=_scopes(row["scopes"])) for row in rows)


def _properties(key: ApiKey, *, text: bool = False) -> Row:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "principal": key.principal,
        "hash": "" if text else key.hash,
        "createdAt": stamp(key.created_at) if text else key.created_at,
        "createdBy": key.created_by,
        "expiresAt": stamp(key.expires_at) if text else key.expires_at,
        "scopes": None if key.scopes is None else [scope.text for scope in key.scopes],
    }


def stored_key(row: Row) -> ApiKey:
    """The key in a map of its node's properties."""
    return ApiKey(
        row["id"],
        row["tenant"],
        row["principal"],
        row["hash"],
        utc(row["createdAt"]),
        row["createdBy"],
        maybe_utc(row.get("expiresAt")),
        maybe_utc(row.get("revokedAt")),
        maybe_utc(row.get("lastUsedAt")),
        _scopes(row.get("scopes")),
    )


def _scopes(texts: Sequence[str] | None) -> tuple[Bound, ...] | None:
    return None if texts is None else tuple(Bound(*text.rsplit(" ", 1)) for text in texts)
