"""TLS with real certificates: checked, modern, and exchanged while connections live on."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cairn.errors import BadInput, Unavailable
from cairn.graph.database import connect
from cairn.graph.servers import Servers, with_authorities
from cairn.graph.tls import Certificate, Reloading, client_context, pinned_context, show

from ..listening import listening

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """The authority's certificate in a file."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def write(authority: trustme.CA, folder: Path, *names: str) -> Certificate:
    """A new certificate in the folder, in place of the one there."""
    issued = authority.issue_cert(*(names or ("127.0.0.1", "cairn.test")))
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(folder / "key.pem")
    return Certificate(folder / "cert.pem", folder / "key.pem")


@asynccontextmanager
async def echoing(context: ssl.SSLContext) -> AsyncGenerator[int]:
    """A server that gives back what it gets; the port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)

    async with listening(echo, context) as port:
        yield port


class Line:
    """One connection to that server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.tls: ssl.SSLObject = writer.get_extra_info("ssl_object")

    @property
    def serial(self) -> str:
        """The serial number of the certificate that the server showed."""
        return str((self.tls.getpeercert() or {})["serialNumber"])

    async def works(self) -> bool:
        """Whether something sent comes back."""
        self._writer.write(b"hello\n")
        return await self._reader.readline() == b"hello\n"

    async def close(self) -> None:
        self._writer.close()


async def call(port: int, context: ssl.SSLContext, name: str | None = "cairn.test") -> Line:
    """A connection, to a name or, with None, to the address alone, which is sent no name."""
    return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "127.0.0.1"))


