"""Profiles: what recall measures of a memory and what does not change in it, kept in this process.

Guarantee: a profile is only ever given for a memory that the same question's statement found with the caller's permissions, so what is
kept widens nobody's view. It is read anew after `MOST_SECONDS`, and for another embedder's vectors or other keys.
"""

from __future__ import annotations

import time
from collections import OrderedDict
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


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What does not change in a memory. `words` are the hashes of `terms`; `vector`, of any length, points where the memory's vector does,
    and is empty where it has none. `occurred` and `expires` are milliseconds since 1970.
    """

    terms: str
    words: Hashes
    heading: str
    traits: tuple[str, ...]
    speaker: str | None
    session: str | None
    occurred: int
    expires: int | None
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """Whose vectors are wanted: a set of vectors, and the embedder that wrote it; None where there is nothing to compare."""

    slot: Slot = SLOT_A
    embedder: str | None = None


_Name: TypeAlias = "tuple[str, str | None, bool, str]"


class _Kept:
    """The profiles of one database, those used last at the end."""

    def __init__(self) -> None:
        self._profiles: OrderedDict[_Name, tuple[float, Profile]] = OrderedDict()

    def get(self, name: _Name, now: float) -> Profile | None:
        found = self._profiles.get(name)
        if found is None or now - found[0] > MOST_SECONDS:
            return None
        self._profiles.move_to_end(name)
        return found[1]

    def put(self, name: _Name, now: float, profile: Profile) -> None:
        self._profiles[name] = (now, profile)
        while len(self._profiles) > MOST:
            self._profiles.popitem(last=False)


_KEPT: WeakKeyDictionary[Database, _Kept] = WeakKeyDictionary()


def hashed(words: Sequence[str]) -> Hashes:
    """The numbers of words."""
    return np.fromiter(map(hash, words), np.int64, len(words))


async def profiles(database: Database, access: Access, space: Space, index: Index, ids: Sequence[str]) -> dict[str, Profile]:
    """The profiles of memories that were found just now; those of memories that are gone meanwhile are absent."""
    kept = _KEPT.setdefault(database, _Kept())
    now = time.monotonic()

    def name(id: str) -> _Name:
        return access.tenant, space.embedder, index.keyed, id

    found = {id: profile for id in ids if (profile := kept.get(name(id), now)) is not None}
    missing = [id for id in ids if id not in found]
    if missing:
        for id, profile in (await _read(database, access, space, index, missing)).items():
            found[id] = profile
            if space.embedder is None or len(profile.vector):  # else its vector is on its way
                kept.put(name(id), now, profile)
    return found


async def _read(database: Database, access: Access, space: Space, index: Index, ids: Sequence[str]) -> dict[str, Profile]:
    parameters: Row = {"tenant": access.tenant, "scopes": list(access.scopes), "ids": list(ids), "compared": space.embedder is not None}
    (row,) = await database.read_stored(_READ[space.slot], parameters)
    named = {index.token(trait): trait for trait in TRAITS}
    expires: dict[str, int] = dict(row["expires"])
    columns = zip(
        row["ids"], row["terms"], row["headings"], row["traits"], await _speakers(database, access.tenant, row), row["sessions"],
        row["occurred"], index.near(row["vectors"]), strict=True,
    )  # fmt: skip
    return {
        id: Profile(
            terms, hashed(terms.split()), heading, tuple(named[trait] for trait in traits if trait in named), speaker or None,
            session or None, occurred, expires.get(id), direction(vector),
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


def direction(vector: bytes | Sequence[Any]) -> NDArray[np.float32]:
    """A stored vector, or its sketch, with length 1."""
    values = np.frombuffer(vector, dtype=np.int8).astype(np.float32) if isinstance(vector, bytes) else np.asarray(vector, dtype=np.float32)
    length = float(np.linalg.norm(values)) if len(values) else 0.0
    return values / np.float32(length) if length else values[:0]
