"""The knobs of a Cairn server, with bounds that suit any machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import fmean
from time import monotonic

from ..graph.access import Access
from ..graph.database import BREADTH, Database
from ..graph.writer import Writer
from ..settings import Settings
from .consolidator import Consolidator
from .embedders import Embedders
from .figures import Figures
from .knobs import Knob
from .recall import RecallRequest, recall

BROADEST = 400
_SAMPLE_SECONDS = 10.0
_REMEMBERED, _FEWEST = 20, 3


def server_knobs(settings: Settings, database: Database, writer: Writer, consolidator: Consolidator) -> list[Knob]:
    """What can be tuned in this process. `readers` and `batch` are its own, breadth and interval are the same for all replicas."""
    knobs = [
        Knob(
            name="readers",
            purpose="Statements that read in Neo4j at a time; the others wait in Cairn.",
            unit="statements",
            low=2,
            high=database.turns.most,
            safe=min(32, database.turns.most),
            step=1.5,
            get=lambda: database.turns.most,
            set=lambda value: setattr(database.turns, "most", int(value)),
        ),
        Knob(
            name="batch",
            purpose="Rows of changes that the writer commits together.",
            unit="rows",
            low=16,
            high=4_096,
            safe=512,
            step=1.5,
            get=lambda: writer.batch,
            set=lambda value: setattr(writer, "batch", int(value)),
        ),
        Knob(
            name="breadth",
            purpose="Memories that recall asks each index for, before they are ranked.",
            unit="memories",
            low=30,
            high=BROADEST,
            safe=BREADTH,
            step=1.25,
            shared=True,
            telling=True,
            get=lambda: database.breadth,
            set=lambda value: setattr(database, "breadth", int(value)),
        ),
    ]
    if settings.consolidation_interval:
        knobs.append(_interval(settings, consolidator))
    return knobs


def _interval(settings: Settings, consolidator: Consolidator) -> Knob:
    usual = settings.consolidation_interval
    return Knob(
        name="consolidation",
        purpose="Seconds between two consolidations of a tenant's memories; a day's first one lets their strength decay.",
        unit="s",
        low=min(usual, max(60.0, usual / 8)) / 2,
        high=max(usual, settings.tuning_staleness),
        safe=usual,
        step=1.5,
        whole=False,
        shared=True,
        aim=consolidator.aim,
        get=lambda: consolidator.interval,
        set=lambda value: setattr(consolidator, "interval", value),
    )


class RecallSample:
    """Compares now and then what a recall found with what one of the greatest breadth finds: the tuner may save time, not memories.

    `offer` is told of recalls; `probe` takes the latest, at most one in ten seconds, while it is young, with the permissions it had.
    """

    def __init__(self, database: Database, embedders: Embedders, figures: Figures, wanted: float) -> None:
        self._database, self._embedders, self._figures, self._wanted = database, embedders, figures, wanted
        self._latest: tuple[float, Access, RecallRequest, Sequence[str]] | None = None
        self._probed = 0.0
        self._breadth = 0
        self._found: deque[float] = deque(maxlen=_REMEMBERED)

    def offer(self, access: Access, request: RecallRequest, found: Sequence[str]) -> None:
        """A recall that was answered: by the ids of its hits."""
        if found:
            self._latest = (monotonic(), access, request, found)

    async def probe(self) -> None:
        """Look at one recall, and tell the figures of the latest few, as long as there are some with the breadth as it is."""
        at = monotonic()
        if self._breadth != self._database.breadth:
            self._breadth = self._database.breadth
            self._found.clear()
        if self._latest is not None and at - self._probed >= _SAMPLE_SECONDS:
            asked, access, request, found = self._latest
            self._latest, self._probed = None, at
            if at - asked < _SAMPLE_SECONDS:
                wide = await recall(self._database, self._embedders, access, request, breadth=BROADEST)
                best = {hit.memory.id for hit in wide.hits}
                self._found.append(len(best.intersection(found)) / len(best) if best else 1.0)
        if len(self._found) >= _FEWEST:
            self._figures.check("found", (1 - fmean(self._found)) / (1 - self._wanted))
