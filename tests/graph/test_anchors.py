"""Anchors are chosen by name, the file keeps everything that was anchored, and one that fails is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cairn.errors import BadInput, Unavailable
from cairn.graph.anchors import Anchor, Anchoring, FileAnchor, OwnAnchors, choose_anchors, read_anchor
from cairn.graph.ledger import Head
from cairn.graph.merkle import EMPTY_ROOT
from cairn.plugins import hookimpl, load_plugins
from cairn.settings import Settings

pytestmark = pytest.mark.anyio


class Stone:
    """A plugin's anchor, which takes nothing at first."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.failures: list[Exception] = [Unavailable("the stone is wet"), RuntimeError("a defect")]

    async def anchor(self, note: str) -> None:
        if self.failures:
            raise self.failures.pop()
        self.notes.append(note)

    async def check(self, origin: str) -> Sequence[str]:
        return self.notes

    @hookimpl
    def cairn_anchors(self) -> Mapping[str, Callable[[Settings], Anchor]]:
        return {"stone": lambda _: self}


async def test_the_file_keeps_what_was_anchored_and_passes_over_what_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "anchor.jsonl"
    anchor = FileAnchor(file)
    assert await anchor.check("a") == []
    await anchor.anchor("a\n1\n")
    with file.open("a") as lines:
        lines.write('{"checkpoint": "a\\n2')
    await anchor.anchor("b\n1\n")
    await anchor.anchor("a\n3\n")
    assert read_anchor(file) == ["a\n1\n", "b\n1\n", "a\n3\n"]
    assert await anchor.check("a") == ["a\n1\n", "a\n3\n"]
    with pytest.raises(Unavailable, match="can't be written"):
        await FileAnchor(tmp_path).anchor("a\n1\n")


def test_anchors_are_chosen_by_name(tmp_path: Path) -> None:
    stone = Stone()
    plugins = load_plugins(OwnAnchors(), stone)
    chosen = choose_anchors(Settings(anchors=("stone", "file"), anchor_file=tmp_path / "a"), plugins)
    assert (list(chosen), chosen["stone"]) == (["stone", "file"], stone)
    assert choose_anchors(Settings()) == {}
    with pytest.raises(BadInput, match="CAIRN_ANCHOR_FILE"):
        choose_anchors(Settings(anchors=("file",)), plugins)
    with pytest.raises(BadInput, match="only: file, stone"):
        choose_anchors(Settings(anchors=("shell",)), plugins)


async def test_what_an_anchor_does_not_take_is_tried_again_and_the_latest_counts(
    monkeypatch: pytest.MonkeyPatch, until: Callable[[Callable[[], object]], Any]
) -> None:
    monkeypatch.setattr("cairn.graph.anchors._PAUSE_SECONDS", 0.01)
    stone = Stone()
    anchoring = Anchoring("stone", stone, 0.01)
    for note in ("one", "two"):
        anchoring.hear("t", Head(1, EMPTY_ROOT), note)
    task = asyncio.create_task(anchoring.work())
    await until(lambda: stone.notes)
    task.cancel()
    assert stone.notes == ["two"]
