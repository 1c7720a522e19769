"""Counted things, which do not depend on the machine's mood: engine calls, Redis commands, SQL statements, messages.

    python -m bench.counts --processes 50

    counts = count(engine_url, folder, processes=50)
    assert counts.engine_calls <= 12

Per process of five empty steps, one client. What goes on without work is measured before and taken off: by time for
Redis; for the engine and the database there is next to nothing, because beat does not run.
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

#: for PYTHONPATH
HOOK = Path(__file__).with_name("sql_hook")

#: processes before the counted ones
WARM = 20
#: seconds for which the idle Redis is watched, and for which late work may go on
IDLE_S, LATE_S = 5.0, 1.5

#: statements that open or end a transaction, told apart
TRANSACTION = ("BEGIN", "COMMIT")


@dataclass(frozen=True, slots=True)
class Counts:
    """Per process: sums, and what they are made of.

    Attributes:
        celery_messages: LPUSH commands, which is how kombu puts a message into a queue.
        sql_statements: without BEGIN and COMMIT; `transactions` counts the commits.
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
    """Ours without beat and Flower: only what the processes themselves cause."""

    without = ("beat", "flower")


def count(
    engine_url: str, folder: Path, *, processes: int = 50, settings: Mapping[str, object] = MappingProxyType({})
) -> Counts:
    """Run processes one after the other and count.

    Args:
        engine_url: root of an engine's REST API that nobody else uses.
        folder: for databases and logs.
        settings: that differ from those shipped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "sql-statements"
    lines.write_text("")
    with CountingProxy(engine_url) as proxy:
        ours = Counted(proxy.url, folder)
        # What is counted must not hang on the machine's mood: following goes one way, however slow the engine is.
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
    """The setting that puts the hook into every Python process of a stack."""
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
    """Count on an engine of its own and print."""
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
