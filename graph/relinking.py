"""The pass over old memories, as the graph keeps it: what is pending, what a batch adds, and how far a tenant's pass has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .changes import Change, Entry, Results, Settled, Step
from .database import Database
from .instants import now
from .keyring import index_for
from .mentions import Mention, link_steps, mentions_hash
from .sealing import opened
from .statements import load
from .writer import Writer

_CYPHER = load("mentions")


@dataclass(frozen=True, slots=True)
class Pending:
    """A memory to link again."""

    id: str
    agent: str
    scope: str
    text: str
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a pass stands: the id of the last memory it did, how many it did of how many there are, the mentions it added."""

    after: str = ""
    done: int = 0
    total: int = 0
    linked: int = 0


async def standing(database: Database, tenant: str) -> Standing:
    """Where the tenant's interrupted pass stopped, or the start of a new one."""
    rows = await database.read(_CYPHER["relinking_find"], {"tenant": tenant})
    after, linked = (rows[0]["after"], rows[0]["linked"]) if rows else ("", 0)
    count = (await database.read(_CYPHER["relinking_count"], {"tenant": tenant, "after": after}))[0]
    return Standing(after, count["done"], count["total"], linked)


async def unfinished(database: Database) -> list[str]:
    """Tenants whose pass was interrupted."""
    return [row["tenant"] for row in await database.read(_CYPHER["relinking_unfinished"])]


async def pending(database: Database, tenant: str, after: str, limit: int) -> list[Pending]:
    """Memories with a text, in the order of their ids, from the one behind `after`."""
    rows = await database.read(_CYPHER["mentions_pending"], {"tenant": tenant, "after": after, "limit": limit})
    found: list[Pending] = []
    for row in rows:
        text, speaker = (opened(row[name], "Memory", row["id"], name, tenant) for name in ("text", "speaker"))
        found.append(Pending(row["id"], row["agent"], row["scope"], text or "", speaker))
    return found


async def additions(database: Database, found: Mapping[str, Sequence[Mention]]) -> dict[str, list[Mention]]:
    """Of mentions found in memories, by memory id, those that the memory does not have yet, or has with less confidence."""
    rows = await database.read(_CYPHER["mentions_known"], {"ids": list(found)})
    known = {(row["id"], row["key"], row["start"], row["end"]): row["confidence"] for row in rows}
    added = {
        id: [m for m in mentions if round(m.confidence, 4) > known.get((id, m.key, m.start, m.end), 0.0)] for id, mentions in found.items()
    }
    return {id: mentions for id, mentions in added.items() if mentions}


async def write_batch(
    writer: Writer, tenant: str, scopes: Mapping[str, str], added: Mapping[str, Sequence[Mention]], reached: Standing
) -> None:
    """Add mentions to memories and remember that the pass has `reached` so far, in one transaction. `scopes`: each memory's scope."""
    linked = link_steps(tenant, added, await index_for(writer, tenant))

    def settle(results: Results) -> Settled:
        lines = [Entry("memory.link", f"mentions:{scopes[id]}/{id}", None, mentions_hash(mentions)) for id, mentions in added.items()]
        made = results[0] if linked.steps else ()
        return Settled(None, (*linked.entries(made), *lines), linked.events(made))

    moved = {"tenant": tenant, "after": reached.after, "linked": reached.linked, "at": now()}
    tags = {f"{tenant}/memory/{id}" for id in added} | {f"{tenant}/memories/{scopes[id]}" for id in added}
    if added:
        tags.add(f"{tenant}/memories")
    await writer.apply_alone(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(*linked.steps, Step(_CYPHER["relinking_move"], (moved,))),
            settle=settle,
            conflicts=linked.conflicts,
            tags=linked.tags | tags,
        ),
        "relink",
    )


async def finish(writer: Writer, tenant: str) -> None:
    """Say that the tenant's pass is done: the next begins anew."""
    steps = (Step(_CYPHER["relinking_end"], ({"tenant": tenant},)),)
    await writer.apply(Change(tenant=tenant, actor="cairn", steps=steps, settle=lambda _: Settled(None, ())))
