"""The RFC 6962 Merkle tree: leaf hashes, roots that grow by appending, inclusion and consistency proofs.

Source: RFC 6962 section 2.1 and RFC 9162 section 2.1. All hashes are 32 bytes of SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
TILE_HEIGHT = 8
"""Of a tile: it spans 256 hashes (C2SP tlog-tiles)."""


class Tile(NamedTuple):
    """The root of a full tile, named as in C2SP tlog-tiles: tile `place` of `level` spans the 256^(level + 1) leaves there."""

    level: int
    place: int
    root: bytes


def tile_leaves(level: int, place: int) -> range:
    """The leaves under a full tile."""
    span = 1 << TILE_HEIGHT * (level + 1)
    return range(place * span, (place + 1) * span)


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf: SHA-256 over a zero byte and the entry's exact bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 over a one byte and both children."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The complete subtrees at the tree's right edge, largest first: all that appending and the root need.

    Invariant: one hash per set bit of `size`.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} complete subtrees at its edge, not {len(hashes)}")
        self.size = size
        self.hashes = list(hashes)

    def append(self, leaf: bytes, filled: list[Tile] | None = None) -> None:
        """Add one leaf hash. The roots of the tiles that it fills go to the end of `filled`."""
        if self.size & 1:
            self.append_subtree(leaf, 0, filled)
        else:
            self.hashes.append(leaf)
            self.size += 1

    def append_subtree(self, subtree: bytes, height: int, filled: list[Tile] | None = None) -> None:
        """Add 2^`height` leaves at once by the root over them; `size` must be a multiple of that."""
        hashes, current = self.hashes, subtree
        bits, self.size = self.size >> height, self.size + (1 << height)
        while bits & 1:
            current = sha256(b"\x01" + hashes.pop() + current).digest()
            bits >>= 1
            height += 1
            if filled is not None and not height % TILE_HEIGHT:
                filled.append(Tile(height // TILE_HEIGHT - 1, bits, current))
        hashes.append(current)

    def root(self) -> bytes:
        """The root of the tree; for no leaves the hash of the empty string."""
        if not self.hashes:
            return EMPTY_ROOT
        current = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            current = node_hash(left, current)
        return current


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_SIZE for value in values)


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[range]:
    """The leaves under each hash of the audit path of leaf `index`, nearest sibling first. Raises ValueError for no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    low, high = 0, size
    path: list[range] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(range(middle, high))
            high = middle
        else:
            path.append(range(low, middle))
            low = middle
    return path[::-1]


def consistency_ranges(older: int, newer: int) -> list[range]:
    """The leaves under each hash of the proof that the first `older` leaves are a prefix of the tree of `newer`.

    Raises ValueError unless 0 < `older` <= `newer`.
    """
    if not 0 < older <= newer:
        raise ValueError(f"a tree of {newer} leaves has no earlier tree of {older}")
    low, high = 0, newer
    path: list[range] = []
    while high != older:
        middle = low + _split(high - low)
        if older <= middle:
            path.append(range(middle, high))
            high = middle
        else:
            path.append(range(low, middle))
            low = middle
    if low:
        path.append(range(low, high))
    return path[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index`, nearest sibling first. Raises ValueError when there is no such leaf."""
    return [root(leaves[part.start : part.stop]) for part in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], older: int) -> list[bytes]:
    """The proof that the first `older` leaves are a prefix of the tree. Raises ValueError when `older` is not within it."""
    return [root(leaves[part.start : part.stop]) for part in consistency_ranges(older, len(leaves))]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether `proof` shows that `leaf` is leaf `index` of the tree of `size` with that root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or not _are_hashes(leaf, expected_root, *proof):
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == expected_root


def verify_consistency(older: int, older_root: bytes, newer: int, newer_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `newer` extends the tree of `older` (RFC 9162 section 2.1.4.2).

    Trees of one size are consistent when their roots are the same and nothing is offered as proof. Nothing is proved about an empty
    tree that grew, since everything extends it: whoever asks that must decide without a proof.
    """
    if older == newer:
        return older >= 0 and not proof and older_root == newer_root
    if not 0 < older < newer or not proof or not _are_hashes(older_root, newer_root, *proof):
        return False
    path = list(proof)
    if older & (older - 1) == 0:
        path.insert(0, older_root)
    node, last = older - 1, newer - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    left = right = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            left, right = node_hash(sibling, left), node_hash(sibling, right)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            right = node_hash(right, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and left == older_root and right == newer_root
