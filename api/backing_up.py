"""`cairn backup` and `cairn restore`: they work on the database itself, so on the machine and with the settings of its Cairn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from ..errors import BadInput, Unavailable
from ..graph.backup_file import Counts, whole
from ..graph.backups import back_up
from ..graph.database import Database, connect
from ..graph.master import MasterKey
from ..graph.progress import Progress, Report
from ..graph.restoring import restore
from ..graph.sealed_file import FileKey, by_master, by_passphrase, file_key, is_sealed
from ..graph.servers import servers
from ..settings import Settings
from .masters import master_key
from .presence import running_url
from .production import require_production


async def back_up_to(settings: Settings, file: Path, phrase_file: Path | None, report: Report) -> Counts:
    """Back up the database that the settings name, or the embedded one, to `file`. Raises what `back_up` and `_database` do.

    The file is encrypted by the passphrase in `phrase_file`, or else by the master key, unless the settings turn encryption off.
    """
    key: FileKey | None = None
    if phrase_file is not None:
        key = await asyncio.to_thread(by_passphrase, _phrase(phrase_file))
    elif settings.encryption:
        key = await by_master(master_key(settings))
    async with _database(settings, report) as database:
        return await back_up(database, file, report, key)


async def restore_from(settings: Settings, file: Path, phrase_file: Path | None, report: Report) -> Counts:
    """Restore `file` into the database that the settings name, or the embedded one. Raises what `restore` and `_database` do."""
    report(Progress("Checking the file"))
    key: FileKey | None = None
    if is_sealed(file):
        key = await file_key(file, _known_master(settings), None if phrase_file is None else _phrase(phrase_file))
    header = whole(file, key)  # before a server is started, or a data directory made, for nothing
    async with _database(settings, report) as database:
        return await restore(database, file, header, report, key)


def _known_master(settings: Settings) -> MasterKey | None:
    """The master key where there is one; none is made for reading what another encrypted."""
    file = settings.master_key_file or settings.data_dir / "master.key"
    return None if settings.master_key == "file" and not file.exists() else master_key(settings)


def _phrase(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise BadInput(f"the passphrase can't be read from {file}") from error


@asynccontextmanager
async def _database(settings: Settings, report: Report) -> AsyncGenerator[Database]:
    """The settings' database. Raises BadInput when they name a Cairn elsewhere, Unavailable when a running Cairn has the servers."""
    require_production(settings)
    if settings.url is not None:
        raise BadInput("CAIRN_URL names a Cairn elsewhere; back up and restore on the machine it runs on, with its settings")
    url = running_url(settings.data_dir)
    if url is not None and (settings.neo4j_uri is None or settings.redis_url is None):
        raise Unavailable(f"Cairn is running at {url} and has the servers in {settings.data_dir}; stop it, then try again")
    async with (
        servers(settings, report) as running,
        connect(running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database, ca=running.neo4j_ca) as database,
    ):
        await database.ping()
        yield database
