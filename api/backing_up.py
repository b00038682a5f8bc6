"""`cairn backup` and `cairn restore`: they work on the database itself, so on the machine and with the settings of its Cairn."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, Unavailable
from ..graph.backup_file import Counts, whole
from ..graph.backups import back_up
from ..graph.database import Database, connect
from ..graph.ledger import read_heads
from ..graph.pledges import PLEDGES, Pledges
from ..graph.progress import Progress, Report
from ..graph.restoring import restore
from ..graph.servers import servers
from ..graph.tenants import tenant_names
from ..graph.verification import Verdict, verify
from ..settings import Settings
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


async def back_up_to(settings: Settings, file: Path, report: Report) -> Counts:
    """Back up the database that the settings name, or the embedded one, to `file`. Raises what `back_up` and `_database` do."""
    async with _database(settings, report) as database:
        return await back_up(database, file, report)


async def restore_from(settings: Settings, file: Path, report: Report, *, check: bool = False) -> Restored:
    """Restore `file` into the database that the settings name, or the embedded one. Raises what `restore` and `_database` do.

    With `check`, every tenant's ledger is verified afterwards, and the graph against it; what does not hold is told, and stays.
    Ledgers that are behind what this data directory's signer signed are told too: they are signed no more until they are accepted.
    """
    report(Progress("Checking the file"))
    header = whole(file)  # before a server is started, or a data directory made, for nothing
    async with _database(settings, report) as database:
        counts = await restore(database, file, header, report)
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
