"""Local entities: names in a scope's memories that no graph explains, until an import or a curator says what they are.

A local entity is a resource like others, described in its scope's own graph (`urn:cairn:scope:<path>`). Identifying it adds an
`owl:sameAs` link to that graph; the two resources are never merged, so a wrong identification can be taken back.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import Conflict, NotFound
from .access import Access
from .analysis import label_tokens, name_words
from .changes import Change, Entry, Event, Results, Settled, Step, idempotency
from .database import Database, Row
from .instants import now
from .iris import check_iri
from .keyring import index_of
from .rdf import Subject, literal, resource_key, subject
from .searchable import Index
from .statements import load
from .tenants import SCOPE_GRAPH
from .vocabulary import PREFIXES
from .writer import Writer

_CYPHER = load("locals")
_LABEL = f"{PREFIXES['rdfs']}label"
_SAME_AS = f"{PREFIXES['owl']}sameAs"
LOCAL = "urn:cairn:entity:"
"""How the IRIs of local entities begin."""
_NUMBER_BITS = 48


@dataclass(frozen=True, slots=True)
class LocalEntity:
    """A name in a scope, as an entity to be."""

    scope: str
    name: str
    key: str
    iri: str


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A local entity that nothing identifies yet, and the agents whose memories mention it."""

    key: str
    iri: str
    name: str
    agents: tuple[str, ...]

    @property
    def scope(self) -> str:
        """The scope it is local to."""
        return _scope(self.iri) or ""


def scope_graph(scope: str) -> str:
    """The IRI of a scope's own graph."""
    return f"{SCOPE_GRAPH}{scope}"


def local_entity(tenant: str, scope: str, name: str, index: Index) -> LocalEntity | None:
    """The entity that `name` stands for in `scope`; None when the name holds no word. Spellings that differ by case or accents meet.

    Where the tenant's words are keyed, the IRI holds a keyed hash in the place of the name.
    """
    words = name_words(name)
    if not words:
        return None
    spelled = "-".join(words)
    iri = f"{LOCAL}{scope}:{index.digest('local entity', spelled)[:32] if index.keyed else spelled}"
    return LocalEntity(scope, " ".join(name.split()), resource_key(tenant, iri), iri)


def is_local(iri: str) -> bool:
    """Whether the IRI is one that Cairn gave to a local entity."""
    return iri.startswith(LOCAL)


def local_step(tenant: str, entities: Iterable[LocalEntity], index: Index) -> Step:
    """The step that makes those of `entities` that are new. Its results go to `local_entries` and `local_events`."""
    at = now()
    rows: list[Row] = []
    for entity in {entity.key: entity for entity in entities}.values():
        described = subject(tenant, entity.iri, [f"<{_LABEL}> {index.name(entity.key, entity.name)}"])
        rows.append(
            {
                "tenant": tenant,
                "graph": scope_graph(entity.scope),
                "number": secrets.randbits(_NUMBER_BITS),
                "key": entity.key,
                "iri": entity.iri,
                "literals": list(described.literals),
                "terms": " ".join(index.tokens(dict.fromkeys(label_tokens(entity.name)))),
                "hash": described.hash,
                "at": at,
            }
        )
    return Step(_CYPHER["locals_ensure"], tuple(rows))


def local_entries(results: Sequence[Row]) -> tuple[Entry, ...]:
    """The ledger's lines for the entities that a `local_step` made."""
    return tuple(Entry("entity.create", f"entity:{row['iri']}", None, row["hash"]) for row in results if not row["known"])


def local_events(tenant: str, results: Sequence[Row]) -> tuple[Event, ...]:
    """The event that tells this replica of a new scope graph, when a `local_step` made one."""
    return (Event("catalog", tenant, tenant),) if any(row["isNew"] for row in results) else ()


def drop_step(keys: Iterable[str]) -> Step:
    """The step that destroys those of the local entities that nothing mentions any more, so that an erased text leaves no name behind.
    It goes behind those that erase; its results go to `drop_entries`.
    """
    return Step(_CYPHER["locals_drop"], tuple({"key": key, "prefix": LOCAL} for key in sorted(set(keys))))


