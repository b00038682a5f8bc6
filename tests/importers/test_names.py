"""Names that no graph knows: found by capitals with care, or by a pipeline."""

from __future__ import annotations

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from cairn.importers.names import SURE, capitals, pipeline_finder, proper_names, trained_finder
from cairn.importers.spotting import passage_of


def names(text: str, *known: str) -> list[str]:
    return [text[found.start : found.end] for found in proper_names(passage_of(text), known)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yesterday I met Zora Quell at the harbour.", ["Zora Quell"]),
        ("We drove to Velmora.", ["Velmora"]),
        ("Zora Quell wrote to us.", ["Zora Quell"]),
        ("The Velmora Institute called the University of Brask about it.", ["Velmora Institute", "University of Brask"]),
        ("I like Jean-Luc and O'Brien's boat.", ["Jean-Luc", "O'Brien"]),
        ("Hey Caro! Thanks a lot.", ["Caro"]),
        ("Harbours are loud. Visiting Velmora was fun.", ["Velmora"]),
        ("He met Dr. Quell on Monday in March.", ["Quell"]),
        ("Working is hard. Nothing helps. OK?", []),
        ("I AM VERY HAPPY ABOUT IT", []),
        ("Ten Ways To Make Better Coffee At Home", []),
        ("Ich habe das Haus und den Garten gesehen.", []),
        ("I think I can. I'll try.", []),
        ("Мы видели Ивана Петрова вчера", ["Ивана Петрова"]),
    ],
)
def test_capitals_are_read_with_care(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_the_speakers_name_is_known_also_where_a_sentence_starts() -> None:
    assert names("Caroline went home.") == []
    assert names("Caroline went home.", "Caroline") == ["Caroline"]
    assert names("Caroline went home.", "Caroline Ott") == ["Caroline"]
    assert names("he saw carolines", "caroline") == []


def test_two_words_at_a_sentences_start_are_less_sure() -> None:
    (start,) = proper_names(passage_of("Awesome Zora came."))
    (inside,) = proper_names(passage_of("then Zora Quell came."))
    assert start.confidence < SURE <= inside.confidence


def test_a_pipeline_finds_names_instead() -> None:
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "zora quell"}, {"label": "DATE", "pattern": "tuesday"}])  # type: ignore[attr-defined]
    text = "on tuesday zora quell met Velmora"
    found = proper_names(passage_of(text), (), pipeline_finder(pipeline))
    assert [text[one.start : one.end] for one in found] == ["zora quell"]


def test_only_an_installed_pipeline_is_used() -> None:
    assert (trained_finder() is None) is not bool(spacy.util.get_installed_models())


def test_questions_are_read_generously() -> None:
    found = capitals(passage_of("Caroline's boat: did Zora Quell sail it to The Hague?"))
    assert sorted(found) == ["Caroline", "Hague", "Quell", "Zora", "Zora Quell"]


@given(st.text(st.sampled_from("Aa Bb.'- éÉ東\nI"), max_size=80), st.lists(st.sampled_from(["Aa", "Bb", "A B"]), max_size=2))
def test_names_stand_apart_in_the_text(text: str, known: list[str]) -> None:
    end = 0
    for found in proper_names(passage_of(text), known):
        assert end <= found.start < found.end <= len(text)
        assert 0 < found.confidence <= 1
        end = found.end
