"""The shape of the house: imports run downwards, the wheel holds the package and nothing else, Cypher stays in its files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ["graph", "policies", "learning", "importers", "schema", "api"]
SOURCES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def floors_imported(path: Path) -> set[str]:
    """The floors that a module imports, resolved as Python resolves them."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = ("cairn", *parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            modules = [stem, *(f"{stem}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            head = module.split(".")
            if head[0] == "cairn" and len(head) > 1 and head[1] in FLOORS:
                found.add(head[1])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path: Path) -> None:
    own = FLOORS.index(path.relative_to(ROOT).parts[0])
    climbs = {floor for floor in floors_imported(path) if FLOORS.index(floor) > own}
    assert not climbs, f"{path} imports the floors above it: {climbs}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_cypher_stays_in_its_files(path: Path) -> None:
    assert not re.search(r"""["']\s*(MATCH|MERGE|UNWIND|CALL db\.)\b""", path.read_text(encoding="utf-8"))


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    tree = tmp_path / "tree"  # a copy: what an earlier build left in the checkout must not get in
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "node_modules"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(tree)]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"cairn"}
    expected = {str(Path("cairn", path.relative_to(ROOT))) for path in SOURCES}
    expected |= {f"cairn/{path.name}" for path in ROOT.glob("*.py")}
    data = {".cypher", ".lua", ".graphql", ".conf", ".csv", ".json", ".ttl", ".html", ".js", ".css"}
    files = (path for floor in FLOORS for path in (ROOT / floor).rglob("*") if path.suffix in data and "__pycache__" not in path.parts)
    expected |= {str(Path("cairn", path.relative_to(ROOT))) for path in files}
    assert not expected - set(names)
    assert "cairn/py.typed" in names


def test_every_package_is_declared() -> None:
    declared = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {"cairn", *(".".join(("cairn", *path.parent.relative_to(ROOT).parts)) for path in SOURCES if path.name == "__init__.py")}
    assert found == declared
