"""The Starlette app of one Cairn."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from ..graph.access import Access
from ..schema import SHAREABLE, build_schema
from ..schema.context import Context
from ..settings import Settings
from .assembly import Parts, assemble
from .authentication import Gate
from .draining import Draining, drained
from .rates import Rate
from .refusals import Refusals
from .services import Cairn, open_services
from .streams import stream_routes


def create_app(cairn: Cairn, draining: Draining | None = None) -> ASGIApp:
    """The app of one open Cairn. `draining` says when it is about to end."""
    services = cairn.services

    def make_context(access: Access, request: str) -> Context:
        return Context(access, services, request)

    refusals = Refusals(Rate(services.settings.refusal_limit, services.settings.refusal_burst))
    gate = Gate(cairn.credentials, services.accesses, refusals)
    return assemble(
        Parts(
            schema=build_schema(),
            make_context=make_context,
            gate=gate,
            settings=services.settings,
            epochs=cairn.epochs,
            keyring=cairn.services.database.keyring,
            rates=cairn.rates,
            shareable=SHAREABLE,
            needed={"neo4j": services.database.ping, **({} if draining is None else {"serving": draining.check})},
            wanted={"redis": cairn.epochs.ping},
            silent=services.database.silent,
            tuner=services.tuner,
            anticipations=services.anticipations,
            routes=stream_routes(services, gate),
        )
    )


def from_environment() -> ASGIApp:
    """The app of a worker process: opens its Cairn when uvicorn starts it, and closes it at the end."""
    settings = Settings()
    opened: list[ASGIApp] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        draining = Draining()
        async with open_services(settings) as cairn:
            opened.append(create_app(cairn, draining))
            with drained(draining, settings.drain):
                yield

    ends = Starlette(lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (ends if scope["type"] == "lifespan" else opened[0])(scope, receive, send)

    return app
