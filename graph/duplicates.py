"""Duplicates: memories that say the same as an earlier one, linked to it and never lost.

A duplicate has one `DUPLICATE_OF {similarity}` to the first memory that says so, which itself duplicates nothing, and that one's id
as `duplicateOf`. Both have the same tenant, scope, agent, kind, modality and speaker, so that a link tells nobody of a memory they
may not read. A memory that will expire may duplicate another, but none duplicates it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .changes import Change, Entry, Results, Settled, Step, answered, content_hash
from .database import Row
from .instants import stamp
from .memories import Memory
from .statements import load
from .writer import Writer

_CYPHER = load("duplicates")


@dataclass(frozen=True, slots=True)
class Likeness:
    """That the memory `id` says the same as `first` by `similarity` (1: in the same words), or, with None, as no other."""

    id: str
    scope: str
    digest: str
    first: str | None
    similarity: float = 1.0


def same_words(text: str) -> str:
    """`text` without what makes no difference to what it says: case, compatibility forms, white space, and a full stop at the end."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.rstrip(" .!。！") or words


def digest(tenant: str, memory: Memory) -> str | None:
    """What memories share that say exactly the same to the same reader: 32 hex digits. None for a memory without a text."""
    if not memory.text:
        return None
    names = [tenant, memory.scope, memory.agent, memory.kind.value, memory.modality.value, memory.speaker]
    return content_hash(["duplicate", *names, same_words(memory.text)])[:32]


def mark_step(memories: Iterable[Row], at: datetime) -> Step:
    """The step that links memories, written with these properties by an earlier step of the same change, to the first that say the same."""
    instant = stamp(at)
    rows = ({**{name: memory[name] for name in ("id", "tenant", "scope", "digest")}, "at": instant} for memory in memories)
    return Step(_CYPHER["duplicates_mark"], tuple(row for row in rows if row["digest"] is not None))


async def assign(writer: Writer, tenant: str, likenesses: Sequence[Likeness], at: datetime) -> int:
    """Write what memories duplicate, in one transaction with its entries in the ledger. How many were still there to be written."""
    rows: tuple[Row, ...] = tuple(
        {
            "id": one.id,
            "tenant": tenant,
            "scope": one.scope,
            "digest": one.digest,
            "first": one.first,
            "similarity": one.similarity,
            "at": at,
        }
        for one in likenesses
    )

    def settle(results: Results) -> Settled:
        written = [likenesses[i] for i in answered(results[0])]
        entries = [
            Entry("memory.compare", f"likeness:{one.scope}/{one.id}", None, content_hash([one.first, one.similarity])) for one in written
        ]
        return Settled(len(written), tuple(entries))

    touched = [{f"{tenant}/memory/{one.id}", f"{tenant}/memories/{one.scope}"} for one in likenesses]
    return await writer.apply_alone(
        Change(
            tenant=tenant,
            actor="cairn",
            steps=(Step(_CYPHER["duplicates_assign"], rows),),
            settle=settle,
            tags=frozenset({f"{tenant}/memories"}).union(*touched),
        ),
        "consolidate",
    )
