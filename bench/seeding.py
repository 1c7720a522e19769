"""Rows in the store, many of them: `python -m bench.seeding <rows wanted>`, with DATABASE_URL set.

Five events a trace; the ids are `seed-<number>`, so that a reader can pick any.
"""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from settings import get_settings
from store.database import Database
from store.models import event_log, process_store

#: rows of one statement
BATCH = 5_000
EVENTS_A_TRACE = 5
#: a moment in the past, so that no housekeeping takes the rows for new
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main(wanted: int) -> None:
    """Fill both tables up to `wanted` rows each."""
    fill(Database.from_settings(get_settings()), wanted)
    print(wanted)


def fill(database: Database, wanted: int) -> None:
    """Fill both tables of `database` up to `wanted` rows each."""
    with database.read() as connection:
        there = int(connection.execute(sa.select(sa.func.count()).select_from(process_store)).scalar_one())
    for begin in range(there, wanted, BATCH):
        numbers = range(begin, min(begin + BATCH, wanted))
        with database.write() as connection:
            connection.execute(sa.insert(process_store), [_process(number) for number in numbers])
            connection.execute(sa.insert(event_log), [event_values(number) for number in numbers])


def _process(number: int) -> dict[str, Any]:
    at = BEGIN + timedelta(seconds=number)
    return {
        "id": uuid.uuid4(),
        "correlation_id": f"seed-{number}",
        "request_hash": uuid.uuid4().hex * 2,
        "process_key": "bench-five",
        "process_instance_id": str(uuid.uuid4()),
        "status": "error" if number % 50 == 0 else "ok",
        "engine_open": False,
        "variables": {"item": "bench"},
        "result": {"done": True},
        "traceability_id": f"seed-{number}",
        "started_at": at,
        "updated_at": at,
        "finished_at": at,
    }


def event_values(number: int) -> dict[str, Any]:
    """The columns of one event."""
    trace = f"seed-{number // EVENTS_A_TRACE}"
    at = BEGIN + timedelta(seconds=number)
    return {
        "execution_id": uuid.uuid4(),
        "traceability_id": trace,
        "correlation_id": trace,
        "external_task_id": str(uuid.uuid4()),
        "lock_token": f"bench:{uuid.uuid4()}",
        "phase": "completed",
        "process_name": "Five empty steps",
        "step": number % EVENTS_A_TRACE + 1,
        "step_name": f"s{number % EVENTS_A_TRACE + 1}",
        "business_action_request": {"item": "bench"},
        "business_action_response": {},
        "execution_time": 1,
        "created_at": at,
        "updated_at": at,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]))
