"""The predictor of next operations: it learns sequences and relations, forgets, is shared, and promises no more than it knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.learning.operations import TURN, Operation, Session, values_in, written
from cairn.learning.prefetch import Predictor


def play(predictor: Predictor, *operations: Operation, session: Session | None = None) -> Session:
    """Let a session take place."""
    session = session or Session()
    for one in operations:
        predictor.observe(session, one)
    return session


def session_of(*operations: Operation) -> Session:
    """A session that nobody learned from."""
    return play(Predictor(), *operations)


def best(predictor: Predictor, session: Session) -> Operation:
    """What is predicted first."""
    return predictor.predict(session)[0].operation


def op(shape: str, **variables: object) -> Operation:
    """An operation."""
    return Operation.of(shape, variables)


def test_what_always_follows_is_predicted_with_confidence() -> None:
    predictor = Predictor()
    loop = [op("state", key="plan"), op("recall", query="weather"), op("memory", id="m1")]
    for _ in range(20):
        session = play(predictor, *loop)
    session = play(predictor, *loop[:2])
    assert best(predictor, session) == loop[2]
    assert predictor.predict(session)[0].chance > 0.5


def test_an_item_of_the_last_result_is_predicted_though_it_was_never_asked_about() -> None:
    predictor = Predictor()
    for number in range(30):
        session = Session()
        predictor.observe(
            session, op("recall", query=f"question {number}"), values_in({"recall": {"hits": [{"id": f"m{number}"}, {"id": "x"}]}})
        )
        predictor.observe(session, op("memory", id=f"m{number}"))
    session = Session()
    predictor.observe(session, op("recall", query="something new"), values_in({"recall": {"hits": [{"id": "m-new"}, {"id": "y"}]}}))
    assert best(predictor, session) == op("memory", id="m-new")


def test_the_next_page_is_predicted_by_its_cursor() -> None:
    predictor = Predictor()
    for start in range(20):
        session = Session()
        for page in range(3):
            after = written(f"c{start}-{page}")
            found = {"memories.pageInfo.endCursor": (written(f"c{start}-{page + 1}"),)}
            predictor.observe(session, Operation("memories", {"after": after, "first": "20"}), found)
    session = Session()
    predictor.observe(session, Operation("memories", {"after": '"k0"', "first": "20"}), {"memories.pageInfo.endCursor": ('"k1"',)})
    assert best(predictor, session) == Operation("memories", {"after": '"k1"', "first": "20"})


def test_variables_of_an_earlier_operation_are_carried_over() -> None:
    predictor = Predictor()
    for number in range(30):
        play(predictor, op("direct", date=f"day {number}", to="SEA"), op("onestop", date=f"day {number}", to="SEA"))
    session = play(predictor, op("direct", date="a day never seen", to="SEA"))
    assert best(predictor, session) == op("onestop", date="a day never seen", to="SEA")


def test_an_agents_own_habit_counts_beside_everybodys() -> None:
    predictor = Predictor()
    first = op("me")
    for _ in range(20):
        play(predictor, first, op("states"), session=Session("ada"))
        play(predictor, first, op("memories"), session=Session("bob"))
    assert best(predictor, play(predictor, first, session=Session("ada"))) == op("states")
    assert best(predictor, play(predictor, first, session=Session("bob"))) == op("memories")


def test_a_persons_turn_is_context_and_is_never_predicted() -> None:
    predictor = Predictor()
    for _ in range(20):
        session = play(predictor, op("a"))
        session.turn()
        play(predictor, op("b"), op("a"), op("c"), session=session)
    spoken, silent = play(predictor, op("a")), play(predictor, op("b"), op("a"))
    spoken.turn()
    assert best(predictor, spoken) == op("b")
    assert best(predictor, silent) == op("c")
    assert TURN not in dict(predictor.predict_shapes(spoken))


def test_a_habit_that_changes_is_learned_anew() -> None:
    predictor = Predictor(most=400)
    for _ in range(60):
        play(predictor, op("a"), op("old"))
    for _ in range(90):
        play(predictor, op("a"), op("new"))
    assert best(predictor, play(predictor, op("a"))) == op("new")


def test_memory_is_bounded() -> None:
    predictor = Predictor(most=500)
    session = Session()
    for number in range(400):
        predictor.observe(session, op(f"shape {number % 7}", id=number), {"x.id": (str(number + 1), str(number + 2))})
    for counts in (predictor.shapes.counts, predictor.operations.counts, predictor.relations.counts, predictor.operations.fresh):
        assert sum(map(len, counts.after.values())) == counts.size <= 500


def test_packed_and_unpacked_it_predicts_the_same() -> None:
    predictor = Predictor()
    for number in range(12):
        play(predictor, op("a", id=number % 3), op("b", id=number % 3), op("c"))
    again = Predictor.unpacked(predictor.packed())
    for session in (session_of(op("a", id=2)), session_of(op("b", id=1))):
        expected = [(one.operation, pytest.approx(one.chance)) for one in predictor.predict(session)]
        session.look = None
        assert [(one.operation, one.chance) for one in again.predict(session)] == expected


@pytest.mark.parametrize("bad", [b"", b"nonsense", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9"])
def test_what_is_no_predictor_is_refused(bad: bytes) -> None:
    with pytest.raises(BadInput):
        Predictor.unpacked(bad)


def test_replicas_learn_from_each_other_without_counting_twice() -> None:
    replicas = Predictor(), Predictor()
    for _ in range(10):
        play(replicas[0], op("a"), op("b"))
        play(replicas[1], op("c"), op("d"))
    learned = sum(sum(one.shapes.counts.totals.values()) for one in replicas)
    shared = Predictor()
    for _ in range(2):  # the second time they have nothing new
        for replica in replicas:
            shared.merge(replica)
            replica.adopt(shared)
    assert sum(shared.shapes.counts.totals.values()) == learned
    for predictor in (shared, replicas[1]):
        assert best(predictor, session_of(op("a"))) == op("b")
        assert best(predictor, session_of(op("c"))) == op("d")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.booleans()), max_size=40))
def test_chances_are_probabilities_whatever_comes(steps: list[tuple[str, int, bool]]) -> None:
    predictor, session = Predictor(), Session()
    for shape, number, turns in steps:
        if turns:
            session.turn()
        chances = [one.chance for one in predictor.predict(session, most=100)]
        assert all(0 <= chance <= 1 for chance in chances)
        assert sum(chances) <= 1 + 1e-9
        assert chances == sorted(chances, reverse=True)
        predictor.observe(session, op(shape, id=number))


def test_only_short_values_of_a_result_are_remembered_and_not_too_many() -> None:
    found = values_in({"a": [{"id": number, "text": "x" * 300, "on": True} for number in range(100)], "b": None})
    assert set(found) == {"a.id"}
    assert len(found["a.id"]) == 64
