"""How strong a memory is: its importance, halved for every half-life that went by since it was last used."""

from __future__ import annotations

from datetime import datetime

STEP = 2
"""Digits of a strength: finer steps would write every memory anew all the time and change no order worth the name."""


def strength(importance: float, used: datetime, at: datetime, half_life_days: float) -> float:
    """0 to `importance`, for a memory last used at `used`. Never more for the lapse of time."""
    days = max(0.0, (at - used).total_seconds() / 86_400)
    return round(importance * 0.5 ** (days / half_life_days), STEP)
