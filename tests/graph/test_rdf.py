"""RDF as it is stored: keys, statements and literals, names, and the hash of a set."""

from __future__ import annotations

import random

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import Internal
from cairn.graph.lthash import SetHash
from cairn.graph.rdf import MAX_TERMS, graph_key, literal, local_name, resource_key, statements_hash, subject, term
from cairn.graph.vocabulary import GENERIC, MAX_NAMES, PREFIXES, RDF_TYPE, TYPE_NAME, Names, short_name

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(TEXT, st.sampled_from([None, "en", "zh-hant"]), st.sampled_from([None, "urn:t", "http://www.w3.org/2001/XMLSchema#integer"]))
def test_a_literal_is_read_back_as_it_was(text: str, lang: str | None, datatype: str | None) -> None:
    made = ox.Literal(text, language=lang) if lang else ox.Literal(text, datatype=ox.NamedNode(datatype) if datatype else None)
    stored = subject("t", "urn:s", [f"<urn:p> {made}"]).literals[0]
    found = literal(stored)
    assert found is not None
    assert (found.predicate, found.value, found.lang, found.datatype) == ("urn:p", text, lang, made.datatype.value)


def test_a_base_direction_is_kept_and_a_triple_term_is_no_literal() -> None:
    one = subject("t", "urn:s", ['<urn:p> "x"@ar--rtl', "<urn:p> <<( <urn:a> <urn:b> _:c )>>"])
    assert [found and (found.lang, found.direction) for found in map(literal, one.literals)] == [("ar", "rtl"), None]
    assert one.links == [] and len(one.statements()) == 2


STATEMENTS = ('<urn:p> "1"', "<urn:p> <urn:o>", "<urn:q> _:b", f"<{RDF_TYPE}> <urn:T>", '<urn:q> <<( <a:a> <a:b> "1" )>>')


@given(st.sets(st.sampled_from(STATEMENTS), min_size=1))
def test_a_subject_is_the_set_of_its_statements(statements: set[str]) -> None:
    ordered = sorted(statements)
    one, other = subject("t", "urn:s", ordered), subject("t", "urn:s", ordered[::-1])
    assert one == other and one.size == len(statements)
    assert sorted(one.statements()) == ordered and one.hash == statements_hash(statements)


def test_names_become_words_for_search() -> None:
    label = f"<{PREFIXES['rdfs']}label>"
    assert subject("t", "urn:s", [f'{label} "Café au lait"@fr', '<urn:p> "not a name"', f'{label} "CAFÉ"']).terms == "cafe au lait"
    assert subject("t", "http://e/vocab#Steam_Engine", ["<urn:p> 1"]).terms == "steam engine"
    assert subject("t", "_:b1", ["<urn:p> 1"]).terms == ""
    long = subject("t", "urn:s", [f'{label} "{" ".join(map(str, range(9_000)))}"']).terms
    assert len(long) <= MAX_TERMS and long.endswith(long.split()[-1]) and not long.endswith(" ")


def test_keys_tell_tenants_apart() -> None:
    assert resource_key("a", "bc") != resource_key("ab", "c") and len(resource_key("a", "b")) == 32
    assert [graph_key(number) for number in (0, 35, 36, 2**48 - 1)] == ["0", "z", "10", "2rrvthnxtr"]
    assert [int(graph_key(number), 36) for number in (7, 12345, 2**48 - 1)] == [7, 12345, 2**48 - 1]
    assert (term("_:b"), term("urn:a")) == ("_:b", "<urn:a>")
    assert [local_name(iri) for iri in ("http://e/a#b", "http://e/a/", "urn:x:y", "x")] == ["b", "a", "y", "x"]


@given(TEXT)
def test_a_short_name_is_always_one_that_cairn_does_not_use(iri: str) -> None:
    name = short_name(iri)
    assert "__" in name.strip("_") and 4 <= len(name) <= 100 and "`" not in name and "\0" not in name
    assert name == short_name(iri)


def test_short_names_are_readable() -> None:
    assert short_name(RDF_TYPE) == TYPE_NAME
    assert short_name(f"{PREFIXES['skos']}broader") == "skos__broader"
    assert short_name("http://vocabularies.unesco.org/ontology#memberOf") == "vocabularies_unesco_org_ontology__memberOf"
    assert len(short_name("http://e/" + "x" * 500)) < 100 and short_name("http://e/" + "x" * 500) != short_name("http://e/" + "x" * 501)


def test_a_hostile_document_can_not_use_up_the_names() -> None:
    names = Names({f"x__{n}" for n in range(MAX_NAMES - 1)}, {f"x__{n}" for n in range(MAX_NAMES)})
    assert [names.type_of(f"urn:new:{n}") for n in range(2)] == ["new__0", GENERIC]
    assert names.type_of("urn:x:5") == "x__5" and names.type_of(RDF_TYPE) == TYPE_NAME
    assert names.label_of("urn:new:T") is None and names.label_of("_:b") is None and names.label_of("urn:x:5") == "x__5"


@given(st.lists(st.binary(min_size=1, max_size=8), unique=True), st.integers(0, 9), st.randoms(use_true_random=False))
def test_a_set_hash_depends_on_the_members_alone(members: list[bytes], extra: int, rng: random.Random) -> None:
    direct = SetHash()
    direct.add(members)
    detour = SetHash()
    others = [b"other%d-------" % n for n in range(extra)]
    steps = members + others
    rng.shuffle(steps)
    for member in steps:
        detour.add([member])
    again = SetHash(detour.state())
    again.remove(others)
    assert again.digest() == direct.digest() and again.state() == direct.state()
    assert (direct.digest() == SetHash().digest()) == (not members)


def test_a_set_hash_tells_one_member_from_two_and_needs_its_whole_state() -> None:
    once, twice, many = SetHash(), SetHash(), SetHash()
    once.add([b"a"])
    twice.add([b"a", b"a"])
    many.add(b"%d" % n for n in range(1_200))
    many.remove(b"%d" % n for n in range(1_199))
    assert len({once.digest(), twice.digest(), many.digest()}) == 3
    last = SetHash()
    last.add([b"1199"])
    assert many.digest() == last.digest()
    with pytest.raises(Internal):
        SetHash(b"short")
