"""Sources: files and URLs, opened only for those who may, with clear errors for what can't be read."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cairn.errors import BadInput, Forbidden
from cairn.graph.access import Access, Decision
from cairn.importers.formats import detect
from cairn.importers.sources import default_graph, display_name, opened
from cairn.settings import Settings

from ..listening import listening

pytestmark = pytest.mark.anyio

ADMIN = Access("t", "root", decide=lambda _o, _a: Decision(True))
GUEST = Access("t", "guest", decide=lambda _o, action: Decision(action != "admin"))
TURTLE = b"<> <urn:p> <b> ."


def test_the_format_is_what_was_asked_for_else_what_the_server_says_else_the_extension() -> None:
    assert detect("a.ttl", "application/rdf+xml", "nt").name == "nt"
    assert detect("a.ttl", "application/ld+json; charset=utf-8").name == "jsonld"
    assert detect("http://example.org/a.owl.gz", "application/octet-stream").name == "rdfxml"
    assert detect("/data/A.NQ").name == "nq"
    for name in ("a", "a.csv", "turtle", "http://example.org/ttl"):
        with pytest.raises(BadInput, match="ttl"):
            detect(name, "text/html")
    with pytest.raises(BadInput, match="csv"):
        detect("a.ttl", None, "csv")


def test_a_default_graph_gets_a_name_without_paths_and_secrets() -> None:
    assert default_graph("/home/ada/my data.ttl.gz") == default_graph("my data.ttl") == "urn:cairn:file:my%20data.ttl"
    assert default_graph("https://ada:secret@example.org/a.ttl#x") == "https://example.org/a.ttl"
    assert display_name("https://ada:secret@example.org/a.ttl") == "https://example.org/a.ttl"


async def content(place: str, access: Access, settings: Settings) -> bytes:
    async with opened(place, access, settings) as source:
        if source.file is not None:
            return source.file.read()
        assert source.chunks is not None
        return b"".join([chunk async for chunk in source.chunks])


async def test_files_are_for_administrators_or_in_the_folders_that_they_name(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.ttl").write_bytes(TURTLE)
    (inside / "link.ttl").symlink_to(outside / "a.ttl")
    settings = Settings(import_roots=(inside,))
    assert await content(str(inside / "a.ttl"), GUEST, settings) == TURTLE
    assert await content(str(outside / "a.ttl"), ADMIN, settings) == TURTLE
    elsewhere = (outside / "a.ttl", inside / "link.ttl", inside / ".." / "outside" / "a.ttl", outside / "missing.ttl", "/etc/passwd")
    for place in elsewhere:
        with pytest.raises(Forbidden, match="CAIRN_IMPORT_ROOTS"):
            await content(str(place), GUEST, settings)


async def test_what_is_no_file_can_not_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ttl")
    for place in (
        str(tmp_path),
        str(tmp_path / "pipe.ttl"),
        str(tmp_path / "missing.ttl"),
        "a\0b.ttl",
        "/dev/zero",
        "ftp://example.org/a.ttl",
    ):
        with pytest.raises(BadInput):
            await content(place, ADMIN, Settings())


@asynccontextmanager
async def server(answer: Callable[[str], bytes | None]) -> AsyncIterator[str]:
    """An HTTP server on this machine. `answer` makes the response to a request; None: silence."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        response = answer(head)
        if response is None:
            await reader.read()
        else:
            writer.write(response)
            await writer.drain()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


def response(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body) if length is None else length}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def test_a_url_is_fetched_with_its_type_and_base() -> None:
    def answer(head: str) -> bytes:
        assert "text/turtle" in head
        if head.startswith("GET /moved"):
            return response(b"", "location: /data/a", status="303 See Other")
        return response(gzip.compress(TURTLE), "content-type: text/turtle", "content-encoding: gzip")

    async with server(answer) as address, opened(f"{address}/moved", ADMIN, Settings()) as source:
        assert source.chunks is not None
        assert gzip.decompress(b"".join([chunk async for chunk in source.chunks])) == TURTLE
        assert (source.media_type, source.base, source.total) == ("text/turtle", f"{address}/data/a", len(gzip.compress(TURTLE)))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda _: None, "did not answer within 0.3 seconds"),
        (lambda _: response(b"gone", status="404 Not Found"), "answered 404"),
        (lambda _: response(b"<urn:a>", length=1000), "broke off"),
        (lambda _: response(b"", "location: /again", status="302 Found"), "redirects more than"),
        (lambda _: response(b"", "location: ftp://example.org/", status="302 Found"), "ftp"),
        (lambda _: b"who is there?\r\n\r\n", "can't be reached or broke off"),
    ],
    ids=["silent", "missing", "broken", "circular", "elsewhere", "no http"],
)
async def test_urls_that_do_not_answer_well_say_so(answer: Callable[[str], bytes | None], says: str) -> None:
    async with server(answer) as address:
        with pytest.raises(BadInput, match=says) as caught:
            await content(f"{address.replace('//', '//ada:secret@')}/a.ttl", ADMIN, Settings(import_timeout=0.3))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "place", ["http://127.0.0.1:9/a.ttl", "http://nobody.invalid/a.ttl", "http:///a.ttl", "http://[::1/a.ttl", "https://127.0.0.1:9/"]
)
async def test_urls_without_a_server_say_so(place: str) -> None:
    with pytest.raises(BadInput):
        await content(place, ADMIN, Settings(import_timeout=2))


async def test_private_networks_are_for_administrators() -> None:
    async with server(lambda _: response(TURTLE)) as address:
        for place in (
            address,
            address.replace("127.0.0.1", "localhost"),
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]:9/",
            "http://10.0.0.1/",
        ):
            with pytest.raises(Forbidden, match="private"):
                await content(place, GUEST, Settings(import_timeout=2))
