"""Linking on the real graph: what is imported is found, what is not becomes local, and nobody is linked to what they may not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput, Forbidden, NotFound, Unavailable
from cairn.graph.access import Access, Decision
from cairn.graph.agents import register_agent
from cairn.graph.batches import Edit
from cairn.graph.contents import apply, ensure_contents, find_contents, read_names, stored_subjects
from cairn.graph.database import Database
from cairn.graph.instants import now
from cairn.graph.keyring import index_of
from cairn.graph.locals import identify, is_local, local_entity, scope_graph
from cairn.graph.mentions import memories_mentioning, mentions_of
from cairn.graph.rdf import Subject, resource_key, subject
from cairn.graph.relinking import additions, unfinished
from cairn.graph.remembering import NewMemory, Prepared, check, forget
from cairn.graph.remembering import remember as write
from cairn.graph.tenants import create_tenant, read_catalog
from cairn.graph.writer import Writer
from cairn.importers.linking import Linker
from cairn.importers.relinking import Relinker, RelinkProgress
from cairn.learning.embedding import WordLlamaEmbedder

pytestmark = pytest.mark.anyio

EMBEDDER = WordLlamaEmbedder()
SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
SKOS = "http://www.w3.org/2004/02/skos/core#"
OPEN, CLOSED = "https://example.org/open", "https://example.org/closed"


@dataclass(frozen=True)
class House:
    """A tenant with two agents, and what is needed to fill it."""

    tenant: str
    database: Database
    writer: Writer
    linker: Linker

    async def access(self, agent: str = "ada", *graphs: str) -> Access:
        """The agent's access: its own scope and the team's, the named graphs given, and the graphs of its scopes."""
        scopes = (f"agent/{agent}", "team/sea")
        catalog = await read_catalog(self.database, self.tenant)
        numbers = [number for iri, number in catalog.graphs if iri in graphs]
        numbers += [number for path, number in catalog.scope_graphs if path in scopes]
        return Access(self.tenant, agent, scopes=scopes, graphs=tuple(numbers), decide=lambda _o, _a: Decision(allowed=True))

    async def publish(self, graph: str, said: Mapping[str, Sequence[str]]) -> None:
        """Make a named graph say this of these subjects: N-Triples predicates and objects."""
        access = await self.access()
        content = (await ensure_contents(self.writer, access, [graph]))[graph]
        edits = [Edit(None, subject(self.tenant, iri, statements)) for iri, statements in said.items()]
        await apply(self.writer, access, await read_names(self.database), content, edits)
        await self.linker.gazetteers.refreshed(self.tenant)

    async def remember(self, access: Access, text: str, scope: str | None = None, speaker: str | None = None) -> str:
        """Remember a text as the server does."""
        memory = check(access, NewMemory(agent=access.principal, text=text, scope=scope, speaker=speaker), now())
        linked = await self.linker.plan([memory], access)
        return (await write(self.writer, access, [Prepared(memory, (), None)], linked))[0]

    def relinker(self, batch: int, **readable: Sequence[str]) -> Relinker:
        """A relinker under which each agent may read the graphs named for it."""

        async def access_for(_tenant: str, principal: str) -> Access:
            return await self.access(principal, *readable[principal])

        async def shared(_tenant: str, scope: str, _agents: Sequence[str]) -> frozenset[int]:
            accesses = [await self.access(principal, *graphs) for principal, graphs in readable.items()]
            graphs = [frozenset(access.graphs) for access in accesses if scope in access.scopes]
            return graphs[0].intersection(*graphs[1:]) if graphs else frozenset()

        return Relinker(self.database, self.writer, self.linker, access_for, shared, batch)

    async def local(self, scope: str, name: str) -> str:
        """The IRI of what the name stands for in the scope where no graph knows it."""
        entity = local_entity(self.tenant, scope, name, await index_of(self.database, self.tenant))
        assert entity is not None
        return entity.iri

    async def locals(self, scope: str) -> list[Subject]:
        """What the scope's own graph says."""
        content = (await find_contents(self.database, self.tenant, [scope_graph(scope)]))[scope_graph(scope)]
        return [one async for one in stored_subjects(self.database, content.number)]

    async def mentions(self, access: Access, memory: str) -> dict[str, str]:
        """What the memory mentions, as the reader sees it: text and IRI."""
        return {m.text: m.iri for m in (await mentions_of(self.database, access, [memory]))[memory]}

    async def mentioning(self, access: Access, iri: str) -> list[str]:
        """The ids of memories that mention the entity, as the reader sees it."""
        key = resource_key(self.tenant, iri)
        return [memory.id for memory in (await memories_mentioning(self.database, access, [key], 10))[key].items]


