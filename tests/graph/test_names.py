"""Names: ids that sort by time, keys that never meet, and what a name may look like."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import BadInput
from cairn.graph.names import agent_scope, check_id, check_name, check_scope, key, new_id, parts

SEGMENT = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@:-]{0,20}", fullmatch=True)
NAME = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)


def test_ids_are_uuids_of_version_7_and_sort_by_time() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(20_000)]
    after = time.time_ns() // 1_000_000
    assert all(earlier < later for earlier, later in pairwise(ids))
    for id in ids[::1_000]:
        uuid = UUID(id)
        assert (uuid.version, uuid.hex) == (7, id)
        assert before <= uuid.int >> 80 <= after + 5


def test_ids_of_several_threads_differ() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: new_id(), range(4_000)))
    assert len(set(ids)) == 4_000


@given(st.lists(NAME, min_size=1, max_size=4), st.lists(NAME, min_size=1, max_size=4))
def test_keys_of_different_names_differ(one: list[str], other: list[str]) -> None:
    assert (key(*one) == key(*other)) == (one == other)
    assert parts(key(*one)) == tuple(one)


@given(NAME)
def test_names_of_every_script_are_taken(name: str) -> None:
    assert check_name("it", name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "a\n", "a\x00b", "a\x1fb", "a\x7f", "a\u2028b", "a\ud800", "\t", "a" * 201])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="it must have"):
        check_name("it", name)


@given(SEGMENT)
def test_ids_can_stand_in_a_scope(id: str) -> None:
    assert check_id("it", id) == id
    assert check_scope(agent_scope(id)) == f"agent/{id}"


@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_scopes_are_paths_of_segments(segments: list[str]) -> None:
    assert check_scope("/".join(segments)) == "/".join(segments)


@pytest.mark.parametrize("id", ["a/b", "/", "a b", "-a", ".a", "..", "a*", "a{b}", "a,b", 'a"b', "a\\b", "é b"])
def test_what_is_no_id_is_refused(id: str) -> None:
    with pytest.raises(BadInput):
        check_id("it", id)


@pytest.mark.parametrize("scope", ["/a", "a/", "a//b", "a/*", "*", "../a", "a b", "a,b", "a/b c", "-a", "a" * 201])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(BadInput):
        check_scope(scope)


@pytest.mark.parametrize("scope", ["a/..", "a/../b", "a/."])
def test_scopes_do_not_climb(scope: str) -> None:
    with pytest.raises(BadInput):
        check_scope(scope)
