"""Facts: what is held to be true of a subject, when it was true in the world, and when Cairn was told (bitemporal).

World time is `valid_from` to `valid_to`, half open, None for an open end. System time is `recorded_at` to `retracted_at`. Nothing
that was ever held is lost: `list_facts` with `known_at` answers as it would have answered then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from . import tags
from .access import Access
from .changes import content_hash
from .database import Database, Row
from .instants import check_instant, maybe_utc, now, stamp, utc
from .iris import check_iri
from .keyring import index_of
from .memories import Memory, from_row
from .pages import Page, check_first, decode, encode, page
from .sealing import Stored, as_stored, opened
from .searchable import Index
from .statements import load

_CYPHER = load("facts")
_LAST_ID = "~"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as it was known at some instant."""

    id: str
    scope: str
    subject: str
    predicate: str
    object: str
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_at: datetime
    retracted_at: datetime | None
    confidence: float


def fact_hash(fact: Fact, evidence: Iterable[str], object: Stored) -> str:
    """The hash of a fact and the memories it cites, as the ledger holds it. `object` is what is stored: of a sealed one, the ciphertext."""
    times = [stamp(fact.valid_from), stamp(fact.valid_to), stamp(fact.recorded_at), stamp(fact.retracted_at)]
    names = [fact.id, fact.scope, fact.subject, fact.predicate, as_stored(object)]
    return content_hash(["fact", *names, *times, repr(fact.confidence), sorted(evidence)])


def unopened(row: Row) -> Fact:
    """The fact in a map of a node's properties, in which those that are not set may be absent; without its object."""
    return _fact(row, "")


def _opened(rows: Iterable[Row]) -> list[Fact]:
    """The facts in maps of properties, but for those whose key was destroyed."""
    objects = [(row, opened(row["object"], "Fact", row["id"], "object")) for row in rows]
    return [_fact(row, object) for row, object in objects if object is not None]


def _fact(row: Row, object: str) -> Fact:
    return Fact(
        row["id"], row["scope"], row["subject"], row["predicate"], object, maybe_utc(row.get("validFrom")),
        maybe_utc(row.get("validTo")), utc(row["recordedAt"]), maybe_utc(row.get("retractedAt")), row["confidence"],
    )  # fmt: skip


def object_key(text: str, index: Index) -> str:
    """What an index finds an object of any length by."""
    return index.digest("object", content_hash(["object", text]))[:32]


async def facts_by_id(database: Database, access: Access, ids: Sequence[str]) -> dict[str, Fact]:
    """Readable facts by id as they stand, retracted ones included, in one round trip."""
    tags.collect(f"{access.tenant}/facts")
    rows = await database.read(_CYPHER["facts_by_id"], {"tenant": access.tenant, "scopes": list(access.scopes), "ids": list(ids)})
    return {fact.id: fact for fact in _opened(row["fact"] for row in rows)}


async def list_facts(
    database: Database,
    access: Access,
    subject: str | None = None,
    predicate: str | None = None,
    object: str | None = None,
    valid_at: datetime | None = None,
    known_at: datetime | None = None,
    first: int = 20,
    after: str | None = None,
) -> Page[Fact]:
    """A page of readable facts, the newest first.

    `valid_at` asks for what was true in the world at an instant (None: at any); `known_at` for what was held at an instant (None:
    now). Nothing is found by a time that is hidden from the caller. Raises BadInput for what is no IRI, an instant without an
    offset, or a bad page.
    """
    check_first(first)
    position = decode(after, str)
    tags.collect(f"{access.tenant}/facts")
    asked = {"Fact.validFrom": valid_at, "Fact.validTo": valid_at, "Fact.retractedAt": known_at}
    if any(instant is not None and name in access.hidden_fields for name, instant in asked.items()):
        return Page((), (), more=False)
    parameters: Row = {
        "tenant": access.tenant,
        "scopes": list(access.scopes),
        "subject": None if subject is None else check_iri("subject", subject),
        "predicate": None if predicate is None else check_iri("predicate", predicate),
        "object": object,
        "objectKey": None if object is None else object_key(object, await index_of(database, access.tenant)),
        "validAt": None if valid_at is None else check_instant("validAt", valid_at),
        "knownAt": None if known_at is None else check_instant("knownAt", known_at),
        "before": position[0] if position else _LAST_ID,
        "limit": first + 1,
    }
    statement = _CYPHER["facts_list" if subject is None and object is None else "facts_about"]
    rows = await database.read(statement, parameters)
    return page(_opened(row["fact"] for row in rows), first, lambda fact: encode(fact.id))


async def facts_held(database: Database, access: Access, iris: Sequence[str], memories: Sequence[str], limit: int) -> list[Fact]:
    """Readable facts that are true now: those about `iris` or that say one of them, and those that cite one of `memories`.

    The newest `limit`, the newest first. An answer made of them ends when one ends to be true, or one of them begins to be.
    """
    tags.collect(f"{access.tenant}/facts")
    at = now()
    index = await index_of(database, access.tenant)
    parameters: Row = {
        "tenant": access.tenant,
        "scopes": list(access.scopes),
        "iris": list(iris),
        "objects": [object_key(iri, index) for iri in iris],
        "memories": list(memories),
        "now": at,
        "limit": limit,
    }
    row = (await database.read(_CYPHER["facts_held"], parameters))[0]
    held = _opened(row["facts"])
    tags.collect_until(maybe_utc(row["next"]), *(fact.valid_to for fact in held))
    return held


async def evidence(database: Database, access: Access, fact_ids: Sequence[str]) -> dict[str, list[Memory]]:
    """For each fact the readable memories it cites, oldest first, in one round trip."""
    found: dict[str, list[Memory]] = {id: [] for id in fact_ids}
    parameters: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "ids": list(fact_ids), "now": now()}
    for row in await database.read(_CYPHER["evidence_of"], parameters):
        memory = from_row(row["memory"])
        tags.collect(f"{access.tenant}/memory/{memory.id}")
        tags.collect_until(memory.expires_at)
        found[row["fact"]].append(memory)
    return found
