"""Agents: `agent`, `agents`, `registerAgent`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from ..graph import agents as verbs
from ..graph import memories as memory_verbs
from ..graph import states as state_verbs
from ..graph.access import Access
from .connections import Connection, connect, nothing
from .context import Info

if TYPE_CHECKING:
    from .memories import Memory
    from .states import State


@strawberry.type(description="Who remembers.")
class Agent:
    id: strawberry.ID = strawberry.field(description="Its id; also the id of the principal it acts as.")
    name: str = strawberry.field(description="Its name.")
    goals: list[str] = strawberry.field(description="What it is after. Empty where the agent's own scope is not readable.")

    @strawberry.field(description="Its states that you may read, by key, each in its current version.")
    async def states(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Connection[Annotated[State, strawberry.lazy("cairn.schema.states")]]:
        first = 20 if first is None else first
        from .states import state

        context = info.context

        async def batch(access: Access, agents: list[str]) -> dict[str, state_verbs.Page[state_verbs.State]]:
            return await state_verbs.list_states(context.database, access, agents, first, after)

        page = await context.load(("states", first, after), str(self.id), batch)
        return nothing(after) if page is None else connect(page, state, after)

    @strawberry.field(description="What it remembers that you may read, newest first.")
    async def memories(
        self, info: Info, first: int | None = 20, after: str | None = None
    ) -> Connection[Annotated[Memory, strawberry.lazy("cairn.schema.memories")]]:
        first = 20 if first is None else first
        from .memories import memory

        context = info.context

        async def batch(access: Access, agents: list[str]) -> dict[str, memory_verbs.Page[memory_verbs.Memory]]:
            return await memory_verbs.memories_of_agents(context.database, access, agents, first, after)

        page = await context.load(("memories", first, after), str(self.id), batch)
        return nothing(after) if page is None else connect(page, memory, after)


def agent(value: verbs.Agent) -> Agent:
    """The GraphQL type of an agent."""
    return Agent(id=strawberry.ID(value.id), name=value.name, goals=list(value.goals))


async def load_agent(info: Info, id: str) -> Agent:
    """The agent of something readable, together with the other agents of this level."""
    found = await _look_up(info, id)
    return agent(found) if found else Agent(id=strawberry.ID(id), name=id, goals=[])


async def _look_up(info: Info, id: str) -> verbs.Agent | None:
    context = info.context

    async def batch(access: Access, ids: list[str]) -> dict[str, verbs.Agent]:
        return await verbs.agents_by_id(context.database, access, ids)

    return await context.load("agent", id, batch, "agent")


@strawberry.input(description="An agent to create or change.")
class RegisterAgentInput:
    id: strawberry.ID = strawberry.field(description="Its id: letters, digits and . _ - : @.")
    name: str = strawberry.field(description="Its name.")
    goals: list[str] = strawberry.field(default_factory=list[str], description="What it is after; recall prefers what serves them.")
    idempotency_key: str | None = strawberry.field(default=None, description="Repeating the call with the same key has no further effect.")


@strawberry.type
class AgentQuery:
    @strawberry.field(description="One agent; null when there is none that you may read.")
    async def agent(self, info: Info, id: strawberry.ID) -> Agent | None:
        if not verbs.may_find(info.context.access, id):
            return None
        found = await _look_up(info, id)
        return agent(found) if found else None

    @strawberry.field(description="The agents that you may read, by id.")
    async def agents(self, info: Info, first: int | None = 20, after: str | None = None) -> Connection[Agent]:
        first = 20 if first is None else first
        page = await verbs.list_agents(info.context.database, info.context.access, first, after)
        return connect(page, agent, after)


@strawberry.type
class AgentMutation:
    @strawberry.mutation(description="Create an agent, or change the name and goals of the one with this id.")
    async def register_agent(self, info: Info, input: RegisterAgentInput) -> Agent:
        context = info.context
        found = await verbs.register_agent(context.writer, context.access, input.id, input.name, input.goals, input.idempotency_key)
        await context.renew()
        return agent(found)
