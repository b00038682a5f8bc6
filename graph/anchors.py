"""Anchors: places outside Cairn where checkpoints are written down, so that nobody who controls Cairn can take them back.

Plugins bring them by the hook `cairn_anchors`: a git repository, a timestamping service, a blockchain. The file is built in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pluggy

from ..errors import BadInput, CairnError, Unavailable
from ..plugins import Factory, chosen, hookimpl, load_plugins
from ..settings import Settings
from .ledger import Head

log = logging.getLogger("cairn.ledger")
_PAUSE_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0


class Anchor(Protocol):
    """Where checkpoints are written down. Both may take their time, and may raise Unavailable: then it is tried again."""

    async def anchor(self, note: str) -> None:
        """Write down a checkpoint, a signed note."""
        ...

    async def check(self, origin: str) -> Sequence[str]:
        """The notes that were written down for the ledger of that origin, the oldest first; `cairn verify` holds it against each."""
        ...


class FileAnchor:
    """A file that only grows, one checkpoint a line; put it where Cairn may append and nothing else, such as on another machine."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def anchor(self, note: str) -> None:
        """Append and wait until it is on the disk."""
        try:
            await asyncio.to_thread(self._append, note)
        except OSError as error:
            raise Unavailable(f"the anchor {self._file} can't be written: {error.strerror}") from error

    async def check(self, origin: str) -> Sequence[str]:
        """The notes of that origin."""
        try:
            return [note for note in await asyncio.to_thread(read_anchor, self._file) if note.partition("\n")[0] == origin]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"the anchor {self._file} can't be read: {error.strerror}") from error

    def _append(self, note: str) -> None:
        line = json.dumps({"checkpoint": note}, ensure_ascii=False)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(descriptor, f"\n{line}\n".encode())  # begins anew, should a crash have cut off what stands before
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_anchor(file: Path) -> list[str]:
    """The notes in a file anchor; what a crash cut off is passed over. Raises OSError when it can't be read."""
    notes: list[str] = []
    for line in file.read_text("utf-8", errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):
            note = json.loads(line)["checkpoint"]
            if isinstance(note, str):
                notes.append(note)
    return notes


class OwnAnchors:
    """What Cairn itself brings, by the hook that plugins use."""

    @hookimpl
    def cairn_anchors(self) -> Mapping[str, Factory[Anchor]]:
        """The file that `CAIRN_ANCHOR_FILE` names."""
        return {"file": _make_file}


def _make_file(settings: Settings) -> Anchor:
    if settings.anchor_file is None:
        raise BadInput("CAIRN_ANCHORS names the anchor 'file'; say which with CAIRN_ANCHOR_FILE")
    return FileAnchor(settings.anchor_file)


def choose_anchors(settings: Settings, plugins: pluggy.PluginManager | None = None) -> dict[str, Anchor]:
    """The anchors that the settings name. Raises BadInput for one that there is not, Unavailable when a plugin can't be loaded."""
    if not settings.anchors:
        return {}
    offers = (plugins or load_plugins(OwnAnchors())).hook.cairn_anchors()
    return {name: chosen(offers, name, "CAIRN_ANCHORS")(settings) for name in settings.anchors}


class Anchoring:
    """Brings checkpoints to one anchor, of each ledger the latest, at most one in `interval` seconds. Run `work` as a task."""

    def __init__(self, name: str, anchor: Anchor, interval: float) -> None:
        self._name = name
        self._anchor = anchor
        self._interval = interval
        self._waiting: dict[str, str] = {}

    def hear(self, tenant: str, stands: Head, note: str) -> None:  # noqa: ARG002
        """A new checkpoint; it takes the place of one that still waits."""
        self._waiting[tenant] = note

    async def work(self) -> None:
        """Anchor until cancelled."""
        while True:
            waiting, self._waiting = self._waiting, {}
            for tenant, note in waiting.items():
                if not await self._bring(note):
                    self._waiting.setdefault(tenant, note)
            await asyncio.sleep(max(self._interval, _PAUSE_SECONDS) if self._waiting else self._interval)

    async def _bring(self, note: str) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._anchor.anchor(note)
        except CairnError as error:
            log.warning("the anchor %s did not take a checkpoint: %s; it is tried again", self._name, error.message)
            return False
        except Exception:
            log.exception("the anchor %s failed; it is tried again", self._name)
            return False
        return True
