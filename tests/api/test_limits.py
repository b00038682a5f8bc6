"""How much one operation may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, get_introspection_query
from hypothesis import given
from hypothesis import strategies as st

from cairn.api.errors import Refused
from cairn.api.graphql_documents import Documents
from cairn.api.limits import Limits

SCHEMA = build_schema("""
    type Query {
      item: Item
      items(first: Int = 20): ItemConnection!
      search(input: SearchInput!): Found!
      plain: [Item!]!
      any: [Any!]!
    }
    type Mutation { addMany(input: [NewItem!]!): [Item!]! }
    input NewItem { name: String }
    input SearchInput { text: String, limit: Int = 10 }
    type Found { hits: [Hit!]! }
    type Hit { item: Item! }
    type ItemConnection { edges: [ItemEdge!]! }
    type ItemEdge { node: Item! }
    type Item { id: ID!, item: Item, name: String, related(first: Int = 10): [Item!]!, tags: [String!]! }
    union Any = Item | Hit
""")


def documents(schema: GraphQLSchema = SCHEMA, **limits: int) -> Documents:
    return Documents(schema, Limits(**limits))


def cost(text: str, variables: dict[str, Any] | None = None, **limits: int) -> int:
    reader = documents(**limits)
    document = reader.read(text)
    errors = reader.errors(document)
    if errors:
        raise Refused(*errors)
    return reader.cost(document, document.operation(None), variables or {})[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        ("{ item { id name tags } }", 1),
        ("{ item { item { id } } }", 2),
        ("{ items { edges { node { id } } } }", 60),
        ("{ items(first: 3) { edges { node { id } } } }", 9),
        ("{ items(first: 3) { edges { node { related { id } } } } }", 9 + 30),
        ("{ items(first: 3) { edges { node { related(first: 2) { id } } } } }", 9 + 6),
        ('{ search(input: {text: "x"}) { hits { item { id } } } }', 30),
        ('{ search(input: {text: "x", limit: 2}) { hits { item { id } } } }', 6),
        ("{ plain { id } }", 10),
        ("{ plain { item { id } } }", 20),
        ("{ any { ... on Item { related(first: 4) { id } } ... on Hit { item { id } } } }", 10 + 40 + 10),
        ('mutation { addMany(input: [{name: "a"}, {name: "b"}, {name: "c"}]) { related(first: 5) { id } } }', 3 + 15),
        ("{ items(first: 0) { edges { node { id } } } }", 3),
        ("{ a: item { id } b: item { id } ...F } fragment F on Query { c: item { ...G } } fragment G on Item { item { id } }", 4),
    ],
)
def test_cost_counts_the_objects_that_can_come_back(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_variables_and_their_defaults_count() -> None:
    text = "query ($n: Int = 7, $s: SearchInput!) { items(first: $n) { edges { node { id } } } search(input: $s) { hits { item { id } } } }"
    assert cost(text, {"s": {"limit": 2}}) == 21 + 6
    assert cost(text, {"n": 1, "s": {}}) == 3 + 30


def test_too_costly_is_refused_with_both_figures() -> None:
    with pytest.raises(Refused, match="1060 objects and at most 1000"):
        cost("{ items { edges { node { related(first: 50) { id } } } } }", cost=1000)


@given(st.integers(1, 60))
def test_fragments_that_double_take_linear_time(levels: int) -> None:
    chain = " ".join(f"fragment F{i} on Item {{ item {{ ...F{i + 1} ...F{i + 1} }} }}" for i in range(levels))
    text = f"{{ item {{ ...F0 }} }} {chain} fragment F{levels} on Item {{ id }}"
    with pytest.raises(Refused) if levels > 5 else _nothing():
        cost(text, depth=1_000, fields=100)


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{" + "item {" * 16 + "id" + "}" * 17, "16 levels deep"),
        ("{ item { " + "...F " * 3 + "} } fragment F on Item " + "{ item " * 15 + "{ id }" + "}" * 15, "16 levels deep"),
        ("{" + "item {" * 5_000, "nested too deeply"),
        ("{ a(x: " + "[" * 4_000, "nested too deeply"),
        ("{" + " ".join(f"a{i}: item {{ id }}" for i in range(31)) + "}", "31 fields at its root"),
        ("{ ...F } fragment F on Query {" + " ".join("item { id }" for _ in range(31)) + "}", "31 fields at its root"),
        ("{ item {" + " ".join(f"a{i}: id" for i in range(51)) + "} }", "51 aliases"),
        ("{ item {" + "id " * 201 + "} }", "201 selections in one place"),
        ("{ item {" + "id @skip(if: false) " * 51 + "} }", "51 directives"),
        ("{ item {" + "related { id name tags } " * 199 + "} item {" + "related { id name tags } " * 199 + "} }", "fields and at most"),
        ("{ item { ...F0 } }" + " ".join(f"fragment F{i} on Item {{ ...F{i + 1} }}" for i in range(500)), "too deeply"),
        ("{ item { " + "id " * 5_000 + "} }", "tokens"),
    ],
    ids=range(12),
)
def test_too_deep_too_wide_and_too_long_are_too_costly(text: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        cost(text)


def test_cycles_of_fragments_end() -> None:
    reader = documents()
    document = reader.read("{ item { ...F } } fragment F on Item { item { ...G } } fragment G on Item { item { ...F } }")
    assert "Cannot spread fragment" in reader.errors(document)[0].message


def test_the_usual_introspection_fits() -> None:
    for typed in (True, False):
        assert cost(get_introspection_query(input_value_deprecation=typed, specified_by_url=typed, schema_description=typed)) < 50_000


def test_introspection_is_not_free() -> None:
    with pytest.raises(Refused, match="objects"):
        cost("{ __schema { types { fields { args { type { name } } } } } }", cost=1_000)


def test_a_cost_is_known_again_for_the_same_sizes_only() -> None:
    reader = documents()
    document = reader.read("query Q($first: Int = 3, $id: ID) { items(first: $first) { edges { node { id } } } item(id: $id) { id } }")
    operation = document.operation(None)
    found = [reader.cost(document, operation, variables)[1] for variables in ({}, {"id": "a"}, {"first": 7}, {"first": 3, "id": "b"})]
    assert found[0] == found[1] == found[3] < found[2]
    unset = reader.read("query Q($first: Int) { items(first: $first) { edges { node { id } } } }")
    absent, null = (reader.cost(unset, unset.operation(None), variables)[1] for variables in ({}, {"first": None}))
    assert (absent, null) == (60, 21)
