from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cairn.errors import Unavailable
from cairn.graph.data_dir import held, private_folder, write_private

HOLD = """
import pathlib, sys
from cairn.graph.data_dir import held
with held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Unavailable, match=rf"is in use by process {holder.pid}\. .*CAIRN_DATA_DIR"), held(tmp_path / "data"):
            pass
        holder.kill()
    with held(tmp_path / "data"):  # free again, although the holder had no chance to clean up
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(Unavailable, match="in use"), held(tmp_path):
        pass


def test_says_so_when_it_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="can't be used"), held(tmp_path / "data"):
        pass


def test_private_means_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    write_private(private_folder(folder) / "file", "text")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "file").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["file"]
