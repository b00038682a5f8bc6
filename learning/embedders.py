"""The embedders of one process: the one the settings choose, and, while vectors are changed from one to another, the other one.

Guarantee: vectors of different embedders are never compared. A question is embedded by the embedder whose vectors serve recall at
that moment, a memory by every embedder whose vectors are in use.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from ..errors import BadInput, CairnError, Internal, Unavailable
from ..graph.database import Database
from ..graph.vectors import Model, Slot, Slots, Vectors, index_dimensions, read_slots
from .embedding import Embedder, RemoteEmbedder, WordLlamaEmbedder, WrongVectors, embed
from .senses import Senses

log = logging.getLogger("cairn.learning")
_STALENESS_SECONDS = 1.0
_PROBE_SECONDS = 10.0
_REPLACED_SECONDS = 5.0
_REST_SECONDS = 60.0
Remake = Callable[[Model], Embedder]
"""What makes an embedder again by what the graph knows of it. Raises a `CairnError` when it can't be had."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Texts as the embedder sees them that serves recall, and the set of vectors it wrote."""

    slot: Slot
    embedder: str
    vectors: list[list[float]]


class Embedders:
    """Use it on one event loop; `close` it at the end.

    Where the sets of vectors stand is read at most once in `staleness` seconds; a set that served stays searchable for longer.
    """

    def __init__(self, database: Database, configured: Embedder, remake: Remake, staleness: float = _STALENESS_SECONDS) -> None:
        self.configured = configured
        self._local = configured if isinstance(configured, WordLlamaEmbedder) else WordLlamaEmbedder()
        self._database = database
        self._remake = remake
        self._staleness = staleness
        self._known: dict[str, Embedder | None] = {configured.name: configured}
        self._resting: dict[str, float] = {}
        self._slots: Slots | None = None
        self._read_at = 0.0
        self._senses: Senses | None = None
        self._making = Lock()

    @property
    def local(self) -> Embedder:
        """Static vectors that cost nothing, always by the same embedder: for what is compared at once and not stored."""
        return self._local

    async def senses(self) -> Senses:
        """What words mean by the local embedder. Made at first use, in a thread."""
        return self._senses or await asyncio.to_thread(self._made_senses)

    def _made_senses(self) -> Senses:
        with self._making:
            if self._senses is None:
                self._senses = Senses(self._local)
            return self._senses

    async def check(self) -> None:
        """Raise BadInput or Internal when the configured embedder's vectors can't be stored, WrongVectors when it answers wrongly.

        One that waits for others is asked for a vector; when it does not answer, that is logged, and what needs it fails until it does.
        """
        slots = await self.slots(fresh=True)
        for model in slots.models:
            if model.name == self.configured.name and model.dimensions != self.configured.dimensions:
                raise BadInput(
                    f"the stored vectors of {model.name} have {model.dimensions} dimensions, but the embedder is set to "
                    f"{self.configured.dimensions}; set CAIRN_EMBEDDER_DIMENSIONS to {model.dimensions}, or choose another model"
                )
        indexed = await index_dimensions(self._database, slots.slot)
        if indexed != slots.serving.dimensions:
            raise Internal(
                f"the vector index {slots.slot.index} is made for {indexed} dimensions, but the stored vectors of {slots.serving.name} "
                f"have {slots.serving.dimensions}; restore the index as Cairn made it"
            )
        if isinstance(self.configured, RemoteEmbedder):
            await self._probe(_PROBE_SECONDS)

    async def warm(self) -> None:
        """Load the configured embedder and the senses of words, ahead of their first use."""
        await self.senses()
        if not isinstance(self.configured, RemoteEmbedder):
            await self._probe(None)

    async def _probe(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await embed(self.configured, ["cairn"])
        except WrongVectors:
            raise
        except (CairnError, TimeoutError) as error:
            why = error.message if isinstance(error, CairnError) else f"no answer within {seconds:g} seconds"
            log.warning("the embedder %s does not answer yet: %s", self.configured.name, why)

    async def close(self) -> None:
        """Close what the embedders hold open."""
        for embedder in self._known.values():
            close = getattr(embedder, "close", None)
            if close is not None:
                await close()

    async def slots(self, *, fresh: bool = False) -> Slots:
        """Where the sets of vectors stand: a second ago, or now."""
        present = asyncio.get_running_loop().time()
        if fresh or self._slots is None or present - self._read_at > self._staleness:
            before, self._read_at = self._read_at, present  # whoever asks meanwhile goes on with what there is
            try:
                self._slots = await read_slots(self._database)
            except BaseException:
                self._read_at = before
                raise
        return self._slots

    async def question(self, texts: Sequence[str]) -> Asked | None:
        """The texts as vectors that can be compared with those that serve recall; None when their embedder can't be had here.

        Raises Unavailable when the configured embedder is the one that is needed and does not answer.
        """
        slots = await self.slots()
        vectors = await self._embed(slots.serving, texts)
        return None if vectors is None else Asked(slots.slot, slots.serving.name, vectors)

    async def memories(self, texts: Sequence[str]) -> list[Vectors]:
        """For each text its vectors by the names of the embedders that are in use; none for an empty text.

        Raises Unavailable when the configured embedder is needed and does not answer. What another one can't give is left out.
        """
        said = [index for index, text in enumerate(texts) if text]
        models = (await self.slots()).models
        found = await asyncio.gather(*(self._embed(model, [texts[index] for index in said]) for model in models))
        vectors: list[dict[str, list[float]]] = [{} for _ in texts]
        for model, embedded in zip(models, found, strict=True):
            for index, vector in zip(said, embedded or (), strict=embedded is not None):
                vectors[index][model.name] = vector
        return list(vectors)

    async def _embed(self, model: Model, texts: Sequence[str]) -> list[list[float]] | None:
        embedder = self._embedder(model)
        if embedder is None:
            return None
        if embedder is not self.configured:
            return await self._embed_replaced(embedder, texts)
        try:
            return await embed(embedder, texts)
        except CairnError:
            raise
        except Exception as error:
            log.exception("the embedder %s failed", model.name)
            raise Unavailable(f"the embedder {model.name} failed; the details are in the log") from error

    async def _embed_replaced(self, embedder: Embedder, texts: Sequence[str]) -> list[list[float]] | None:
        """What an embedder gives that is being replaced, perhaps because it fails: then it is left alone for a minute."""
        present = asyncio.get_running_loop().time()
        if present < self._resting.get(embedder.name, 0.0):
            return None
        try:
            async with asyncio.timeout(_REPLACED_SECONDS):
                return await embed(embedder, texts)
        except (CairnError, TimeoutError) as error:
            why = error.message if isinstance(error, CairnError) else "it takes too long"
            log.warning("the embedder %s, which is being replaced, gives no vectors: %s", embedder.name, why)
        except Exception:
            log.exception("the embedder %s, which is being replaced, failed", embedder.name)
        self._resting[embedder.name] = present + _REST_SECONDS
        return None

    def _embedder(self, model: Model) -> Embedder | None:
        """The embedder that wrote vectors; None, and a warning the first time, when it can't be had."""
        if model.name not in self._known:
            self._known[model.name] = self._made(model)
        return self._known[model.name]

    def _made(self, model: Model) -> Embedder | None:
        try:
            return self._remake(model)
        except CairnError as error:
            log.warning("recall goes on without vectors meanwhile: %s can't be had (%s)", model.name, error.message)
            return None
