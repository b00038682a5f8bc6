"""Profiles: what recall measures of a memory and what does not change in it, kept in this process.

Guarantee: a profile is only ever given for a memory that the same question's statement found with the caller's permissions, so what is
kept widens nobody's view. It is read anew after `MOST_SECONDS`, and for another embedder's vectors or other keys.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from .access import Access
from .database import Database, Row
from .sealing import opened
from .searchable import Index
from .statements import load
from .traits import TRAITS
from .vectors import SLOT_A, SLOT_B, Slot

_CYPHER = load("profiles")
_READ = {slot: _CYPHER["profiles_read"].naming(memory_vector=slot.key, memory_sketch=slot.sketch) for slot in (SLOT_A, SLOT_B)}
MOST = 20_000
"""Profiles kept: about a kilobyte and a half each."""
MOST_SECONDS = 600.0
Hashes: TypeAlias = NDArray[np.int64]
"""Words as numbers that stand for them within this process."""
Direction: TypeAlias = NDArray[np.float32]
"""A vector of length 1; of no numbers for what has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What does not change in a memory.

    `words` are the hashes of `terms`; `vector` points where the memory's vector does. `occurred` and `expires` are milliseconds since
    1970. After `until`, by the monotonic clock, it is read anew.
    """

    terms: str
    words: Hashes
    heading: str
    traits: tuple[str, ...]
    speaker: str | None
    session: str | None
    occurred: int
    expires: int | None
    vector: Direction
    until: float


@dataclass(frozen=True, slots=True)
class Space:
    """Whose vectors are wanted: a set of vectors, and the embedder that wrote it; None where there is nothing to compare."""

    slot: Slot = SLOT_A
    embedder: str | None = None


class _Kept:
    """The profiles of one database, those read last at the end, by tenant, embedder and whether words are keyed."""

    def __init__(self) -> None:
        self._spaces: dict[tuple[str, str | None, bool], dict[str, Profile]] = {}
        self._count = 0

    def of(self, tenant: str, space: Space, index: Index) -> dict[str, Profile]:
        """The profiles that serve a question there."""
        return self._spaces.setdefault((tenant, space.embedder, index.keyed), {})

    def put(self, known: dict[str, Profile], fresh: dict[str, Profile]) -> None:
        """Keep more; when they are too many, all go but those that are read next."""
        self._count += len(fresh)
        if self._count > MOST:
            self._spaces.clear()
            self._count = 0
        known.update(fresh)


_KEPT: WeakKeyDictionary[Database, _Kept] = WeakKeyDictionary()


def hashed(words: Sequence[str]) -> Hashes:
    """The numbers of words."""
    return np.fromiter(map(hash, words), np.int64, len(words))


async def profiles(database: Database, access: Access, space: Space, index: Index, ids: Sequence[str]) -> list[Profile | None]:
    """The profiles of memories that were found just now, in the order of `ids`; None for those that are gone meanwhile."""
    kept = _KEPT.setdefault(database, _Kept())
    known, now = kept.of(access.tenant, space, index), time.monotonic()
    found = [known.get(id) for id in ids]
    missing = [id for id, profile in zip(ids, found, strict=True) if profile is None or profile.until < now]
    if not missing:
        return found
    fresh = await _read(database, access, space, index, missing)
    # a vector that is not there is on its way
    kept.put(known, {id: profile for id, profile in fresh.items() if space.embedder is None or len(profile.vector)})
    gone = frozenset(missing).difference(fresh)
    return [None if id in gone else fresh.get(id, profile) for id, profile in zip(ids, found, strict=True)]


async def _read(database: Database, access: Access, space: Space, index: Index, ids: Sequence[str]) -> dict[str, Profile]:
    parameters: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "ids": list(ids), "compared": space.embedder is not None}
    (row,) = await database.read_stored(_READ[space.slot], parameters)
    named = {index.token(trait): trait for trait in TRAITS}
    expires: dict[str, int] = dict(row["expires"])
    until = time.monotonic() + MOST_SECONDS
    columns = zip(
        row["ids"], row["terms"], row["headings"], row["traits"], await _speakers(database, access.tenant, row), row["sessions"],
        row["occurred"], index.near(row["vectors"]), strict=True,
    )  # fmt: skip
    return {
        id: Profile(
            terms, hashed(terms.split()), heading, tuple(named[trait] for trait in traits if trait in named), speaker or None,
            session or None, occurred, expires.get(id), direction(vector), until,
        )
        for id, terms, heading, traits, speaker, session, occurred, vector in columns
    }  # fmt: skip


async def _speakers(database: Database, tenant: str, row: Row) -> list[str]:
    """The column of speakers, opened, each once."""
    sealed: dict[str, tuple[str, bytes]] = {}
    for id, speaker, name in zip(row["ids"], row["speakers"], row["speakerKeys"], strict=True):
        if isinstance(speaker, bytes):
            sealed.setdefault(name, (id, speaker))
    keys = await database.keys_of([raw for _, raw in sealed.values()]) if sealed else {}
    known = {name: opened(keys.get(raw, raw), "Memory", id, "speaker", tenant) or "" for name, (id, raw) in sealed.items()}
    return [
        known.get(name, "") if isinstance(speaker, bytes) else speaker
        for speaker, name in zip(row["speakers"], row["speakerKeys"], strict=True)
    ]


def direction(vector: bytes | Sequence[Any]) -> Direction:
    """A stored vector, or its sketch, with length 1."""
    values = np.frombuffer(vector, dtype=np.int8).astype(np.float32) if isinstance(vector, bytes) else np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(values)) if len(values) else 0.0
    return values / np.float32(length) if length else values[:0]


def cosines(kept: Sequence[Direction], wanted: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The cosine of each of `kept` to each of `wanted` (a column each); 0 where there is nothing to compare. To six digits."""
    others = np.asarray(wanted, dtype=np.float32)
    nothing = np.zeros(others.shape[1], dtype=np.float32)
    rows = np.array([one if len(one) == len(nothing) else nothing for one in kept]).reshape(len(kept), len(nothing))
    lengths = np.linalg.norm(others, axis=1, keepdims=True)
    near: NDArray[np.float64] = (rows @ (others / np.where(lengths == 0, np.inf, lengths)).T).astype(np.float64).round(6)
    return near
