"""Counts that do not depend on the speed of the machine: engine calls, Redis commands, SQL statements, messages.

    python -m bench.counts --processes 50

    counts = count(engine_url, folder, processes=50)
    assert counts.engine_calls <= 12

The counts are of one process of five empty steps, with one client. The Redis commands that run without work are
measured before and subtracted, in proportion to the time. The engine and the database get hardly any requests without
work, because beat does not run.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import redis

from bench.contestants.ours import Ours
from bench.counting_proxy import CountingProxy
from bench.engine import BenchEngine
from bench.tools import RUN

#: the folder of the hook, for PYTHONPATH
HOOK = Path(__file__).with_name("sql_hook")

#: processes that run before the counted ones
WARM = 20
#: seconds for which the commands of the idle Redis are counted, and seconds to wait for late work
IDLE_S, LATE_S = 5.0, 1.5

#: statements that begin or end a transaction
TRANSACTION = ("BEGIN", "COMMIT")


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of one process on average: sums, and their parts.

    Attributes:
        processes: how many processes were counted.
        celery_messages: LPUSH commands; each puts one message into a queue.
        sql_statements: without BEGIN and COMMIT.
        transactions: commits.
    """

    processes: int
    engine_calls: float
    redis_commands: float
    celery_messages: float
    sql_statements: float
    transactions: float
    engine_detail: dict[str, float]
    redis_detail: dict[str, float]
    sql_detail: dict[str, float]


class Counted(Ours):
    """Ours without beat and Flower, so that only the processes themselves cause calls."""

    without = ("beat", "flower")


def count(
    engine_url: str, folder: Path, *, processes: int = 50, settings: Mapping[str, object] = MappingProxyType({})
) -> Counts:
    """Run processes one after the other and count.

    Args:
        engine_url: root of the REST API of an engine that nothing else uses.
        folder: the folder of databases and logs.
        processes: how many processes are counted.
        settings: settings that differ from the defaults.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "sql-statements"
    lines.write_text("")
    with CountingProxy(engine_url) as proxy:
        ours = Counted(proxy.url, folder)
        # The counts must not depend on the speed of the machine: the fetch strategy must stay the same with a slow
        # engine.
        ours.settings = {**hooked(), "SQL_COUNT_FILE": lines, "FETCH_SLOW_MS": 60_000, **settings}
        ours.start()
        try:
            ours.run_load(count=WARM).require_good()
            time.sleep(LATE_S)
            client = redis.Redis.from_url(ours.stack.environment.get("REDIS_URL"))
            idle = _redis_idle(client)
            begun = time.monotonic()
            commands = _redis_commands(client)
            statements = _statements(lines)
            proxy.reset()
            ours.run_load(count=processes).require_good()
            time.sleep(LATE_S)
            commands = _redis_commands(client) - commands
            statements = _statements(lines) - statements
            seconds = time.monotonic() - begun
        finally:
            ours.stop()
        per_redis = {
            name: max(0.0, number - idle.get(name, 0.0) * seconds) / processes for name, number in commands.items()
        }
        per_engine = {name: number / processes for name, number in sorted(proxy.counts.items())}
        per_sql = {name: number / processes for name, number in sorted(statements.items())}
        return Counts(
            processes=processes,
            engine_calls=sum(per_engine.values()),
            redis_commands=sum(per_redis.values()),
            celery_messages=per_redis.get("lpush", 0.0),
            sql_statements=sum(number for name, number in per_sql.items() if not name.startswith(TRANSACTION)),
            transactions=per_sql.get("COMMIT", 0.0),
            engine_detail=per_engine,
            redis_detail={name: number for name, number in sorted(per_redis.items()) if number},
            sql_detail=per_sql,
        )


def hooked() -> dict[str, str]:
    """The setting that loads the hook in every Python process of a stack."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(HOOK), os.environ.get("PYTHONPATH")]))}


def _redis_idle(client: redis.Redis) -> dict[str, float]:
    begun = time.monotonic()
    before = _redis_commands(client)
    time.sleep(IDLE_S)
    grown = _redis_commands(client) - before
    seconds = time.monotonic() - begun
    return {name: number / seconds for name, number in grown.items()}


def _redis_commands(client: redis.Redis) -> Counter[str]:
    stats = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): int(values["calls"]) for name, values in stats.items()})


def _statements(lines: Path) -> Counter[str]:
    return Counter(lines.read_text().splitlines())


def main() -> None:
    """Start an engine, count, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.counts", description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=50)
    options = parser.parse_args()
    folder = RUN / "counts"
    engine = BenchEngine(folder)
    try:
        engine.start()
        print(json.dumps(asdict(count(engine.url, folder, processes=options.processes)), indent=2))
    finally:
        engine.stop()


if __name__ == "__main__":
    main()
