"""`python -m bench.store`: measure the store with a million processes, and compare its reads with those of a thousand.

It takes about five minutes on SQLite; `--rows N` measures fewer processes. It uses a SQLite file in a folder of its
own. With MSSQL_TEST_URL it also uses each of those servers, in a database of its own that is dropped at the end. All
work is in one process; the column `threads` has the number of writers or readers.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from bench import reads
from bench.seeding import EVENTS_A_TRACE, event_values, fill
from dev.mssql_database import own_database
from store.database import Database
from store.driver import parse_url
from store.event_rows import NewEvent
from store.events import EventStore
from store.migrate import upgrade
from store.models import event_log
from store.processes import ProcessStore

#: rows of one batch
BATCH = 1_000
#: processes of the small database
FEW = 1_000
#: seconds for which each kind of work is measured
SECONDS = 5.0
THREADS = 4


def main() -> None:
    """Measure, and print two tables: reads at few and at many rows, and rows written a second at many rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name, place in places():
        times: dict[int, dict[str, float]] = {}
        for rows in (FEW, options.rows):
            with place() as url:
                database = Database(url, pool_size=THREADS * 2, timeout_ms=30_000)
                try:
                    upgrade(database)
                    begun = time.perf_counter()
                    fill(database, rows)
                    print(f"\n{name}: {rows:,} processes seeded in {time.perf_counter() - begun:.0f} s", flush=True)
                    if rows == options.rows:
                        rates(name, database, rows, options.seconds)
                    # last, because it deletes rows
                    times[rows] = reads.measure(database, rows)
                finally:
                    database.dispose()
        print(f"\n| read, ms | {FEW:,} processes | {options.rows:,} processes | ratio |\n|{'---|' * 4}")
        for what, many in times[options.rows].items():
            few = times[FEW][what]
            print(f"| {what} | {few:.2f} | {many:.2f} | {many / few:.2f} |", flush=True)


def places() -> Iterator[tuple[str, Callable[[], object]]]:
    """The name of each database, and a context manager that creates it."""
    yield "SQLite", sqlite_file
    for server in os.environ.get("MSSQL_TEST_URL", "").split():
        driver = parse_url(server).query.get("driver")
        yield "SQL Server" + (f" through {driver}" if driver else ""), partial(own_database, server)


@contextmanager
def sqlite_file() -> Iterator[str]:
    """The URL of a database file that is deleted after the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'store.db'}"


def rates(name: str, database: Database, rows: int, seconds: float) -> None:
    """Measure each kind of work and print its line."""
    print(f"\n| database | work | threads | rows a second |\n|{'---|' * 4}")
    processes, events = ProcessStore(database), EventStore(database)

    def insert_one() -> int:
        events.begin(NewEvent(f"bench-{uuid.uuid4()}", "s", external_task_id=str(uuid.uuid4()), lock_token="t"))
        return 1

    def insert_batch() -> int:
        with database.write() as connection:
            connection.execute(sa.insert(event_log), [event_values(number) for number in range(BATCH)])
        return BATCH

    def read_status() -> int:
        if processes.by_correlation_id(f"seed-{random.randrange(rows)}") is None:
            raise LookupError("a seeded row is missing")
        return 1

    def read_events() -> int:
        return len(events.by_traceability_id(f"seed-{random.randrange(rows // EVENTS_A_TRACE)}"))

    for what, work, threads in (
        ("insert an event", insert_one, 1),
        ("insert an event", insert_one, THREADS),
        (f"insert {BATCH:,} events at once", insert_batch, 1),
        ("read a status", read_status, 1),
        ("read a status", read_status, THREADS),
        (f"read an event log of {EVENTS_A_TRACE}", read_events, 1),
    ):
        print_row(name, what, threads, rate(work, threads, seconds))


def rate(work: Callable[[], int], threads: int, seconds: float) -> float:
    """The rows a second of `threads` loops of `work` together."""
    deadline = time.perf_counter() + seconds

    def loop(_: int) -> int:
        done = 0
        while time.perf_counter() < deadline:
            done += work()
        return done

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(loop, range(threads)))
    return done / (time.perf_counter() - begun)


def print_row(name: str, what: str, threads: int, rows_a_second: float) -> None:
    """Print a line of the table."""
    print(f"| {name} | {what} | {threads} | {rows_a_second:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
