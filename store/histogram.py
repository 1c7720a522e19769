"""Histograms of durations: every database can count them, and percentiles are computed from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

#: upper bounds of the buckets, in milliseconds; one more bucket counts the values above the last bound
BOUNDS_MS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 60_000, 300_000, 3_600_000)


@dataclass(slots=True)
class Histogram:
    """The number of values in each bucket: above the bound before and up to its own; the last: above all bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    @property
    def total(self) -> int:
        """The number of all values."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The value, in milliseconds, below which this share of the values is; it is interpolated between two bounds.

        None without values; infinite when it is above the last bound.
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
    """The index of the bucket of a value in :attr:`Histogram.counts`; NULL for NULL."""
    places: list[tuple[Any, Any]] = [
        (value <= sa.literal_column(str(bound)), sa.literal_column(str(place))) for place, bound in enumerate(BOUNDS_MS)
    ]
    beyond: tuple[Any, Any] = (value.is_not(None), sa.literal_column(str(len(BOUNDS_MS))))
    return sa.case(*places, beyond, else_=sa.null())
