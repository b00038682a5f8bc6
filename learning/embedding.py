"""Embedding: from text to vectors whose cosine tells how near two texts are in meaning.

An `Embedder` is all that recall and entity linking need; plugins may bring better ones. The default, `WordLlamaEmbedder`, averages
static token vectors that come inside the `wordllama` wheel (https://github.com/dleemiller/WordLlama): no network, no GPU.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import Unavailable

MAX_CHARACTERS = 20_000
"""Of a longer text the beginning is embedded; the average over more hardly moves."""

_SMALL_BATCH = 4_000
"""Characters that may be embedded on the event loop: well under a millisecond."""

_BLOCK = 32_768
"""Characters whose token vectors are held in memory at once: 8 MB for prose, 130 MB for nothing but emoji."""

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="cairn-embedding")
"""Threads of its own, so that an embedder that hangs holds up nothing else."""

_PATIENCE_SECONDS = 120.0

_BEGINS = "\u2581"
"""What a token starts with that begins a word."""

_LONGEST = 1e100
"""A vector this long is no meaning, and its square would be no number."""


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


class WrongVectors(Unavailable):
    """An embedder answered, but not with one vector of finite numbers, of its length, for each text."""


@runtime_checkable
class RemoteEmbedder(Protocol):
    """An embedder that waits for others rather than works itself: `embed` goes through this, so that waiting takes no thread."""

    async def embed_remotely(self, texts: Sequence[str]) -> list[list[float]]:
        """What `embed` gives."""
        ...


async def embed(embedder: Embedder, texts: Sequence[str]) -> list[list[float]]:
    """`embedder.embed(texts)` without holding up the event loop, checked: in a thread unless the texts are short and the model is loaded.

    Raises Unavailable when the embedder does not answer within two minutes, WrongVectors as `check_vectors` does.
    """
    if not texts:
        return []
    remotely = getattr(embedder, "embed_remotely", None)  # a look at the protocol takes as long as embedding a question
    if remotely is not None:
        vectors = await remotely(texts)
    elif embedder.ready and sum(map(len, texts)) <= _SMALL_BATCH:
        vectors = embedder.embed(texts)
    else:
        working = asyncio.get_running_loop().run_in_executor(_THREADS, embedder.embed, texts)
        try:
            vectors = await asyncio.wait_for(working, _PATIENCE_SECONDS)
        except TimeoutError as error:
            raise Unavailable(f"the embedder {embedder.name} does not answer; try again, or choose another with CAIRN_EMBEDDER") from error
    check_vectors(embedder, texts, vectors)
    return vectors


def check_vectors(embedder: Embedder, texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> None:
    """Raise WrongVectors unless there is one vector of finite numbers, of the embedder's length, for each text."""
    name = embedder.name
    if len(vectors) != len(texts):
        raise WrongVectors(f"the embedder {name} answered with {len(vectors)} vectors for {len(texts)} texts; nothing was stored")
    for vector in vectors:
        if len(vector) != embedder.dimensions:
            raise WrongVectors(
                f"the embedder {name} answered with a vector of {len(vector)} numbers where {embedder.dimensions} are expected; nothing "
                "was stored. Is CAIRN_EMBEDDER_DIMENSIONS right?"
            )
        if not math.hypot(*vector) < _LONGEST:
            raise WrongVectors(f"the embedder {name} answered with a vector that holds NaN, infinity or the like; nothing was stored")


def unit_vectors(vectors: NDArray[Any]) -> NDArray[Any]:
    """Each row divided by its length; the first unit vector in place of one that has none."""
    lengths = np.linalg.norm(vectors, axis=1)
    vectors[lengths == 0, 0] = 1.0
    lengths[lengths == 0] = 1.0
    return vectors / lengths[:, None]


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
        return [vector for block in _blocks(shortened) for vector in unit_vectors(_sums(model, block)).tolist()]

    def vocabulary(self) -> tuple[list[str], NDArray[np.float32]]:
        """The words that are tokens of their own, in small letters, and a unit vector for each. Loads the model."""
        model = self._loaded()
        vocabulary = sorted(model.tokenizer.get_vocab().items(), key=lambda one: one[1])
        known = [(token[1:].lower(), at) for token, at in vocabulary if token[:1] == _BEGINS and token[1:].isalpha()]
        vectors = np.asarray(model.embedding[[at for _, at in known]], dtype=np.float32)
        return [word for word, _ in known], unit_vectors(vectors)

    def _loaded(self) -> _Model:
        with self._loading:
            if self._model is None:
                self._model = _load()
            return self._model


class _Encoding(Protocol):
    ids: list[int]


class _Tokenizer(Protocol):
    def no_padding(self) -> None: ...
    def get_vocab(self) -> dict[str, int]: ...
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
    """The sum of each text's token vectors: their mean, but for the length that `unit_vectors` takes away."""
    tokens = [encoding.ids for encoding in model.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
    sums = np.zeros((len(texts), model.embedding.shape[1]), dtype=np.float32)
    spoken = [i for i, ids in enumerate(tokens) if ids]
    if spoken:
        ids = np.concatenate([np.asarray(tokens[i], dtype=np.int64) for i in spoken])
        starts = list(accumulate((len(tokens[i]) for i in spoken[:-1]), initial=0))
        sums[spoken] = np.add.reduceat(model.embedding[np.minimum(ids, len(model.embedding) - 1)], starts, axis=0)
    return sums
