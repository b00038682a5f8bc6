"""Sessions: conversations and tasks, as the chains of memories that they are."""

from __future__ import annotations

from dataclasses import dataclass

from . import tags
from .access import Access
from .database import Database, Row
from .instants import maybe_utc, now
from .names import key
from .sealing import opened
from .statements import load

_CYPHER = load("sessions")
MAX_TAIL = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """What one memory of a session says, and who says it."""

    id: str
    text: str
    speaker: str | None


async def session_tail(database: Database, access: Access, agent: str, session: str, limit: int = MAX_TAIL) -> list[Turn]:
    """The last `limit` memories with a text of an agent's session that the caller may read, in the order in which they were written.

    Speakers that are hidden are left out; nothing is answered to those from whom texts or sessions are hidden.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    if {"Memory.text", "Memory.session"} & access.hidden_fields:
        return []
    parameters: Row = {"key": key(access.tenant, agent, session), "scopes": list(access.scopes), "limit": limit, "now": now()}
    rows = await database.read(_CYPHER["sessions_tail"], parameters)
    tags.collect_until(*(maybe_utc(row["expiresAt"]) for row in rows))
    is_shown = "Memory.speaker" not in access.hidden_fields
    turns: list[Turn] = []
    for row in reversed(rows):
        text, speaker = (opened(row[name], "Memory", row["id"], name, access.tenant) for name in ("text", "speaker"))
        if text is not None:
            turns.append(Turn(row["id"], text, speaker if is_shown else None))
    return turns
