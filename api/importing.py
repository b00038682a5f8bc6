"""`cairn import` and `cairn export`: files to and from a Cairn, with progress."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import BadInput
from ..graph.data_dir import private_folder
from ..graph.names import new_id
from ..settings import Settings
from .client import Client
from .operations import operation

_POLL_SECONDS = 0.2


async def import_source(
    client: Client, settings: Settings, source: str, graph: str | None, format: str | None, console: Console
) -> dict[str, Any]:
    """Import `source` (a path, a URL, or - for standard input) and return the finished import.

    Raises BadInput with line and reason when it failed; then nothing of it is in the graph.
    """
    with _reachable(settings, source) as place:
        started = await client.demand(operation("start_import"), {"input": {"source": place, "graph": graph, "format": format}})
        with _bar(console) as progress:
            task = progress.add_task(source, total=None, triples=0)
            while True:
                job = (await client.demand(operation("import_status"), {"id": started["startImport"]["id"]}))["import"]
                progress.update(task, completed=job["bytesRead"], total=job["bytesTotal"], triples=job["triplesRead"])
                if job["status"] != "RUNNING":
                    break
                await anyio.sleep(_POLL_SECONDS)
    if job["status"] == "FAILED":
        raise BadInput(job["error"])
    return job


@contextmanager
def _reachable(settings: Settings, source: str) -> Generator[str]:
    """A name of the source that the server can open: an absolute path or a URL; standard input is spooled to a file."""
    if source == "-":
        spool = private_folder(private_folder_of(settings) / "inbox") / new_id()
        try:
            with spool.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            yield str(spool)
        finally:
            spool.unlink(missing_ok=True)
    elif urlsplit(source).scheme in ("http", "https"):
        yield source
    else:
        path = Path(source).expanduser().resolve()
        if not path.is_file():
            raise BadInput(f"there is no file {source}")
        yield str(path)


def private_folder_of(settings: Settings) -> Path:
    """The data directory, made if absent."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.data_dir


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[triples]:,} triples"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


async def download_to(client: Client, path: str, parameters: dict[str, str], output: Path | None) -> None:
    """Write a streamed answer to a file, which appears whole or not at all, or to standard output."""
    if output is None:
        async for chunk in client.download(path, parameters):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            async for chunk in client.download(path, parameters):
                file.write(chunk)
        part.replace(output)
    except OSError as error:
        raise BadInput(f"{output} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
