"""Reading facts out of memories in the background, by an extractor that settings choose. There is none unless they do.

Guarantee: a memory is committed before its extraction begins. An extractor that fails, hangs or answers nonsense costs the facts
that it would have given, and a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import BadInput, CairnError, NotFound
from ..graph.access import Access
from ..graph.analysis import fold, name_words
from ..graph.asserting import MAX_OBJECT, NewFact, assert_fact
from ..graph.changes import Event, content_hash
from ..graph.database import Database
from ..graph.iris import check_iri
from ..graph.keyring import index_of
from ..graph.locals import local_entity
from ..graph.memories import Memory, memories_by_id, principal_of
from ..graph.mentions import mentions_of
from ..graph.searchable import Index
from ..graph.writer import Writer

log = logging.getLogger("cairn.learning")
AccessFor = Callable[[str, str], Awaitable[Access]]
"""What gives the `Access` of a principal: tenant and principal id go in."""

PREDICATE = "urn:cairn:predicate:"
"""An IRI for a predicate that was given in words begins with this; the words follow, joined by hyphens."""

CONFIDENCE = 0.5
"""A fact that a model read out of a text is worth less than one that an agent asserts."""

_QUEUE = 1_000
_AT_ONCE = 2
_MOST_FACTS = 20
_DEADLINE_SECONDS = 180.0
"""However patient an extractor is, after this the next memory has its turn."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact as an extractor gives it: each part a name in words or an IRI, the object possibly any text."""

    subject: str
    predicate: str
    object: str


class Extractor(Protocol):
    """What reads facts out of a text."""

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    async def extract(self, text: str) -> Sequence[Statement]:
        """The facts that `text` states. May take its time, and may raise anything."""
        ...


class Extraction:
    """Hears of new memories as a listener of the writer (`hear`), and asserts what the extractor finds in them (`work`, as a task).

    What waits when the process ends, and what comes while a thousand memories wait, is not extracted.
    """

    def __init__(self, database: Database, writer: Writer, extractor: Extractor, access_for: AccessFor) -> None:
        self._database = database
        self._writer = writer
        self._extractor = extractor
        self._access_for = access_for
        self._waiting = asyncio.Queue[Event](_QUEUE)
        self._full = False

    async def hear(self, events: Sequence[Event]) -> None:
        """Take note of new memories. Never waits."""
        for event in events:
            if event.kind != "memory":
                continue
            try:
                self._waiting.put_nowait(event)
                self._full = False
            except asyncio.QueueFull:
                if not self._full:
                    log.warning("%d memories wait for the extractor; facts of those that come now are not looked for", _QUEUE)
                self._full = True

    async def work(self) -> None:
        """Extract until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def close(self) -> None:
        """Close what the extractor holds open."""
        close = getattr(self._extractor, "close", None)
        if close is not None:
            await close()

    async def _work(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                async with asyncio.timeout(_DEADLINE_SECONDS):
                    count = await self._extract(event)
                log.debug("memory %s: %d facts extracted", event.id, count)
            except CairnError as error:
                log.warning("no facts were extracted from memory %s: %s", event.id, error.message)
            except TimeoutError:
                log.warning("no facts were extracted from memory %s: the extractor %s takes too long", event.id, self._extractor.name)
            except Exception:
                log.exception("no facts were extracted from memory %s: the extractor %s failed", event.id, self._extractor.name)

    async def _extract(self, event: Event) -> int:
        """Assert the facts that one memory states, with the rights of the principal that remembered it. Returns how many there were."""
        principal = await principal_of(self._database, event.tenant, event.id)
        access = await self._access_for(event.tenant, principal or "")
        memory = (await memories_by_id(self._database, access, [event.id])).get(event.id)
        if memory is None:
            raise NotFound("who remembered it can't read it any more, or it is forgotten")
        if not memory.text:
            return 0
        stated = list(await self._extractor.extract(memory.text))[:_MOST_FACTS]
        mentions = (await mentions_of(self._database, access, [memory.id]))[memory.id] if stated else []
        known = {fold(mention.text): mention.iri for mention in mentions}
        index = await index_of(self._database, access.tenant)
        facts = dict.fromkeys(fact for statement in stated if (fact := _fact(access, memory, statement, known, index)) is not None)
        return sum([await self._assert(access, memory, fact) for fact in facts])

    async def _assert(self, access: Access, memory: Memory, fact: NewFact) -> bool:
        """Assert one fact, once, however often its memory is extracted. False when it is none that can be stored."""
        try:
            once = content_hash(["extract", memory.id, fact.subject, fact.predicate, fact.object])
            await assert_fact(self._writer, access, fact, idempotency_key=once)
        except BadInput as error:
            log.warning("a fact extracted from memory %s was dropped: %s", memory.id, error.message)
            return False
        return True


def _fact(access: Access, memory: Memory, statement: Statement, known: Mapping[str, str], index: Index) -> NewFact | None:
    """The statement as a fact about the entity that the memory mentions under that name; None when it says nothing."""
    local = local_entity(access.tenant, memory.scope, statement.subject, index)
    subject = _iri(statement.subject) or known.get(fold(statement.subject)) or (local and local.iri)
    words = name_words(statement.predicate)
    predicate = _iri(statement.predicate) or (f"{PREDICATE}{'-'.join(words)}" if words else None)
    if not subject or not predicate or not 1 <= len(statement.object.strip()) <= MAX_OBJECT:
        return None
    return NewFact(
        subject=subject,
        predicate=predicate,
        object=statement.object.strip(),
        scope=memory.scope,
        confidence=CONFIDENCE,
        evidence=(memory.id,),
    )


def _iri(text: str) -> str | None:
    if not text.startswith(("http://", "https://", "urn:")):
        return None
    try:
        return check_iri("an extracted IRI", text)
    except BadInput:
        return None
