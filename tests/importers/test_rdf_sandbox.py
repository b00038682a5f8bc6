"""The parsing process: a document written to break the parser breaks that process and nothing else."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import psutil
import pytest

from cairn.errors import BadInput, MalformedRDF
from cairn.graph.rdf import Subject
from cairn.importers.documents import Read, Request
from cairn.importers.sandbox import Parsers
from cairn.importers.sources import Source

pytestmark = pytest.mark.anyio


async def chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def parse(parts: Iterable[bytes] | AsyncIterator[bytes], format: str, folder: Path) -> tuple[Read, list[tuple[int, Subject]]]:
    source = Source("test", chunks=parts if isinstance(parts, AsyncIterator) else chunks(parts))
    async with Parsers(folder).parsing(Request("t", "urn:g", format, None, 4 * 1024 * 1024), source) as parse:
        read = await parse.read(lambda _count, _triples: None)
        return read, [one async for some in parse.subjects() for one in some]


async def test_a_stream_is_parsed_whatever_its_pieces(tmp_path: Path) -> None:
    data = b"".join(b'<urn:s%d> <urn:p> "%d" .\n' % (n % 700, n) for n in range(5_000))
    read, subjects = await parse((data[at : at + 999] for at in range(0, len(data), 999)), "nt", tmp_path)
    assert (read.bytes, read.triples, read.graphs, read.default) == (len(data), 5_000, ["urn:g"], True)
    assert len(subjects) == 700 and sum(one.size for _, one in subjects) == 5_000
    assert [one.key for _, one in subjects] == sorted(one.key for _, one in subjects)


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("ttl", b"<urn:a> <urn:b> " + b"<<( <urn:c> <urn:d> " * 100_000 + b"1" + b" )>>" * 100_000 + b" ."),
        ("nt", b"<urn:a> <urn:b> " + b"<<( <urn:c> <urn:d> " * 100_000),
        ("jsonld", b'{"http://e/p":' * 20_000 + b"1" + b"}" * 20_000),
        ("jsonld", b"[" * 100_000),
    ],
    ids=["triple terms", "open triple terms", "objects", "arrays"],
)
async def test_nesting_without_end_ends_with_a_clear_error(format: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(MalformedRDF, match=r"nested|stack|Unexpected end"):
        await parse([data], format, tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
async def test_a_literal_of_100_megabytes_is_refused_early(zipped: bool, tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        squeeze = gzip.compress if zipped else bytes
        for part in (b'<urn:a> <urn:b> "', *(100 * [b"x" * 1024 * 1024]), b'" .'):
            sent += len(part)
            yield squeeze(part)

    with pytest.raises(MalformedRDF, match="too long") as caught:
        await parse(endless(), "ttl", tmp_path)
    assert caught.value.line == 1
    assert sent < 60 * 1024 * 1024 or zipped


async def test_a_literal_of_four_megabytes_is_not_too_long(tmp_path: Path) -> None:
    _, [(_, one)] = await parse([b'<urn:a> <urn:b> "', b"x" * 4 * 1024 * 1024, b'" .'], "nt", tmp_path)
    assert len(one.literals[0]) > 4 * 1024 * 1024


async def test_a_source_that_breaks_off_is_to_blame_itself(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"<urn:a> <urn:b> <urn:c> .\n"
        raise BadInput("the source broke off")

    with pytest.raises(BadInput, match="broke off"):
        await parse(broken(), "nt", tmp_path)


async def test_the_process_ends_with_the_block_and_leaves_no_file(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        yield b"<urn:a> <urn:b> <urn:c> .\n" * 100_000
        await stuck.wait()

    before = set(psutil.Process().children())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await parse(never(), "nt", tmp_path)
    assert {child for child in psutil.Process().children() if child.is_running()} <= before
    assert os.listdir(tmp_path) == []