@pytest.mark.parametrize("name", ["cairn.test", None])
async def test_a_new_certificate_is_seen_by_new_connections_and_the_old_ones_live_on(
    authority: trustme.CA, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    monkeypatch.setattr("cairn.graph.tls._LOOK_SECONDS", 0.0)
    async with echoing(Reloading(write(authority, tmp_path)).context) as port:
        old = await call(port, client_context(ca), name)
        again = await call(port, client_context(ca), name)
        assert old.serial == again.serial
        write(authority, tmp_path)
        new = await call(port, client_context(ca), name)
        assert new.serial != old.serial
        assert await new.works()
        assert await old.works()
        for line in (old, again, new):
            await line.close()


async def test_files_that_do_not_fit_are_not_taken(
    authority: trustme.CA, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cairn.graph.tls._LOOK_SECONDS", 0.0)
    certificate = write(authority, tmp_path)
    async with echoing(Reloading(certificate).context) as port:
        before = await call(port, client_context(ca))
        kept = certificate.key.read_bytes()
        authority.issue_cert("cairn.test").private_key_pem.write_to_path(certificate.key)  # the key first, its certificate not yet
        between = await call(port, client_context(ca))
        assert between.serial == before.serial
        assert await between.works()
        assert "stays in use" in caplog.text
        certificate.key.unlink()
        gone = await call(port, client_context(ca))
        assert gone.serial == before.serial
        certificate.key.write_bytes(kept)
        write(authority, tmp_path)
        after = await call(port, client_context(ca))
        assert after.serial != before.serial
        for line in (before, between, gone, after):
            await line.close()


async def test_only_modern_tls_is_spoken(authority: trustme.CA, ca: Path, tmp_path: Path) -> None:
    async with echoing(Reloading(write(authority, tmp_path)).context) as port:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(ca)
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            line = await call(port, context)
            assert line.tls.selected_alpn_protocol() == "http/1.1"
            assert line.tls.compression() is None
            await line.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(ca)
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await call(port, old)


async def test_a_server_of_another_authority_or_name_is_not_believed(authority: trustme.CA, ca: Path, tmp_path: Path) -> None:
    async with echoing(Reloading(write(authority, tmp_path)).context) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await call(port, client_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            await call(port, client_context(ca), "other.test")


async def test_a_pinned_certificate_is_believed_whatever_its_name_and_no_other(authority: trustme.CA, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine, other = write(authority, tmp_path, "elsewhere.test"), write(authority, tmp_path / "other", "elsewhere.test")
    async with echoing(Reloading(mine).context) as port:
        line = await call(port, pinned_context(mine.certificate), None)
        assert await line.works()
        await line.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await call(port, pinned_context(other.certificate), None)


async def test_clients_must_show_a_certificate_where_that_is_asked(
    authority: trustme.CA, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cairn.graph.tls._LOOK_SECONDS", 0.0)
    clients, strangers = trustme.CA(), trustme.CA()
    trusted = tmp_path / "clients.pem"
    clients.cert_pem.write_to_path(trusted)
    shown = write(authority, tmp_path)
    for name, issuer in (("known", clients), ("stranger", strangers)):
        (tmp_path / name).mkdir()
        write(issuer, tmp_path / name)

    async def works(name: str | None) -> bool:
        context = client_context(ca)
        if name is not None:
            show(context, tmp_path / name / "cert.pem", tmp_path / name / "key.pem")
        try:
            line = await call(port, context)
            try:
                return await line.works()
            finally:
                await line.close()
        except (ssl.SSLError, ConnectionError):
            return False

    async with echoing(Reloading(Certificate(shown.certificate, shown.key, trusted)).context) as port:
        assert [await works(name) for name in ("known", "stranger", None)] == [True, False, False]
        strangers.cert_pem.write_to_path(trusted)  # who is trusted follows its file as well
        assert [await works(name) for name in ("known", "stranger", None)] == [False, True, False]


def test_what_is_wrong_with_files_is_said(authority: trustme.CA, ca: Path, tmp_path: Path) -> None:
    good = write(authority, tmp_path)
    empty, absent = tmp_path / "empty", tmp_path / "absent"
    empty.write_text("nothing")
    for wrong in (
        Certificate(absent, good.key),
        Certificate(good.certificate, ca),
        Certificate(good.certificate, good.key, empty),
        Certificate(good.certificate, good.key, absent),
    ):
        with pytest.raises(BadInput, match=str(tmp_path)):
            Reloading(wrong)
    for file in (empty, absent):
        with pytest.raises(BadInput, match=str(file)):
            client_context(file)
        with pytest.raises(BadInput, match=str(file)):
            pinned_context(file)


Reach = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def encrypted(context: ssl.SSLContext, reach: Reach) -> AsyncGenerator[int]:
    """TLS in front of a server of the run, which `reach` connects to."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await reach()
        await asyncio.gather(pipe(reader, ahead), pipe(behind, writer))

    async with listening(relay, context) as port:
        yield port


async def test_neo4j_is_reached_by_tls_and_only_when_its_certificate_is_right(
    authority: trustme.CA, ca: Path, tmp_path: Path, servers: Servers
) -> None:
    parts = urlsplit(servers.neo4j_uri)
    context = Reloading(write(authority, tmp_path)).context
    async with encrypted(context, lambda: asyncio.open_connection(parts.hostname, parts.port)) as port:
        place = f"bolt+s://127.0.0.1:{port}"
        async with connect(place, servers.neo4j_user, servers.neo4j_password, servers.neo4j_database, ca=ca) as database:
            await database.ping()
        async with connect(place, servers.neo4j_user, servers.neo4j_password, servers.neo4j_database) as database:
            with pytest.raises(Unavailable):
                await database.ping()
        with pytest.raises(BadInput):
            async with connect(place, ca=tmp_path / "absent"):
                pass


async def test_redis_is_reached_by_tls_and_only_when_its_certificate_is_right(
    authority: trustme.CA, ca: Path, tmp_path: Path, servers: Servers
) -> None:
    parts = urlsplit(servers.redis_url)

    async def reach() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async with encrypted(Reloading(write(authority, tmp_path)).context, reach) as port:
        place = f"rediss://127.0.0.1:{port}"
        async with Redis.from_url(with_authorities(place, ca)) as redis:  # pyright: ignore[reportUnknownMemberType]
            assert await redis.ping()  # pyright: ignore[reportGeneralTypeIssues, reportUnknownMemberType]
        async with Redis.from_url(place) as redis:  # pyright: ignore[reportUnknownMemberType]
            with pytest.raises(RedisConnectionError):
                await redis.ping()  # pyright: ignore[reportGeneralTypeIssues, reportUnknownMemberType]


def test_authorities_go_with_tls_only(tmp_path: Path) -> None:
    assert with_authorities("redis://a", tmp_path) == "redis://a"
    assert with_authorities("unix:///a", tmp_path) == "unix:///a"
    once = with_authorities("rediss://a?db=1", tmp_path)
    assert once.startswith("rediss://a?db=1&ssl_ca_certs=")
    assert with_authorities(once, tmp_path) == once
