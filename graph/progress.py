"""What a long start or another long command is doing, as values, and one way to show them to a person."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

__all__ = ["Progress", "Report", "shown", "silent"]

_LINE_EVERY = 5.0  # seconds between lines about one step, without a terminal


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a start or another long command. `done` of `total` bytes, or of what `unit` names; both 0 where nothing is counted."""

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""

    def __str__(self) -> str:
        if self.unit and self.total:
            return f"{self.what}: {self.done:,} of {self.total:,} {self.unit}"
        return f"{self.what}: {self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB" if self.total else self.what


Report = Callable[[Progress], None]
"""Receives progress. It must return soon and may be called from any thread."""


def silent(_: Progress) -> None:
    """A report that nobody reads."""


@contextmanager
def shown(console: Console) -> Generator[Report]:
    """A report to `console`: a live status line at a terminal, else a plain line a step and one every five seconds within it."""
    if console.is_terminal:
        with console.status("") as status:
            yield lambda progress: status.update(Text(str(progress)))
        return
    last, printed = "", 0.0

    def line(progress: Progress) -> None:
        nonlocal last, printed
        now = time.monotonic()
        if progress.what != last or now - printed >= _LINE_EVERY or (progress.total and progress.done == progress.total):
            last, printed = progress.what, now
            console.print(str(progress), highlight=False, markup=False)

    yield line
