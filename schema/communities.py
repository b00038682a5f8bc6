"""Communities: `communities`, `communityRefresh`, `refreshCommunities`."""

from __future__ import annotations

from datetime import datetime

import strawberry

from ..graph import communities as verbs
from ..graph import refreshes
from ..graph.pages import check_first
from ..graph.refreshes import RefreshStatus
from ..learning.communities import Described, describe
from .connections import Connection, connect
from .context import Info
from .entities import Entity, entity
from .memories import Memory, memory
from .scalars import IRI

strawberry.enum(RefreshStatus, name="RefreshStatus", description="How a refresh of communities stands.")


@strawberry.type(description="Memories or entities that belong together, found within one memory scope or one named graph.")
class Community:
    described: strawberry.Private[Described]
    id: strawberry.ID = strawberry.field(description="Its id; stays while its most central member does.")
    description: str = strawberry.field(
        description="Names of its central entities, and a sentence from a central memory, as it stands there."
    )
    size: int = strawberry.field(description="How many members it had when it was found.")
    scope: str | None = strawberry.field(description="The memory scope in which it was found.")
    graph: IRI | None = strawberry.field(description="The named graph in which it was found.")
    found_at: datetime = strawberry.field(description="When it was found.")

    @strawberry.field(description="Its most central entities, at most 20.")
    def entities(self, first: int | None = 5) -> list[Entity]:
        return [entity(one.iri, one.key) for one in self.described.entities[: check_first(5 if first is None else first)]]

    @strawberry.field(description="Its most central memories, at most 20; of a graph's community those that mention its central entities.")
    def memories(self, first: int | None = 5) -> list[Memory]:
        return [memory(one) for one in self.described.memories[: check_first(5 if first is None else first)]]


def _community(value: Described) -> Community:
    one = value.community
    return Community(
        described=value,
        id=strawberry.ID(one.id),
        description=value.description,
        size=one.size,
        scope=one.scope,
        graph=None if one.graph is None else IRI(one.graph),
        found_at=one.at,
    )


@strawberry.type(description="One refresh of a tenant's communities.")
class CommunityRefresh:
    id: strawberry.ID = strawberry.field(description="Its id.")
    status: RefreshStatus = strawberry.field(description="How it stands.")
    by: strawberry.ID = strawberry.field(description="Who asked for it; cairn when nobody did.")
    done: int = strawberry.field(description="Scopes and graphs that were looked through so far.")
    total: int = strawberry.field(description="Scopes and graphs there are.")
    communities: int = strawberry.field(description="Communities found so far.")
    changed: int = strawberry.field(description="Scopes and graphs whose communities are others than before.")
    left_out: int = strawberry.field(description="Graphs with too many links to be grouped.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    error: str | None = strawberry.field(description="Why it failed. The communities are then as they were.")


def _refresh(value: refreshes.Refresh) -> CommunityRefresh:
    return CommunityRefresh(
        id=strawberry.ID(value.holder),
        status=value.status,
        by=strawberry.ID(value.by),
        done=value.done,
        total=value.total,
        communities=value.communities,
        changed=value.changed,
        left_out=value.left_out,
        started_at=value.started_at,
        finished_at=value.finished_at,
        error=value.error,
    )


@strawberry.type
class CommunityQuery:
    @strawberry.field(description="What belongs together in the scopes and graphs that you may read, the largest community first.")
    async def communities(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[Community]:
        services, access = info.context.services, info.context.access
        page = await verbs.list_communities(services.database, access, 20 if first is None else first, after)
        described = await describe(services.database, services.embedders.local, access, page.items)
        by_id = {one.community.id: one for one in described}
        return connect(page, lambda one: _community(by_id[one.id]), after)

    @strawberry.field(description="The refresh of communities that is at work, or the last one. Needs `read` on `community`.")
    async def community_refresh(self, info: Info) -> CommunityRefresh | None:
        found = await refreshes.find_refresh(info.context.database, info.context.access)
        return _refresh(found) if found else None


@strawberry.type
class CommunityMutation:
    @strawberry.mutation(
        description="Find the communities of your tenant again, in the background; communityRefresh tells how far it is. "
        "Needs `admin` on `community`."
    )
    async def refresh_communities(self, info: Info, idempotency_key: str | None = None) -> CommunityRefresh:
        return _refresh(await info.context.services.communities.start(info.context.access, idempotency_key))
