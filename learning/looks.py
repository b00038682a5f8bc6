"""What was thought of a session before its next operation came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operations import Operation
    from .sequences import Guess


@dataclass(frozen=True, slots=True)
class Look:
    """Guesses of the next shape and the next operation; `made` are operations that were put together and never seen."""

    shapes: Guess
    operations: Guess
    made: Mapping[int, Operation]
