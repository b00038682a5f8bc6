"""Features, bridges and the ranker, on candidates made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.analysis import terms
from cairn.graph.profiles import direction, hashed
from cairn.graph.search import Candidate
from cairn.graph.searchable import KeyedIndex
from cairn.graph.traits import traits
from cairn.learning.bridging import bridge, steps
from cairn.learning.features import NAMES, Asked, measure
from cairn.learning.forms import Form, form
from cairn.learning.ranking import PRIOR, Model, distinct, order, reasons
from cairn.learning.senses import Meant, Sense
from cairn.learning.surroundings import surround
from cairn.learning.words import Words

NOWHERE = direction([])
AT = datetime(2026, 6, 17, tzinfo=UTC)
MILLISECONDS = int(1000 * AT.timestamp())


def one(id: str, text: str, **values: Any) -> Candidate:
    known: dict[str, Any] = {
        "id": id, "terms": " ".join(terms(text)), "heading": "", "traits": tuple(traits(text)), "speaker": None,
        "session": None, "next": None, "importance": 0.5, "occurred": MILLISECONDS, "superseded": False, "cosine": 0.0, "vector": NOWHERE,
        "shared": 0.0, "asked": (), "used": 0, "eligible": True,
    }  # fmt: skip
    known |= values
    return Candidate(**known, words=hashed(known["terms"].split()))


def asked(text: str, session: str | None = None) -> Asked:
    return Asked(text, form(text, AT), session, AT)


def column(name: str, question: str, found: list[Candidate], session: str | None = None) -> list[float]:
    return measure(asked(question, session), found).values[:, NAMES.index(name)].tolist()


def test_a_word_that_all_candidates_have_counts_for_little() -> None:
    found = [one("a", "Tern counted the seals at the bay"), one("b", "Tern slept"), one("c", "Tern ate"), one("d", "Tern sang")]
    assert column("coverage", "What did Tern count?", found)[0] == max(column("coverage", "What did Tern count?", found))
    assert column("terms", "What did Tern count?", found)[0] == 1.0


def test_an_answer_is_found_by_the_question_that_came_before_it() -> None:
    found = [
        one("a", "Which plant covers the meadow?", session="s", next="b"),
        one("b", "Eelgrass, all of it.", session="s"),
        one("c", "The boat is blue.", session="s"),
    ]
    values = column("context", "Which plant covers the meadow?", found)
    assert values[1] > values[2]


def test_what_follows_a_fitting_question_may_answer_it() -> None:
    found = [
        one("a", "Which plant covers the meadow?", session="s", next="b"),
        one("b", "Eelgrass, all of it.", session="s", next="c"),
        one("c", "The plant covers the meadow.", session="s", next="d"),
        one("d", "The boat is blue.", session="s"),
    ]
    values = column("reply", "Which plant covers the meadow?", found)
    assert values[1] > 0
    assert values[0] == values[2] == values[3] == 0.0


def test_words_like_those_of_the_question_count_here_and_beside() -> None:
    found = [
        one("a", "Her canvas is dry.", session="s", next="b"),
        one("b", "Look!", session="s", next="c"),
        one("c", "No.", session="s", next="d"),
        one("d", "The boat is blue.", session="s"),
    ]
    sense = Sense(np.array([1.0], dtype=np.float32), ("canva",), (0.4,))
    meant = Meant({"paint": sense})
    values = measure(replace(asked("What does she paint?"), meant=meant), found).values[:, NAMES.index("kin")]
    assert values[0] > values[1] > values[2] == values[3]
    keyed = KeyedIndex(b"k" * 32)
    sealed = [one(each.id, "", terms=" ".join(keyed.tokens(each.terms.split())), session="s", next=each.next) for each in found]
    hidden = measure(replace(asked("What does she paint?"), meant=meant, index=keyed), sealed).values[:, NAMES.index("kin")]
    assert hidden == pytest.approx(values)


def test_the_gist_is_seen_from_the_middle_of_what_was_found() -> None:
    near, far = direction([1.0, 0.1]), direction([1.0, -0.1])
    found = [one("a", "x", vector=near), one("b", "y", vector=far), one("c", "z")]
    values = measure(replace(asked("What?"), meant=Meant(direction=(1.0, 0.2))), found).values[:, NAMES.index("gist")]
    assert values[0] > values[2] > values[1]
    assert not measure(asked("What?"), found).values[:, NAMES.index("gist")].any()


def test_a_short_text_beside_a_longer_one() -> None:
    short, long = column("length", "What?", [one("a", "Yes."), one("b", "The boat is blue and the seals lie on the warm rocks")])
    assert short < 0 < long


def test_the_second_look_sees_what_surrounds_a_memory() -> None:
    texts = ["A boat.", "The plant covers the meadow.", "Eelgrass.", "A gull.", "Rain.", "Tern slept.", "Seals."]
    found = [one(str(n), text, session="s", next=str(n + 1)) for n, text in enumerate(texts)]
    measured = surround(found, measure(asked("Which plant covers the meadow?"), found))
    beside, around = (measured.values[:, NAMES.index(name)].tolist() for name in ("beside", "around"))
    assert min(beside[0], beside[2]) > max(beside[1], *beside[3:])
    assert around[3] > max(around[0], *around[4:])
    assert surround([], measure(asked("What?"), [])).values.shape == (0, len(NAMES))


def test_a_like_question_must_be_like_as_a_whole() -> None:
    found = [
        one("a", "x", asked=("What did we see at the bay?",)),
        one("b", "y", asked=("What did we see at the bay when Tern counted seals?",)),
    ]
    same, longer = column("asked", "What did we see at the bay?", found)
    assert same == 1.0
    assert longer < 0.5


def test_a_long_text_is_scored_by_its_best_passage() -> None:
    filler = "the gull the gull went over the wall and back again " * 60
    words = Words([hashed(terms(f"{filler} eelgrass meadow {filler}")), hashed(terms("eelgrass meadow"))], ["eelgrass", "meadow"])
    whole, passage = words.scores(), words.of_passages()
    assert passage[0] / passage[1] > 1.2 * whole[0] / whole[1]


@pytest.mark.parametrize(
    ("question", "named"),
    [("What did Petrel say?", [1.0, 0.0]), ("What did Ann Petrel say?", [1.0, 0.0]), ("What do petrels eat?", [0.0, 0.0])],
)
def test_the_speaker_who_is_named(question: str, named: list[float]) -> None:
    speaker = "Ann Petrel" if "Ann" in question else "Petrel"
    assert column("speaker", question, [one("a", "x", speaker=speaker), one("b", "y", speaker="Tern")]) == named


def test_a_speaker_is_named_in_a_script_without_spaces() -> None:
    assert column("speaker", "小燕昨天说了什么？", [one("a", "x", speaker="小燕"), one("b", "y", speaker="海鸥")]) == [1.0, 0.0]


def test_signs_of_time_session_use_and_supersession() -> None:
    found = [
        one("a", "We saw it then.", occurred=MILLISECONDS - 86_400_000, session="s", used=3, asked=("What did we see at the bay?",)),
        one("b", "We saw it later.", occurred=MILLISECONDS - 40 * 86_400_000, superseded=True),
    ]
    assert column("time", "What did we see yesterday?", found)[0] == 1.0
    assert column("time", "What did we see yesterday?", found)[1] < 0.01
    assert column("session", "What?", found, "s") == [1.0, 0.0]
    assert column("used", "What?", found)[0] > 0
    assert column("asked", "What did we see at the bay?", found) == [1.0, 0.0]
    assert column("current", "What did we see?", found) == [0.0, -1.0]
    assert column("current", "What did we see before?", found) == [0.0, 0.0]


def test_a_bridge_leads_to_what_a_found_memory_names() -> None:
    first = one("a", "Gannet Rock is tended by the keeper Aldous Wren.", heading="gannet rock")
    goal, other = one("b", "Born in Seal Sound.", heading="aldous wren"), one("c", "A boat.", heading="blue boat")
    question = frozenset(terms("Where was the keeper of Gannet Rock born?"))
    assert {"aldous", "wren"} <= set(steps([first, goal, other], [0], question))
    assert not set(steps([first, goal, other], [0], question)) & question
    values = bridge([first, goal, other], [first], [1.0], question)
    assert values[1] == 1.0
    assert values[2] == 0.0
    assert values[0] == 0.0


def test_nearly_equal_memories_stand_for_each_other() -> None:
    found = [one("a", "The seals lie on the warm rocks"), one("b", "The seals lie on the warm rocks!"), one("c", "A boat came by at noon")]
    assert distinct(found, [0, 1, 2], 10) == [(0, 1), (2, 0)]
    assert distinct([one("a", "Yes, thanks"), one("b", "Yes, thanks")], [0, 1], 10) == [(0, 0), (1, 0)]
    assert len(distinct(found, [0, 1, 2], 1)) == 1


def test_the_prior_knows_every_feature() -> None:
    assert set(PRIOR) == set(NAMES)


texts = st.text("abc ?1\n:", max_size=30)


@given(st.lists(texts, max_size=8), texts)
def test_the_ranking_is_deterministic_finite_and_explained(found: list[str], question: str) -> None:
    candidates = [one(str(n), text, session="s" if n % 2 else None, cosine=n / 10) for n, text in enumerate(found)]
    measured = surround(candidates, measure(Asked(question, Form(), None, AT), candidates))
    assert measured.values.shape == (len(found), len(NAMES))
    assert np.isfinite(measured.values).all()
    scores = Model().scores(measured.values)
    places = order(candidates, scores)
    assert sorted(places) == list(range(len(found)))
    for at in places:
        why = reasons(Model(), measured.values[at].tolist())
        assert sum(reason.value * reason.weight for reason in why.values()) == pytest.approx(scores[at], abs=1e-4)
        assert sum(reason.share for reason in why.values()) == pytest.approx(1.0, abs=1e-3) or scores[at] == 0


@given(st.lists(st.lists(st.sampled_from(["a", "ab", "b", "ba"])), max_size=6), st.lists(st.sampled_from(["a", "ab", "c"]), unique=True))
def test_words_are_counted_whole(texts: list[list[str]], sought: list[str]) -> None:
    words = Words([hashed(text) for text in texts], sought)
    assert words.counts[:-1].tolist() == [[text.count(term) for term in sought] for text in texts]
    assert words.lengths[:-1].tolist() == [len(text) for text in texts]