def collector(told: list[RelinkProgress]) -> Callable[[RelinkProgress], Awaitable[None]]:
    """A listener that writes down what it hears."""

    async def listen(progress: RelinkProgress) -> None:
        told.append(progress)

    return listen


def pref(name: str, lang: str = "en") -> str:
    return f'<{SKOS}prefLabel> "{name}"@{lang}'


def alt(name: str, lang: str = "en") -> str:
    return f'<{SKOS}altLabel> "{name}"@{lang}'


def note(text: str) -> str:
    return f'<{SKOS}definition> "{text}"@en'


@pytest.fixture
async def house(database: Database, writer: Writer, tenant: str) -> AsyncIterator[House]:
    """A tenant with the agents ada and bob and nothing imported."""
    await create_tenant(writer, tenant, ())
    linker = Linker(database, EMBEDDER)
    made = House(tenant, database, writer, linker)
    for agent in ("ada", "bob"):
        await register_agent(writer, await made.access(agent), agent, agent.title())
    yield made
    await linker.close()


async def test_a_memory_is_linked_to_imported_entities(house: House) -> None:
    reef, tide = "https://example.org/coral-reef", "https://example.org/tide"
    await house.publish(OPEN, {reef: [pref("Coral reefs"), alt("récifs", "fr")], tide: [pref("Tide gauge (instrument)")]})
    access = await house.access("ada", OPEN)
    text = "Ada checked the tide gauge on the coral reef."
    id = await house.remember(access, text)
    (tides, reefs) = (await mentions_of(house.database, access, [id]))[id]
    assert (tides.iri, text[tides.start : tides.end], tides.text) == (tide, "tide gauge", "tide gauge")
    assert (reefs.iri, text[reefs.start : reefs.end], reefs.text) == (reef, "coral reef", "coral reef")
    assert 0.4 <= reefs.confidence <= 1
    assert await house.mentioning(access, reef) == [id]


async def test_the_longest_name_stands(house: House) -> None:
    await house.publish(OPEN, {"urn:x:sea": [pref("sea")], "urn:x:level": [pref("sea level rise")]})
    access = await house.access("ada", OPEN)
    id = await house.remember(access, "we measured sea level rise there")
    assert await house.mentions(access, id) == {"sea level rise": "urn:x:level"}


async def test_what_the_writer_may_not_read_is_not_linked(house: House) -> None:
    await house.publish(OPEN, {"urn:x:open": [pref("Lantern Bay")]})
    await house.publish(CLOSED, {"urn:x:closed": [pref("Project Heron")]})
    both, one = await house.access("ada", OPEN, CLOSED), await house.access("bob", OPEN)
    text = "about Lantern Bay and Project Heron"
    assert [c.ranked[0].label.iri for c in await house.linker.mentions(text, both)] == ["urn:x:open", "urn:x:closed"]
    assert [c.ranked[0].label.iri for c in await house.linker.mentions(text, one)] == ["urn:x:open"]
    written = await house.remember(one, text, "team/sea")
    assert await house.mentioning(both, "urn:x:closed") == []
    seen = await house.mentions(await house.access("bob", OPEN), written)
    assert seen["Lantern Bay"] == "urn:x:open"
    assert is_local(seen["Project Heron"])


async def test_readers_see_only_what_they_may(house: House) -> None:
    await house.publish(CLOSED, {"urn:x:closed": [pref("Project Heron")]})
    ada, bob = await house.access("ada", CLOSED), await house.access("bob")
    shared = await house.remember(ada, "news of Project Heron", "team/sea")
    private = await house.remember(ada, "more of Project Heron")
    assert await house.mentions(ada, shared) == {"Project Heron": "urn:x:closed"}
    assert await house.mentions(bob, shared) == {}
    assert await house.mentioning(bob, "urn:x:closed") == []
    assert await house.mentioning(ada, "urn:x:closed") == [private, shared]
    assert await house.mentioning(await house.access("bob", CLOSED), "urn:x:closed") == [shared]
    assert await house.mentions(await house.access("bob", CLOSED), private) == {}
    assert await forget(house.writer, house.database, ada, shared)
    assert await house.mentioning(ada, "urn:x:closed") == [private]


