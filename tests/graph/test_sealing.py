"""Sealing: what was sealed opens where it belongs, and nothing that was altered or moved does."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from cairn.errors import BadInput, Internal, Unavailable
from cairn.graph.sealing import DataKey, Sealed, as_stored, find_sealed, key_id, opened, with_keys

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def make_key(tenant: str = "t") -> DataKey:
    return DataKey(tenant, secrets.token_hex(16), AESGCM(secrets.token_bytes(32)))


@given(TEXTS, NAMES, NAMES, NAMES, NAMES)
def test_what_was_sealed_opens_in_its_place(text: str, tenant: str, label: str, id: str, name: str) -> None:
    key = make_key(tenant)
    raw = key.seal(text, label, id, name)
    assert key_id(raw) == key.id
    assert opened(Sealed(raw, key), label, id, name, tenant) == text


@given(st.data(), TEXTS)
def test_a_flipped_bit_is_noticed(data: st.DataObject, text: str) -> None:
    key = make_key()
    raw = bytearray(key.seal(text, "Memory", "m", "text"))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    if key_id(bytes(raw)) == key.id:
        with pytest.raises(Internal):
            opened(Sealed(bytes(raw), key), "Memory", "m", "text")


def test_every_bit_of_one_value_is_guarded() -> None:
    key = make_key()
    raw = key.seal("a stone", "Memory", "m", "text")
    for bit in range(8 * len(raw)):
        altered = bytearray(raw)
        altered[bit // 8] ^= 1 << bit % 8
        if key_id(bytes(altered)) != key.id:
            continue  # it names no key, or another
        with pytest.raises(Internal):
            opened(Sealed(bytes(altered), key), "Memory", "m", "text")


@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_what_was_moved_does_not_open(here: tuple[str, str, str], there: tuple[str, str, str]) -> None:
    key = make_key()
    sealed = Sealed(key.seal("a stone", *here), key)
    if here == there:
        assert opened(sealed, *there) == "a stone"
        return
    with pytest.raises(Internal):
        opened(sealed, *there)


def test_parts_of_a_place_do_not_run_into_each_other() -> None:
    key = make_key()
    with pytest.raises(Internal):
        opened(Sealed(key.seal("x", "ab", "c", "d"), key), "a", "bc", "d")


def test_another_tenants_value_does_not_open() -> None:
    key = make_key("one")
    with pytest.raises(Internal):
        opened(Sealed(key.seal("x", "Memory", "m", "text"), key), "Memory", "m", "text", "other")


def test_a_value_without_its_key_stays_shut_and_one_whose_key_was_destroyed_is_gone() -> None:
    raw = make_key().seal("x", "Memory", "m", "text")
    with pytest.raises(Unavailable):
        opened(Sealed(raw), "Memory", "m", "text")
    assert opened(Sealed(raw, destroyed=True), "Memory", "m", "text") is None


def test_no_two_seals_are_alike_and_none_holds_the_text() -> None:
    key = make_key()
    seals = {key.seal("a stone", "Memory", "m", "text") for _ in range(100)}
    assert len(seals) == 100
    assert not any(b"stone" in raw for raw in seals)


def test_plain_values_pass_and_are_hashed_as_they_are() -> None:
    assert opened("plain", "Memory", "m", "text") == "plain"
    assert opened(None, "Memory", "m", "text") is None
    raw = make_key().seal("x", "Memory", "m", "text")
    assert as_stored("plain") == "plain" and as_stored(raw) == as_stored(Sealed(raw)) == {"sealed": raw.hex()}


def test_half_a_character_is_refused() -> None:
    with pytest.raises(BadInput):
        make_key().seal("\ud800", "Memory", "m", "text")


def test_sealed_values_are_found_however_deep() -> None:
    key = make_key()
    one, two = key.seal("1", "a", "b", "c"), key.seal("2", "a", "b", "c")
    rows = [{"a": [{"b": one}, [two, b"\x01 other bytes"]], "c": "text"}]
    assert set(find_sealed(rows)) == {one, two}
    keys = {raw: Sealed(raw, key) for raw in (one, two)}
    assert with_keys(rows, keys) == [{"a": [{"b": keys[one]}, [keys[two], b"\x01 other bytes"]], "c": "text"}]
