"""Compiled queries answer what graphql-core answers, over generated queries and values of every kind, wrong ones too."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from random import Random
from typing import Annotated, Any

import anyio
import pytest
import strawberry
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cairn.api.graphql_documents import Documents
from cairn.api.limits import Limits
from cairn.api.programs import Program, Programs
from cairn.api.running import run
from cairn.schema.fields import guard_fields
from cairn.schema.scalars import CONFIG, IRI, JSON

from .generated_queries import make_query

# graphql-core cancels what stands beside a failure, and what that would have awaited is then awaited by nobody
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.fixture(scope="module", autouse=True)
def cleared() -> Iterator[None]:
    """What was left behind is collected while its warnings are ignored."""
    yield
    gc.collect()


@strawberry.enum
class Colour(Enum):
    RED = "red"
    BLUE = strawberry.enum_value("blue", name="AZURE")


class Late:
    """A value that has to be awaited."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Iterator[Any]:
        yield from anyio.lowlevel.checkpoint().__await__()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@strawberry.interface
class Named:
    name: str
    nick: str | None


@strawberry.type
class Leaf(Named):
    count: int
    weight: float | None
    colour: Colour


@strawberry.type
class Other:
    text: str | None


@strawberry.type
class Tree:
    """Holds whatever was drawn, whether it fits or not."""

    id: strawberry.ID
    name: str
    label: str | None
    count: int | None
    weight: float
    ripe: bool | None
    colour: Colour | None
    when: datetime | None
    data: JSON | None
    iri: IRI | None
    words: list[str]
    maybe: list[str | None] | None
    colours: list[Colour] | None
    grid: list[list[int]] | None
    parent: Tree | None
    twin: Tree
    children: list[Tree]
    some: list[Tree | None] | None
    named: Named | None
    either: Annotated[Leaf | Other, strawberry.union("Either")] | None

    @strawberry.field
    async def later(self, fail: bool = False, first: int = 1) -> Tree | None:
        for _ in range(first):
            await anyio.lowlevel.checkpoint()
        if fail:
            raise RuntimeError("later failed")
        return self.twin

    @strawberry.field
    async def strict(self, fail: bool = False) -> str:
        await anyio.lowlevel.checkpoint()
        if fail:
            raise RuntimeError("strict failed")
        return self.name

    @strawberry.field
    def computed(self, times: int = 1) -> str:
        return self.name * times


@strawberry.type
class Query:
    @strawberry.field
    async def tree(self, info: strawberry.Info[Any, Any]) -> Tree | None:
        return info.context.tree

    @strawberry.field
    async def strict(self, info: strawberry.Info[Any, Any]) -> Tree:
        return info.context.tree

    @strawberry.field
    def trees(self, info: strawberry.Info[Any, Any], first: int = 3) -> list[Tree | None]:
        return [info.context.tree] * first


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def plant(self) -> int:
        return 1


@dataclass
class Access:
    hidden_fields: frozenset[str] = frozenset()


@dataclass
class Context:
    tree: Any = None
    access: Access = field(default_factory=Access)


SCHEMA = strawberry.Schema(query=Query, mutation=Mutation, types=[Leaf], config=CONFIG)
guard_fields(SCHEMA)
SCHEMA.process_errors = lambda errors, execution_context=None: None
ARGUMENTS = {
    "Tree.later": ("fail: true", "first: 3", "fail: $no"),
    "Tree.strict": ("fail: true", "fail: $no"),
    "Tree.computed": ("times: 2",),
    "Query.trees": ("first: 2",),
}
WRONG: list[Any] = [
    None,
    None,
    None,
    None,
    "",
    "text",
    "7",
    7,
    2**40,
    -1,
    1.5,
    math.nan,
    math.inf,
    True,
    [],
    ["a"],
    [None],
    {"a": 1},
    ValueError("wrong"),
    object,
]
LEAVES = [
    Leaf(name="leaf", nick=None, count=1, weight=1.0, colour=Colour.RED),
    Leaf(name="b", nick="nick", count=2, weight=None, colour=Colour.BLUE),
]
RIGHT: dict[str, list[Any]] = {
    "id": ["one", "two"],
    "name": ["name", "näme"],
    "label": ["label", None],
    "count": [3, None],
    "weight": [0.5, 2],
    "ripe": [True, False],
    "colour": [Colour.RED, Colour.BLUE, "red"],
    "when": [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))],
    "data": [{"a": [1, None]}, "text", 0],
    "iri": [IRI("urn:a")],
    "words": [["a", "b"], ("a",), []],
    "maybe": [["a", None], None],
    "colours": [[Colour.RED], []],
    "grid": [[[1, 2], []], None],
    "named": LEAVES,
    "either": [*LEAVES, Other(text="other"), Other(text=None)],
}


def make_tree(chance: Random, depth: int = 2) -> Tree:
    """A tree; some of its values don't fit, or have to be awaited."""
    values: dict[str, Any] = {name: chance.choice(right) for name, right in RIGHT.items()}
    below = [make_tree(chance, depth - 1) if depth else None for _ in range(3)]
    values |= {"parent": chance.choice([None, below[0]]), "twin": below[0], "children": below[:2], "some": [None, below[2]]}
    names = sorted(values)
    if chance.random() < 0.6:
        for name in chance.sample(names, chance.choice([1, 1, 2, 8])):
            values[name] = chance.choice(WRONG)
    if chance.random() < 0.4:
        for name in chance.sample(names, chance.choice([1, 3])):
            values[name] = Late(values[name])
    return Tree(**values)


DOCUMENTS = Documents(SCHEMA._schema, Limits(directives=1_000, aliases=1_000))
PROGRAMS = Programs(SCHEMA)


def program_of(text: str, variables: dict[str, Any] | None = None, programs: Programs = PROGRAMS) -> tuple[Program | None, Any]:
    document = DOCUMENTS.read(text)
    assert not DOCUMENTS.errors(document)
    operation = document.operation(None)
    values, _ = DOCUMENTS.cost(document, operation, variables or {})
    return programs.of(document, operation, values), values


def shown(result: Any) -> tuple[str, list[Any]]:
    return repr(result.data), [error.formatted for error in result.errors or ()]


async def both(text: str, variables: dict[str, Any], context: Context) -> tuple[Any, Any]:
    program, values = program_of(text, variables)
    assert program is not None
    expected = await SCHEMA.execute(text, variables, context)
    first = await run(program, context, values, context.access.hidden_fields)
    again = await run(program, context, values, context.access.hidden_fields)
    assert shown(first) == shown(again)
    return shown(first), shown(expected)


HIDEABLE = ["Tree.label", "Tree.parent", "Tree.some", "Tree.later", "Other.text"]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**64))
def test_programs_answer_what_graphql_core_answers(seed: int) -> None:
    chance = Random(seed)
    text = make_query(chance, SCHEMA._schema, ARGUMENTS)
    assume(not DOCUMENTS.errors(DOCUMENTS.read(text)))
    variables = {name: chance.random() < 0.5 for name in ("yes", "no") if chance.random() < 0.5}
    hidden = frozenset(name for name in HIDEABLE if chance.random() < 0.1)
    compiled, expected = anyio.run(both, text, variables, Context(make_tree(chance), Access(hidden)))
    assert compiled == expected