async def test_an_unknown_name_becomes_a_local_entity_of_the_scope(house: House) -> None:
    first = await house.remember(await house.access(), "we met Zora Quell at the pier", "team/sea")
    access = await house.access()
    iri = await house.local("team/sea", "Zora Quell")
    assert await house.mentions(access, first) == {"Zora Quell": iri}
    again = await house.remember(access, "and zora quell sailed off", "team/sea")
    assert await house.mentions(access, again) == {"zora quell": iri}
    private = await house.remember(access, "I like Zora Quell")
    access = await house.access()
    assert await house.mentions(access, private) == {"Zora Quell": await house.local("agent/ada", "Zora Quell")}
    assert sorted(await house.mentioning(access, iri)) == sorted([first, again])
    assert await house.mentioning(await house.access("bob"), await house.local("agent/ada", "Zora Quell")) == []
    assert set(await house.linker.resources("where is Zora Quell?", access)) >= {
        resource_key(house.tenant, iri),
        resource_key(house.tenant, await house.local("agent/ada", "Zora Quell")),
    }


async def test_one_new_name_in_many_memories_at_once_is_one_entity(house: House) -> None:
    access = await house.access()
    ids = await asyncio.gather(*(house.remember(access, f"note {n}: we met Zora Quell", "team/sea") for n in range(20)))
    access = await house.access()
    (described,) = await house.locals("team/sea")
    assert described.iri == await house.local("team/sea", "Zora Quell")
    key = resource_key(house.tenant, described.iri)
    page = (await memories_mentioning(house.database, access, [key], 50))[key]
    assert sorted(memory.id for memory in page.items) == sorted(ids)
    catalog = await read_catalog(house.database, house.tenant)
    assert [path for path, _ in catalog.scope_graphs] == ["team/sea"]


async def test_pages_of_memories_that_mention_an_entity(house: House) -> None:
    for n in range(5):
        await house.remember(await house.access(), f"note {n}: we met Zora Quell", "team/sea")
    access = await house.access()
    key = resource_key(house.tenant, await house.local("team/sea", "Zora Quell"))
    seen: list[str | None] = []
    after: str | None = None
    for _ in range(3):
        page = (await memories_mentioning(house.database, access, [key, "unknown"], 2, after))[key]
        seen += [memory.text for memory in page.items]
        after = page.cursors[-1]
    assert seen == [f"note {n}: we met Zora Quell" for n in (4, 3, 2, 1, 0)]
    assert not page.more


async def test_a_speaker_is_an_entity_but_no_mention(house: House) -> None:
    access = await house.access()
    linked = await house.linker.link(["I'm tired.", "Caroline is tired."], access, "team/sea", ["Caroline", "Caroline"])
    assert [(m.text, m.spoken) for m in linked[0]] == [("Caroline", True)]
    assert [(m.text, m.start, m.spoken) for m in linked[1]] == [("Caroline", 0, False), ("Caroline", 0, True)]
    assert (await house.linker.link(["I'm tired."], access, "team/sea", ["assistant"])) == [[]]
    id = await house.remember(access, "I'm tired.", "team/sea", "Caroline")
    assert await house.mentions(await house.access(), id) == {}


async def test_writing_links_again_changes_nothing(house: House) -> None:
    access = await house.access()
    text = "we met Zora Quell at Lantern Bay"
    id = await house.remember(access, text)
    found = await house.linker.link([text], access, "agent/ada")
    assert await additions(house.database, {id: found[0]}) == {}
    surer = replace(found[0][0], confidence=1.0)
    assert await additions(house.database, {id: [surer]}) == {id: [surer]}


async def test_context_decides_between_entities_of_one_name(house: House) -> None:
    planet, metal = "https://example.org/planet", "https://example.org/metal"
    await house.publish(
        OPEN,
        {
            planet: [pref("Mercury"), note("The planet nearest to the Sun, seen low in the sky; its orbit takes 88 days.")],
            metal: [pref("Mercury"), note("A liquid metal, a toxic chemical element once used in thermometers.")],
        },
    )
    access = await house.access("ada", OPEN)
    sky, lab = "Through the telescope we saw the planet Mercury cross the sky.", "The old thermometer broke and toxic Mercury ran out."
    linked = await house.linker.link([sky, lab], access, "agent/ada")
    assert [mentions[0].iri for mentions in linked] == [planet, metal]


async def test_a_local_entity_is_identified_and_never_merged(house: House) -> None:
    id = await house.remember(await house.access(), "we met Zora Quell", "team/sea")
    access = await house.access()
    local, known = await house.local("team/sea", "Zora Quell"), "https://example.org/zora"
    await identify(house.writer, house.database, access, local, known)
    await identify(house.writer, house.database, access, local, known)
    assert await house.mentions(access, id) == {"Zora Quell": local}
    (described,) = await house.locals("team/sea")
    assert (described.iri, [(p, iri) for p, _, iri in described.links]) == (local, [(SAME_AS, known)])
    assert described.hash == subject(house.tenant, local, described.statements()).hash


