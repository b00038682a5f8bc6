"""The embedded Neo4j through a crash of its parent and of itself. Starting it is slow, so one life serves all tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import anyio
import psutil
import pytest
from anyio.from_thread import start_blocking_portal
from neo4j import AsyncGraphDatabase
from neo4j.exceptions import AuthError

from cairn.errors import Unavailable
from cairn.graph.database import Database, connect, run
from cairn.graph.neo4j_home import Home
from cairn.graph.servers import Servers, servers
from cairn.graph.statements import parse
from cairn.settings import Settings

pytestmark = pytest.mark.anyio

CYPHER = parse("""
// lay: lays a stone
CREATE (:Stone {name: $name});

// find: finds a stone
MATCH (s:Stone {name: $name})
RETURN s.name AS name;
""")

RUN = """
import asyncio, dataclasses, json
from cairn.graph.servers import servers
from cairn.settings import Settings
async def main():
    async with servers(Settings()) as running:
        print(json.dumps(dataclasses.asdict(running)), flush=True)
        await asyncio.sleep(1000)
asyncio.run(main())
"""
PASSWORD = "a-password-written-just-before-a-crash"


@dataclass(frozen=True)
class Crashed:
    """What a process had that was killed while its servers ran, and the port that was taken at the time."""

    settings: Settings
    running: Servers
    pid: int
    taken: int


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Crashed:
    """A first run: after a crash between writing the password and giving it to Neo4j, on a port that is taken, killed at work."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("crashed"), neo4j_uri=None, redis_url=None, neo4j_heap="512m", neo4j_page_cache="64m"
    )
    home = settings.data_dir / "neo4j"
    home.mkdir()
    (home / "password").write_text(PASSWORD)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CAIRN_")}
    environment |= {"CAIRN_DATA_DIR": str(settings.data_dir), "CAIRN_CACHE_DIR": str(settings.cache_dir), "CAIRN_NEO4J_HEAP": "512m"}
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        taken = blocker.getsockname()[1]
        (home / "port").write_text(str(taken))
        with subprocess.Popen([sys.executable, "-c", RUN], env=environment, stdout=subprocess.PIPE, text=True) as parent:
            try:
                assert parent.stdout is not None
                running = Servers(**json.loads(parent.stdout.readline()))
                anyio.run(lay, running, "before")
            finally:
                parent.kill()
    return Crashed(settings, running, pid_of(settings), taken)


@pytest.fixture(scope="module")
def recovered(crashed: Crashed) -> Iterator[Servers]:
    """The start right after that."""
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(servers(crashed.settings)) as running:
        yield running


def pid_of(settings: Settings) -> int:
    return int((settings.data_dir / "neo4j" / "pid").read_text())


def opened(running: Servers) -> AbstractAsyncContextManager[Database]:
    return connect(running.neo4j_uri, running.neo4j_user, running.neo4j_password, running.neo4j_database)


async def lay(running: Servers, name: str) -> None:
    async with opened(running) as database:
        await database.write(lambda transaction: run(transaction, CYPHER["lay"], {"name": name}))


async def has(running: Servers, name: str) -> bool:
    async with opened(running) as database:
        return await database.read(CYPHER["find"], {"name": name}) == [{"name": name}]


async def answers(database: Database) -> bool:
    try:
        await database.ping()
    except Unavailable:
        return False
    return True


async def test_after_its_parent_was_killed_it_starts_again_with_all_that_was_committed(crashed: Crashed, recovered: Servers) -> None:
    assert await has(recovered, "before")
    assert recovered == crashed.running
    assert pid_of(crashed.settings) != crashed.pid
    assert not psutil.pid_exists(crashed.pid)


def test_finishes_giving_the_password_that_a_crash_left_half_done(recovered: Servers) -> None:
    assert recovered.neo4j_password == PASSWORD


@pytest.mark.parametrize("auth", [None, ("neo4j", "neo4j"), ("neo4j", "")])
async def test_refuses_who_does_not_know_the_password(recovered: Servers, auth: tuple[str, str] | None) -> None:
    async with AsyncGraphDatabase.driver(recovered.neo4j_uri, auth=auth) as driver:
        with pytest.raises(AuthError):
            await driver.verify_connectivity()


def test_takes_another_port_than_the_one_that_is_taken(crashed: Crashed) -> None:
    assert crashed.running.neo4j_uri.startswith("bolt://127.0.0.1:")
    assert not crashed.running.neo4j_uri.endswith(f":{crashed.taken}")


def test_opens_no_socket_but_bolt_on_loopback(crashed: Crashed, recovered: Servers) -> None:
    sockets = psutil.Process(pid_of(crashed.settings)).net_connections(kind="inet")
    listening = [one for one in sockets if one.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)]  # NONE: UDP
    assert [f"bolt://{one.laddr.ip.removeprefix('::ffff:')}:{one.laddr.port}" for one in listening] == [recovered.neo4j_uri]


@pytest.mark.usefixtures("recovered")
def test_only_its_owner_can_read_anything(crashed: Crashed) -> None:
    readable = [path for path in crashed.settings.data_dir.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert [path for path in readable if path.name not in ("password", "port")] == []  # the test made those two itself


@pytest.mark.usefixtures("recovered")
async def test_a_second_user_of_the_data_directory_is_refused(crashed: Crashed) -> None:
    with pytest.raises(Unavailable, match=rf"in use by process {os.getpid()}"):
        async with servers(crashed.settings):
            pass


async def test_after_it_was_killed_it_comes_back_at_the_same_place_with_all_that_was_committed(
    crashed: Crashed, recovered: Servers
) -> None:
    await lay(recovered, "acknowledged")
    killed = pid_of(crashed.settings)
    os.kill(killed, signal.SIGKILL)
    async with opened(recovered) as database:
        with anyio.fail_after(120):
            while pid_of(crashed.settings) == killed or not await answers(database):
                await anyio.sleep(0.05)
    assert await has(recovered, "acknowledged")


async def test_says_what_to_do_when_the_password_is_lost(tmp_path: Path) -> None:
    (tmp_path / "data" / "databases").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"password is gone.*Restore it"):
        await Home(tmp_path, tmp_path, "1g", "64m").password()
