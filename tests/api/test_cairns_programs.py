"""Queries of Cairn's own schema, generated, answered by programs and by graphql-core over the same graph."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from graphql import OperationType

from cairn.api.graphql_documents import Documents
from cairn.api.limits import Limits
from cairn.api.programs import Programs
from cairn.api.running import run
from cairn.api.services import Cairn
from cairn.graph.agents import register_agent
from cairn.graph.remembering import NewMemory
from cairn.importers.text import remember
from cairn.schema import build_schema
from cairn.schema.context import Context

from .generated_queries import make_query

pytestmark = pytest.mark.anyio

ROOTS = frozenset({"memory", "memories", "agent", "agents", "entities", "graphs", "me"})
QUERIES = 60


async def test_programs_answer_cairns_queries_as_graphql_core_does(cairn: Cairn) -> None:
    services = cairn.services
    root = await services.accesses.get(services.settings.tenant, "operator")
    await register_agent(services.writer, root, "ada", "Ada", ["predict floods"])
    new = [NewMemory(agent="ada", text=f"Petrel saw Merrow Bay on day {n}.", session="s", speaker="Petrel") for n in range(4)]
    ids = [one.id for one in await remember(services.database, services.writer, services.embedders, services.linker, root, new)]
    access = await services.accesses.get(services.settings.tenant, "operator")
    schema = build_schema()
    core = schema._schema
    documents, programs = Documents(core, Limits(directives=1_000, aliases=1_000, cost=10**9, width=1_000)), Programs(schema)
    query = core.get_root_type(OperationType.QUERY)
    assert query is not None
    arguments = {
        "Query.memory": (f'id: "{ids[0]}"', 'id: "nobody"'),
        "Query.memories": ("first: 2", "first: 0", 'filter: {session: "s"}'),
        "Query.agent": ('id: "ada"', 'id: "nobody"'),
        "Memory.mentions": ("first: 1", "first: 1000"),
        "Entity.literals": ("first: 2",),
    }
    left_out = frozenset(f"Query.{name}" for name in query.fields if name not in ROOTS)
    compared = failed = 0
    for seed in range(QUERIES):
        text = make_query(Random(seed), core, arguments, left_out)
        document = documents.read(text)
        if documents.errors(document):
            continue
        operation = document.operation(None)
        values, _ = documents.cost(document, operation, {})
        program = programs.of(document, operation, values)
        assert program is not None
        expected = await schema.execute(text, {}, Context(access, services, "r"))
        assert shown(await run(program, Context(access, services, "r"), values, access.hidden_fields)) == shown(expected)
        compared, failed = compared + 1, failed + bool(expected.errors)
    assert compared > QUERIES / 2 and failed


def shown(result: Any) -> tuple[str, list[Any]]:
    return repr(result.data), sorted(repr(error.formatted) for error in result.errors or ())
