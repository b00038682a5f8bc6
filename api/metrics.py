"""What is counted, for Prometheus."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from ..learning.knobs import Move
from ..learning.tuner import Tuner

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one process. Holds numbers only: no tenant, no principal, no query."""

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
        self.in_flight = Gauge("cairn_http_requests_in_flight", "HTTP requests that are being answered.", registry=self._registry)
        self.websockets = Gauge("cairn_websockets", "Open WebSocket connections.", registry=self._registry)

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
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})
