"""Plugins: what other packages may bring, by pluggy (https://pluggy.readthedocs.io). Cairn's own parts use the same hooks.

A package offers an entry point in the group `cairn` that names a module (or object) with functions marked by `hookimpl`:

    [project.entry-points.cairn]
    mine = "my_package.cairn_hooks"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from .errors import BadInput, Unavailable

if TYPE_CHECKING:
    from .graph.anchors import Anchor
    from .graph.master import MasterKey
    from .learning.embedding import Embedder
    from .learning.extraction import Extractor
    from .settings import Settings

T = TypeVar("T")
Factory = Callable[["Settings"], T]
"""What makes a part from the settings. It must be quick: what takes long is loaded at first use."""

GROUP = "cairn"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """What a plugin may implement. Each function gives factories by the name that a setting chooses them by."""

    @hookspec
    def cairn_embedders(self) -> Mapping[str, Factory[Embedder]]:  # pyright: ignore[reportReturnType]
        """What turns texts into vectors, for `CAIRN_EMBEDDER`. An embedder's own name must begin with this name and a slash."""

    @hookspec
    def cairn_extractors(self) -> Mapping[str, Factory[Extractor]]:  # pyright: ignore[reportReturnType]
        """What reads facts out of texts, for `CAIRN_EXTRACTOR`."""

    @hookspec
    def cairn_master_keys(self) -> Mapping[str, Factory[MasterKey]]:  # pyright: ignore[reportReturnType]
        """What keeps the master key and wraps the tenants' keys with it, such as a KMS, for `CAIRN_MASTER_KEY`."""

    @hookspec
    def cairn_anchors(self) -> Mapping[str, Factory[Anchor]]:  # pyright: ignore[reportReturnType]
        """Where the ledgers' checkpoints are written down outside Cairn, for `CAIRN_ANCHORS`."""


def load_plugins(*own: object) -> pluggy.PluginManager:
    """The hooks of the modules `own` and of every installed plugin.

    Raises Unavailable when an installed plugin can't be loaded.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    for module in own:
        manager.register(module)
    try:
        manager.load_setuptools_entrypoints(GROUP)
        manager.check_pending()
    except Exception as error:
        raise Unavailable(
            f"a plugin of the entry-point group {GROUP!r} can't be loaded ({type(error).__name__}: {error}); mend or uninstall it"
        ) from error
    return manager


def chosen(offers: list[Mapping[str, Factory[Any]]], name: str, setting: str) -> Factory[Any]:
    """The factory called `name` among what plugins offer. Raises BadInput when there is none, or more than one."""
    found = [offer[name] for offer in offers if name in offer]
    if len(found) > 1:
        raise BadInput(f"{len(found)} installed plugins offer {name!r} for {setting}; uninstall all but one")
    if not found:
        known = ", ".join(sorted({other for offer in offers for other in offer}))
        raise BadInput(f"{setting} is {name!r}, but there is only: {known}")
    return found[0]
