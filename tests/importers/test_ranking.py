"""Ranking: which names a stretch of text may stand for, and how surely."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.labels import Kind, Label
from cairn.importers.ranking import THRESHOLD, WEAK, called, needs_context, rank, read
from cairn.importers.spotting import passage_of


def label(text: str, kind: Kind = Kind.PREFERRED, lang: str | None = None, degree: int = 1, key: str = "a") -> Label:
    return Label(key, f"https://example.org/{key}", 1, text, kind, lang, degree)


def strength(text: str, name: str, *labels: Label) -> float:
    """The best strength of the words of `name` in `text`."""
    passage = passage_of(text)
    cut = [text[word.start : word.end] for word in passage.words]
    wanted = name.split()
    first = next(i for i in range(len(cut)) if cut[i : i + len(wanted)] == wanted)
    return max((reading.strength for reading in read(passage, first, first + len(wanted), labels)), default=0.0)


def test_a_name_as_it_is_written_is_sure() -> None:
    assert strength("She went to Paris today", "Paris", label("Paris")) == 1.0
    assert strength("about climate change", "climate change", label("climate change")) == 1.0


def test_better_kinds_of_label_are_surer() -> None:
    kinds = [strength("She went to Paris today", "Paris", label("Paris", kind)) for kind in Kind]
    assert kinds == sorted(kinds, reverse=True)
    assert len(set(kinds)) == len(kinds)


def test_everyday_words_are_weak() -> None:
    lower = strength("an apple a day", "apple", label("Apple"))
    start = strength("Apple pie is good", "Apple", label("Apple"))
    name = strength("he works at Apple now", "Apple", label("Apple"))
    assert 0 < lower < start < name
    assert lower < WEAK


@pytest.mark.parametrize(
    ("text", "word", "name", "linked"),
    [
        ("she writes Go at work", "Go", "Go", True),
        ("they go to work", "go", "Go", False),
        ("Go to work now", "Go", "Go", False),
        ("she leads IT there", "IT", "IT", True),
        ("is it true", "it", "IT", False),
        ("It is true", "It", "IT", False),
        ("IT WAS GREAT FUN", "IT", "IT", False),
        ("the which is that", "which", "which", False),
        ("it aids growth", "aids", "AIDS", False),
        ("a cure for AIDS soon", "AIDS", "AIDS", True),
        ("many NGOs came", "NGOs", "NGO", True),
        ("teachers came", "teachers", "Teacher", True),
        ("Mr Williams came", "Williams", "William", False),
        ("all of art history", "art", "Art", True),
        ("in Ür we met", "Ür", "Ur", False),
    ],
)
def test_short_and_common_names_need_their_exact_case(text: str, word: str, name: str, linked: bool) -> None:
    assert (strength(text, word, label(name)) > 0) is linked


def test_another_language_is_less_sure() -> None:
    text = "I went there with my Gift yesterday"
    assert strength(text, "Gift", label("Gift", lang="de")) < strength(text, "Gift", label("Gift", lang="en"))


def test_a_single_foreign_word_keeps_its_accents() -> None:
    text = "I went there with Mel yesterday"
    assert strength(text, "Mel", label("Mél", lang="fr")) == 0
    assert strength(text, "Mel", label("Mél", lang="en")) > 0
    assert strength("vis à vis de la Mel et le port", "Mel", label("Mél", lang="fr")) > 0


def test_of_one_entitys_labels_the_best_counts() -> None:
    passage = passage_of("She went to Paris today")
    readings = read(passage, 3, 4, [label("Paris", Kind.HIDDEN), label("Paris"), label("PARIS")])
    assert [(reading.label.kind, reading.strength) for reading in readings] == [(Kind.PREFERRED, 1.0)]


def test_context_decides_between_entities() -> None:
    passage = passage_of("the orbit of Mercury is short")
    labels = [label("Mercury", key="element", degree=4), label("Mercury", key="planet", degree=4)]
    readings = read(passage, 3, 4, labels)
    assert needs_context(readings)
    first, second = rank(readings, {("planet", 1): 0.5, ("element", 1): 0.1})
    assert (first.label.key, second.label.key) == ("planet", "element")
    assert first.confidence > 2 * second.confidence
    assert rank(readings, {})[0].confidence == pytest.approx(0.5)


def test_popularity_decides_little() -> None:
    readings = read(passage_of("to Paris now"), 1, 2, [label("Paris", key="city", degree=500), label("Paris", key="hamlet", degree=1)])
    first, second = rank(readings, {})
    assert first.label.key == "city"
    assert second.confidence > first.confidence / 4


def test_a_weak_reading_needs_a_context_that_suits() -> None:
    readings = read(passage_of("an apple a day"), 1, 2, [label("Apple", key="apple")])
    assert needs_context(readings)
    unsuited, suited = (rank(readings, {("apple", 1): cosine})[0].confidence for cosine in (-0.2, 0.4))
    assert unsuited < THRESHOLD < suited


@given(st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 10**9), st.floats(-1, 1)), min_size=1, max_size=8))
def test_confidences_are_shares(entities: list[tuple[Kind, int, float]]) -> None:
    labels = [label("Paris", kind, degree=degree, key=str(n)) for n, (kind, degree, _) in enumerate(entities)]
    ranked = rank(read(passage_of("to Paris now"), 1, 2, labels), {(str(n), 1): c for n, (_, _, c) in enumerate(entities)})
    assert len(ranked) == len(entities)
    assert all(0 < candidate.confidence <= 1 for candidate in ranked)
    assert sum(candidate.confidence for candidate in ranked) <= 1 + 1e-9


def test_who_is_called_so() -> None:
    assert [one.key for one in called("Ada Lovelace", [label("Ada Lovelace", key="x"), label("ada lovelaces", key="y")])] == ["x"]
    assert called("may", [label("May")]) == []
