"""To remember is to import one text: its terms, its embedding and its mentions are worked out here, then the graph writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..errors import BadInput
from ..graph.access import Access
from ..graph.changes import content_hash
from ..graph.database import Database
from ..graph.instants import now, stamp
from ..graph.languages import search_terms
from ..graph.memories import Memory, memories_by_id
from ..graph.remembering import MAX_MANY, NewMemory, Prepared, check
from ..graph.remembering import remember as write
from ..graph.traits import heading, traits
from ..graph.vectors import Vectors
from ..graph.writer import Writer
from ..learning.embedders import Embedders
from .linking import Linker


async def remember(
    database: Database,
    writer: Writer,
    embedders: Embedders,
    linker: Linker,
    access: Access,
    new: Sequence[NewMemory],
    idempotency_key: str | None = None,
) -> list[Memory]:
    """Write all of `new`, in order, or nothing; return what was written, or what the idempotency key wrote before.

    Raises BadInput for a bad value or more than 1,000 memories, Forbidden without `write` on a scope, NotFound for an agent that
    is not registered, Conflict for an idempotency key that came with another input.
    """
    if not 1 <= len(new) <= MAX_MANY:
        raise BadInput(f"remember 1 to {MAX_MANY} memories at once, not {len(new)}")
    at = now()
    memories = [check(access, one, at) for one in new]
    texts = [memory.text or "" for memory in memories]
    vectors = await embedders.memories(texts)
    prepared = [prepare(memory, vector) for memory, vector in zip(memories, vectors, strict=True)]
    linked = await linker.plan(memories, access)
    sent = None if idempotency_key is None else [_input(one) for one in new]
    ids = await write(writer, access, prepared, linked, idempotency_key=idempotency_key, input=sent)
    if ids == [memory.id for memory in memories]:
        return memories
    found = await memories_by_id(database, access, ids)
    return [found[id] for id in ids if id in found]


def prepare(memory: Memory, vectors: Vectors) -> Prepared:
    """A memory with all that makes it findable."""
    text = memory.text or ""
    headed = heading(text)
    return Prepared(
        memory,
        tuple(search_terms(text)),
        vectors,
        tuple(dict.fromkeys(search_terms(headed))) if headed else (),
        tuple(traits(text)),
    )


def _input(new: NewMemory) -> dict[str, Any]:
    """What the caller sent, as JSON: an idempotency key stands for exactly this."""
    values = asdict(new)
    return {
        **values,
        "kind": new.kind.value,
        "modality": new.modality.value,
        "occurred_at": stamp(new.occurred_at),
        "expires_at": stamp(new.expires_at),
        "importance": None if new.importance is None else repr(new.importance),
    }


def joint_key(keys: Sequence[str | None]) -> str | None:
    """One idempotency key for a list whose items each have one. Raises BadInput when only some have."""
    given = [key for key in keys if key is not None]
    if not given:
        return None
    if len(given) != len(keys):
        raise BadInput("give every item of rememberMany an idempotencyKey, or none of them, or one for the whole call")
    return content_hash(given)
