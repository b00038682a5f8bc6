"""Contexts for prompts: `context`."""

from __future__ import annotations

import strawberry

from ..graph.rdf import resource_key
from ..learning import context as verbs
from ..learning.recall import check_query
from ..learning.sheet import ItemKind
from .context import Info
from .scalars import IRI

strawberry.enum(ItemKind, name="ContextKind", description="What an item of a context is.")


@strawberry.type(description="One line of a context.")
class ContextItem:
    kind: ItemKind = strawberry.field(description="What it is.")
    source: strawberry.ID = strawberry.field(
        description="What it is from: the id of a memory (TURN, MEMORY, SUMMARY), fact or agent (GOAL), an entity's IRI, a state's key."
    )
    text: str = strawberry.field(description="The line, without its bullet.")
    tokens: int = strawberry.field(description="How many tokens the line takes.")


@strawberry.type(description="What an agent should know now, ready for a prompt.")
class Context:
    text: str = strawberry.field(description="The items under their headings, in Markdown.")
    tokens: int = strawberry.field(description="How many tokens the text has; never more than tokenBudget.")
    items: list[ContextItem] = strawberry.field(description="The items in the order of the text.")
    omitted: int = strawberry.field(description="How many items would belong here and did not fit.")


@strawberry.type
class ContextQuery:
    @strawberry.field(
        description="What an agent should know now: goals, states pinned under the keys `pinned/...`, the running session's end and a "
        "summary of its beginning, the best memories, entities and facts. The same graph gives the same text."
    )
    async def context(
        self,
        info: Info,
        agent: strawberry.ID,
        query: str,
        session: strawberry.ID | None = None,
        token_budget: int | None = 2_000,
        near: list[IRI] | None = None,
        lang: str | None = None,
    ) -> Context:
        services, access = info.context.services, info.context.access
        budget = verbs.check_budget(2_000 if token_budget is None else token_budget)
        check_query(query, 1)
        named = await services.linker.resources(query, access)
        request = verbs.ContextRequest(
            agent=agent,
            query=query,
            session=session,
            budget=budget,
            resources=(*named, *(resource_key(access.tenant, iri) for iri in near or ())),
            lang=lang,
        )
        sheet = await verbs.context(services.database, services.embedders, services.tokenizer, access, request)
        items = [ContextItem(kind=x.kind, source=strawberry.ID(x.source), text=x.text, tokens=x.tokens) for x in sheet.items]
        return Context(text=sheet.text, tokens=sheet.tokens, items=items, omitted=sheet.omitted)
