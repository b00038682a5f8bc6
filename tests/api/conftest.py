"""A small GraphQL schema over notes in memory, served by the real transport with the real cache over a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from strawberry.scalars import JSON

from cairn.api.assembly import Parts, assemble
from cairn.api.authentication import Gate
from cairn.api.epochs import Epochs, open_epochs
from cairn.api.events import Events, open_events
from cairn.api.rates import Rates
from cairn.api.refusals import Refusals
from cairn.errors import CairnError, Conflict, Forbidden, NotFound, RateLimited, Unauthenticated, Unavailable
from cairn.graph.access import Access, Identity
from cairn.graph.changes import Event
from cairn.graph.servers import Servers
from cairn.graph.tags import collect
from cairn.learning.anticipation import Anticipations
from cairn.settings import Settings

_FAILURES: dict[str, CairnError] = {
    error.code: error
    for error in (
        NotFound("there is no such note"),
        Forbidden("you may not"),
        Conflict("somebody was first"),
        Unavailable("the graph database does not answer; try again"),
        RateLimited("too many requests", 7.0),
    )
}


@dataclass
class Notes:
    """What the toy keeps, and how often it was asked."""

    texts: dict[str, str] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0
    cancelled: int = 0
    hold: asyncio.Event | None = None


@dataclass
class ToyContext:
    """What the toy's resolvers get."""

    access: Access
    notes: Notes
    epochs: Epochs
    events: Events


Info = strawberry.Info[ToyContext, None]


@strawberry.type
class Note:
    id: strawberry.ID
    text: str

    @strawberry.field
    async def related(self, info: Info, first: int = 10) -> list[Note]:
        collect(f"{info.context.access.tenant}/notes")
        return [Note(id=strawberry.ID(id), text=text) for id, text in sorted(info.context.notes.texts.items())][:first]


@strawberry.type
class NoteEdge:
    node: Note


@strawberry.type
class NoteConnection:
    edges: list[NoteEdge]


@strawberry.type
class Me:
    id: strawberry.ID


@strawberry.input
class Search:
    text: str
    limit: int = 10


@strawberry.type
class Query:
    @strawberry.field
    async def me(self, info: Info) -> Me:
        collect(f"{info.context.access.tenant}/policy")
        return Me(id=strawberry.ID(info.context.access.principal))

    @strawberry.field
    async def note(self, info: Info, id: strawberry.ID) -> Note | None:
        notes, tenant = info.context.notes, info.context.access.tenant
        collect(f"{tenant}/note/{id}")
        notes.reads += 1
        if notes.hold is not None:
            await notes.hold.wait()
        return Note(id=id, text=notes.texts[id]) if id in notes.texts else None

    @strawberry.field
    async def notes(self, info: Info, first: int = 20) -> NoteConnection:
        collect(f"{info.context.access.tenant}/notes")
        found = sorted(info.context.notes.texts.items())[:first]
        return NoteConnection(edges=[NoteEdge(node=Note(id=strawberry.ID(id), text=text)) for id, text in found])

    @strawberry.field
    async def search(self, info: Info, input: Search) -> list[Note]:
        collect(f"{info.context.access.tenant}/notes")
        found = [(id, text) for id, text in info.context.notes.texts.items() if input.text in text]
        return [Note(id=strawberry.ID(id), text=text) for id, text in found][: input.limit]

    @strawberry.field
    async def untagged(self, info: Info) -> int:
        info.context.notes.reads += 1
        return info.context.notes.reads

    @strawberry.field
    async def fail(self, code: str) -> int | None:
        raise _FAILURES[code]

    @strawberry.field
    async def broken(self) -> int | None:
        raise RuntimeError("bolt://secret.internal:7687 MATCH (n) RETURN n")

    @strawberry.field
    async def slow(self, info: Info) -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            info.context.notes.cancelled += 1
            raise
        return 0

    @strawberry.field
    async def echo(self, value: JSON) -> JSON:
        return value

    @strawberry.field
    async def cheap(self, number: int = 0, text: str = "") -> int:
        return number


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: Info, id: strawberry.ID, text: str) -> Note:
        context = info.context
        tags = frozenset({f"{context.access.tenant}/note/{id}", f"{context.access.tenant}/notes"})
        await context.epochs.begin(tags)
        context.notes.texts[id] = text
        context.notes.writes += 1
        await context.epochs.done(tags)
        await context.events.publish([Event("note", context.access.tenant, id)])
        return Note(id=id, text=text)

    @strawberry.mutation
    async def write_many(self, info: Info, input: list[Search]) -> list[Note]:
        return [Note(id=strawberry.ID(one.text), text=one.text) for one in input]

    @strawberry.mutation
    async def dawdle(self) -> int:
        await asyncio.Event().wait()
        return 0


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def note_added(self, info: Info) -> AsyncGenerator[Note]:
        context = info.context
        async for event in context.events.subscribe(context.access.tenant, {"note"}):
            yield Note(id=strawberry.ID(event.id), text=context.notes.texts[event.id])

    @strawberry.subscription
    async def fails(self) -> AsyncGenerator[int]:
        yield 1
        raise RuntimeError("bolt://secret.internal:7687")


