"""What a verb hands to the writer: a `Change` made of statements with rows, and what it means for ledger, cache and listeners."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from ..errors import BadInput
from .database import Row
from .statements import Statement

Results = Sequence[Sequence[Row]]
"""One list a step; in it, in the order of the step's rows, what the statement returned for them."""

MAX_IDEMPOTENCY_KEY = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One statement over rows. The statement unwinds `$rows` and returns `row.i AS i` with whatever the change needs to settle.

    One that many callers run returns these as maps in one list, `rows`: a record costs this process more than all that is in it.
    """

    statement: Statement
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line for the ledger: the object that changed, and hashes of it before and after (None: it did not, does not exist)."""

    operation: str
    target: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something subscribers may want to hear: names only, never content; a subscriber reads the object with its own `Access`."""

    kind: str
    tenant: str
    id: str
    agent: str | None = None
    session: str | None = None
    key: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a change came to: the answer (JSON; stored for its idempotency key), its ledger lines and its events."""

    answer: Any
    entries: tuple[Entry, ...]
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key and the hash of the input it came with."""

    key: str
    input_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One caller's atomic change.

    `settle` turns the steps' results into a `Settled` or raises a `CairnError`; it must not have side effects, since a
    transaction may be retried. `check` sees the first step's results and may raise: then the later steps are skipped for this
    change. A first step that finds a conflict must return a row that says so and write nothing.
    `conflicts` names what two changes in one batch may not both touch (they then run one after the other).
    `tags` are the cache tags that this change makes stale. `held` are the ids of the keys that its values are sealed with: they are held
    until the commit, and where one was destroyed before, nothing is committed and the caller gets Conflict.
    """

    tenant: str
    actor: str
    steps: tuple[Step, ...]
    settle: Callable[[Results], Settled]
    check: Callable[[Sequence[Row]], None] | None = None
    conflicts: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    idempotency: Idempotency | None = None
    policy_version: int = 0
    request: str | None = None


def answered(rows: Sequence[Row]) -> list[int]:
    """Which of a step's rows its statement answered, by their places, in order. For a change that commits alone."""
    return sorted({int(row["i"]) for row in rows})


def content_hash(value: Any) -> str:
    """SHA-256, in hex, over the canonical JSON of `value` (sorted keys, no white space). Raises BadInput for NaN and the like."""
    return sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """`value` as canonical JSON bytes (RFC 8785), but that a float with an integer's value keeps its `.0` or exponent, as Python has it.

    Ledger entries hold no floats, so they follow the RFC to the letter. Raises BadInput when it is no JSON value.
    """
    try:
        text = _dump(value, sort_keys=True)
        if not text.isascii() and max(text) > "\uffff":
            text = _dump(_ordered(value), sort_keys=False)
        return text.encode("utf-8")
    except (ValueError, TypeError, RecursionError, AttributeError) as error:
        raise BadInput(f"the value is not JSON: {error}") from error


def _dump(value: Any, *, sort_keys: bool) -> str:
    return json.dumps(value, sort_keys=sort_keys, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _ordered(value: Any) -> Any:
    """`value` with keys in the order of their UTF-16 code units, which is another than Python's for characters beyond U+FFFF."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: _ordered(item) for name, item in sorted(items, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in cast("Sequence[Any]", value)]
    return value


def idempotency(tenant: str, principal: str, operation: str, key: str | None, arguments: Any) -> Idempotency | None:
    """The `Idempotency` of a caller's key, bound to tenant and principal; None when no key was given.

    Raises BadInput for a key that is empty or longer than 200 characters.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY:
        raise BadInput(f"idempotencyKey must have 1 to {MAX_IDEMPOTENCY_KEY} characters, not {len(key)}")
    return Idempotency(content_hash([tenant, principal, key]), content_hash([operation, arguments]))
