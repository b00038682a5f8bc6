"""Tenants: who shares nothing with whom. A tenant has versions, by which every replica notices that its rules or scopes changed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from .changes import Change, Entry, Results, Settled, Step
from .database import Database, Row
from .instants import now
from .names import check_id
from .path_tree import PathTree
from .rules import StoredRule, policy_hash
from .statements import load
from .writer import Writer

_CYPHER = load("tenants")
SCOPE_GRAPH = "urn:cairn:scope:"
"""A graph of kind `scope` is named by this and the path of the memory scope whose local entities it holds."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Where a tenant stands. Each number only grows; one that moved means that what was read before may be old."""

    policy: int
    catalog: int
    cache: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """What there is to be permitted: memory scopes in order, named graphs as (IRI, number) and scope graphs as (path, number).

    The trees are those of the scopes, of the graphs' IRIs and of the scope graphs' paths, with positions as in the tuples.
    """

    scopes: tuple[str, ...] = ()
    graphs: tuple[tuple[str, int], ...] = ()
    scope_graphs: tuple[tuple[str, int], ...] = ()

    scope_tree: PathTree = field(init=False, repr=False, compare=False)
    graph_tree: PathTree = field(init=False, repr=False, compare=False)
    scope_graph_tree: PathTree = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scope_tree", PathTree.of(self.scopes))
        object.__setattr__(self, "graph_tree", PathTree.of(iri for iri, _ in self.graphs))
        object.__setattr__(self, "scope_graph_tree", PathTree.of(path for path, _ in self.scope_graphs))


async def create_tenant(writer: Writer, tenant: str, rules: Sequence[StoredRule], actor: str = "cairn") -> bool:
    """Create the tenant with its first rules, whose subjects are its first roles. One that exists stays as it is.

    Where it is to be encrypted it has its key afterwards. Returns whether it was created here. Raises BadInput for an id that can't
    name a tenant, Unavailable when there is no master key to wrap its key, or not the one that did.
    """
    check_id("the tenant's id", tenant)
    ring = writer.database.keyring
    row: Row = {
        "tenant": tenant,
        "sealing": ring is not None and ring.sealing,
        "founder": secrets.token_hex(16),
        "at": now(),
        "roles": sorted({rule.values[0] for rule in rules if rule.ptype == "p"}),
        "rules": [rule.properties(tenant) for rule in rules],
    }
    digest = policy_hash(rule.text for rule in rules)

    def settle(results: Results) -> Settled:
        made = bool(results[0][0]["isNew"])
        return Settled(made, (Entry("tenant.create", "policy", None, digest),) if made else ())

    made = await writer.apply(
        Change(
            tenant=tenant,
            actor=actor,
            steps=(Step(_CYPHER["tenants_create"], (row,)),),
            settle=settle,
            conflicts=frozenset({"policy"}),
            tags=frozenset({f"{tenant}/policy"}),
        )
    )
    if ring is not None:
        await ring.prepare(writer, tenant)
    return made


async def tenant_names(database: Database) -> list[str]:
    """Every tenant there is, in order. For administrators of the whole database only."""
    return [row["id"] for row in await database.read(_CYPHER["tenants_all"])]


async def read_versions(database: Database, tenant: str) -> Versions | None:
    """The tenant's versions in one round trip; None when there is no such tenant."""
    rows = await database.read(_CYPHER["tenants_versions"], {"tenant": tenant})
    if rows and database.keyring is not None:
        database.keyring.saw(tenant, rows[0]["keys"])
    return Versions(rows[0]["policy"], rows[0]["catalog"], rows[0]["cache"]) if rows else None


async def read_catalog(database: Database, tenant: str) -> Catalog:
    """Every scope and graph of the tenant in one round trip. For compiling an `Access` only: it asks nobody's permission."""
    row = (await database.read(_CYPHER["tenants_catalog"], {"tenant": tenant}))[0]
    named = sorted((iri, number) for kind, iri, number in row["graphs"] if kind == "named")
    local = sorted((iri.removeprefix(SCOPE_GRAPH), number) for kind, iri, number in row["graphs"] if kind == "scope")
    return Catalog(tuple(sorted(row["scopes"])), tuple(named), tuple(local))
