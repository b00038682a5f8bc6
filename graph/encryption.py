"""Encryption as administrators see it: on or off for a tenant, how it stands, and its keys rotated while everything goes on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..errors import Conflict, NotFound, Unavailable
from . import tags
from .access import Access
from .changes import Change, Entry, Results, Settled, Step, answered, content_hash
from .database import Database, Row
from .instants import maybe_utc, now
from .keyring import Keyring
from .master import MasterKey, unwrap, wrap
from .sealing import ID_BYTES, KEY_BYTES
from .statements import load
from .wrapping import index_context, subject_context, tenant_context
from .writer import Writer

_CYPHER = load("encryption")
ENCRYPTION = "encryption"
"""The object that rules on encryption, and on erasing subjects, are about."""
_BATCH = 1_000
Settling = Callable[[Results], Settled]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant's encryption stands. `enabled`: new values are sealed; `searchable`: its words and vectors are keyed.

    `key` and `master` are the ids of the tenant's key, made at `rotated_at`, and of the master key that wraps it; None before their use.
    """

    enabled: bool
    searchable: bool
    key: str | None
    master: str | None
    rotated_at: datetime | None
    subjects: int


def keyring_of(database: Database) -> Keyring:
    """The database's keyring. Raises Unavailable without one."""
    if database.keyring is None:
        raise Unavailable("this Cairn was opened without its master key")
    return database.keyring


async def standing(database: Database, access: Access) -> Standing:
    """How the encryption of the caller's tenant stands. Raises Forbidden without `read` on `encryption`."""
    access.require(ENCRYPTION, "read")
    tags.collect(f"{access.tenant}/encryption")
    rows = await database.read_stored(_CYPHER["encryption_state"], {"tenant": access.tenant})
    if not rows:
        return Standing(enabled=False, searchable=False, key=None, master=None, rotated_at=None, subjects=0)
    row = rows[0]
    return Standing(row["sealing"], row["keyed"], row["key"], row["master"], maybe_utc(row["at"]), row["subjects"])


async def set_encryption(writer: Writer, access: Access, *, enabled: bool) -> None:
    """Have the tenant's new values sealed from now on, or not; what was written before stays as it is and readable.

    Words and vectors change with it only while there are no memories and facts. Raises Forbidden without `admin` on `encryption`.
    """
    access.require(ENCRYPTION, "admin")
    row: Row = {"tenant": access.tenant, "sealing": enabled}

    def settle(results: Results) -> Settled:
        if not results[0]:
            raise NotFound("there is no such tenant")
        before = bool(results[0][0]["before"])
        entries = (Entry("encryption.switch", ENCRYPTION, content_hash(before), content_hash(enabled)),) if before != enabled else ()
        return Settled(None, entries)

    await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["encryption_switch"], (row,)),),
            settle=settle,
            conflicts=frozenset({ENCRYPTION}),
            tags=frozenset({f"{access.tenant}/encryption"}),
        )
    )
    keyring_of(writer.database).forget(access.tenant)


async def rotate_tenant(writer: Writer, access: Access) -> None:
    """Put a new key in the place of the tenant's, and wrap by it all that was wrapped by the old one. Sealed values stay as they are.

    Everything goes on meanwhile; a rotation that was interrupted is finished first. Raises Forbidden without `admin` on `encryption`,
    Conflict when another rotation is under way.
    """
    access.require(ENCRYPTION, "admin")
    ring = keyring_of(writer.database)
    rows = await writer.database.read_stored(_CYPHER["encryption_key"], {"tenant": access.tenant})
    if not rows:
        raise Conflict("this tenant has no key yet, so there is nothing to rotate; it gets one with its first value")
    if rows[0]["key"].get("previous") is not None:
        await _finish(writer, ring.master, access, rows[0]["key"])
        rows = await writer.database.read_stored(_CYPHER["encryption_key"], {"tenant": access.tenant})
    await _renew(writer, ring.master, access, rows[0]["key"])
    (row,) = await writer.database.read_stored(_CYPHER["encryption_key"], {"tenant": access.tenant})
    await _finish(writer, ring.master, access, row["key"])
    ring.forget(access.tenant)


