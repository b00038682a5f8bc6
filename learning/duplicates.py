"""Which memories say the same: exact duplicates by their digest, near ones by MinHash with banding, each to the first that says so.

MinHash: Broder 1997; banding: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4. What it finds is checked by the exact
Jaccard similarity, and texts with other values, signs or questions are never the same, however alike their words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from .phrasing import LONGEST, Wording, wording

THRESHOLD = 0.8
"""Texts that share this much of their words and pairs of words say the same: one other word in thirteen or more."""
_BANDS = 20
_ROWS = 4
_CANDIDATES = 64

_Shingles = NDArray[np.uint32]
_random = np.random.default_rng(6962)
_FACTORS = _random.integers(1, 2**63, size=_BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
_OFFSETS = _random.integers(0, 2**63, size=_BANDS * _ROWS, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Said:
    """What a memory says, for comparing. `apart`: what must be equal besides (kind, modality, speaker). `lasting`: it won't expire."""

    id: str
    text: str
    digest: str
    apart: tuple[str | None, ...]
    lasting: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """The first memory that said so, and how similar: 1 is in the same words."""

    first: str
    similarity: float


@dataclass(frozen=True, slots=True)
class _Profile:
    shingles: _Shingles
    bands: tuple[tuple[int, int, bytes], ...]


def shingles(words: Sequence[str]) -> _Shingles:
    """Hashes of a text's words and of its pairs of neighbours, those with its beginning and end included; sorted, each once."""
    pairs = zip(("\1", *words), (*words, "\2"), strict=True)
    hashes = [crc32(word.encode()) for word in words] + [crc32(f"{a} {b}".encode()) for a, b in pairs]
    return np.unique(np.array(hashes, dtype=np.uint32))


def similarity(one: _Shingles, other: _Shingles) -> float:
    """The Jaccard similarity of two sets of shingles, 0 to 1."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)


def _profile(said: Said, worded: Wording) -> _Profile:
    found = shingles(worded.words)
    minima = ((_FACTORS[:, None] * found[None, :].astype(np.uint64) + _OFFSETS[:, None]) >> np.uint64(32)).min(axis=1)
    apart = hash_of(said.apart, worded.values, worded.signs, worded.question)
    rows = minima.astype(np.uint32).reshape(_BANDS, _ROWS)
    return _Profile(found, tuple((apart, band, rows[band].tobytes()) for band in range(_BANDS)))


def hash_of(*parts: object) -> int:
    """A hash of `repr` that is the same in every process."""
    text = repr(parts).encode("utf-8", "surrogatepass")
    return crc32(text) << 32 | crc32(text[::-1])


def origins(memories: Sequence[Said]) -> dict[str, Origin]:
    """For each memory that says the same as an earlier one, that one. `memories` are of one scope and agent; ids order them.

    Deterministic, whatever the order they come in. A first memory has no first itself, and is a lasting one.
    """
    found: dict[str, Origin] = {}
    by_digest: dict[str, Origin] = {}
    firsts: dict[str, _Profile] = {}
    banded: dict[tuple[int, int, bytes], list[str]] = {}
    origin: Origin | None
    for said in sorted(memories, key=lambda one: (not one.lasting, one.id)):
        if said.digest in by_digest:
            origin = by_digest[said.digest]
        elif len(said.text) > LONGEST:
            origin = None
        else:
            worded = wording(said.text)
            profile = _profile(said, worded)
            origin = _nearest(profile, firsts, banded) if worded.words else None
            if origin is None and said.lasting and worded.words:
                firsts[said.id] = profile
                for band in profile.bands:
                    banded.setdefault(band, []).append(said.id)
        if origin is not None:
            found[said.id] = origin
        if said.lasting:
            by_digest.setdefault(said.digest, origin or Origin(said.id, 1.0))
    return found


def _nearest(profile: _Profile, firsts: dict[str, _Profile], banded: dict[tuple[int, int, bytes], list[str]]) -> Origin | None:
    shared: dict[str, int] = {}
    for band in profile.bands:
        for id in banded.get(band, ()):
            shared[id] = shared.get(id, 0) + 1
    likeliest = sorted(shared, key=lambda id: (-shared[id], id))[:_CANDIDATES]
    alike = [(similarity(profile.shingles, firsts[id].shingles), id) for id in likeliest]
    best = min(alike, key=lambda pair: (-pair[0], pair[1]), default=None)
    return Origin(best[1], round(best[0], 4)) if best is not None and best[0] >= THRESHOLD else None
