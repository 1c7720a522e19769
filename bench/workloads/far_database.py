"""Workload G: a database that is 2 ms away. Only a database on a network can be: SQL Server, at MSSQL_TEST_URL."""

from __future__ import annotations

import os

from sqlalchemy.engine import make_url

from bench.contestants.ours import Ours
from bench.delaying_proxy import DelayingProxy
from bench.session import Bench, measure
from bench.workloads.latency import percentiles

#: round trip, in milliseconds
AWAY_MS = 2.0
SQL_SERVER_PORT = 1433


def run(bench: Bench) -> None:
    """Latency and throughput with the database near and 2 ms away."""
    url = next(iter(os.environ.get("MSSQL_TEST_URL", "").split()), None)
    if not url:
        bench.samples.remark(
            "G was skipped: SQLite is in the process and cannot be away; set MSSQL_TEST_URL (mssql+pyodbc://...)"
        )
        return
    near = make_url(url)
    with (
        DelayingProxy(near.host or "", near.port or SQL_SERVER_PORT, AWAY_MS / 2) as proxy,
        bench.engine() as engine,
    ):
        far = near.set(host="127.0.0.1", port=proxy.port)
        for number in range(1, bench.plan.rounds + 1):
            for case, database in (("near", near), (f"{AWAY_MS:.0f} ms away", far)):
                ours = Ours(engine.url, bench.folder / "far")
                ours.settings = {"DATABASE_URL": database.render_as_string(hide_password=False)}
                ours.start()
                try:
                    ours.warm(bench.plan.warm_contestant)
                    alone = measure(bench, engine, ours, count=bench.plan.latency_count)
                    many = measure(bench, engine, ours, clients=16, seconds=bench.plan.seconds)
                finally:
                    ours.stop()
                engine.settle(ours.pause_s)
                rate = many.load.rate(1.0, bench.plan.seconds)
                bench.samples.put("G", case, "ours", number, {**percentiles(alone.load), "processes/s": rate})
