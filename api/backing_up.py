"""`cairn backup` and `cairn restore`: they work on the database itself, so on the machine and with the settings of its Cairn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, Unavailable
from ..graph.backup_file import Counts, whole
from ..graph.backups import back_up
from ..graph.database import Database, connect
from ..graph.ledger import read_heads
from ..graph.master import MasterKey
from ..graph.pledges import PLEDGES, Pledges
from ..graph.progress import Progress, Report
from ..graph.restoring import restore
from ..graph.sealed_file import FileKey, by_master, by_passphrase, file_key, is_sealed
from ..graph.servers import servers
from ..graph.tenants import tenant_names
from ..graph.verification import Verdict, verify
from ..settings import Settings
from .masters import master_key
from .presence import running_url
from .production import require_production


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back, what the verification of each tenant said, where it was asked for, and what to say of ledgers that
    end before what was signed of them.
    """

    counts: Counts
    ledgers: tuple[tuple[str, Verdict], ...] = ()
    behind: tuple[str, ...] = ()


async def back_up_to(settings: Settings, file: Path, report: Report, phrase_file: Path | None = None) -> Counts:
    """Back up the database that the settings name, or the embedded one, to `file`. Raises what `back_up` and `_database` do.

    The file is encrypted by the passphrase in `phrase_file`, or else by the master key, unless the settings turn encryption off.
    """
    require_production(settings)
    key: FileKey | None = None
    if phrase_file is not None:
        key = await asyncio.to_thread(by_passphrase, _phrase(phrase_file))
    elif settings.encryption:
        key = await by_master(master_key(settings))
    async with _database(settings, report) as database:
        return await back_up(database, file, report, key)


async def restore_from(settings: Settings, file: Path, report: Report, phrase_file: Path | None = None, *, check: bool = False) -> Restored:
    """Restore `file` into the database that the settings name, or the embedded one. Raises what `restore` and `_database` do.

    With `check`, every tenant's ledger is verified afterwards, and the graph against it; what does not hold is told, and stays.
    Ledgers that are behind what this data directory's signer signed are told too: they are signed no more until they are accepted.
    """
    report(Progress("Checking the file"))
    key: FileKey | None = None
    if is_sealed(file):
        key = await file_key(file, _known_master(settings), None if phrase_file is None else _phrase(phrase_file))
    header = whole(file, key)  # before a server is started, or a data directory made, for nothing
    async with _database(settings, report) as database:
        counts = await restore(database, file, header, report, key)
        ledgers: list[tuple[str, Verdict]] = []
        for tenant in await tenant_names(database) if check else ():
            report(Progress(f"Verifying {tenant}"))
            ledgers.append((tenant, await verify(database, tenant)))
        return Restored(counts, tuple(ledgers), tuple(await _behind(database, Pledges(settings.data_dir / PLEDGES))))


async def _behind(database: Database, pledges: Pledges) -> list[str]:
    """What to say of each ledger that ends before what was signed of it."""
    signed = pledges.read()
    heads = await read_heads(database, sorted(signed))
    sizes = {tenant: heads[tenant].size if tenant in heads else 0 for tenant in signed}
    return [
        f"tenant {tenant}: {sizes[tenant]} entries are restored, but {pledge.size} were signed. Nothing more of its ledger is signed "
        f"until `cairn ledger accept` (CAIRN_TENANT={tenant}) accepts that the rest is gone."
        for tenant, pledge in signed.items()
        if sizes[tenant] < pledge.size
    ]


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
        await database.ping(f"CAIRN_NEO4J_URI is {settings.neo4j_uri}" if settings.neo4j_uri is not None else None)
        yield database
