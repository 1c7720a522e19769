"""How long each read of the store takes, including those of the reconciler and of retention.

Results are medians of many calls, in milliseconds; the calls choose rows at random. A page of the monitor makes several
such calls. On SQLite, which works in the calling thread, CPU time is measured, so that neither other work on the
machine nor waiting for the disk counts. On SQL Server elapsed time is measured.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from bench.seeding import ACCOUNTS, BEGIN
from store.database import Database
from store.events import EventStore
from store.finding import Identifier, Search, Traits
from store.insight import InsightStore
from store.overview import Filters, OverviewStore
from store.process_rows import ERROR, OK, PENDING
from store.processes import ProcessStore
from store.retention import Retention

#: most calls of each kind, after as many to warm up, and seconds after which no further call is made
CALLS, ENOUGH_S = 200, 1.0
#: spans of the monitor's charts
INSIGHTS = {
    "15 minutes": timedelta(minutes=15),
    "an hour": timedelta(hours=1),
    "a day": timedelta(days=1),
    "a week": timedelta(days=7),
}
#: calls of purging, each of which deletes 50 processes
PURGES = 8
#: rows of a page; even the smallest selection of a thousand processes has so many, so all sizes return the same number
LIMIT = 10


def measure(database: Database, rows: int) -> dict[str, float]:
    """Measure each kind of read, in milliseconds, with `rows` seeded processes; at the end purging deletes some."""
    chance = random.Random(rows)
    store, events, retention = ProcessStore(database), EventStore(database), Retention(database)
    end = BEGIN + timedelta(seconds=rows)

    def moment() -> timedelta:
        return timedelta(seconds=chance.randrange(LIMIT, rows - 300))

    monitor, insight = OverviewStore(database), InsightStore(database)

    def some_ids() -> list[str]:
        first = chance.randrange(rows - 50)
        return [f"seed-{number}" for number in range(first, first + 50)]

    def page(**filters: object) -> Callable[[], object]:
        return lambda: store.page(limit=LIMIT, **filters)  # type: ignore[arg-type]

    kinds: dict[str, Callable[[], object]] = {
        "status by correlation id": lambda: store.by_correlation_id(f"seed-{chance.randrange(rows)}"),
        "event log of a trace": lambda: events.by_traceability_id(f"seed-{chance.randrange(rows)}"),
        "event log of a process": lambda: events.by_correlation_id(f"seed-{chance.randrange(rows)}"),
        "list": page(),
        "list from a cursor": lambda: store.page(limit=LIMIT, before_seq=chance.randrange(LIMIT, rows)),
        "list, status ok": page(status=OK),
        "list, status error": page(status=ERROR),
        "list, status pending": page(status=PENDING),
        "list, process": page(process_key="bench-five"),
        "list, process that is seldom used": page(process_key="bench-seldom"),
        "list, process and status": page(process_key="bench-five", status=ERROR),
        "list, process and status that never meet": page(process_key="bench-five", status=PENDING),
        "list, seldom used process and status": page(process_key="bench-seldom", status=ERROR),
        "list, started before an old moment": lambda: store.page(limit=LIMIT, started_before=BEGIN + moment()),
        "list, started after the last minutes": page(started_after=end - timedelta(minutes=5)),
        "list, started in an old span": lambda: store.page(
            limit=LIMIT, started_after=(at := BEGIN + moment()), started_before=at + timedelta(minutes=5)
        ),
        "list, errors of an old span": lambda: store.page(
            limit=LIMIT, status=ERROR, started_after=(at := BEGIN + moment()), started_before=at + timedelta(minutes=5)
        ),
        "list, several statuses": page(traits=Traits((OK, ERROR))),
        "list, batch": page(traits=Traits(batch_id="seed-0")),
        "list, errors of an application": page(traits=Traits((ERROR,), application_id="portal")),
        "list, error code": page(traits=Traits(error_code="INCIDENT")),
        "list, failed step": page(traits=Traits(failed_step="s3")),
        "list, open incidents": page(traits=Traits((ERROR,), incident=True)),
        "list, errors without an incident": page(traits=Traits((ERROR,), incident=False)),
        "list, count of an application": lambda: store.count(most=1_001, traits=Traits(application_id="portal")),
        "find, identifier of one process": lambda: store.page(
            limit=LIMIT, search=Search(Identifier("customerId", f"seed-{chance.randrange(rows)}"))
        ),
        "find, identifier of many processes": lambda: store.page(
            limit=LIMIT, search=Search(Identifier("accountId", f"seed-{chance.randrange(ACCOUNTS)}"))
        ),
        "find, beginning of an identifier": lambda: store.page(
            limit=LIMIT, search=Search(Identifier("customerId", f"seed-{chance.randrange(10)}", is_beginning=True))
        ),
        "find, text of one process": lambda: store.page(
            limit=LIMIT, search=Search(text=f"seed-{chance.randrange(rows)}")
        ),
        "find, text of many processes": lambda: store.page(limit=LIMIT, search=Search(text="seed-")),
        "monitor: page": lambda: monitor.page(Filters(), limit=50),
        "monitor: page of errors": lambda: monitor.page(Filters(status=ERROR), limit=50),
        "monitor: counters": lambda: monitor.counts(Filters()),
        "monitor: counters of a process": lambda: monitor.counts(Filters(process_key="bench-five")),
        "monitor: present steps of 50 processes": lambda: monitor.standings(some_ids()),
        "monitor: counters of an old span": lambda: monitor.counts(
            Filters(started_after=(at := BEGIN + moment()), started_before=at + timedelta(minutes=5))
        ),
        "monitor: search, nothing found": lambda: monitor.page(Filters(text="no such text"), limit=50),
        "monitor: search, the name of an identifier": lambda: monitor.page(Filters(text="customerId"), limit=50),
        "monitor: search of errors, nothing found": lambda: monitor.page(
            Filters(text="no such text", status=ERROR), limit=50
        ),
        "monitor: search of errors of a process": lambda: monitor.page(
            Filters(text="seed-1", status=ERROR, process_key="bench-five"), limit=50
        ),
        "monitor: newest phases": lambda: events.newest_phases_of(f"seed-{chance.randrange(rows)}", limit=500),
        **{
            f"monitor: insight of {name}": partial(insight.look, end - span, end, parts=30, wait_ms=25_000)
            for name, span in INSIGHTS.items()
        },
        "list, before the first start": page(started_before=BEGIN),
        "how many starts wait": store.count_unstarted,
        "how many run": store.count_running,
        "reconcile: starts to send again": lambda: store.claim_unstarted(untouched_for_s=30, limit=500),
        "reconcile: attempts left open": lambda: events.claim_open_attempts(untouched_for_s=30, limit=500),
        "reconcile: running rows": lambda: store.running(after_seq=0, limit=500),
        "reconcile: ended by ops": lambda: store.open_in_engine(limit=500),
    }
    clock = time.thread_time if database.is_sqlite else time.perf_counter
    found = {}
    for what, read in kinds.items():
        _median_ms(read, CALLS, clock)
        found[what] = _median_ms(read, CALLS, clock)
    found["retention: 50 processes and their events"] = _median_ms(lambda: retention.purge(end), PURGES, clock)
    return found


def _median_ms(work: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    taken: list[float] = []
    while len(taken) < calls and sum(taken) < ENOUGH_S:
        begun = clock()
        work()
        taken.append(clock() - begun)
    return statistics.median(taken) * 1000
