"""What is counted, for Prometheus: by one process, or by all workers of a `cairn up --workers N`, whichever of them is asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # pyright: ignore[reportUnknownVariableType]
from starlette.requests import Request
from starlette.responses import Response

from ..learning.anticipation import Anticipations
from ..learning.knobs import Move
from ..learning.tuner import Tuner

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which workers count together, when it is set before prometheus_client is imported."""


class Metrics:
    """The counters of this process, or its part of what all workers count. Holds numbers only: no tenant, no principal, no query."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._asked: list[Callable[[], None]] = []
        requests = Counter("cairn_http_requests", "HTTP requests by status.", ["status"], registry=self._registry)
        queries = Counter("cairn_queries", "GraphQL queries by where their answer came from.", ["cache"], registry=self._registry)

        @cache
        def requests_of(status: int) -> Counter:
            return requests.labels(str(status))

        @cache
        def queries_of(level: str) -> Counter:
            return queries.labels(level)

        self._requests, self._queries = requests_of, queries_of
        self._seconds = Histogram("cairn_http_request_seconds", "How long HTTP requests took.", buckets=_SECONDS, registry=self._registry)
        self.in_flight = Gauge(
            "cairn_http_requests_in_flight", "HTTP requests that are being answered.", registry=self._registry, multiprocess_mode="livesum"
        )
        self.websockets = Gauge("cairn_websockets", "Open WebSocket connections.", registry=self._registry, multiprocess_mode="livesum")

    def count(self, status: int, level: str | None, seconds: float) -> None:
        """Count one HTTP request; `level` is its answer's X-Cache."""
        self._requests(status).inc()
        self._seconds.observe(seconds)
        if level is not None:
            self._queries(level).inc()

    def follow(self, tuner: Tuner) -> None:
        """Tell where a tuner's knobs stand, how far from their limits things are, and what becomes of its moves."""
        moves = Counter("cairn_tuning_moves", "Moves of knobs by outcome.", ["knob", "outcome"], registry=self._registry)
        values = self._gauge("cairn_tuning_value", "Where a knob stands.", "knob")
        score = self._gauge("cairn_tuning_score", "The limit over the mean latency, as it was last read.")
        broken = self._gauge("cairn_tuning_broken_seconds", "For how long the objective was broken.")
        strains = self._gauge("cairn_tuning_strain", "How far from its limit something was, 1 being it.", "name")

        def tell() -> None:
            for knob in tuner.knobs.values():
                values.labels(knob.name).set(knob.get())
            score.set(0.0 if tuner.reading is None else tuner.reading.score)
            broken.set(tuner.broken_seconds)
            for name in (*tuner.figures.names, "found"):
                strains.labels(name).set(tuner.figures.strains.get(name, 0.0))

        def count(move: Move) -> None:
            moves.labels(move.knob, move.outcome.value.lower()).inc()

        tuner.listeners.append(count)
        tuner.readers.append(self._tell)
        self._asked.append(tell)

    def watch(self, anticipations: Anticipations) -> None:
        """Tell what became of prefetches too, of all tenants together."""
        done = Counter("cairn_prefetches", "Prefetches by what became of them.", ["outcome"], registry=self._registry)
        seconds = Counter("cairn_prefetch_seconds", "Seconds that prefetches took.", ["use"], registry=self._registry)
        misses = Counter("cairn_prefetch_misses", "Queries that had to be computed while their agent waited.", registry=self._registry)
        on = self._gauge("cairn_prefetch_models_on", "Tenants whose model predicts well enough for prefetching.")
        told = [(done.labels(name), name) for name in ("issued", "used", "wasted")]
        told += [(seconds.labels("all"), "spent"), (seconds.labels("wasted"), "spent_in_vain"), (misses, "misses")]
        before = dict.fromkeys((name for _, name in told), 0.0)

        def tell() -> None:
            for counter, name in told:
                so_far = float(anticipations.total(name))
                counter.inc(so_far - before[name])
                before[name] = so_far
            on.set(sum(model.bar is not None for model in anticipations.all().values()))

        self._asked.append(tell)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        """What each process has a value of its own of."""
        return Gauge(name, what, labels, registry=self._registry, multiprocess_mode="liveall")

    def _tell(self) -> None:
        for tell in self._asked:
            tell()

    async def page(self, request: Request) -> Response:  # noqa: ARG002 -- an endpoint
        """The endpoint, in Prometheus' text format."""
        self._tell()
        shared = os.environ.get(SHARED)
        registry = self._registry if shared is None else _of_all(Path(shared))
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


def fresh_folder(folder: Path) -> Path:
    """The folder `SHARED` shall name, without what an earlier run counted."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob("*.db"):
        left.unlink()
    return folder


def _of_all(folder: Path) -> CollectorRegistry:
    """What all workers counted; what a worker that died was doing is not being done any more."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, str(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return registry