@dataclass
class Doors:
    """Authenticator and Accesses of the toy: the token is `<principal>`, or `<principal>:<grants>`; tokens can be revoked."""

    tenant: str
    revoked: set[str] = field(default_factory=set)
    generation: int = 1
    version: int = 1
    seen: dict[Identity, Access] = field(default_factory=dict)

    async def authenticate(self, token: str) -> Identity:
        """The token is the principal."""
        if token in self.revoked or token == "wrong":
            raise Unauthenticated("the API key is not valid")
        return Identity(self.tenant, token)

    async def access_of(self, identity: Identity) -> Access:
        """Principals share their grants when the part after the colon is the same."""
        grants = identity.principal.partition(":")[2] or "all"
        self.seen[identity] = Access(identity.tenant, identity.principal, policy_version=self.version, fingerprint=f"{grants}")
        return self.seen[identity]

    async def cache_generation(self, tenant: str) -> int:
        """As set."""
        return self.generation

    def known(self, identity: Identity) -> tuple[Access, int] | None:
        """Accesses are known once they were asked for at the version that stands."""
        access = self.seen.get(identity)
        return None if access is None or access.policy_version != self.version else (access, self.generation)


@dataclass
class Credentials:
    """The toy's doors as an Authenticator."""

    doors: Doors

    async def authenticate(self, token: str) -> Identity:
        return await self.doors.authenticate(token)

    def known(self, token: str) -> Identity | None:
        """Tokens are known while they are good."""
        return None if token in self.doors.revoked or token == "wrong" else Identity(self.doors.tenant, token)


@dataclass
class Toy:
    """A running toy: its app, its notes, and a client that is let in as ada."""

    app: Starlette
    notes: Notes
    doors: Doors
    epochs: Epochs
    events: Events
    client: httpx.AsyncClient

    async def ask(self, query: str, variables: dict[str, Any] | None = None, token: str = "ada", **more: Any) -> httpx.Response:
        """POST one request."""
        body = {"query": query, "variables": variables, **more}
        return await self.client.post("/graphql", json=body, headers={"authorization": f"Bearer {token}"})


MakeToy = Callable[..., Any]


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The Redis of this run."""
    return servers.redis_url


@pytest.fixture
async def make_toy(redis_url: str, tenant: str, until: Any) -> AsyncIterator[MakeToy]:
    """Makes toys that are taken down at the end. Two with the same `notes` and `namespace` are replicas."""
    async with AsyncExitStack() as stack:

        async def make(
            notes: Notes | None = None,
            namespace: str | None = None,
            url: str = redis_url,
            shareable: frozenset[str] = frozenset(),
            patience: float = 5.0,
            staleness: float = 0.01,
            rates: Rates | None = None,
            refusals: Refusals | None = None,
            anticipations: Anticipations | None = None,
            memory: int = 0,
            trust: float = 5.0,
            **settings: Any,
        ) -> Toy:
            space = namespace or uuid4().hex
            board, doors = notes or Notes(), Doors(tenant)
            epochs = await stack.enter_async_context(
                open_epochs(url, space, patience=patience, staleness=staleness, memory=memory, trust=trust)
            )
            await until(lambda: not memory or epochs.near.trusted)
            events = await stack.enter_async_context(open_events(url, space))
            app = assemble(
                Parts(
                    schema=strawberry.Schema(Query, Mutation, Subscription),
                    make_context=lambda access, _: ToyContext(access, board, epochs, events),
                    gate=Gate(Credentials(doors), doors, refusals),
                    rates=rates,
                    settings=Settings(**settings),
                    epochs=epochs,
                    shareable=shareable,
                    anticipations=anticipations,
                    wanted={"redis": epochs.ping},
                )
            )
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://toy", headers={"authorization": "Bearer ada"})
            await stack.enter_async_context(client)
            return Toy(app, board, doors, epochs, events, client)

        yield make


@pytest.fixture
async def toy(make_toy: MakeToy) -> Toy:
    """One toy."""
    return await make_toy()
