"""The master key that the settings choose, among Cairn's own and those that plugins bring."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.master import MasterKey, open_master_key
from ..plugins import Factory, chosen, hookimpl, load_plugins
from ..settings import Settings


def master_key(settings: Settings) -> MasterKey:
    """The master key. Raises BadInput for a name that nothing offers, Unavailable when it can't be used."""
    hooks = load_plugins(OwnMasterKeys()).hook
    return chosen(hooks.cairn_master_keys(), settings.master_key, "CAIRN_MASTER_KEY")(settings)


class OwnMasterKeys:
    """What Cairn itself brings."""

    @hookimpl
    def cairn_master_keys(self) -> Mapping[str, Factory[MasterKey]]:
        """A file."""
        return {"file": lambda settings: open_master_key(settings.master_key_file or settings.data_dir / "master.key")}
