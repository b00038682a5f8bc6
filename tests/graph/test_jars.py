from __future__ import annotations

import re
from pathlib import Path

from cairn.graph.jars import locked, sha256


def test_every_jar_is_locked_by_sum_and_size() -> None:
    jars = locked().jars
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in jars)
    assert all(jar.file.startswith(jar.coordinate.split(":")[1]) and jar.file.endswith(".jar") for jar in jars)


def test_no_two_jars_share_a_file_name() -> None:
    names = [jar.file for jar in locked().jars]
    assert len(set(names)) == len(names)


def test_the_lock_holds_the_server_itself_in_its_version() -> None:
    coordinates = {jar.coordinate for jar in locked().jars}
    assert {f"org.neo4j:neo4j:{locked().version}", f"org.neo4j.app:neo4j-server:{locked().version}"} <= coordinates


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
