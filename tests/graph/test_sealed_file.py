"""Encrypted files: what was written comes back, and no change to them passes."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.graph.backup_file import Counts, Header, read_lines, whole, written
from cairn.graph.master import open_master_key
from cairn.graph.sealed_file import FileKey, OpeningFile, SealingFile, by_master, by_passphrase, file_key, is_sealed

pytestmark = pytest.mark.anyio
KEY = FileKey(b"k" * 32, b'cairn-sealed 1\n{"key":{"master":"m","wrapped":""}}\n')
SEGMENT = 65_536


def sealed(content: bytes) -> bytes:
    below = io.BytesIO()
    file = SealingFile(below, KEY)
    for start in range(0, len(content), 10_007):
        file.write(content[start : start + 10_007])
    file.close()
    return below.getvalue()


def opened(raw: bytes) -> bytes:
    return io.BufferedReader(OpeningFile(io.BytesIO(raw), KEY, Path("backup"))).read()


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 3 * SEGMENT + 17])
def test_what_was_written_comes_back(size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    assert opened(sealed(content[:size])) == content[:size]


@given(st.data())
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_no_change_passes(data: st.DataObject) -> None:
    raw = sealed(b"stone " * 30_000)
    start = len(KEY.head)
    match data.draw(st.sampled_from(["flip", "cut", "add", "drop", "swap"])):
        case "flip":
            bit = data.draw(st.integers(0, 8 * len(raw) - 1))
            altered = bytearray(raw)
            altered[bit // 8] ^= 1 << bit % 8
        case "cut":
            altered = raw[: data.draw(st.integers(0, len(raw) - 1))]
        case "add":
            altered = raw + data.draw(st.binary(min_size=1, max_size=100))
        case "drop":
            altered = raw[:start] + raw[start + SEGMENT + 16 :]
        case _:
            one, two = raw[start : start + SEGMENT + 16], raw[start + SEGMENT + 16 : start + 2 * (SEGMENT + 16)]
            altered = raw[:start] + two + one + raw[start + 2 * (SEGMENT + 16) :]
    with pytest.raises(BadInput):
        opened(bytes(altered))


async def test_a_backup_is_encrypted_by_master_key_or_passphrase(tmp_path: Path) -> None:
    master = open_master_key(tmp_path / "master.key")
    for name, key in (("master", await by_master(master)), ("phrase", by_passphrase("a stone on a pile"))):
        file = tmp_path / name
        with written(file, key) as lines:
            lines.header(Header("1", "now", ("0001",), Counts(1, 0)))
            lines.node(1, ["Memory"], {"text": "a secret stone"})
            lines.trailer(Counts(1, 0))
        assert is_sealed(file)
        assert b"stone" not in file.read_bytes()
        again = await file_key(file, master, "a stone on a pile")
        assert whole(file, again).counts == Counts(1, 0)
        assert next(line for line in read_lines(file, again) if not isinstance(line, Header))[3] == {"text": "a secret stone"}


async def test_without_the_right_key_it_stays_shut(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    with written(file, by_passphrase("a stone on a pile")) as lines:
        lines.header(Header("1", "now", ("0001",), Counts(0, 0)))
        lines.trailer(Counts(0, 0))
    with pytest.raises(BadInput, match="passphrase"):
        await file_key(file, None, None)
    with pytest.raises(BadInput, match="not the passphrase"):
        await file_key(file, None, "another stone on it")
    with pytest.raises(BadInput, match="at least 12"):
        by_passphrase("short")
    (tmp_path / "other").write_bytes(b"something")
    with pytest.raises(BadInput, match="not an encrypted file"):
        await file_key(tmp_path / "other", None, None)


def test_a_failed_backup_leaves_nothing(tmp_path: Path) -> None:
    with suppress(RuntimeError), written(tmp_path / "backup", KEY) as lines:
        lines.node(1, ["Memory"], {})
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
