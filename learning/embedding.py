"""Embedding: from text to vectors whose cosine tells how near two texts are in meaning.

An `Embedder` is all that recall and entity linking need; plugins may bring better ones. The default, `WordLlamaEmbedder`, averages
static token vectors that come inside the `wordllama` wheel (https://github.com/dleemiller/WordLlama): no network, no GPU.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 20_000
"""Of a longer text the beginning is embedded; the average over more hardly moves."""

_SMALL_BATCH = 4_000
"""Characters that may be embedded on the event loop: well under a millisecond."""

_BLOCK = 32_768
"""Characters whose token vectors are held in memory at once: 8 MB for prose, 130 MB for nothing but emoji."""


class Embedder(Protocol):
    """What turns texts into vectors. Thread-safe, and deterministic: a text's vector does not depend on the others in its batch."""

    @property
    def name(self) -> str:
        """Names model and version: vectors under different names must not be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of every vector."""
        ...

    @property
    def ready(self) -> bool:
        """Whether the model is loaded, so that `embed` starts at once."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order. A text without words gets the first unit vector."""
        ...


async def embed(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """`embedder.embed(texts)` without holding up the event loop: in a thread unless the texts are short and the model is loaded."""
    if embedder.ready and sum(map(len, texts)) <= _SMALL_BATCH:
        return embedder.embed(texts)
    return await asyncio.to_thread(embedder.embed, texts)


class WordLlamaEmbedder:
    """WordLlama's `l2_supercat` at 256 dimensions, loaded from the wheel at first use. Never touches the network."""

    name = "wordllama/l2_supercat_256"
    dimensions = 256

    def __init__(self) -> None:
        self._model: _Model | None = None
        self._loading = Lock()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._model is not None

    def load(self) -> None:
        """Load the model now instead of at first use; about a second. Harmless when it is loaded."""
        self._loaded()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order."""
        model = self._loaded()
        shortened = [text[:MAX_CHARACTERS] for text in texts]
        return [vector for block in _blocks(shortened) for vector in _unit(_sums(model, block)).tolist()]

    def _loaded(self) -> _Model:
        with self._loading:
            if self._model is None:
                self._model = _load()
            return self._model


class _Encoding(Protocol):
    ids: list[int]


class _Tokenizer(Protocol):
    def no_padding(self) -> None: ...
    def encode_batch_fast(self, input: list[str], *, add_special_tokens: bool) -> list[_Encoding]: ...


class _Model(Protocol):
    tokenizer: _Tokenizer
    embedding: NDArray[np.float32]


def _load() -> _Model:
    with _root_logger_untouched():
        import wordllama

    # The look-up beside the package misses the tokenizer's folder (`tokenizers`), the one for caches finds it there.
    folder = Path(wordllama.__file__).parent
    model = cast("_Model", wordllama.WordLlama.load(cache_dir=folder, dim=256, disable_download=True))
    model.tokenizer.no_padding()
    return model


@contextmanager
def _root_logger_untouched() -> Generator[None]:
    """Undo what importing `wordllama` does to logging: it calls `logging.basicConfig`."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        if block and size + len(text) > _BLOCK:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text)
    if block:
        yield block


def _sums(model: _Model, texts: list[str]) -> NDArray[np.float32]:
    """The sum of each text's token vectors: their mean, but for the length that `_unit` takes away."""
    tokens = [encoding.ids for encoding in model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    sums = np.zeros((len(texts), model.embedding.shape[1]), dtype=np.float32)
    spoken = [i for i, ids in enumerate(tokens) if ids]
    if spoken:
        ids = np.concatenate([np.asarray(tokens[i], dtype=np.int64) for i in spoken])
        starts = list(accumulate((len(tokens[i]) for i in spoken[:-1]), initial=0))
        sums[spoken] = np.add.reduceat(model.embedding[np.minimum(ids, len(model.embedding) - 1)], starts, axis=0)
    return sums


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1)
    vectors[lengths == 0, 0] = 1.0
    lengths[lengths == 0] = 1.0
    return vectors / lengths[:, None]
