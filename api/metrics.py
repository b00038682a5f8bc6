"""What is counted, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client import Counter as MovesCounter
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class _Counts(Collector):
    """Counted in plain numbers, by the one thread that serves, because counting stands in the way of every answer."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.levels: Counter[str] = Counter()
        self.buckets = [0] * (len(_SECONDS) + 1)
        self.seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        """As Prometheus reads it."""
        requests = CounterMetricFamily("cairn_http_requests", "HTTP requests by status.", labels=["status"])
        for status, count in self.statuses.items():
            requests.add_metric([str(status)], count)
        queries = CounterMetricFamily("cairn_queries", "GraphQL queries by where their answer came from.", labels=["cache"])
        for level, count in self.levels.items():
            queries.add_metric([level], count)
        so_far = 0
        buckets: list[tuple[str, float]] = []
        for most, count in zip([*map(str, _SECONDS), "+Inf"], self.buckets, strict=True):
            so_far += count
            buckets.append((most, so_far))
        yield from (requests, queries)
        yield HistogramMetricFamily("cairn_http_request_seconds", "How long HTTP requests took.", buckets=buckets, sum_value=self.seconds)


class Metrics:
    """The counters of one process. Holds numbers only: no tenant, no principal, no query."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counts = _Counts()
        self._registry.register(self._counts)
        self.in_flight = Gauge("cairn_http_requests_in_flight", "HTTP requests that are being answered.", registry=self._registry)
        self.websockets = Gauge("cairn_websockets", "Open WebSocket connections.", registry=self._registry)

    def count(self, status: int, level: str | None, seconds: float) -> None:
        """Count one HTTP request; `level` is its answer's X-Cache."""
        counts = self._counts
        counts.statuses[status] += 1
        counts.seconds += seconds
        counts.buckets[bisect_left(_SECONDS, seconds)] += 1
        if level is not None:
            counts.levels[level] += 1

    def follow(self, tuner: Tuner) -> None:
        """Tell where a tuner's knobs stand, how far from their limits things are, and what becomes of its moves."""
        moves = MovesCounter("cairn_tuning_moves", "Moves of knobs by outcome.", ["knob", "outcome"], registry=self._registry)
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
