"""Workload G: a database that is 2 ms away.

Only a database on a network can be: SQL Server, at MSSQL_TEST_URL. Without one, SQLite stands in whose statements and
commits wait 2 ms each, of which SQL Server makes a round trip each: latency alone, since SQLite lets one writer in at a
time and would make the others wait for the first one's journeys.
"""

from __future__ import annotations

import os

from sqlalchemy.engine import URL, make_url

from bench.contestants.ours import Ours
from bench.counts import hooked
from bench.delaying_proxy import DelayingProxy
from bench.engine import BenchEngine
from bench.session import Bench, measure
from bench.workloads.latency import percentiles

#: round trip, in milliseconds
AWAY_MS = 2.0
SQL_SERVER_PORT = 1433


def run(bench: Bench) -> None:
    """Latency with the database near and 2 ms away, and on a real one throughput."""
    url = next(iter(os.environ.get("MSSQL_TEST_URL", "").split()), None)
    with bench.engine() as engine:
        if url:
            _run_on_server(bench, engine, make_url(url))
        else:
            bench.samples.remark("G is without SQL Server (MSSQL_TEST_URL): SQLite stands in, its statements delayed")
            _run_on_stand_in(bench, engine)


def _run_on_server(bench: Bench, engine: BenchEngine, near: URL) -> None:
    with DelayingProxy(near.host or "", near.port or SQL_SERVER_PORT, AWAY_MS / 2) as proxy:
        far = near.set(host="127.0.0.1", port=proxy.port)
        for number in range(1, bench.plan.rounds + 1):
            for case, database in (("near", near), (f"{AWAY_MS:.0f} ms away", far)):
                settings = {"DATABASE_URL": database.render_as_string(hide_password=False)}
                _measure(bench, engine, number, case, settings, many=True)


def _run_on_stand_in(bench: Bench, engine: BenchEngine) -> None:
    for number in range(1, bench.plan.rounds + 1):
        for case, settings in (
            ("SQLite", {}),
            (f"SQLite, {AWAY_MS:.0f} ms a statement", {**hooked(), "SQL_DELAY_MS": f"{AWAY_MS}"}),
        ):
            _measure(bench, engine, number, case, settings, many=False)


def _measure(
    bench: Bench, engine: BenchEngine, number: int, case: str, settings: dict[str, str], *, many: bool
) -> None:
    ours = Ours(engine.url, bench.folder / "far")
    ours.settings = settings
    ours.start()
    try:
        ours.warm(bench.plan.warm_contestant)
        found = percentiles(measure(bench, engine, ours, count=bench.plan.latency_count).load)
        if many:
            load = measure(bench, engine, ours, clients=16, seconds=bench.plan.seconds).load
            found["processes/s"] = load.rate(1.0, bench.plan.seconds)
    finally:
        ours.stop()
    engine.settle(ours.pause_s)
    bench.samples.put("G", case, "ours", number, found)
