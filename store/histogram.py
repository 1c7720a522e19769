"""How long things took, as histograms, which every database can count; percentiles are read off them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

#: upper bounds of the histograms, in milliseconds; what lies above the last is counted beyond it
BOUNDS_MS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 60_000, 300_000, 3_600_000)


@dataclass(slots=True)
class Histogram:
    """How many values lie at or below each of :data:`BOUNDS_MS` and above the one before; the last: above them all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The value below which this share lies, in milliseconds, as if values lay evenly between two bounds.

        None without values; infinite for what lies above the last bound, of which nothing more is known.
        """
        if not self.total:
            return None
        rank, before, lower = share * self.total, 0, 0.0
        for bound, count in zip(BOUNDS_MS, self.counts, strict=False):
            if count and before + count >= rank:
                return lower + (bound - lower) * (rank - before) / count
            before, lower = before + count, float(bound)
        return math.inf


def bucket_of(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The place of a value in :attr:`Histogram.counts`; NULL for NULL."""
    places: list[tuple[Any, Any]] = [
        (value <= sa.literal_column(str(bound)), sa.literal_column(str(place))) for place, bound in enumerate(BOUNDS_MS)
    ]
    beyond: tuple[Any, Any] = (value.is_not(None), sa.literal_column(str(len(BOUNDS_MS))))
    return sa.case(*places, beyond, else_=sa.null())
