"""The models that rank recall: `models`, `ranker`, `pinModel`, `rollbackModel`."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import strawberry

from ..graph import models as verbs
from ..graph.models import StoredModel
from .connections import Connection, connect
from .context import Info
from .scalars import JSON


@strawberry.type(description="A ranking model that was learned from feedback.")
class RankingModel:
    version: int = strawberry.field(description="Counts up from 1; version 0 is the prior, which Cairn ships.")
    weights: JSON = strawberry.field(description="The weight of each feature.")
    examples: int = strawberry.field(description="Feedbacks that it was trained on.")
    held_back: int = strawberry.field(description="Feedbacks that it was judged by and had not seen.")
    figure: float = strawberry.field(description="Mean reciprocal rank of the first useful hit on those.")
    champion_figure: float = strawberry.field(description="The same of the model that ranked until then.")
    promoted: bool = strawberry.field(description="Whether it took that model's place.")
    serving: bool = strawberry.field(description="Whether it ranks now.")
    pinned: bool = strawberry.field(description="Whether an administrator pinned it.")
    trained_at: datetime = strawberry.field(description="When it was trained.")


@strawberry.type(description="What ranks recall now.")
class Ranker:
    version: int = strawberry.field(description="The model's version; 0: the prior.")
    pinned: bool = strawberry.field(description="Whether it stays whatever is learned.")
    since: datetime | None = strawberry.field(description="Since when; null: from the beginning.")
    feedback: int = strawberry.field(description="Feedbacks that were given.")
    drift: float = strawberry.field(description="How far the latest recalls lie below the mean of all, added up (Page-Hinkley).")
    drifted_at: datetime | None = strawberry.field(description="When recall was last seen to have become worse; null: never.")


def _model(value: StoredModel) -> RankingModel:
    return RankingModel(
        version=value.version,
        weights=cast("JSON", dict(zip(value.names, value.weights, strict=True))),
        examples=value.examples,
        held_back=value.held_back,
        figure=value.figure,
        champion_figure=value.champion_figure,
        promoted=value.promoted,
        serving=value.serving,
        pinned=value.pinned,
        trained_at=value.at,
    )


async def _ranker(info: Info) -> Ranker:
    context = info.context
    context.access.require("model", "read")
    found = await verbs.standing(context.database, context.access.tenant)
    return Ranker(
        version=found.version,
        pinned=found.pinned,
        since=found.since,
        feedback=found.feedback,
        drift=found.drift,
        drifted_at=found.drifted_at,
    )


@strawberry.type
class ModelQuery:
    @strawberry.field(description="What ranks recall now. Needs `read` on `model`.")
    async def ranker(self, info: Info) -> Ranker:
        return await _ranker(info)

    @strawberry.field(description="The models learned from feedback, newest first. Needs `read` on `model`.")
    async def models(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[RankingModel]:
        first = 20 if first is None else first
        return connect(await verbs.list_models(info.context.database, info.context.access, first, after), _model, after)


@strawberry.type
class ModelMutation:
    @strawberry.mutation(
        description="Let this version rank (0: the prior) and keep it, whatever is learned, until unpinned. Needs `admin` on `model`."
    )
    async def pin_model(self, info: Info, version: int, pinned: bool | None = True, idempotency_key: str | None = None) -> Ranker:
        context = info.context
        await verbs.choose_model(context.writer, context.access, version, pinned=pinned is not False, idempotency_key=idempotency_key)
        return await _ranker(info)

    @strawberry.mutation(description="Let the version rank that did before, pinned, so that what went wrong is not learned again at once.")
    async def rollback_model(self, info: Info, idempotency_key: str | None = None) -> Ranker:
        context = info.context
        await verbs.roll_back(context.writer, context.database, context.access, idempotency_key)
        return await _ranker(info)
