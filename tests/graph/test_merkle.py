"""The Merkle tree: against RFC 6962's definition, against vectors of others, and proofs that hold for nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cairn.graph.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 200)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


def definition(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word, over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + definition(hashes[:split]) + definition(hashes[split:])).digest()


def test_the_empty_tree_has_the_hash_of_the_empty_string() -> None:
    assert root([]) == Frontier().root() == EMPTY_ROOT == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_leaves_and_nodes_are_hashed_apart() -> None:
    left, right = leaves(2)
    assert node_hash(left, right) != leaf_hash(left + right)
    assert leaf_hash(b"") == bytes.fromhex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")


@given(st.integers(0, 200))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert root(leaves(size)) == definition(leaves(size))


@given(st.integers(0, 200), st.integers(0, 50))
def test_a_frontier_goes_on_from_where_it_was_stored(size: int, more: int) -> None:
    all_leaves = leaves(size + more)
    frontier = Frontier()
    for leaf in all_leaves[:size]:
        frontier.append(leaf)
    resumed = Frontier(frontier.size, frontier.hashes)
    for leaf in all_leaves[size:]:
        resumed.append(leaf)
    assert resumed.root() == definition(all_leaves)


def test_a_frontier_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="2 complete subtrees"):
        Frontier(3, leaves(1))


@given(SIZES, st.data())
def test_an_inclusion_proof_shows_its_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size + 3))
    proof = inclusion_proof(tree, index)
    assert verify_inclusion(tree[index], index, size, proof, root(tree))
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root(tree))
    assert other == index or not verify_inclusion(tree[index], other, size, proof, root(tree))
    assert not verify_inclusion(tree[index], index, size, [*proof, proof[0] if proof else root(tree)], root(tree))
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(tree[index], index, size, proof[:place] + proof[place + 1 :], root(tree))
        changed = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        assert not verify_inclusion(tree[index], index, size, [*proof[:place], changed, *proof[place + 1 :]], root(tree))


@given(SIZES, st.data())
def test_a_consistency_proof_shows_a_prefix_and_nothing_else(newer: int, data: st.DataObject) -> None:
    older = data.draw(st.integers(1, newer))
    tree = leaves(newer)
    proof = consistency_proof(tree, older)
    assert verify_consistency(older, root(tree[:older]), newer, root(tree), proof)
    forged = root([leaf_hash(b"forged"), *tree[1:older]])
    assert not verify_consistency(older, forged, newer, root(tree), proof)
    assert not verify_consistency(older, root(tree[:older]), newer, forged, proof)
    if older < newer:
        assert not verify_consistency(older, root(tree[:older]), newer, root(tree), [])
        assert not verify_consistency(older, root(tree[:older]), newer, root(tree), [*proof, proof[-1]])
        assert not verify_consistency(newer, root(tree), older, root(tree[:older]), proof)


def test_trees_of_one_size_are_consistent_when_their_roots_are() -> None:
    one, other = leaves(2)
    for size in (0, 1, 2, 2**63):
        assert verify_consistency(size, one, size, one, [])
        assert not verify_consistency(size, one, size, other, [])
        assert not verify_consistency(size, one, size, one, [other])
    assert not verify_consistency(-1, one, -1, one, [])


def test_a_proof_of_a_length_of_its_own_shows_nothing() -> None:
    tree = leaves(13)
    for older in range(1, 13):
        proof = consistency_proof(tree, older)
        before, after = root(tree[:older]), root(tree)
        assert verify_consistency(older, before, 13, after, proof)
        for wrong in (
            [],
            proof[:-1],
            proof[1:],
            [*proof, after],
            [before, *proof],
            [proof[0], *proof],
            [*proof[:-1], proof[-1][:-1]],
            [b"", *proof],
        ):
            assert not verify_consistency(older, before, 13, after, wrong)
        for sizes in ((older - 1, 13), (older + 1, 13), (older, 26), (13, older), (older ^ 2, 13)):
            assert not verify_consistency(sizes[0], before, sizes[1], after, proof)
        assert not verify_consistency(older, after, 13, before, proof)
        assert not verify_consistency(older, b"", 13, after, proof)


def test_the_empty_tree_is_the_beginning_of_none_that_can_be_proved() -> None:
    tree = leaves(3)
    assert verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root(tree), [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root(tree), [root(tree)])
    with pytest.raises(ValueError, match="no earlier tree of 0"):
        consistency_proof(tree, 0)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(leaves(size), index)


def test_the_vectors_of_others_agree(shared_data: Path) -> None:
    vectors = sorted((shared_data / "merkle" / "inclusion").rglob("*.json"))
    if not vectors:
        pytest.skip("needs the inclusion vectors in ../shared/data/merkle")
    accepted = 0
    for file in vectors:
        vector: dict[str, Any] = json.loads(file.read_text("utf-8"))
        leaf, expected, *proof = (base64.b64decode(text or "") for text in (vector["leafHash"], vector["root"], *(vector["proof"] or ())))
        holds = verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], proof, expected)
        assert holds is not vector["wantErr"], file
        accepted += holds
    assert (accepted, len(vectors)) == (6, 98)
