"""The gazetteer: every name of every graph, found wherever a text has it."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.graph.labels import Kind, Label
from cairn.importers.gazetteer import Gazetteer, pattern_of
from cairn.importers.words import words

NAMES = st.sampled_from(
    ["Ada", "Ada Lovelace", "Lovelace", "analytical engine", "東京", "東京都", "Café de Flore", "R&D", "sea", "sea level"]
)


def label(text: str, graph: int = 1, key: str | None = None) -> Label:
    return Label(key or f"key of {text}", f"https://example.org/{text}", graph, text, Kind.PREFERRED, None, 1)


def found(gazetteer: Gazetteer, text: str) -> set[tuple[str, int, str]]:
    cut = words(text)
    return {
        (text[cut[first].start : cut[end - 1].end], one.graph, one.text)
        for first, end, pattern in gazetteer.search(cut)
        for one in gazetteer.labels(pattern)
    }


def test_names_are_found_in_any_spelling_that_meets() -> None:
    gazetteer = Gazetteer()
    gazetteer.replace(7, [label("Café de Flore", 7), label("Teachers", 7), label("東京", 7)])
    assert found(gazetteer, "at the CAFE DE FLORE") == {("CAFE DE FLORE", 7, "Café de Flore")}
    assert found(gazetteer, "every teacher knows") == {("teacher", 7, "Teachers")}
    assert found(gazetteer, "私は東京都に住む") == {("東京", 7, "東京")}
    assert found(gazetteer, "teachertown") == set()


def test_a_qualifier_in_brackets_may_be_missing() -> None:
    gazetteer = Gazetteer()
    gazetteer.replace(1, [label("Mercury (planet)")])
    ((first, end, pattern),) = gazetteer.search(words("on Mercury today"))
    assert (first, end) == (1, 2)
    assert [(one.text, one.kind) for one in gazetteer.labels(pattern)] == [("Mercury", Kind.UNQUALIFIED)]


def test_what_is_no_name() -> None:
    assert [pattern_of(text) for text in ("7", "1984", "x", "猫", "+", "", "  ", "-", "word " * 13)] == [None] * 9
    assert pattern_of("B2") == "b2"
    assert pattern_of("R&D") == "r & d"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.lists(NAMES)), max_size=6), st.lists(NAMES, max_size=4))
def test_it_holds_what_each_graph_said_last(history: list[tuple[int, list[str]]], mentioned: list[str]) -> None:
    gazetteer = Gazetteer()
    for graph, names in history:
        gazetteer.replace(graph, [label(name, graph) for name in names])
    now = dict(history)
    text = " ; ".join(mentioned)
    expected = {(name, graph, name) for graph, names in now.items() for name in names if name in mentioned}
    whole = {one for one in found(gazetteer, text) if one[0] == one[2] and one[2] in mentioned}
    assert whole == expected
    assert found(gazetteer.tidied(), text) == found(gazetteer, text)


def test_names_are_added_one_by_one() -> None:
    gazetteer = Gazetteer()
    gazetteer.add(label("Ada", -1))
    gazetteer.add(label("Ada", -1))
    gazetteer.add(label("Ada", -1, "another"))
    assert [one.key for one in gazetteer.labels("ada")] == ["key of Ada", "another"]
    gazetteer.replace(-1, [])
    assert gazetteer.labels("ada") == []
    assert gazetteer.is_cluttered() is False


def test_texts_are_searched_while_graphs_are_replaced() -> None:
    gazetteer = Gazetteer()
    gazetteer.replace(1, [label("anchor")])
    failures: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            if ("anchor", 1, "anchor") not in found(gazetteer, "weigh anchor now"):
                failures.append("the anchor was missed")

    searcher = threading.Thread(target=search)
    searcher.start()
    for turn in range(5):
        gazetteer.replace(2, [label(f"name {turn} {n}", 2) for n in range(3_000)])
    done.set()
    searcher.join()
    assert failures == []
    assert found(gazetteer, "name 4 17") == {("name 4 17", 2, "name 4 17")}
