"""What a resolver gets: who asks, what they may do, and the parts of the house it calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import strawberry

from ..graph.access import Access
from ..graph.database import Database
from ..graph.writer import Writer
from .loaders import Loaders
from .lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
    from typing import Protocol

    from ..graph.anchors import Anchor
    from ..graph.changes import Event
    from ..graph.notary import Notary
    from ..importers.jobs import ImportJobs
    from ..importers.linking import Linker
    from ..learning.anticipation import Anticipations
    from ..learning.consolidator import Consolidator
    from ..learning.embedders import Embedders
    from ..learning.learner import Learner
    from ..learning.refreshing import Communities
    from ..learning.server_knobs import RecallSample
    from ..learning.tokens import Tokenizer
    from ..learning.tuner import Tuner
    from ..policies.accesses import Accesses
    from ..policies.administration import Administration
    from ..settings import Settings

    class Events(Protocol):
        """Where subscriptions hear of changes."""

        def subscribe(self, tenant: str, kinds: frozenset[str]) -> AsyncIterator[Event]: ...


K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that resolvers call; one set a process."""

    settings: Settings
    database: Database
    writer: Writer
    accesses: Accesses
    administration: Administration
    events: Events
    embedders: Embedders
    tokenizer: Tokenizer
    linker: Linker
    imports: ImportJobs
    learner: Learner
    consolidator: Consolidator
    notary: Notary
    anchors: Mapping[str, Anchor]
    communities: Communities
    tuner: Tuner
    sample: RecallSample
    lookups: Lookups = field(default_factory=Lookups)
    anticipations: Anticipations | None = None


@dataclass(slots=True)
class Context:
    """One operation's context. `access` is what its principal may do now."""

    access: Access
    services: Services
    request_id: str = ""
    _loaders: Loaders | None = None

    async def renew(self) -> None:
        """Look at the permissions again, after a change that may have made a scope or a graph: what was just written is readable."""
        self.access = await self.services.accesses.access_of(self.access.identity)

    def start_over(self, access: Access) -> None:
        """Go on with these permissions and nothing looked up before: each event of a subscription is an operation of its own."""
        self.access = access
        self._loaders = None

    async def load(
        self, name: Hashable, key: K, batch: Callable[[Access, list[K]], Awaitable[Mapping[K, V]]], noun: str | None = None
    ) -> V | None:
        """Look `key` up as `Loaders.load` does, with these permissions."""
        if self._loaders is None:
            self._loaders = Loaders(self.services.lookups)
        return await self._loaders.load(name, key, self.access, batch, noun)

    @property
    def database(self) -> Database:
        """The graph database."""
        return self.services.database

    @property
    def writer(self) -> Writer:
        """The one writer."""
        return self.services.writer


Info: TypeAlias = strawberry.Info[Context, None]

__all__ = ["Context", "Info", "Services"]
