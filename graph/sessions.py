"""Sessions: conversations and tasks, as the chains of memories that they are."""

from __future__ import annotations

from . import tags
from .access import Access
from .database import Database, Row
from .instants import now
from .memories import Memory, as_seen, from_row
from .names import key
from .statements import load

_CYPHER = load("sessions")
MAX_TAIL = 500


async def session_tail(database: Database, access: Access, agent: str, session: str, limit: int = MAX_TAIL) -> list[Memory]:
    """The last `limit` memories with a text of an agent's session that the caller may read, in the order in which they were written.

    Speakers that are hidden are left out; nothing is answered to those from whom texts or sessions are hidden.
    """
    tags.collect_each(access.tenant, "memories", access.scopes)
    if {"Memory.text", "Memory.session"} & access.hidden_fields:
        return []
    parameters: Row = {"key": key(access.tenant, agent, session), "scopes": list(access.scopes), "limit": limit, "now": now()}
    found = [as_seen(from_row(row["memory"]), access) for row in await database.read(_CYPHER["sessions_tail"], parameters)]
    tags.collect_until(*(memory.expires_at for memory in found))
    return found[::-1]
