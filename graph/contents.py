"""The content of a named graph: what it says about each subject, changed batch by batch, each batch with its line in the ledger.

A graph's hash covers its whole content: the SHA-256 of the LtHash of the set of `<subject key> <subject hash>` (see `lthash`), so it
can be worked out anew from the graph as it stands (`content_hash`) and moves with every batch. The ledger's entries hold it before
and after.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields, replace

from ..errors import Conflict, Forbidden, NotFound
from .access import Access
from .batches import Batch, Edit
from .changes import Change, Entry, Event, Results, Settled, Step
from .database import Database, Row
from .instants import now
from .lthash import SetHash
from .rdf import Subject, statements_hash
from .statements import load
from .tenants import SCOPE_GRAPH
from .vocabulary import Names
from .writer import Writer

_CYPHER = load("contents")
_NUMBER_BITS = 48
_PAGE = 20_000
EMPTY = SetHash().digest()
"""The hash of a graph that says nothing."""


@dataclass(slots=True)
class Content:
    """Where a named graph's content stands. `prepare` moves it on."""

    iri: str
    number: int
    hash: str = EMPTY
    set: SetHash = field(default_factory=SetHash)
    triples: int = 0
    subjects: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch that is ready to be committed, and the triples that it adds and removes."""

    change: Change
    added: int
    removed: int


def check_graph(iri: str) -> None:
    """Raise Forbidden when `iri` names a graph that only Cairn itself writes."""
    if iri.startswith(SCOPE_GRAPH):
        raise Forbidden(f"{iri} holds the local entities of a memory scope; nothing is imported into it")


async def read_names(database: Database) -> Names:
    """The names that links and nodes have in this database."""
    row = (await database.read(_CYPHER["contents_names"]))[0]
    return Names({name for name in row["types"] if "__" in name}, {name for name in row["labels"] if "__" in name})


async def find_contents(database: Database, tenant: str, iris: Sequence[str]) -> dict[str, Content]:
    """Where the content of those graphs stands that exist, by IRI."""
    rows = await database.read(_CYPHER["contents_find"], {"tenant": tenant, "iris": list(iris)})
    return {row["iri"]: _content(row) for row in rows}


async def ensure_contents(writer: Writer, access: Access, iris: Sequence[str]) -> dict[str, Content]:
    """Where the content of named graphs stands, by IRI; those that don't exist are made, empty.

    Raises Forbidden for a graph of Cairn's own, NotFound for an unknown tenant.
    """
    for iri in iris:
        check_graph(iri)
    common: Row = {"tenant": access.tenant, "empty": EMPTY, "at": now()}
    rows = tuple({"iri": iri, "number": secrets.randbits(_NUMBER_BITS), **common} for iri in sorted(set(iris)))

    def check(results: Sequence[Row]) -> None:
        if len(results) < len(rows):
            raise NotFound(f"there is no tenant {access.tenant!r}")

    def settle(results: Results) -> Settled:
        new = [row for row in results[0] if row["isNew"]]
        entries = tuple(Entry("graph.create", f"graph:{row['iri']}", None, EMPTY) for row in new)
        return Settled(list(results[0]), entries, (Event("catalog", access.tenant, access.tenant),) if new else ())

    found = await writer.apply(
        Change(
            tenant=access.tenant,
            actor=access.principal,
            policy_version=access.policy_version,
            steps=(Step(_CYPHER["contents_ensure"], rows),),
            check=check,
            settle=settle,
            conflicts=frozenset(f"graph:{iri}" for iri in iris),
            tags=frozenset({f"{access.tenant}/graphs"}),
        )
    )
    return {row["iri"]: _content(row) for row in found}


async def stored_hashes(database: Database, graph: int) -> AsyncIterator[tuple[str, str]]:
    """Key and hash of every subject of a graph, in the order of keys."""
    after = ""
    while True:
        rows = await database.read(_CYPHER["contents_hashes"], {"graph": graph, "after": after, "limit": _PAGE})
        for row in rows:
            yield row["key"], row["hash"]
        if len(rows) < _PAGE:
            return
        after = rows[-1]["key"]


async def read_subjects(database: Database, graph: int, keys: Sequence[str]) -> dict[str, Subject]:
    """What a graph says about subjects, by key. For imports: it asks nobody's permission."""
    rows = await database.read(_CYPHER["contents_read"], {"graph": graph, "keys": list(keys)})
    return {row["key"]: _subject(row) for row in rows}


