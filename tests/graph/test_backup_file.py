"""A backup's file is read as it was written, or refused with what is wrong with it."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.graph.backup_file import Counts, Header, read_lines, whole, written

COUNTS = Counts(3, 1)
HEADER = Header("0.1.0", "2026-08-01T12:00:00.000000+00:00", ("0001_core",), COUNTS)


def make(file: Path, header: Header = HEADER) -> Path:
    with written(file) as lines:
        lines.header(header)
        for number in range(3):
            lines.node(number, ["Memory"], {"text": f"stone {number}"})
        lines.relationship(0, 2, "NEXT", {"weight": 0.5})
        lines.trailer(COUNTS)
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make(tmp_path / "cairn.backup")


def test_it_reads_as_it_was_written(file: Path) -> None:
    assert whole(file) == HEADER
    header, *lines = read_lines(file)
    assert header == HEADER
    nodes = [["n", number, ["Memory"], {"text": f"stone {number}"}] for number in range(3)]
    assert lines == [*nodes, ["r", 0, 2, "NEXT", {"weight": 0.5}]]


def test_only_its_owner_may_read_it_and_its_draft(tmp_path: Path) -> None:
    file = tmp_path / "cairn.backup"
    draft = tmp_path / "cairn.backup.part"
    draft.touch(0o666)
    with written(file):
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
        assert not file.exists()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not draft.exists()


def test_one_that_failed_leaves_what_stood_there(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(RuntimeError, match="midway"), written(file):
        raise RuntimeError("midway")
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_it_cant_be_written_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be written: No such file"), written(tmp_path / "nowhere" / "cairn.backup"):
        pass


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_cut_off_one_is_refused(file: Path, data: st.DataObject) -> None:
    content = file.read_bytes()
    part = file.with_name("part")
    part.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(BadInput, match=r"cut off|not a backup of Cairn"):
        whole(part)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_with_a_changed_byte_is_refused_unless_it_reads_the_same(file: Path, data: st.DataObject) -> None:
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    altered = file.with_name("altered")
    altered.write_bytes(content)
    try:
        found = list(read_lines(altered))
    except BadInput:
        return
    assert found == list(read_lines(file))  # gzip's notes on the file's making


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (lambda text: text.replace(b"stone 1", b"gravel1"), "it was altered"),
        (lambda text: text.replace(b'["n",1,["Memory"],{"text":"stone 1"}]\n', b""), "it was altered"),
        (lambda text: text[: text.rindex(b'{"nodes"')], "it was cut off"),
        (lambda text: text.replace(b'"relationships":1,"sha', b'"relationships":2,"sha'), "it was altered"),
        (lambda text: text + b"\n", "something was added"),
        (lambda text: text.replace(b'{"text":"stone 1"}]', b'{"text":"stone 1"'), "it was altered"),
        (lambda text: text.replace(b'"sha256"', b'"sha512"'), "it was altered"),
        (lambda text: text.replace(b'{"cairn-backup":1', b'{"cairn-backup":2'), "another version of Cairn, 0.1.0"),
        (lambda text: text[1:], "not a backup of Cairn"),
        (lambda _: b"", "not a backup of Cairn"),
        (lambda _: b'{"cairn-backup":', "not a backup of Cairn"),
        (lambda _: b"x" * 2_000_000, "not a backup of Cairn"),
    ],
)
def test_an_altered_text_is_refused(file: Path, alter: Callable[[bytes], bytes], message: str) -> None:
    file.write_bytes(gzip.compress(alter(gzip.decompress(file.read_bytes()))))
    with pytest.raises(BadInput, match=message):
        whole(file)


@pytest.mark.parametrize("content", [b"<urn:a> <urn:b> <urn:c> .\n", b"PK\x03\x04", b"\x1f"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "foreign"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"not a backup of Cairn|cut off"):
        whole(file)


def test_two_in_a_row_are_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes() * 2)
    with pytest.raises(BadInput, match="something was added"):
        whole(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="can't be read: No such file"):
        whole(tmp_path / "nothing")
