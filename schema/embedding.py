"""Which embedder serves recall, and how far a change to another has come: `embedding`."""

from __future__ import annotations

import strawberry

from .context import Info


@strawberry.type(description="What turns texts into vectors, for the whole of this Cairn.")
class Embedding:
    embedder: str = strawberry.field(description="The embedder whose vectors recall uses.")
    dimensions: int = strawberry.field(description="How long its vectors are.")
    next: str | None = strawberry.field(description="The one that recall will use when all memories have its vectors; null when none.")
    progress: float = strawberry.field(description="How much of the change is done, 0 to 1; 1 when none is under way.")


@strawberry.type
class EmbeddingQuery:
    @strawberry.field(description="The embedder that serves recall, and how far a change to another has come.")
    async def embedding(self, info: Info) -> Embedding:
        slots = await info.context.services.embedders.slots(fresh=True)
        filling = slots.filling
        return Embedding(
            embedder=slots.serving.name,
            dimensions=slots.serving.dimensions,
            next=None if filling is None else filling.name,
            progress=1.0 if filling is None else min(1.0, slots.done / max(slots.total, 1)),
        )
