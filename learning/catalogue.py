"""Which embedders and extractors there are: Cairn's own and those of plugins, by the names that settings choose them by."""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

from ..errors import BadInput, Unavailable
from ..graph.vectors import Model
from ..plugins import Factory, chosen, hookimpl, load_plugins
from ..settings import Settings
from .chat_extractor import make_chat
from .embedding import Embedder, WordLlamaEmbedder
from .extraction import Extractor
from .http_embedder import make_http
from .minilm import make_minilm


class OwnParts:
    """What Cairn itself brings, by the hooks that plugins use."""

    @hookimpl
    def cairn_embedders(self) -> Mapping[str, Factory[Embedder]]:
        """WordLlama, MiniLM and any endpoint of the OpenAI shape."""
        return {"wordllama": lambda _: WordLlamaEmbedder(), "minilm": make_minilm, "http": make_http}

    @hookimpl
    def cairn_extractors(self) -> Mapping[str, Factory[Extractor]]:
        """Any chat endpoint of the OpenAI shape."""
        return {"chat": make_chat}


class Catalogue:
    """What the installed plugins and Cairn itself offer. Raises Unavailable when a plugin can't be loaded."""

    def __init__(self, plugins: pluggy.PluginManager | None = None) -> None:
        self._plugins = plugins or load_plugins(OwnParts())

    def embedder(self, settings: Settings) -> Embedder:
        """The embedder that the settings choose. Raises BadInput when there is none such, Unavailable when it is not installed."""
        name = settings.embedder
        make = chosen(self._plugins.hook.cairn_embedders(), name, "CAIRN_EMBEDDER")
        made: Embedder = make(settings)
        if not made.name.startswith(f"{name}/"):
            raise BadInput(f"the plugin that offers the embedder {name!r} is broken: its name is {made.name!r}, not {name}/ and a model")
        return made

    def remade(self, settings: Settings, model: Model) -> Embedder:
        """The embedder that wrote stored vectors, made from its name and whatever else the settings say now.

        Raises BadInput when there is none such, Unavailable when it is not installed or would give other vectors.
        """
        name, _, version = model.name.partition("/")
        before = {"embedder": name, "embedder_model": version, "embedder_dimensions": model.dimensions}
        made = self.embedder(settings.model_copy(update=before))
        if (made.name, made.dimensions) != (model.name, model.dimensions):
            raise Unavailable(f"the embedder {name} is {made.name} with {made.dimensions} dimensions by now")
        return made

    def extractor(self, settings: Settings) -> Extractor | None:
        """The extractor that the settings choose; None when they choose none. Raises BadInput for one that there is not."""
        if not settings.extractor:
            return None
        made: Extractor = chosen(self._plugins.hook.cairn_extractors(), settings.extractor, "CAIRN_EXTRACTOR")(settings)
        return made
