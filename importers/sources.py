"""Where a document comes from: a file, a URL or a stream of bytes, opened only for principals who may."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, urldefrag, urlsplit, urlunsplit

import httpx

from ..errors import BadInput, Forbidden
from ..graph.access import Access
from ..graph.addresses import reachable_address
from ..settings import Settings
from .formats import ACCEPT

_UNLESS = "a principal with admin on import imports it, or an administrator adds the network to CAIRN_IMPORT_NETWORKS"
FILE_GRAPH = "urn:cairn:file:"
"""Statements of a file that name no graph go to the graph of this and the file's name, unless another is asked for."""
_REDIRECTS = 5
_OK = 200
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Source:
    """An open document. Either `file` or `chunks` holds its bytes; `total` is how many, where known. `base`: what IRIs are relative to."""

    name: str
    file: BinaryIO | None = None
    chunks: AsyncIterator[bytes] | None = None
    total: int | None = None
    media_type: str | None = None
    base: str | None = None


def is_url(place: str) -> bool:
    """Whether a place is a URL that is fetched."""
    return place.lower().startswith(("http://", "https://"))


def display_name(place: str) -> str:
    """A place as it may be shown: a URL without its user and password, the path of a file as it is. Raises BadInput for a bad URL."""
    if not is_url(place):
        return place
    try:
        parts = urlsplit(place)
    except ValueError as error:
        raise BadInput(f"that is no URL ({error})") from None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def default_graph(place: str) -> str:
    """The graph that a document's default graph goes to when nobody names one: its URL, or `urn:cairn:file:` and the file's name."""
    if is_url(place):
        return urldefrag(display_name(place)).url
    return FILE_GRAPH + quote(Path(place).name.removesuffix(".gz"), safe="")


@asynccontextmanager
async def opened(place: str, access: Access, settings: Settings) -> AsyncGenerator[Source]:
    """Open a path or an http(s) URL.

    Raises Forbidden for a file outside `settings.import_roots`, and for a URL, or a redirect of one, that leads into a private
    network outside `settings.import_networks`, without `admin` on `import`; BadInput for what can't be opened.
    """
    if is_url(place):
        async with _fetched(place, access, settings) as source:
            yield source
        return
    if "://" in place:
        raise BadInput(f"{place.partition('://')[0]}:// is not read; give a path or an http or https URL")
    with _open_file(place, access, settings) as file:
        yield Source(place, file=file, total=os.fstat(file.fileno()).st_size)


def _open_file(place: str, access: Access, settings: Settings) -> BinaryIO:
    admin = access.may("import", "admin")
    try:
        path = Path(place).resolve()
        if not admin and not any(path.is_relative_to(root.resolve()) for root in settings.import_roots):
            raise Forbidden(f"{access.principal} may import files from the folders in CAIRN_IMPORT_ROOTS only")
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except (OSError, ValueError) as error:
        raise BadInput(f"{place!r} can't be read: {error.strerror if isinstance(error, OSError) else error}") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BadInput(f"{place!r} is not a file")
    return cast("BinaryIO", file)


@asynccontextmanager
async def _fetched(place: str, access: Access, settings: Settings) -> AsyncGenerator[Source]:
    admin = access.may("import", "admin")
    timeout = httpx.Timeout(settings.import_timeout)
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip, identity", "User-Agent": "cairn"}
    async with httpx.AsyncClient(timeout=timeout, headers=headers, trust_env=admin) as client:
        try:
            url, response = await _follow(client, place, None if admin else settings.import_networks)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable(place, error, settings) from None
        try:
            length = response.headers.get("content-length", "")
            yield Source(
                display_name(place),
                chunks=_chunks(response, place, settings),
                total=int(length) if length.isdecimal() and len(length) < _DIGITS else None,
                media_type=response.headers.get("content-type"),
                base=display_name(str(url)),
            )
        finally:
            await response.aclose()


async def _follow(client: httpx.AsyncClient, place: str, networks: Sequence[str] | None) -> tuple[httpx.URL, httpx.Response]:
    """The answer and the URL that it comes from. `networks`: the private ones that may be asked; None: any server may."""
    url = httpx.URL(place)
    for _ in range(_REDIRECTS + 1):
        if url.scheme not in ("http", "https") or not url.host:
            raise BadInput(f"{display_name(place)!r} leads to {url.scheme}:, which is not read")
        request = client.build_request("GET", url) if networks is None else await _pinned(client, url, networks)
        response = await client.send(request, stream=True)
        if not response.has_redirect_location:
            if response.status_code != _OK:
                await response.aclose()
                raise BadInput(f"{display_name(place)!r} can't be read: its server answered {response.status_code}")
            return url, response
        url = url.join(response.headers["location"])
        await response.aclose()
    raise BadInput(f"{display_name(place)!r} redirects more than {_REDIRECTS} times")


async def _pinned(client: httpx.AsyncClient, url: httpx.URL, networks: Sequence[str]) -> httpx.Request:
    """A request to the very address that was checked: a name that is asked for again may lead elsewhere by then."""
    address = await reachable_address(url.host, url.port or (443 if url.scheme == "https" else 80), networks, _UNLESS)
    host = f"[{address}]" if ":" in address else address
    headers = {"Host": url.netloc.decode("ascii").rpartition("@")[2]}
    return client.build_request("GET", url.copy_with(host=host), headers=headers, extensions={"sni_hostname": url.host})


async def _chunks(response: httpx.Response, place: str, settings: Settings) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.HTTPError as error:
        raise _unreachable(place, error, settings) from None


def _unreachable(place: str, error: Exception, settings: Settings) -> BadInput:
    name = display_name(place)
    if isinstance(error, httpx.TimeoutException):
        return BadInput(f"{name!r} did not answer within {settings.import_timeout:g} seconds")
    if isinstance(error, httpx.TransportError):
        return BadInput(f"{name!r} can't be reached or broke off ({type(error).__name__})")
    return BadInput(f"{name!r} is no URL that can be fetched")
