"""Counts SQL statements of every Python process that has this folder in PYTHONPATH: a line each in SQL_COUNT_FILE.

Python imports `sitecustomize` at its start. The product knows nothing of it; see `bench/counts.py`.
"""

from __future__ import annotations

import os
from typing import Any

if target := os.environ.get("SQL_COUNT_FILE"):
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    # Lines of a few bytes that are appended with one write do not mix, whichever process writes them.
    lines = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    @event.listens_for(Engine, "before_cursor_execute")
    def count_statement(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        """Note the first words of a statement."""
        os.write(lines, " ".join(statement.split()[:3]).encode("utf-8", "replace")[:60] + b"\n")

    @event.listens_for(Engine, "commit")
    def count_commit(connection: Any) -> None:
        """Note a commit."""
        os.write(lines, b"COMMIT\n")
