"""Plugins: what an installed package brings can be chosen, and a broken one is told about."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from cairn.errors import BadInput, Unavailable
from cairn.graph.vectors import Model
from cairn.learning.catalogue import Catalogue, OwnParts
from cairn.learning.embedding import Embedder, WordLlamaEmbedder
from cairn.plugins import hookimpl, load_plugins
from cairn.settings import Settings


class Stones:
    """An embedder of a plugin's."""

    dimensions, ready = 2, True

    def __init__(self, name: str = "stones/1") -> None:
        self.name = name

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]


class Plugin:
    """A plugin that offers it."""

    def __init__(self, **offers: Callable[[Settings], Embedder]) -> None:
        self._offers = offers

    @hookimpl
    def cairn_embedders(self) -> Mapping[str, Callable[[Settings], Embedder]]:
        return self._offers


def having(*plugins: object) -> Catalogue:
    return Catalogue(load_plugins(OwnParts(), *plugins))


def test_cairns_own_and_a_plugins_are_chosen_by_name() -> None:
    catalogue = having(Plugin(stones=lambda _: Stones()))
    assert isinstance(catalogue.embedder(Settings()), WordLlamaEmbedder)
    assert isinstance(catalogue.embedder(Settings(embedder="stones")), Stones)
    assert catalogue.extractor(Settings()) is None
    with pytest.raises(BadInput, match="only: http, minilm, stones, wordllama"):
        catalogue.embedder(Settings(embedder="shells"))


def test_two_of_one_name() -> None:
    with pytest.raises(BadInput, match="2 installed plugins offer 'http'"):
        having(Plugin(http=lambda _: Stones("http/1"))).embedder(Settings(embedder="http"))


def test_a_name_that_does_not_tell_its_plugin() -> None:
    with pytest.raises(BadInput, match="broken"):
        having(Plugin(stones=lambda _: Stones("shells/1"))).embedder(Settings(embedder="stones"))


def test_an_embedder_is_made_again_from_its_name() -> None:
    catalogue = having(Plugin(stones=lambda _: Stones()))
    http = {"embedder": "stones", "embedder_url": "https://llm.example.org/v1"}
    settings = Settings(**http)
    assert catalogue.remade(settings, Model("http/some/model", 7)).name == "http/some/model"
    assert catalogue.remade(settings, Model("wordllama/l2_supercat_256", 256)).dimensions == 256
    for model in (Model("stones/0", 2), Model("stones/1", 3)):
        with pytest.raises(Unavailable, match="by now"):
            catalogue.remade(settings, model)
    with pytest.raises(BadInput):
        catalogue.remade(settings, Model("gone/1", 2))
    with pytest.raises(BadInput):
        catalogue.remade(Settings(), Model("http/some/model", 7))  # nobody says where


class Installed:
    """A distribution with an entry point of Cairn's group, as `importlib.metadata` gives it."""

    metadata: Mapping[str, str] = {"name": "cairn-stones"}
    version = "1"

    def __init__(self, value: str) -> None:
        self.entry_points = [importlib.metadata.EntryPoint("stones", value, "cairn")]


def installed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    found: list[Any] = [Installed(value)]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: found)


def test_an_installed_plugin_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, f"{__name__}:INSTALLED")
    assert isinstance(having().embedder(Settings(embedder="pebbles")), Stones)


def test_a_plugin_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "no_such_module_at_all")
    with pytest.raises(Unavailable, match="no_such_module_at_all"):
        having()


INSTALLED = Plugin(pebbles=lambda _: Stones("pebbles/1"))
