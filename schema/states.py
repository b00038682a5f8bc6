"""States: `state`, `setState`, `stateChanged`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import cast

import strawberry

from ..graph import states as verbs
from ..graph.access import Access
from ..graph.names import agent_scope
from .connections import Connection, connect, nothing
from .context import Info
from .scalars import JSON


@strawberry.type(description="One version of an agent's named value.")
class State:
    agent_id: strawberry.Private[str]
    key: str = strawberry.field(description="Its name within the agent.")
    value: JSON = strawberry.field(description="Its value.")
    version: int = strawberry.field(description="1 for the first value, then one more with each write.")
    hash: str = strawberry.field(description="SHA-256 over agent, key and value, as the ledger holds it.")
    recorded_at: datetime = strawberry.field(description="When this version was written.")
    by: strawberry.ID = strawberry.field(description="The principal that wrote it.")

    @strawberry.field(description="All versions, newest first.")
    async def history(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[State]:
        first = 20 if first is None else first
        context = info.context

        async def batch(access: Access, names: list[tuple[str, str]]) -> dict[tuple[str, str], verbs.Page[verbs.State]]:
            return await verbs.history(context.database, access, names, first, after)

        page = await context.load(("history", first, after), (str(self.agent_id), self.key), batch)
        return nothing(after) if page is None else connect(page, state, after)


def state(value: verbs.State) -> State:
    """The GraphQL type of a state."""
    return State(
        agent_id=value.agent,
        key=value.key,
        value=cast("JSON", value.value),
        version=value.version,
        hash=value.hash,
        recorded_at=value.recorded_at,
        by=strawberry.ID(value.by),
    )


@strawberry.input(description="A value to write.")
class SetStateInput:
    agent: strawberry.ID = strawberry.field(description="Whose state.")
    key: str = strawberry.field(description="Its name within the agent.")
    value: JSON = strawberry.field(description="Its new value.")
    expected_version: int | None = strawberry.field(
        default=None, description="Write only when this version is current (0: none yet); otherwise the error is CONFLICT."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="Repeating the call with the same key has no further effect.")


@strawberry.type
class StateQuery:
    @strawberry.field(
        description="A state: its current version, the one with a number, or the one at an instant. Null when you may not read it."
    )
    async def state(
        self, info: Info, agent: strawberry.ID, key: str, version: int | None = None, as_of: datetime | None = None
    ) -> State | None:
        found = await verbs.get_state(info.context.database, info.context.access, agent, key, version, as_of)
        return state(found) if found else None


@strawberry.type
class StateMutation:
    @strawberry.mutation(description="Write the next version of a state.")
    async def set_state(self, info: Info, input: SetStateInput) -> State:
        context = info.context
        written = await verbs.set_state(
            context.writer, context.access, input.agent, input.key, input.value, input.expected_version, input.idempotency_key
        )
        return state(written)


@strawberry.type
class StateSubscription:
    @strawberry.subscription(description="Each new version of an agent's states that you may read; of one key when it is given.")
    async def state_changed(self, info: Info, agent: strawberry.ID, key: str | None = None) -> AsyncGenerator[State]:
        context = info.context
        async for event in context.services.events.subscribe(context.access.tenant, frozenset({"state"})):
            if event.agent != agent or event.key is None or key not in (None, event.key):
                continue
            access = await context.services.accesses.access_of(context.access.identity)
            if not access.may(f"state:{agent_scope(agent)}/{event.key}", "read"):
                continue
            found = await verbs.get_state(context.database, access, agent, event.key, event.version)
            if found:
                context.start_over(access)
                yield state(found)
