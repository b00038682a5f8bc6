"""The second look: how well what surrounds a memory in its session answers, by all that the first look measured.

What answers a question is often said beside what shares its words. The first look ranks by the prior, whatever ranks for the tenant, so
that what was measured for a feedback stays comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph.search import Candidate
from .features import NAMES, Measured, neighbours
from .ranking import Model
from .words import standardised

_BESIDE, _AROUND = NAMES.index("beside"), NAMES.index("around")
_FIRST = Model()


def surround(found: Sequence[Candidate], measured: Measured) -> Measured:
    """`measured` with `beside` (the better score of the turns before and after) and `around` (those two turns off) filled in."""
    if not found:
        return measured
    scores = _FIRST.scores(measured.values)
    before, after = neighbours(found)
    least, middle = np.append(scores, scores.min()), np.append(scores, scores.mean())
    before_that, after_that = np.append(before, -1)[before], np.append(after, -1)[after]
    values = measured.values.copy()
    values[:, _BESIDE] = standardised(np.maximum(least[before], least[after]))
    values[:, _AROUND] = standardised(middle[before_that] + middle[after_that])
    return Measured(values, measured.terms)
