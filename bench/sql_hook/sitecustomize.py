"""What the benchmark does to the SQL statements of every Python process that has this folder in PYTHONPATH.

Python imports `sitecustomize` at its start. The product knows nothing of it; see `bench/counts.py` and
`bench/workloads/far_database.py`.

    SQL_COUNT_FILE  the first words of each statement go there, a line each, and COMMIT for each commit
    SQL_DELAY_MS    each statement and commit waits so long, as if it had to travel; BEGIN travels with what follows
"""

from __future__ import annotations

import os
import time
from typing import Any


def count(target: str) -> None:
    """Write down each statement."""
    # Lines of a few bytes that are appended with one write do not mix, whichever process writes them.
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
    """Let each statement wait."""

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
