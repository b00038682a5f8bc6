"""Answers that are too long for GraphQL: graphs as RDF, the ledger as JSON lines, and the verification of a whole tenant."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from math import ceil

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from ..errors import CairnError, RateLimited
from ..graph.access import Access
from ..graph.data_dir import private_folder
from ..graph.ledger_export import export_ledger
from ..importers.export import export
from ..importers.formats import named
from ..schema.context import Services
from .authentication import Gate
from .errors import STATUS
from .refusals import address_name
from .verifying import verify_tenant

Answer = Callable[[Request, Access], Awaitable[Response]]


def stream_routes(services: Services, gate: Gate) -> list[BaseRoute]:
    """The routes. Each needs an API key, and answers a CairnError as plain text with its status."""

    async def rdf(request: Request, access: Access) -> Response:
        format = named(request.query_params.get("format", "nq"))
        folder = private_folder(services.settings.data_dir / "spool")
        chunks = export(services.database, access, folder, format.name, request.query_params.get("graph"))
        return await _streamed(chunks, format.media_types[0])

    async def ledger(request: Request, access: Access) -> Response:  # noqa: ARG001
        access.require("ledger", "read")
        return await _streamed(export_ledger(services.database, access.tenant, services.notary), "application/jsonl")

    async def verification(request: Request, access: Access) -> Response:  # noqa: ARG001
        access.require("ledger", "read")
        return JSONResponse(asdict(await verify_tenant(services, access.tenant)))

    return [
        Route("/export", _guarded(gate, rdf)),
        Route("/ledger/export", _guarded(gate, ledger)),
        Route("/ledger/verification", _guarded(gate, verification)),
    ]


def _guarded(gate: Gate, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            caller = await gate.enter(request.headers.get("authorization"), address_name(request.scope.get("client")))
            gate.refusals.check(caller.name)
            return await answer(request, caller.access)
        except CairnError as error:
            headers = {"retry-after": str(max(1, ceil(error.retry_after)))} if isinstance(error, RateLimited) else {}
            return PlainTextResponse(error.message, STATUS.get(error.code, 500), headers)

    return endpoint


async def _streamed(chunks: AsyncGenerator[bytes], media_type: str) -> Response:
    """The chunks as they come. What is wrong from the start is raised here, while the status can still say so."""
    first = await anext(chunks, b"")

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(all_of_it(), media_type=media_type, headers={"cache-control": "private, no-store"})
