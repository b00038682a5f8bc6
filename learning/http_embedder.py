"""Embeddings from any endpoint of the OpenAI shape: POST `<url>/embeddings` with `{"model", "input": [text, ...]}`.

Shape: https://platform.openai.com/docs/api-reference/embeddings. Many servers speak it (vLLM, Ollama, llama.cpp, TEI, LiteLLM).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from ..errors import BadInput, Unavailable
from ..settings import Settings
from .embedding import MAX_CHARACTERS, check_vectors, unit_vectors
from .endpoints import Caller, Endpoint

_AT_ONCE = 4
"""Requests of one call that are under way at the same time."""


class HTTPEmbedder:
    """Vectors from elsewhere, made to have length 1. Its name tells the model, not the address: the same model may move.

    A text without words is not sent. Use it on one event loop, through `embed_remotely`.
    """

    ready = False

    def __init__(self, endpoint: Endpoint, model: str, dimensions: int, batch: int = 64) -> None:
        self.name = f"http/{model}"
        self.dimensions = dimensions
        self._endpoint, self._model, self._batch = endpoint, model, batch
        self._caller: Caller | None = None

    async def close(self) -> None:
        """Close its connections; they are opened again when needed."""
        caller, self._caller = self._caller, None
        if caller is not None:
            await caller.close()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """What `embed_remotely` gives, for a thread without an event loop."""

        async def once() -> list[list[float]]:
            other = HTTPEmbedder(self._endpoint, self._model, self.dimensions, self._batch)
            try:
                return await other.embed_remotely(texts)
            finally:
                await other.close()

        return asyncio.run(once())

    async def embed_remotely(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order.

        Raises BadInput when the endpoint refuses a text, Unavailable when it does not answer in time or not as it should.
        """
        said = [index for index, text in enumerate(texts) if text.strip()]
        found = np.zeros((len(texts), self.dimensions))
        room = asyncio.Semaphore(_AT_ONCE)
        batches = [said[start : start + self._batch] for start in range(0, len(said), self._batch)]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(room, [texts[index][:MAX_CHARACTERS] for index in batch])) for batch in batches]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        for batch, task in zip(batches, tasks, strict=True):
            found[batch] = task.result()
        return unit_vectors(found).tolist()

    async def _ask(self, room: asyncio.Semaphore, texts: list[str]) -> list[list[float]]:
        async with room:
            if self._caller is None:
                self._caller = Caller(self._endpoint)
            answer = await self._caller.post({"model": self._model, "input": texts, "encoding_format": "float"})
        vectors = _vectors(answer)
        if vectors is None:
            raise Unavailable(f"{self._endpoint.what} did not answer with embeddings; does CAIRN_EMBEDDER_URL end before /embeddings?")
        check_vectors(self, texts, vectors)
        return vectors


def make_http(settings: Settings) -> HTTPEmbedder:
    """The embedder that the settings describe. Raises BadInput when they do not say enough."""
    url, model, dimensions = settings.embedder_url, settings.embedder_model, settings.embedder_dimensions
    if url is None or model is None or dimensions is None:
        raise BadInput("CAIRN_EMBEDDER=http needs CAIRN_EMBEDDER_URL, CAIRN_EMBEDDER_MODEL and CAIRN_EMBEDDER_DIMENSIONS")
    endpoint = Endpoint(
        what="the embeddings endpoint",
        setting="CAIRN_EMBEDDER",
        url=f"{url.rstrip('/')}/embeddings",
        key=settings.embedder_key,
        timeout=settings.embedder_timeout,
        patience=settings.embedder_patience,
    )
    return HTTPEmbedder(endpoint, model, dimensions, settings.embedder_batch)


def _vectors(answer: Any) -> list[list[float]] | None:
    """The vectors in an endpoint's answer, in the order of the texts; None when it has not the right shape."""
    try:
        items = cast("list[dict[str, Any]]", answer["data"])
        places = [int(item.get("index", place)) for place, item in enumerate(items)]
        found = {place: [float(value) for value in item["embedding"]] for place, item in zip(places, items, strict=True)}
        return [found[place] for place in range(len(items))]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None
