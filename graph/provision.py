"""Brings Neo4j's locked jars onto this machine, once.

Each jar comes from Maven's own cache on this machine, or from the repositories jgo knows (its configuration file, then Maven
Central), and is put in place by a rename only after its SHA-256 matches the lock. So a folder that was interrupted is taken up
where it stopped, a complete one needs no network, and no jar runs that was not locked.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from time import monotonic

from filelock import FileLock, Timeout
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Artifact, MavenContext, PythonResolver

from ..errors import Unavailable
from .jars import Jar, Jars, locked, sha256
from .progress import Progress, Report, silent

__all__ = ["provision"]

_THREADS = 8
_ATTEMPTS = 3
_TIMEOUT = 30  # seconds without a byte
_REPORT_EVERY = 0.1  # seconds

_log = logging.getLogger(__name__)


def provision(cache_dir: Path, report: Report = silent, *, jars: Jars | None = None, stop: Event | None = None) -> Path:
    """The folder in which every locked jar lies and is sound; missing and damaged ones are fetched.

    Safe to run in several processes and threads at once: one fetches, the others wait. Setting `stop` makes it give up soon.
    Raises Unavailable when a jar can't be fetched (what was fetched is kept), does not match its locked sum (it is removed),
    or when `cache_dir` can't be written.
    """
    jars, stop = jars or locked(), stop or Event()
    folder = cache_dir / f"neo4j-{jars.version}"
    try:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="provision") as threads:
            if _missing(jars, folder, threads):
                folder.mkdir(parents=True, exist_ok=True)
                with _alone(cache_dir / f"{folder.name}.lock", report, stop):
                    missing = _missing(jars, folder, threads)  # another process may have fetched them while this one waited
                    _Fetch(folder, _Meter(jars, missing, report, stop)).run(missing, threads)
    except OSError as error:
        raise Unavailable(f"Neo4j's jars can't be kept in {cache_dir}: {error.strerror}. Set CAIRN_CACHE_DIR to another folder.") from error
    return folder


def _missing(jars: Jars, folder: Path, threads: ThreadPoolExecutor) -> tuple[Jar, ...]:
    sound = threads.map(_is_sound, [folder / jar.file for jar in jars.jars], jars.jars)
    return tuple(jar for jar, is_sound in zip(jars.jars, sound, strict=True) if not is_sound)


def _is_sound(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size and sha256(path) == jar.sha256
    except FileNotFoundError:
        return False


@contextmanager
def _alone(path: Path, report: Report, stop: Event) -> Generator[None]:
    """Holds the lock file `path`; waits for another process that has it."""
    lock = FileLock(path)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            report(Progress("Waiting for another process that is fetching Neo4j"))
            if stop.is_set():
                raise _stopped() from None
    try:
        yield
    finally:
        lock.release()


def _stopped() -> Unavailable:
    return Unavailable("Fetching Neo4j was stopped; the next start goes on from there.")


class _Meter:
    """Counts bytes from all threads, reports them, and tells the threads when to give up."""

    def __init__(self, jars: Jars, missing: tuple[Jar, ...], report: Report, stop: Event) -> None:
        self._what = f"Fetching Neo4j {jars.version}"
        self._total = jars.size
        self._done = jars.size - sum(jar.size for jar in missing)
        self._report, self._stop, self._failed = report, stop, Event()
        self._guard, self._reported = Lock(), 0.0

    def fail(self) -> None:
        """No thread needs to go on."""
        self._failed.set()

    def check(self) -> None:
        """Raises Unavailable when a thread need not go on."""
        if self._stop.is_set() or self._failed.is_set():
            raise _stopped()

    def add(self, size: int) -> None:
        """`size` more bytes are here; fewer, when negative."""
        with self._guard:
            self._done += size
            if monotonic() - self._reported >= _REPORT_EVERY or self._done == self._total:
                self._reported = monotonic()
                self._report(Progress(self._what, self._done, self._total))

    @contextmanager
    def download(self, _name: str, _size: int) -> Generator[Callable[[int], None]]:
        """jgo's progress protocol. The bytes of a download that fails are taken back."""
        here = 0

        def update(size: int) -> None:
            nonlocal here
            self.check()
            here += size
            self.add(size)

        try:
            yield update
        except BaseException:
            self.add(-here)
            raise


class _Fetch:
    """Fetches jars into `folder`, whose lock the caller holds."""

    def __init__(self, folder: Path, meter: _Meter) -> None:
        configured = GlobalSettings.load()
        self._folder, self._meter = folder, meter
        self._part = folder / "part"  # jgo writes here: an interrupted download never stands under a final name
        self._maven_cache = configured.repo_cache
        self._repositories = {"central": MAVEN_CENTRAL_URL} | configured.repositories
        self._resolver = PythonResolver(progress_callback=meter.download)

    def run(self, missing: tuple[Jar, ...], threads: ThreadPoolExecutor) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
        try:
            futures = [threads.submit(self._place, jar) for jar in missing]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            self._meter.fail()  # stops what still runs after a failure; after a success nothing does
            threads.shutdown(cancel_futures=True)
            shutil.rmtree(self._part, ignore_errors=True)

    def _place(self, jar: Jar) -> None:
        self._meter.check()
        if not self._copy(jar):
            path = self._download(jar)
            if not _is_sound(path, jar):
                path.unlink()
                raise Unavailable(
                    f"{jar.file} as downloaded does not match the SHA-256 sum that Cairn has locked for it, so it was removed. "
                    "Try again; if it stays so, something between this machine and the Maven repository changes what it sends."
                )
            path.replace(self._folder / jar.file)

    def _copy(self, jar: Jar) -> bool:
        """Takes the jar from Maven's cache on this machine, if a sound one is there."""
        context = MavenContext(self._resolver, repo_cache=self._maven_cache)
        source, copy = _artifact(context, jar).cached_path, self._part / f"{jar.file}.copy"
        if source is None or not _is_sound(source, jar):
            return False
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, copy)
        copy.replace(self._folder / jar.file)
        self._meter.add(jar.size)
        return True

    def _download(self, jar: Jar) -> Path:
        part = self._part / jar.file
        context = MavenContext(self._resolver, repo_cache=part, remote_repos=self._repositories, timeout=_TIMEOUT)
        reason: Exception | None = None
        for attempt in range(1, _ATTEMPTS + 1):
            self._meter.check()
            try:
                return _artifact(context, jar).resolve()
            except (OSError, RuntimeError, ValueError) as error:  # requests' errors are OSErrors; jgo raises the others
                reason = error
                _log.info("fetching %s failed (attempt %d of %d): %s", jar.file, attempt, _ATTEMPTS, error)
                shutil.rmtree(part, ignore_errors=True)  # jgo would take the part of a file for the whole
        why = (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
        raise Unavailable(
            f"{jar.file} could not be fetched ({why}). The embedded Neo4j needs the network once; what was fetched is kept, so try again "
            "when the network is there, or set CAIRN_NEO4J_URI to use a Neo4j that already runs."
        ) from reason


def _artifact(context: MavenContext, jar: Jar) -> Artifact:
    group, name, version, *classifier = jar.coordinate.split(":")
    return context.project(group, name).at_version(version).artifact(*classifier)
