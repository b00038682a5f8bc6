"""What an agent asked, and what came back, as the predictor of its next operation sees it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, cast

import orjson

from .looks import Look

_STEPS = 24
_RESULTS = 4
_PATHS = 24
_VALUES = 64
_LONGEST = 256
_DEEPEST = 12

TURN = 0
"""The symbol of a person's turn: what followed is not predicted from nothing, and the turn itself is never predicted."""

Found = dict[str, tuple[str, ...]]
"""The values in a result, as JSON, by the path of field names that leads to them (`memories.nodes.id`), in the result's order."""


@lru_cache(maxsize=50_000)
def symbol(*parts: str | int) -> int:
    """A number of 63 bits that stands for the parts, the same in every process; never 0."""
    digest = blake2b(digest_size=8)
    for part in parts:
        content = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(4) + content)
    return int.from_bytes(digest.digest()) >> 1 or 1


def written(value: Any) -> str:
    """A value as JSON with sorted keys, by which values are compared. Raises TypeError for what is no JSON."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class Operation:
    """One operation: `shape` names what is asked (a document and an operation in it), `variables` are JSON texts by name."""

    shape: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, shape: str, variables: Mapping[str, Any]) -> Operation:
        """The operation with these variables. Raises TypeError when one is no JSON."""
        return cls(shape, {name: written(variables[name]) for name in sorted(variables)})

    @cached_property
    def kind(self) -> int:
        """The symbol of its shape."""
        return symbol("shape", self.shape)

    @cached_property
    def exact(self) -> int:
        """The symbol of the operation with its variables."""
        return symbol("operation", self.shape, *(part for pair in self.variables.items() for part in pair))


class Session:
    """What one agent did lately: its last operations, oldest first, and what the last of them returned. Memory is bounded."""

    def __init__(self, agent: str = "", kind: str = "") -> None:
        self.agent, self.kind = agent, kind
        self.steps: deque[Operation] = deque(maxlen=_STEPS)
        self.kinds: deque[int] = deque(maxlen=_STEPS)
        self.exacts: deque[int] = deque(maxlen=_STEPS)
        self.results: deque[Found] = deque(maxlen=_RESULTS)
        self.look: Look | None = None
        self.first: tuple[int, int] | None = None

    def turn(self) -> None:
        """A person spoke."""
        self.look = None
        self.kinds.append(TURN)
        self.exacts.append(TURN)

    def step(self, operation: Operation, found: Found | None = None) -> None:
        """An operation was answered with `found`."""
        self.look = None
        self.steps.append(operation)
        self.kinds.append(operation.kind)
        self.exacts.append(operation.exact)
        self.results.append(found or {})
        self.first = self.first or (operation.kind, operation.exact)


def values_in(result: Any) -> Found:
    """The short strings and whole numbers in a JSON result, by their path. At most 24 paths of 64 values."""
    found: dict[str, dict[str, None]] = {}
    _gather(result, "", found, _DEEPEST)
    return {path: tuple(values) for path, values in found.items()}


def _gather(value: Any, path: str, found: dict[str, dict[str, None]], deeper: int) -> None:
    if isinstance(value, Mapping):
        if deeper:
            for name, inner in cast("Mapping[str, Any]", value).items():
                _gather(inner, f"{path}.{name}" if path else name, found, deeper - 1)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value)[:_VALUES]:
            _gather(inner, path, found, deeper)
    elif (isinstance(value, str) and len(value) <= _LONGEST) or (isinstance(value, int) and not isinstance(value, bool)):
        if path not in found and len(found) >= _PATHS:
            return
        values = found.setdefault(path, {})
        if len(values) < _VALUES:
            values[written(value)] = None
