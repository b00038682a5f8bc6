"""Entity linking: which entities a memory's text names, among what the writer's graphs know and what is local to the scope.

Guarantee: a text is linked only to entities whose graph the given `Access` may read, or to local entities of the memory's own scope.
Mentions of one text do not overlap; `text[start:end]` is the mention.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..graph.access import Access
from ..graph.database import Database
from ..graph.keyring import index_of
from ..graph.labels import Kind, Label, descriptions
from ..graph.locals import local_entity
from ..graph.memories import Memory
from ..graph.mentions import Linked, Mention, link_steps
from ..learning.embedding import Embedder, embed
from .gazetteers import Current, Gazetteers
from .names import Finder, capitals, trained_finder
from .ranking import THRESHOLD, Ranked, needs_context, rank
from .spotting import Contexts, Sources, Spotted, mentions_in, passage_of, spot

_SMALL = 2_000
"""Characters that may be searched on the event loop: about a millisecond."""

_CONTEXT = 400
"""Characters of what a graph says about an entity that are compared with a text."""

_MOST_CONTEXTS = 20_000
_MOST_SCOPES = 64


@dataclass(frozen=True, slots=True)
class MentionCandidate:
    """A stretch `text[start:end]` of a text, and the entities of graphs that it may mean, the likeliest first."""

    start: int
    end: int
    text: str
    ranked: tuple[Ranked, ...]


class Linker:
    """Links texts to entities. Use it on one event loop; `close` it at the end.

    `finder` finds names that no graph knows; without one a careful look at capitals does.
    """

    def __init__(self, database: Database, embedder: Embedder, finder: Finder | None = None, gazetteers: Gazetteers | None = None) -> None:
        self.gazetteers = gazetteers or Gazetteers(database)
        self._database = database
        self._embedder = embedder
        self._finder = finder
        self._contexts: OrderedDict[tuple[str, int, int], NDArray[np.float32]] = OrderedDict()

    @classmethod
    async def make(cls, database: Database, embedder: Embedder) -> Linker:
        """A linker that finds names with a trained spaCy pipeline where one is installed. Loading that takes seconds, in a thread."""
        return cls(database, embedder, await asyncio.to_thread(trained_finder))

    async def close(self) -> None:
        """Stop what runs in the background."""
        await self.gazetteers.close()

    def invalidate(self, tenant: str) -> None:
        """Say that graphs of the tenant changed: their names are read again, then `gazetteers.listeners` are told."""
        self.gazetteers.invalidate(tenant)

    async def plan(self, memories: Sequence[Memory], access: Access) -> Linked:
        """What links new memories, to be part of the change that writes them."""
        found: dict[str, list[Mention]] = {}
        for scope in dict.fromkeys(memory.scope for memory in memories):
            here = [memory for memory in memories if memory.scope == scope and (memory.text or memory.speaker)]
            linked = await self.link([memory.text or "" for memory in here], access, scope, [memory.speaker for memory in here])
            found.update((memory.id, mentions) for memory, mentions in zip(here, linked, strict=True))
        return link_steps(access.tenant, found, await index_of(self._database, access.tenant))

    async def link(
        self, texts: Sequence[str], access: Access, scope: str, speakers: Sequence[str | None] | None = None
    ) -> list[list[Mention]]:
        """The entities that each text names, in the order of the text; last, where it has one, its speaker (`spoken`)."""
        current = await self.gazetteers.current(access.tenant, scope)
        spotted = await self._spot(texts, speakers or [None] * len(texts), access, current)
        contexts = await self._contexts_of(spotted, access.tenant, current.version)
        index = await index_of(self._database, access.tenant)
        linked = [mentions_in(one, near, access.tenant, scope, index) for one, near in zip(spotted, contexts, strict=True)]
        for mention in (mention for mentions in linked for mention in mentions):
            if mention.local is not None and current.own is not None:
                current.gazetteer.add(Label(mention.key, mention.iri, current.own, mention.local.name, Kind.PREFERRED, None, 0))
        return linked

    async def mentions(self, text: str, access: Access) -> list[MentionCandidate]:
        """The stretches of `text` that name entities of readable graphs, with every entity each may mean."""
        current = await self.gazetteers.current(access.tenant)
        spotted = (await self._spot([text], [None], access, current))[0]
        contexts = (await self._contexts_of([spotted], access.tenant, current.version))[0]
        ranked = [(one, tuple(rank(one.known, contexts))) for one in spotted.spots]
        return [
            MentionCandidate(one.start, one.end, text[one.start : one.end], candidates)
            for one, candidates in ranked
            if candidates and candidates[0].confidence >= THRESHOLD
        ]

    async def resources(self, question: str, access: Access) -> tuple[str, ...]:
        """Keys of the entities that a question names: those of readable graphs, and what its names would be as local entities.

        A name that is no entity in a scope gives a key that nothing has.
        """
        known = [candidate.ranked[0].label.key for candidate in await self.mentions(question, access)]
        names = capitals(passage_of(question))
        scopes = access.scopes[:_MOST_SCOPES]
        index = await index_of(self._database, access.tenant)
        local = [entity.key for name in names for scope in scopes if (entity := local_entity(access.tenant, scope, name, index))]
        return tuple(dict.fromkeys([*known, *local]))

    async def _spot(self, texts: Sequence[str], speakers: Sequence[str | None], access: Access, current: Current) -> list[Spotted]:
        sources = Sources(current.gazetteer, frozenset(access.graphs), current.own, self._finder)

        def work() -> list[Spotted]:
            return [spot(text, speaker, sources) for text, speaker in zip(texts, speakers, strict=True)]

        small = self._finder is None and sum(map(len, texts)) <= _SMALL
        return work() if small else await asyncio.to_thread(work)

    async def _contexts_of(self, spotted: Sequence[Spotted], tenant: str, version: int) -> list[Contexts]:
        """For each text the cosines between it and those entities of its spots whose context must be looked at."""
        wanted = [
            {(reading.label.key, reading.label.graph) for found in one.spots if needs_context(found.known) for reading in found.known}
            for one in spotted
        ]
        await self._learn({pair for pairs in wanted for pair in pairs}, tenant, version)
        asked = [i for i, pairs in enumerate(wanted) if pairs]
        vectors = dict(zip(asked, np.asarray(await embed(self._embedder, [spotted[i].text for i in asked])), strict=True))
        near: list[Contexts] = []
        for i, pairs in enumerate(wanted):
            contexts = {pair: self._contexts.get((*pair, version)) for pair in pairs}
            near.append({pair: float(vectors[i] @ context) for pair, context in contexts.items() if context is not None})
        return near

    async def _learn(self, pairs: set[tuple[str, int]], tenant: str, version: int) -> None:
        """Read and embed what graphs say about resources, unless that was done since the graphs last changed."""
        missing = [pair for pair in pairs if (*pair, version) not in self._contexts]
        described = await descriptions(self._database, tenant, missing)
        known = [pair for pair in missing if described.get(pair)]
        vectors = await embed(self._embedder, [described[pair][:_CONTEXT] for pair in known])
        for pair, vector in zip(known, vectors, strict=True):
            self._contexts[*pair, version] = np.asarray(vector, dtype=np.float32)
        while len(self._contexts) > _MOST_CONTEXTS + len(pairs):
            self._contexts.popitem(last=False)
