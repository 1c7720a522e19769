"""Workload G: a database that is 2 ms away.

With MSSQL_TEST_URL, it measures SQL Server through a proxy that delays packets. Without it, it measures SQLite with a
delay of 2 ms for each statement and commit, which on SQL Server are a round trip each. On SQLite only latency is
measured: SQLite allows one writer at a time, so the delays of one writer would delay all others.
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
    """Measure latency with the database near and 2 ms away; on SQL Server also throughput."""
    url = next(iter(os.environ.get("MSSQL_TEST_URL", "").split()), None)
    with bench.engine() as engine:
        if url:
            _run_on_server(bench, engine, make_url(url))
        else:
            bench.samples.remark("G: without MSSQL_TEST_URL, SQLite with delayed statements is measured")
            _run_on_delayed_sqlite(bench, engine)


def _run_on_server(bench: Bench, engine: BenchEngine, near: URL) -> None:
    with DelayingProxy(near.host or "", near.port or SQL_SERVER_PORT, AWAY_MS / 2) as proxy:
        far = near.set(host="127.0.0.1", port=proxy.port)
        for number in range(1, bench.plan.rounds + 1):
            for case, database in (("near", near), (f"{AWAY_MS:.0f} ms away", far)):
                settings = {"DATABASE_URL": database.render_as_string(hide_password=False)}
                _measure(bench, engine, number, case, settings, many=True)


def _run_on_delayed_sqlite(bench: Bench, engine: BenchEngine) -> None:
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
