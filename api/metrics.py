"""What is counted, for Prometheus: by one process, or by all workers of a `cairn up --workers N`, whichever of them is asked."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # pyright: ignore[reportUnknownVariableType]
from starlette.requests import Request
from starlette.responses import Response

from ..learning.knobs import Move
from ..learning.tuner import Tuner

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which workers count together, when it is set before prometheus_client is imported."""


class Metrics:
    """The counters of this process, or its part of what all workers count. Holds numbers only: no tenant, no principal, no query."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
        values = Gauge("cairn_tuning_value", "Where a knob stands.", ["knob"], registry=self._registry)
        score = Gauge("cairn_tuning_score", "The limit over the mean latency, as it was last read.", registry=self._registry)
        broken = Gauge("cairn_tuning_broken_seconds", "For how long the objective was broken.", registry=self._registry)
        strains = Gauge("cairn_tuning_strain", "How far from its limit something was, 1 being it.", ["name"], registry=self._registry)
        for knob in tuner.knobs.values():
            values.labels(knob.name).set_function(knob.get)
        score.set_function(lambda: 0.0 if tuner.reading is None else tuner.reading.score)
        broken.set_function(lambda: tuner.broken_seconds)
        for name in (*tuner.figures.names, "found"):
            strains.labels(name).set_function(lambda name=name: tuner.figures.strains.get(name, 0.0))

        def count(move: Move) -> None:
            moves.labels(move.knob, move.outcome.value.lower()).inc()

        tuner.listeners.append(count)

    async def page(self, request: Request) -> Response:  # noqa: ARG002 -- an endpoint
        """The endpoint, in Prometheus' text format."""
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