async def test_who_may_identify(house: House) -> None:
    await house.remember(await house.access(), "we met Zora Quell")
    ada, bob = await house.access("ada"), await house.access("bob")
    local = await house.local("agent/ada", "Zora Quell")
    reader = replace(ada, decide=lambda _o, _a: Decision(allowed=False))
    with pytest.raises(Forbidden):
        await identify(house.writer, house.database, reader, local, "urn:x:zora")
    for access, wrong in ((bob, local), (ada, f"{local}-2"), (ada, "urn:x:other"), (ada, "urn:cairn:entity:nowhere")):
        with pytest.raises(NotFound):
            await identify(house.writer, house.database, access, wrong, "urn:x:zora")
    with pytest.raises(BadInput):
        await identify(house.writer, house.database, ada, local, "not an iri")
    (described,) = await house.locals("agent/ada")
    assert described.links == []


async def test_a_new_import_links_old_memories(house: House) -> None:
    ada, bob = await house.access("ada"), await house.access("bob")
    about = [await house.remember(ada, f"note {n}: the tide gauge at Lantern Bay", "team/sea") for n in range(7)]
    other = await house.remember(bob, "the tide gauge at Lantern Bay", "team/sea")
    none = await house.remember(ada, "nothing here")
    gauge, bay = "https://example.org/gauge", "https://example.org/bay"
    await house.publish(CLOSED, {gauge: [pref("tide gauge")], bay: [pref("Lantern Bay")]})
    told: list[RelinkProgress] = []
    relinker = house.relinker(3, ada=[CLOSED], bob=[])
    relinker.listeners.append(collector(told))
    progress = await relinker.relink(house.tenant)
    reader = await house.access("ada", CLOSED)
    for id in about:
        assert await house.mentions(reader, id) == {"tide gauge": gauge, "Lantern Bay": bay}
    assert set(await house.mentions(reader, other)) == {"Lantern Bay"}
    assert await house.mentions(reader, none) == {}
    assert progress == RelinkProgress(house.tenant, 9, 9, 14, 0, finished=True)
    assert [(one.done, one.total, one.finished) for one in told] == [(3, 9, False), (6, 9, False), (9, 9, False), (9, 9, True)]
    assert (await relinker.relink(house.tenant)).linked == 0
    assert set(await house.mentions(await house.access("bob"), about[0])) == {"Lantern Bay"}


async def test_an_interrupted_pass_goes_on_where_it_stopped(house: House) -> None:
    ada = await house.access()
    ids = [await house.remember(ada, f"note {n}: the tide gauge") for n in range(5)]
    await house.publish(OPEN, {"urn:x:gauge": [pref("tide gauge")]})

    async def fail(progress: RelinkProgress) -> None:
        if progress.done == 4:
            raise Unavailable("the power went out")

    relinker = house.relinker(2, ada=[OPEN], bob=[])
    relinker.listeners.append(fail)
    with pytest.raises(Unavailable):
        await relinker.relink(house.tenant)
    assert house.tenant in await unfinished(house.database)
    told: list[RelinkProgress] = []
    relinker.listeners[:] = [collector(told)]
    progress = await relinker.relink(house.tenant)
    assert [one.done for one in told] == [5, 5]
    assert (progress.linked, progress.total) == (5, 5)
    assert house.tenant not in await unfinished(house.database)
    assert sorted(await house.mentioning(await house.access("ada", OPEN), "urn:x:gauge")) == sorted(ids)


async def test_an_import_identifies_local_entities_that_it_names(house: House) -> None:
    ada = await house.access("ada")
    for text in ("we met Zora Quell there", "then Ulla Brisk came", "later Otto Vane came"):
        await house.remember(ada, text, "team/sea")
    await house.remember(await house.access("bob"), "I know Otto Vane", "team/sea")
    await house.publish(OPEN, {"urn:x:zora": [pref("Zora Quell")], "urn:x:ulla": [pref("Ulla Brisk")], "urn:x:ulla2": [alt("Ulla Brisk")]})
    await house.publish(CLOSED, {"urn:x:otto": [pref("Otto Vane")]})
    progress = await house.relinker(10, ada=[OPEN, CLOSED], bob=[OPEN]).relink(house.tenant)
    assert progress.identified == 1
    links = {one.iri: [iri for _, _, iri in one.links] for one in await house.locals("team/sea")}
    zora, ulla, otto = [await house.local("team/sea", name) for name in ("Zora Quell", "Ulla Brisk", "Otto Vane")]
    assert links == {zora: ["urn:x:zora"], ulla: [], otto: []}


