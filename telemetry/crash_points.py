"""Crash points: named moments between two writes, at which a test kills the process. In production they do nothing.

Each name has what has happened and what hasn't: ``"step: outcome written, not reported"``. A crash at this moment
leaves a state that the next attempt or the reconciler must repair. tests/chaos/test_crash_points.py kills a process at
each moment, checks the result, and fails when a moment has no test.
"""

from __future__ import annotations


def crash_point(moment: str) -> None:
    """Mark a moment. Only tests replace this function, in the processes that they start."""