async def _renew(writer: Writer, master: MasterKey, access: Access, old: Row) -> None:
    tenant = access.tenant
    held = await master.unwrap(old["master"], old["wrapped"], tenant_context(tenant, old["id"]))
    id, new = secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES)
    by, wrapped = await master.wrap(new, tenant_context(tenant, id))
    index = wrap(new, unwrap(held, old["index"], index_context(tenant)), index_context(tenant))
    row: Row = {"tenant": tenant, "before": old["id"], "id": id, "master": by, "wrapped": wrapped, "index": index, "at": now()}

    def settle(results: Results) -> Settled:
        if not results[0]:
            raise Conflict("another rotation of this tenant's key is under way; try again when it is over")
        return Settled(None, (Entry("encryption.rotate", "encryption:key", content_hash(old["id"]), content_hash(id)),))

    await _apply(writer, access, settle, "encryption_renew", row)


async def _finish(writer: Writer, master: MasterKey, access: Access, key: Row) -> None:
    """Wrap by the tenant's key what is wrapped by the one before it, until there is nothing left, then forget that one."""
    tenant, previous = access.tenant, key["previous"]
    old = await master.unwrap(key["previousMaster"], key["previousWrapped"], tenant_context(tenant, previous))
    new = await master.unwrap(key["master"], key["wrapped"], tenant_context(tenant, key["id"]))
    behind: Row = {"tenant": tenant, "parent": previous, "limit": _BATCH}
    while rows := await writer.database.read_stored(_CYPHER["encryption_behind"], behind):
        moved = [
            {
                "id": row["id"],
                "before": previous,
                "parent": key["id"],
                "wrapped": wrap(new, unwrap(old, row["wrapped"], subject_context(tenant, row["id"])), subject_context(tenant, row["id"])),
                "at": now(),
            }
            for row in rows
        ]
        await _apply(writer, access, lambda _: Settled(None, ()), "encryption_rewrap", *moved)
    await _apply(writer, access, lambda _: Settled(None, ()), "encryption_renewed", {"tenant": tenant, "previous": previous, "at": now()})


async def rotate_master(writer: Writer, access: Access) -> int:
    """Have a new master key wrap all tenants' keys; how many were. The old one is kept, for what is wrapped at this very moment.

    Raises Forbidden without `admin` on `encryption`.
    """
    access.require(ENCRYPTION, "admin")
    master = keyring_of(writer.database).master
    await master.rotate()
    return await _master(writer, access, master)


async def retire_master(writer: Writer, access: Access) -> int:
    """Forget master keys of before, once every tenant's key is wrapped by the present one; how many tenants' keys had to be.

    Raises Forbidden without `admin` on `encryption`.
    """
    access.require(ENCRYPTION, "admin")
    master = keyring_of(writer.database).master
    moved = await _master(writer, access, master)
    await master.retire()
    return moved


async def _master(writer: Writer, access: Access, master: MasterKey) -> int:
    """Wrap by the present master key all tenants' keys that are not."""
    moved, after = 0, ""
    while True:
        wanted: Row = {"after": after, "master": master.id, "limit": _BATCH}
        rows = await writer.database.read_stored(_CYPHER["encryption_wrapped"], wanted)
        if not rows:
            return moved
        for row in rows:
            moved += await _mastered(writer, access, master, row["key"])
        after = rows[-1]["key"]["tenant"]


async def _mastered(writer: Writer, access: Access, master: MasterKey, key: Row) -> int:
    tenant, previous = key["tenant"], key.get("previous")
    context = tenant_context(tenant, key["id"])
    by, wrapped = await master.wrap(await master.unwrap(key["master"], key["wrapped"], context), context)
    earlier = None
    if previous is not None:
        context = tenant_context(tenant, previous)
        _, earlier = await master.wrap(await master.unwrap(key["previousMaster"], key["previousWrapped"], context), context)
    row: Row = {
        "tenant": tenant, "id": key["id"], "before": key["master"], "previous": previous or "", "master": by, "wrapped": wrapped,
        "previousWrapped": earlier, "at": now(),
    }  # fmt: skip

    def settle(results: Results) -> Settled:
        done = answered(results[0])
        entry = Entry("encryption.rewrap", "encryption:master", content_hash(key["master"]), content_hash(by))
        return Settled(len(done), (entry,) if done else ())

    change = Change(
        tenant=tenant, actor=access.principal, steps=(Step(_CYPHER["encryption_mastered"], (row,)),), settle=settle,
        tags=frozenset({f"{tenant}/encryption"}),
    )  # fmt: skip
    return await writer.apply(change)


async def _apply(writer: Writer, access: Access, settle: Settling, statement: str, *rows: Row) -> None:
    await writer.apply_alone(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER[statement], rows),),
            settle=settle,
            tags=frozenset({f"{access.tenant}/encryption"}),
        ),
        "encryption",
    )
