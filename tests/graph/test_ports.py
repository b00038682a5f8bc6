from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cairn.graph.ports import LOOPBACK, choose, is_listening


@pytest.fixture
def taken() -> int:
    """A port on which this process listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def free() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return server.getsockname()[1]


def test_the_usual_port_when_it_is_free_and_again_the_next_time(tmp_path: Path, taken: int) -> None:
    usual = free()
    assert choose(tmp_path / "port", usual) == usual
    assert choose(tmp_path / "port", taken) == usual
    assert (tmp_path / "port").stat().st_mode & 0o777 == 0o600


def test_another_when_the_usual_one_is_taken(tmp_path: Path, taken: int) -> None:
    chosen = choose(tmp_path / "port", taken)
    assert chosen != taken
    assert choose(tmp_path / "port", taken) == chosen


@pytest.mark.parametrize("text", ["", "bolt", "-1", "65536", "12345678901234567890"])
def test_a_port_file_that_makes_no_sense_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "port").write_text(text)
    usual = free()
    assert choose(tmp_path / "port", usual) == usual


def test_knows_who_listens(taken: int) -> None:
    assert is_listening(os.getpid(), taken)
    assert not is_listening(os.getppid(), taken)
    assert not is_listening(os.getpid(), free())
