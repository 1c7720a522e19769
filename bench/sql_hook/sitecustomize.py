"""Counts or delays the SQL statements of every Python process that has this folder in PYTHONPATH.

Python imports `sitecustomize` at its start. The product does not depend on it; see `bench/counts.py` and
`bench/workloads/far_database.py`. Two variables of the environment switch it on:

    SQL_COUNT_FILE  a file that gets one line for each statement (its first words) and COMMIT for each commit
    SQL_DELAY_MS    milliseconds by which each statement and commit is delayed, as on a network; BEGIN is not delayed,
                    because it travels with the next statement
"""

from __future__ import annotations

import os
import time
from typing import Any


def count(target: str) -> None:
    """Write a line for each statement and commit."""
    # Short lines that are appended with one write do not mix, even if several processes write.
    lines = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    @event.listens_for(Engine, "before_cursor_execute")
    def note_statement(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        os.write(lines, " ".join(statement.split()[:3]).encode("utf-8", "replace")[:60] + b"\n")

    @event.listens_for(Engine, "commit")
    def note_commit(connection: Any) -> None:
        os.write(lines, b"COMMIT\n")


def delay(seconds: float) -> None:
    """Delay each statement and commit."""

    @event.listens_for(Engine, "before_cursor_execute")
    def travel(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        if not statement.startswith("BEGIN"):
            time.sleep(seconds)

    @event.listens_for(Engine, "commit")
    def travel_to_commit(connection: Any) -> None:
        time.sleep(seconds)


target, delay_ms = os.environ.get("SQL_COUNT_FILE"), os.environ.get("SQL_DELAY_MS")
if target or delay_ms:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if target:
        count(target)
    if delay_ms:
        delay(float(delay_ms) / 1000)
