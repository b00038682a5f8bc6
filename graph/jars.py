"""Neo4j's jars as they are locked in `neo4j.lock.json`: coordinates, sizes and SHA-256 sums.

A new version is locked with `python -m cairn.graph.jars 2026.09.0` in a checkout; read the difference before committing it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

_LOCK = "neo4j.lock.json"
_ROOTS = ("org.neo4j:neo4j", "org.neo4j.app:neo4j-server")  # the second brings the main class


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One locked jar. `coordinate` is Maven's group:artifact:version, with :classifier where there is one."""

    coordinate: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Jars:
    """Every jar of one Neo4j version, in the order of the class path; file names are unique."""

    version: str
    jars: tuple[Jar, ...]

    @property
    def size(self) -> int:
        """Bytes of all jars together."""
        return sum(jar.size for jar in self.jars)


@cache
def locked() -> Jars:
    """The jars this version of Cairn runs."""
    document = json.loads(Path(__file__).with_name(_LOCK).read_text(encoding="utf-8"))
    return Jars(version=document["version"], jars=tuple(Jar(**jar) for jar in document["jars"]))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resolve(version: str) -> Jars:
    """Asks Maven which jars Neo4j Community `version` needs, fetches them into Maven's own cache and sums them."""
    import jgo

    found: dict[str, Jar] = {}
    for artifact in jgo.resolve("+".join(f"{root}:{version}" for root in _ROOTS)):
        path = artifact.resolve()
        parts = [artifact.groupId, artifact.artifactId, artifact.version, *filter(None, [artifact.classifier])]
        found[path.name] = Jar(":".join(parts), path.name, path.stat().st_size, sha256(path))
    return Jars(version, tuple(sorted(found.values())))


def _main(version: str) -> None:
    jars = resolve(version)
    document = {"version": jars.version, "jars": [asdict(jar) for jar in jars.jars]}
    Path(__file__).with_name(_LOCK).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"locked {len(jars.jars)} jars, {jars.size / 1e6:.0f} MB\n")


if __name__ == "__main__":
    _main(sys.argv[1])