async def test_an_identification_tells_no_reader_of_a_scope_of_a_closed_graph(house: House) -> None:
    await house.remember(await house.access("ada"), "we met Zora Quell there", "team/sea")
    await house.remember(await house.access("ada"), "then Ulla Brisk came")
    await house.publish(CLOSED, {"urn:x:zora": [pref("Zora Quell")], "urn:x:ulla": [pref("Ulla Brisk")]})
    progress = await house.relinker(10, ada=[CLOSED], bob=[]).relink(house.tenant)
    assert progress.identified == 1
    assert [one.links for one in await house.locals("team/sea")] == [[]]
    assert [[iri for _, _, iri in one.links] for one in await house.locals("agent/ada")] == [["urn:x:ulla"]]


async def test_listeners_hear_when_graphs_were_read_again(house: House) -> None:
    heard = asyncio.Event()
    house.linker.gazetteers.listeners.append(lambda tenant: heard.set() if tenant == house.tenant else None)
    await house.linker.mentions("warm up", await house.access())
    assert not heard.is_set()
    house.linker.invalidate(house.tenant)
    await asyncio.wait_for(heard.wait(), 30)


async def test_the_relinker_works_on_what_was_requested(house: House) -> None:
    id = await house.remember(await house.access(), "the tide gauge")
    await house.publish(OPEN, {"urn:x:gauge": [pref("tide gauge")]})
    relinker = house.relinker(10, ada=[OPEN], bob=[])
    over = asyncio.Event()

    async def watch(progress: RelinkProgress) -> None:
        if progress.tenant == house.tenant and progress.finished:
            over.set()

    relinker.listeners.append(watch)
    work = asyncio.create_task(relinker.work())
    relinker.request(house.tenant)
    await asyncio.wait_for(over.wait(), 30)
    work.cancel()
    assert await house.mentioning(await house.access("ada", OPEN), "urn:x:gauge") == [id]


async def test_a_graph_that_no_longer_names_an_entity_is_forgotten(house: House) -> None:
    await house.publish(OPEN, {"urn:x:gauge": [pref("tide gauge")]})
    access = await house.access("ada", OPEN)
    assert [c.text for c in await house.linker.mentions("a tide gauge", access)] == ["tide gauge"]
    content = (await find_contents(house.database, house.tenant, [OPEN]))[OPEN]
    before = subject(house.tenant, "urn:x:gauge", [pref("tide gauge")])
    after = subject(house.tenant, "urn:x:gauge", [pref("tide pole")])
    await apply(house.writer, access, await read_names(house.database), content, [Edit(before, after)])
    await house.linker.gazetteers.refreshed(house.tenant)
    assert [c.text for c in await house.linker.mentions("a tide gauge or a tide pole", access)] == ["tide pole"]


async def test_two_scopes_and_hundreds_of_texts_at_once(house: House) -> None:
    await house.publish(OPEN, {"urn:x:gauge": [pref("tide gauge")]})
    access = await house.access("ada", OPEN)
    texts = [f"text {n} about a tide gauge and Zora Quell" for n in range(300)]
    for scope in access.scopes:
        linked = await house.linker.link(texts, access, scope)
        zora = await house.local(scope, "Zora Quell")
        assert len(linked) == len(texts)
        assert {tuple(m.iri for m in mentions) for mentions in linked} == {("urn:x:gauge", zora)}


LABELS = ["tide gauge", "Tide", "Lantern Bay", "Lantern Bay Harbour", "Café Zéro", "東京", "Go", "R&D"]
PIECES = st.sampled_from([*LABELS, "the", "Zora Quell", "met", ". ", "\n", "É́", "go", "cafe zero", "!", "🙂", "tides"])


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(PIECES | st.text(max_size=5), max_size=14), glue=st.sampled_from([" ", "", "  "]))
async def test_mentions_stand_where_they_say_and_apart(house: House, pieces: list[str], glue: str) -> None:
    if not await find_contents(house.database, house.tenant, [OPEN]):
        await house.publish(OPEN, {f"urn:x:{n}": [pref(label)] for n, label in enumerate(LABELS)})
    access = await house.access("ada", OPEN)
    text = glue.join(pieces)
    end = 0
    for mention in (await house.linker.link([text], access, "agent/ada"))[0]:
        assert end <= mention.start < mention.end <= len(text)
        assert text[mention.start : mention.end] == mention.text
        assert 0 < mention.confidence <= 1
        assert mention.key == resource_key(house.tenant, mention.iri)
        end = mention.end
