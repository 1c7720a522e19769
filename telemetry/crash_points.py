"""Named moments between two writes at which a test kills the process. In production they do nothing.

Each names what has happened and what has not: ``"step: outcome written, not reported"``. Between the two a crash leaves
a state that the next attempt or the reconciler must repair. tests/chaos/test_crash_points.py kills a process at each
moment, checks the books, and fails when a moment has no test.
"""

from __future__ import annotations


def crash_point(moment: str) -> None:
    """Mark a moment. Tests replace this function in the processes that they start; nothing else does."""
