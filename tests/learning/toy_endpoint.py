"""A model's endpoint of the OpenAI shape, as a small app that tests can make misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def meaning(text: str, dimensions: int) -> list[float]:
    """A vector that depends on the text alone: each word points somewhere. Not of length 1."""
    vector = [0.01] * dimensions
    for word in text.casefold().split():
        vector[sha256(word.encode()).digest()[0] % dimensions] += 1.0
    return vector


@dataclass
class ToyEndpoint:
    """What the endpoint does and what it was asked. `answers` are given first, one a request; `hold` keeps requests waiting."""

    dimensions: int = 8
    answers: list[Response | Callable[[dict[str, Any]], Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hold: asyncio.Event | None = None
    facts: str = '{"facts": []}'

    @property
    def texts(self) -> list[str]:
        """Every text it was asked to embed."""
        return [text for body in self.asked for text in body.get("input", [])]

    @property
    def app(self) -> Starlette:
        """It as an app."""
        return Starlette(
            routes=[
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _embeddings(self, request: Request) -> Response:
        def usual(body: dict[str, Any]) -> Any:
            items = [{"index": i, "embedding": meaning(text, self.dimensions)} for i, text in enumerate(body["input"])]
            return {"object": "list", "data": items[::-1]}

        return await self._answer(request, usual)

    async def _chat(self, request: Request) -> Response:
        return await self._answer(request, lambda _: {"choices": [{"message": {"role": "assistant", "content": self.facts}}]})

    async def _answer(self, request: Request, usual: Callable[[dict[str, Any]], Any]) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.keys.append(request.headers.get("authorization"))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else usual
        if isinstance(answer, Response):
            return answer
        return Response(json.dumps(answer(body)), media_type="application/json")


def status(code: int, **headers: str) -> Response:
    """A failure."""
    return JSONResponse({"error": {"message": "no"}}, status_code=code, headers=headers)