async def stored_subjects(database: Database, graph: int, page: int = 1_000) -> AsyncIterator[Subject]:
    """Everything a graph says, subject by subject in the order of keys. For exports and checks: it asks nobody's permission."""
    after = ""
    while True:
        rows = await database.read(_CYPHER["contents_page"], {"graph": graph, "after": after, "limit": page})
        for row in rows:
            yield _subject(row)
        if len(rows) < page:
            return
        after = rows[-1]["key"]


async def content_hash(database: Database, graph: int) -> str:
    """A graph's hash, worked out from every statement that is stored now. It equals the last one in the ledger, or somebody meddled."""
    found = SetHash()
    async for one in stored_subjects(database, graph):
        found.add([_member(one.key, statements_hash(one.statements()))])
    return found.digest()


def prepare(access: Access, names: Names, content: Content, edits: Sequence[Edit], about: Row | None = None) -> Prepared:
    """Edits of a graph as one change with one ledger entry. `about` are properties for the graph.

    `content` moves on at once, so that the next batch can be prepared while this one is being committed, in the same order. When a
    commit fails, so do those that were prepared after it; nothing is half done.
    """
    batch = Batch(access.tenant, content.number, names)
    moved = SetHash(content.set.state())
    moved.remove(_member(edit.before.key, edit.before.hash) for edit in edits if edit.before)
    moved.add(_member(edit.after.key, edit.after.hash) for edit in edits if edit.after)
    for edit in edits:
        batch.put(edit)
    before, after = content.hash, moved.digest()
    content.hash, content.set = after, moved
    content.triples, content.subjects = content.triples + batch.added - batch.removed, content.subjects + batch.subjects
    row: Row = {"graph": content.number, "before": before, "after": after, "content": moved.state()}
    row |= {"triples": content.triples, "subjects": content.subjects, "about": about or {}}
    steps = (Step(_CYPHER["contents_advance"], (row,)), *batch.steps())

    def check(rows: Sequence[Row]) -> None:
        if not rows or not rows[0]["ok"]:
            raise Conflict(f"{content.iri} was changed by somebody else meanwhile; start the import again")

    def settle(results: Results) -> Settled:
        batch.check(steps, results)
        return Settled(None, (Entry("graph.update", f"graph:{content.iri}", before, after),))

    change = Change(
        tenant=access.tenant,
        actor=access.principal,
        policy_version=access.policy_version,
        steps=steps,
        check=check,
        settle=settle,
        tags=frozenset({f"{access.tenant}/graph/{content.number}", f"{access.tenant}/graphs"}),
    )
    return Prepared(change, batch.added, batch.removed)


async def commit(writer: Writer, prepared: Prepared) -> None:
    """Commit one batch. Raises Conflict, and changes nothing, when the graph does not stand where the batch began."""
    await writer.apply_alone(prepared.change, "import")


async def apply(
    writer: Writer, access: Access, names: Names, content: Content, edits: Sequence[Edit], about: Row | None = None
) -> Prepared:
    """Prepare one batch and commit it. `content` moves on when that went well. Raises as `commit` does."""
    reached = replace(content)
    prepared = prepare(access, names, reached, edits, about)
    await commit(writer, prepared)
    for one in fields(content):
        setattr(content, one.name, getattr(reached, one.name))
    return prepared


def _member(key: str, digest: str) -> bytes:
    return f"{key} {digest}".encode()


def _content(row: Row) -> Content:
    state = SetHash(bytes(row["content"]) if row["content"] else None)
    return Content(row["iri"], row["number"], row["hash"] or EMPTY, state, row["triples"], row["subjects"])


def _subject(row: Row) -> Subject:
    return Subject(row["key"], row["iri"], row["literals"], row["links"], row["terms"], row["hash"])