def drop_entries(results: Sequence[Row]) -> tuple[Entry, ...]:
    """The ledger's lines for the entities that a `drop_step` destroyed."""
    return tuple(Entry("entity.erase", f"entity:{row['iri']}", row["before"], None) for row in results)


async def identify(writer: Writer, database: Database, access: Access, local: str, iri: str, idempotency_key: str | None = None) -> None:
    """Say that the local entity `local` is the same as the resource `iri`: an `owl:sameAs` link in the scope's graph.

    Saying it again changes nothing. Raises Forbidden without `write` on the scope's memories, NotFound when there is no such local
    entity that the caller may read, BadInput when `iri` is no IRI, Conflict when the entity changed meanwhile.
    """
    check_iri("the IRI", iri)
    scope = _scope(local)
    if scope is None or scope not in access.scopes:
        raise NotFound(f"there is no local entity {local!r} that you may read")
    access.require(f"memory:{scope}", "write")
    once = idempotency(access.tenant, access.principal, "identify", idempotency_key, [local, iri])
    change = await _same(database, access.tenant, access.principal, local, iri)
    await writer.apply(replace(change, policy_version=access.policy_version, idempotency=once))


async def identify_found(writer: Writer, database: Database, tenant: str, local: str, iri: str) -> None:
    """Like `identify`, in Cairn's own name: for the background pass, which has seen to what the readers of the scope may read."""
    await writer.apply(await _same(database, tenant, "cairn", local, iri))


async def _same(database: Database, tenant: str, actor: str, local: str, iri: str) -> Change:
    """The change that links the two. Raises NotFound when there is no such local entity."""
    key = resource_key(tenant, local)
    found = await database.read(_CYPHER["locals_find"], {"key": key, "tenant": tenant, "graph": scope_graph(_scope(local) or "")})
    if not found:
        raise NotFound(f"there is no local entity {local!r} that you may read")
    before = found[0]
    known = Subject(key, local, before["literals"], [(p, "", o) for p, o in before["links"]], "", "").statements()
    after = subject(tenant, local, sorted({*known, f"<{_SAME_AS}> <{iri}>"})).hash
    row: Row = {
        "key": key,
        "graph": before["number"],
        "before": before["hash"],
        "after": after,
        "target": resource_key(tenant, iri),
        "tenant": tenant,
        "iri": iri,
        "predicate": _SAME_AS,
    }

    def settle(results: Results) -> Settled:
        if not results[0] or not results[0][0]["ok"]:
            raise Conflict(f"{local!r} changed while it was being identified; try again")
        return Settled(None, () if after == before["hash"] else (Entry("entity.identify", f"entity:{local}", before["hash"], after),))

    return Change(
        tenant=tenant,
        actor=actor,
        steps=(Step(_CYPHER["locals_identify"], (row,)),),
        settle=settle,
        conflicts=frozenset({f"entity:{key}"}),
        tags=frozenset({f"{tenant}/graph/{before['number']}", f"{tenant}/graphs"}),
    )


async def unidentified(database: Database, tenant: str, after: str, limit: int) -> list[Unidentified]:
    """Local entities that nothing identifies, in the order of their keys, from the one behind `after`. For the background pass."""
    parameters: Row = {"tenant": tenant, "prefix": SCOPE_GRAPH, "after": after, "limit": limit}
    index = await index_of(database, tenant)
    return [
        Unidentified(row["key"], row["iri"], _name([index.shown(row["key"], one) for one in row["literals"]]), tuple(row["agents"]))
        for row in await database.read(_CYPHER["locals_unidentified"], parameters)
    ]


def _scope(local: str) -> str | None:
    return local.removeprefix(LOCAL).rpartition(":")[0] or None if is_local(local) else None


def _name(literals: Sequence[str]) -> str:
    return next((one.value for one in map(literal, literals) if one is not None and one.predicate == _LABEL), "")
