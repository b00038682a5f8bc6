"""Provisioning from a real repository over HTTP, which stands on this machine, with made-up jars."""

from __future__ import annotations

import gc
import hashlib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from cairn.errors import Unavailable
from cairn.graph.jars import Jar, Jars
from cairn.graph.progress import Progress
from cairn.graph.provision import provision

CONTENTS = {f"stone{number}": bytes([number]) * 100_000 for number in range(4)}
JARS = Jars(
    "1.0",
    tuple(Jar(f"test.cairn:{name}:1.0", f"{name}-1.0.jar", len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENTS.items()),
)


class Repository(ThreadingHTTPServer):
    """A Maven repository. `contents` may be changed; a name in `cut` breaks off in the middle that many times."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.contents = dict(CONTENTS)
        self.cut: dict[str, int] = {}
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.split("/")[-3]
        if not self.path.endswith(".jar"):
            self.send_error(404)
            return
        self.server.asked.append(name)
        data = self.server.contents[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.server.cut.get(name, 0):
            self.server.cut[name] -= 1
            data = data[: len(data) // 2]
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collects connections that `requests` leaves to the garbage collector when a download breaks off, before they trouble another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def maven_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's Maven cache: an empty one."""
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    return tmp_path / "m2"


@pytest.fixture
def repository(maven_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with Repository() as server:
        (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def offline(maven_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose only repository does not answer."""
    (tmp_path / "jgo.conf").write_text("[repositories]\ncentral = http://127.0.0.1:9\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name.removesuffix("-1.0.jar"): path.read_bytes() for path in folder.iterdir()}


def test_fetches_every_jar_and_reports_each_byte(repository: Repository, tmp_path: Path) -> None:
    reports: list[Progress] = []
    folder = provision(tmp_path / "cache", reports.append, jars=JARS)
    assert contents(folder) == CONTENTS
    assert (reports[-1].done, reports[-1].total) == (400_000, 400_000)


def test_needs_no_network_after_the_first_time(repository: Repository, tmp_path: Path) -> None:
    folder = provision(tmp_path / "cache", jars=JARS)
    repository.asked.clear()
    assert provision(tmp_path / "cache", jars=JARS) == folder
    assert repository.asked == []


def test_a_jar_with_another_sum_is_refused_and_removed(repository: Repository, tmp_path: Path) -> None:
    repository.contents["stone2"] = b"x" * 100_000
    with pytest.raises(Unavailable, match=r"stone2-1\.0\.jar .* SHA-256"):
        provision(tmp_path / "cache", jars=JARS)
    assert not [path for path in tmp_path.joinpath("cache").rglob("*") if path.name.startswith("stone2")]


def test_a_download_that_breaks_off_is_tried_again(repository: Repository, tmp_path: Path) -> None:
    repository.cut["stone1"] = 2
    reports: list[Progress] = []
    assert contents(provision(tmp_path / "cache", reports.append, jars=JARS)) == CONTENTS
    assert repository.asked.count("stone1") == 3
    assert max(report.done for report in reports) == 400_000


def test_goes_on_where_it_stopped(repository: Repository, tmp_path: Path) -> None:
    repository.cut["stone3"] = 3
    with pytest.raises(Unavailable, match=r"stone3-1\.0\.jar could not be fetched"):
        provision(tmp_path / "cache", jars=JARS)
    kept = {path.name.removesuffix("-1.0.jar") for path in (tmp_path / "cache" / "neo4j-1.0").glob("*.jar")}
    repository.asked.clear()
    assert contents(provision(tmp_path / "cache", jars=JARS)) == CONTENTS
    assert set(repository.asked) == set(CONTENTS) - kept


def test_a_damaged_jar_is_replaced(repository: Repository, tmp_path: Path) -> None:
    folder = provision(tmp_path / "cache", jars=JARS)
    (folder / "stone0-1.0.jar").write_bytes(b"damaged")
    repository.asked.clear()
    assert contents(provision(tmp_path / "cache", jars=JARS)) == CONTENTS
    assert repository.asked == ["stone0"]


def test_two_at_once_fetch_each_jar_once(repository: Repository, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(provision, tmp_path / "cache", jars=JARS) for _ in range(2)]
        assert [contents(one.result()) for one in both] == [CONTENTS, CONTENTS]
    assert sorted(repository.asked) == sorted(CONTENTS)


def test_takes_what_mavens_cache_has_but_only_when_it_is_sound(repository: Repository, maven_cache: Path, tmp_path: Path) -> None:
    for name, data in CONTENTS.items():
        file = maven_cache / "test" / "cairn" / name / "1.0" / f"{name}-1.0.jar"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"not it" if name == "stone2" else data)
    assert contents(provision(tmp_path / "cache", jars=JARS)) == CONTENTS
    assert repository.asked == ["stone2"]
    assert (maven_cache / "test/cairn/stone2/1.0/stone2-1.0.jar").read_bytes() == b"not it"


@pytest.mark.usefixtures("offline")
def test_says_what_to_do_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"needs the network once.*CAIRN_NEO4J_URI"):
        provision(tmp_path / "cache", jars=JARS)


def test_gives_up_when_told_to(repository: Repository, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Unavailable, match="stopped"):
        provision(tmp_path / "cache", jars=JARS, stop=stop)
    assert repository.asked == []


def test_says_so_when_the_cache_can_not_be_written(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="CAIRN_CACHE_DIR"):
        provision(tmp_path / "cache", jars=JARS)
