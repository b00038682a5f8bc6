"""How prefetching fares: `prefetching`."""

from __future__ import annotations

import strawberry

from ..learning.anticipation import Anticipation
from .context import Info


@strawberry.type(description="What the tenant's model of next operations did on the replica that answers, since it started.")
class Prefetching:
    enabled: bool = strawberry.field(description="Whether CAIRN_PREFETCH lets anything be computed ahead.")
    paying: bool = strawberry.field(description="Whether enough predictions come true; where they don't, nothing is computed ahead.")
    bar: float | None = strawberry.field(description="How likely an operation must be to be computed ahead, 0 to 1.")
    learned: int = strawberry.field(description="Operations that were learned from.")
    accuracy: float = strawberry.field(description="How often the likeliest operation was the next one, 0 to 1.")
    precision: float = strawberry.field(description="How much of what was computed ahead was asked for, 0 to 1.")
    coverage: float = strawberry.field(description="How many of the misses there would have been were hits, 0 to 1.")
    uplift: float = strawberry.field(description="By how much prefetching raised the share of queries that were in the cache, 0 to 1.")
    issued: int = strawberry.field(description="Operations that were computed ahead.")
    used: int = strawberry.field(description="Those that were asked for.")
    wasted: int = strawberry.field(description="Those that were not.")
    seconds: float = strawberry.field(description="Seconds that it took.")
    wasted_seconds: float = strawberry.field(description="Seconds that it took in vain.")


@strawberry.type
class PrefetchingQuery:
    @strawberry.field(description="How prefetching fares. Needs `read` on `model`.")
    def prefetching(self, info: Info) -> Prefetching:
        access, anticipations = info.context.access, info.context.services.anticipations
        access.require("model", "read")
        model = anticipations.of(access.tenant) if anticipations is not None else Anticipation()
        account, bar = model.account, model.bar
        return Prefetching(
            enabled=anticipations is not None,
            paying=anticipations is not None and bar is not None,
            bar=bar,
            learned=model.learned,
            accuracy=account.right / max(1, account.predicted),
            precision=account.precision,
            coverage=account.coverage,
            uplift=account.uplift,
            issued=account.issued,
            used=account.used,
            wasted=account.wasted,
            seconds=account.spent,
            wasted_seconds=account.spent_in_vain,
        )
