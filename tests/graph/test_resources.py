"""Resources: found, described, linked and named as far as the graphs that speak of them are readable, and no further."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from cairn.errors import BadInput
from cairn.graph import tags
from cairn.graph.access import Access
from cairn.graph.batches import Edit
from cairn.graph.contents import apply, content_hash, ensure_contents, read_names, read_subjects, stored_hashes
from cairn.graph.database import Database
from cairn.graph.exploring import paths, search_entities
from cairn.graph.graphs import graphs_by_iri, list_graphs
from cairn.graph.pages import Page
from cairn.graph.rdf import Literal, resource_key, subject
from cairn.graph.resources import (
    Direction,
    Link,
    choose_label,
    describe,
    entities_by_iri,
    fallback_label,
    labels,
    neighbours,
    resources_by_key,
)
from cairn.graph.tenants import create_tenant, read_catalog
from cairn.graph.vocabulary import PREFIXES, RDF_TYPE
from cairn.graph.writer import Writer

pytestmark = pytest.mark.anyio

LABEL = f"<{PREFIXES['rdfs']}label>"
SKOS = PREFIXES["skos"]
A = f"<{RDF_TYPE}>"
OPEN = {
    "urn:ada": [f"{A} <urn:Person>", f'{LABEL} "Ada Lovelace"@en', '<urn:born> "1815"', "<urn:knows> <urn:babbage>", "<urn:knows> _:b1"],
    "urn:babbage": [f"{A} <urn:Person>", f'{LABEL} "Charles Babbage"@en', f'{LABEL} "Бэббидж"@ru', "<urn:made> <urn:engine>"],
    "urn:engine": [f'{LABEL} "Analytical Engine"@en', f'{LABEL} "Machine analytique"@fr'],
    "_:b1": [f'{LABEL} "somebody called Ada"'],
}
SECRET = {
    "urn:ada": [f"{A} <urn:Spy>", f'{LABEL} "Agent Lovelace"', "<urn:knows> <urn:moriarty>", "<urn:knows> <urn:babbage>"],
    "urn:moriarty": [f"{A} <urn:Person>", f'{LABEL} "Moriarty Analytical"', "<urn:wants> <urn:engine>", "<urn:wants> <urn:poison>"],
}


async def say(database: Database, writer: Writer, access: Access, graph: str, content: dict[str, list[str]]) -> None:
    """Make a graph say all this."""
    where = (await ensure_contents(writer, access, [graph]))[graph]
    edits = [Edit(None, subject(access.tenant, iri, statements)) for iri, statements in content.items()]
    await apply(writer, access, await read_names(database), where, edits)


@pytest.fixture
async def both(database: Database, writer: Writer, tenant: str) -> Access:
    """Someone who reads the open graph and the secret one."""
    await create_tenant(writer, tenant, ())
    access = Access(tenant, "root")
    await say(database, writer, access, "urn:open", OPEN)
    await say(database, writer, access, "urn:secret", SECRET)
    return replace(access, graphs=tuple(number for _, number in (await read_catalog(database, tenant)).graphs))


@pytest.fixture
async def one(database: Database, both: Access) -> Access:
    """Someone who reads the open graph only."""
    return replace(both, graphs=((await graphs_by_iri(database, both, ["urn:open"]))["urn:open"].number,))


def key(access: Access, iri: str) -> str:
    return resource_key(access.tenant, iri)


async def test_a_resource_is_there_for_whom_a_graph_that_speaks_of_it_is_readable(database: Database, both: Access, one: Access) -> None:
    iris = ["urn:ada", "urn:Person", "urn:Spy", "urn:moriarty", "urn:poison", "urn:engine", "urn:nothing"]
    assert set(await entities_by_iri(database, both, iris)) == set(iris) - {"urn:nothing"}
    found = await entities_by_iri(database, one, iris)
    assert set(found) == {"urn:ada", "urn:Person", "urn:engine"}
    assert (found["urn:ada"].graphs, found["urn:ada"].types) == (("urn:open",), ("urn:Person",))
    assert (await entities_by_iri(database, both, ["urn:ada"]))["urn:ada"].types == ("urn:Person", "urn:Spy")
    assert await entities_by_iri(database, replace(both, graphs=()), iris) == {}
    assert await resources_by_key(database, replace(one, tenant="another"), []) == {}


async def test_literals_come_from_readable_graphs_once_each(database: Database, both: Access, one: Access) -> None:
    keys = [key(both, iri) for iri in ("urn:ada", "urn:moriarty", "urn:engine")]
    ada = await describe(database, one, keys)
    assert ada[keys[0]] == (
        Literal(f"{PREFIXES['rdfs']}label", "Ada Lovelace", f"{PREFIXES['rdf']}langString", "en"),
        Literal("urn:born", "1815", f"{PREFIXES['xsd']}string"),
    )
    assert keys[1] not in ada and len(ada[keys[2]]) == 2
    assert len((await describe(database, both, keys))[keys[0]]) == 3
    assert [literal.value for literal in (await describe(database, both, keys, "urn:born"))[keys[0]]] == ["1815"]
    assert (await describe(database, both, keys, "urn:bor"))[keys[0]] == ()


async def test_labels_follow_the_language_and_the_graphs(database: Database, both: Access, one: Access) -> None:
    keys = [key(both, iri) for iri in ("urn:ada", "urn:babbage", "urn:engine", "urn:moriarty", "urn:Person")]
    shown = await labels(database, one, keys, "fr")
    assert shown == dict(zip(keys, ["Ada Lovelace", "Charles Babbage", "Machine analytique"], strict=False))
    assert (await labels(database, both, keys, "ru"))[keys[1]] == "Бэббидж"
    assert (await labels(database, both, keys))[keys[0]] == "Agent Lovelace"
    assert (await labels(database, both, keys))[keys[3]] == "Moriarty Analytical"
    assert fallback_label("http://e/x#Person") == "Person" and fallback_label("urn:Person") == "Person"


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("pt-BR", "pt-br"), ("pt", "pt"), ("pt-AO", "pt"), ("de-AT", "de-ch"), ("fr", "none"), (None, "none"), ("EN-gb", "en")],
)
def test_a_label_is_chosen_by_language_first(lang: str | None, expected: str) -> None:
    found = [Literal(f"{SKOS}prefLabel", tag, "", tag if tag != "none" else None) for tag in ("pt-br", "pt", "de-ch", "none", "en", "it")]
    found.append(Literal(f"{SKOS}altLabel", "alternative", "", lang))
    assert choose_label(found, lang) == choose_label(found[::-1], lang) == expected


def test_a_label_is_chosen_by_predicate_then_and_never_by_chance() -> None:
    found = [
        Literal(f"{PREFIXES['rdfs']}label", "second", ""),
        Literal(f"{SKOS}prefLabel", "first b", ""),
        Literal(f"{SKOS}prefLabel", "first a", ""),
    ]
    assert choose_label(found) == choose_label(found[::-1]) == "first a"
    assert choose_label([*found[:1], Literal(f"{SKOS}prefLabel", "x", "", "it")], "en") == "second"
    assert choose_label([Literal("urn:p", "no name", "")]) is None


def seen(found: Page[Link]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(link.predicate, link.direction.value, link.other.iri, link.graphs) for link in found.items]


async def test_neighbours_are_those_that_readable_graphs_link(database: Database, both: Access, one: Access) -> None:
    ada, babbage, engine = (key(both, iri) for iri in ("urn:ada", "urn:babbage", "urn:engine"))
    found = await neighbours(database, one, [ada, babbage, engine], None, Direction.BOTH, 10)
    assert sorted(seen(found[ada])) == [
        (RDF_TYPE, "OUT", "urn:Person", ("urn:open",)),
        ("urn:knows", "OUT", "_:b1", ("urn:open",)),
        ("urn:knows", "OUT", "urn:babbage", ("urn:open",)),
    ]
    assert seen(found[engine]) == [("urn:made", "IN", "urn:babbage", ("urn:open",))]
    assert {link[2] for link in seen((await neighbours(database, both, [engine], None, Direction.IN, 10))[engine])} == {
        "urn:babbage",
        "urn:moriarty",
    }
    known = (await neighbours(database, both, [ada], "urn:knows", Direction.OUT, 10))[ada]
    assert {link[2]: link[3] for link in seen(known)} == {
        "_:b1": ("urn:open",),
        "urn:babbage": ("urn:open", "urn:secret"),
        "urn:moriarty": ("urn:secret",),
    }
    assert seen((await neighbours(database, both, [ada], "urn:knows", Direction.IN, 10))[ada]) == []


async def test_pages_of_neighbours_hold_each_once(database: Database, both: Access) -> None:
    ada, babbage = key(both, "urn:ada"), key(both, "urn:babbage")
    whole = await neighbours(database, both, [ada, babbage], None, Direction.BOTH, 100)
    for wanted in (ada, babbage):
        pages, after = list[tuple[str, str, str, tuple[str, ...]]](), None
        while True:
            found = (await neighbours(database, both, [wanted], None, Direction.BOTH, 1, after))[wanted]
            pages += seen(found)
            if not found.more:
                break
            after = found.cursors[-1]
        assert pages == seen(whole[wanted]) and len(pages) > 2
    with pytest.raises(BadInput):
        await neighbours(database, both, [ada], None, Direction.OUT, 1, "nonsense")


async def names(database: Database, access: Access, **wanted: str | int | None) -> list[str]:
    return [one.iri for one in (await search_entities(database, access, **wanted)).items]  # pyright: ignore[reportArgumentType]


async def test_entities_are_found_by_name_within_readable_graphs(database: Database, both: Access, one: Access) -> None:
    assert await names(database, one, text="ada LOVELACE") == ["urn:ada"]
    assert await names(database, one, text="lovel") == ["urn:ada"]
    assert await names(database, one, text="Бэббидж") == ["urn:babbage"]
    assert await names(database, one, text="agent") == await names(database, one, text="moriarty") == []
    assert await names(database, both, text="agent") == ["urn:ada"]
    assert await names(database, one, text="analytical") == ["urn:engine"]
    assert set(await names(database, both, text="analytical")) == {"urn:engine", "urn:moriarty"}
    assert await names(database, both, text="ada babbage") == []
    assert await names(database, one, text="somebody") == []  # a blank node
    assert await names(database, replace(both, graphs=()), text="ada") == []
    assert await names(database, one, text="ada \ud800") == ["urn:ada"]
    for odd in ("!!", '"', "a:b) OR terms:moriarty", "AND", "*", "ada\\", "+graphKey:*", "x" * 10_000):
        assert "urn:moriarty" not in await names(database, one, text=odd)


async def test_entities_are_found_by_class_and_graph(database: Database, both: Access, one: Access) -> None:
    assert set(await names(database, one, type="urn:Person")) == {"urn:ada", "urn:babbage"}
    assert set(await names(database, both, type="urn:Person")) == {"urn:ada", "urn:babbage", "urn:moriarty"}
    assert await names(database, one, type="urn:Spy") == []
    assert await names(database, both, type="urn:Spy") == ["urn:ada"]
    assert set(await names(database, both, graph="urn:secret")) == {"urn:ada", "urn:moriarty"}
    assert await names(database, one, graph="urn:secret") == await names(database, both, graph="urn:none") == []
    assert await names(database, both, type="urn:Person", graph="urn:secret") == ["urn:moriarty"]
    assert await names(database, both, text="analytical", type="urn:Person") == ["urn:moriarty"]
    assert set(await names(database, one)) == {"urn:ada", "urn:babbage", "urn:engine"}


async def test_what_is_called_exactly_so_comes_first(database: Database, writer: Writer, both: Access) -> None:
    called = {
        "urn:a": [f'{LABEL} "Seal Sound seal sound"@en', f'{LABEL} "Sound of the seal"@en'],
        "urn:b": [f'{LABEL} "Seal Sound"@en', *(f'{LABEL} "another name {n}"@en' for n in range(30))],
        "urn:c": [f'{LABEL} "seal Sound \\"quoted\\""'],
    }
    await say(database, writer, both, "urn:open", called)
    assert (await names(database, both, text=" seal SOUND "))[0] == "urn:b"
    assert await names(database, both, text='Seal Sound "quoted"') == ["urn:c"]


@pytest.mark.parametrize("wanted", [{}, {"type": "urn:Person"}, {"text": "a"}], ids=["all", "class", "name"])
async def test_pages_of_entities_hold_each_once(database: Database, both: Access, wanted: dict[str, str]) -> None:
    whole = (await search_entities(database, both, **wanted)).items
    found, after = list[str](), None
    while True:
        page = await search_entities(database, both, first=1, after=after, **wanted)
        found += [one.iri for one in page.items]
        if not page.more:
            break
        after = page.cursors[-1]
    assert found == [one.iri for one in whole] and len(found) >= 2


async def test_paths_lead_over_readable_links_only(database: Database, both: Access, one: Access) -> None:
    def iris(found: Iterable[object]) -> list[list[str]]:
        return [[node.iri for node in path.nodes] for path in found]  # pyright: ignore[reportAttributeAccessIssue]

    short = await paths(database, one, "urn:ada", "urn:engine")
    assert iris(short) == [["urn:ada", "urn:babbage", "urn:engine"]]
    assert [(step.predicate, step.forward) for step in short[0].steps] == [("urn:knows", True), ("urn:made", True)]
    back = await paths(database, one, "urn:engine", "urn:ada")
    assert [(step.predicate, step.forward) for step in back[0].steps] == [("urn:made", False), ("urn:knows", False)]
    assert sorted(iris(await paths(database, both, "urn:ada", "urn:engine"))) == [
        ["urn:ada", "urn:babbage", "urn:engine"],
        ["urn:ada", "urn:moriarty", "urn:engine"],
    ]
    assert len(await paths(database, both, "urn:ada", "urn:engine", first=1)) == 1
    assert await paths(database, both, "urn:ada", "urn:engine", max_hops=1) == []
    assert await paths(database, one, "urn:ada", "urn:poison", max_hops=6) == []
    assert iris(await paths(database, both, "urn:ada", "urn:poison")) == [["urn:ada", "urn:moriarty", "urn:poison"]]
    assert await paths(database, both, "urn:babbage", "urn:Spy", 6) == []  # classes lead nowhere
    assert await paths(database, both, "urn:ada", "urn:ada") == await paths(database, both, "urn:ada", "urn:none") == []
    for wrong in ({"max_hops": 0}, {"max_hops": 7}, {"first": 0}, {"first": 26}):
        with pytest.raises(BadInput):
            await paths(database, both, "urn:ada", "urn:engine", **wrong)


async def test_graphs_are_listed_for_those_who_may_read_them(database: Database, both: Access, one: Access) -> None:
    found = await list_graphs(database, both, 1)
    assert ([graph.iri for graph in found.items], found.more) == (["urn:open"], True)
    rest = await list_graphs(database, both, 1, found.cursors[-1])
    assert ([graph.iri for graph in rest.items], rest.more) == (["urn:secret"], False)
    assert (rest.items[0].triples, rest.items[0].subjects) == (8, 2)
    assert [graph.iri for graph in (await list_graphs(database, one, 10)).items] == ["urn:open"]
    assert await graphs_by_iri(database, one, ["urn:secret"]) == {}


async def test_answers_depend_on_the_graphs_that_were_asked(database: Database, both: Access, one: Access) -> None:
    with tags.collecting() as collected:
        await entities_by_iri(database, one, ["urn:ada"])
        await neighbours(database, one, [key(one, "urn:ada")], None, Direction.OUT, 1)
        await search_entities(database, one, "ada")
    assert f"{one.tenant}/graph/{one.graphs[0]}" in names_of(collected)
    assert not any(f"{one.tenant}/graph/{number}" in names_of(collected) for number in set(both.graphs) - set(one.graphs))


def names_of(collected: object) -> set[str]:
    """The tags, whichever way they are collected."""
    return set(getattr(collected, "tags", collected))  # pyright: ignore[reportArgumentType]


async def test_what_is_stored_can_be_read_back_and_checked(database: Database, writer: Writer, both: Access) -> None:
    where = (await ensure_contents(writer, both, ["urn:open"]))["urn:open"]
    hashes = [pair async for pair in stored_hashes(database, where.number)]
    assert [key for key, _ in hashes] == sorted(key(both, iri) for iri in OPEN)
    found = await read_subjects(database, where.number, [key for key, _ in hashes])
    for iri, statements in OPEN.items():
        stored = found[key(both, iri)]
        assert sorted(stored.statements()) == sorted(statements)
        assert stored.hash == subject(both.tenant, iri, statements).hash == dict(hashes)[stored.key]
    assert await content_hash(database, where.number) == where.hash
