"""A stack whose metrics, rows and Flower a test can read."""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

import sqlalchemy as sa

from dev.ports import LOOPBACK, free_port
from dev.stack import Stack
from store.database import Database
from tests.support.api import Api, eventually
from tests.support.example_outcomes import CASES, Case
from tests.support.example_runs import ExampleRun
from tests.support.metrics_text import Scrape, total
from tests.support.world import children_of

#: `user:password` of its Flower, and the token for its metrics
FLOWER_AUTH, METRICS_TOKEN = "ops:only for tests", "only-for-tests"
#: the secret that signs its webhooks
CALLBACK_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
#: steps that its worker runs at the same time
SLOTS = 3
#: the parts with a port of their own for metrics
EXPORTERS = ("worker", "control", "beat")


class Monitored:
    """Two web processes, two workers, beat and Flower, on an engine of their own.

    The engine is not shared, because the examples run on it: another stack would fetch some of their steps.
    """

    def __init__(self, folder: Path) -> None:
        settings = {
            "PROCESSES": "processes,tests.metered",
            "SYNC_TIMEOUT_MS": 25_000,
            "RECONCILE_INTERVAL_MS": 1_000,
            "LOCK_DURATION_MS": 12_000,
            "CAMUNDA_TIMEOUT_MS": 10_000,
            "WEB_WORKERS": 2,
            "WORKER_CONCURRENCY": SLOTS,
            # Some handlers crash; the counts of a child must survive it.
            "WORKER_POOL": "prefork",
            "WORKER_GRACE_S": 1,
            "FLOWER_BASIC_AUTH": FLOWER_AUTH,
            "METRICS_TOKEN": METRICS_TOKEN,
            "METRICS_DIR": folder / "metrics",
            # One attempt a webhook, to a receiver that does not exist.
            "CALLBACK_HOSTS": "http://127.0.0.1:*",
            "CALLBACK_SECRETS": CALLBACK_SECRET,
            "CALLBACK_MAX_ATTEMPTS": 1,
        }
        parts = ("broker", "engine", "partner", "web", "worker", "control", "beat", "flower")
        self.stack = Stack(folder, settings=settings, parts=parts)
        self._ports = {name: free_port() for name in EXPORTERS}
        for name, port in self._ports.items():
            self.stack.add(name, settings={"METRICS_PORT": port})
        self.api = Api(self.stack.url)
        self._leaving = ExitStack()

    def __enter__(self) -> Self:
        self._leaving.enter_context(self.stack)
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.close()

    def scrape(self, name: str, token: str = METRICS_TOKEN) -> Scrape:
        """The metrics of one part."""
        root = self.stack.url if name == "web" else f"http://{LOOPBACK}:{self._ports[name]}"
        return Scrape.of(f"{root}/metrics", token=token)

    def scrapes(self) -> list[Scrape]:
        """The metrics of all parts, as Prometheus collects them."""
        return [self.scrape(name) for name in ("web", *EXPORTERS)]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query to the store."""
        database = Database(self.stack.environment.get("DATABASE_URL"), pool_size=1, timeout_ms=5_000)
        try:
            with database.read() as connection:
                return [tuple(row) for row in connection.execute(sa.text(statement))]
        finally:
            database.dispose()

    def flower(self, path: str, auth: str = FLOWER_AUTH) -> Any:
        """An answer of Flower's API."""
        return json.loads(self.flower_page(path, auth))

    def flower_page(self, path: str, auth: str = FLOWER_AUTH) -> str:
        """A page of Flower."""
        headers = {"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()} if auth else {}
        with urlopen(Request(self.stack.environment.flower_url + path, headers=headers), timeout=20) as answer:
            return str(answer.read().decode())


class Ran:
    """Runs processes of every kind on the stack; has the answers to the clients, and the metrics before and after."""

    def __init__(self, monitored: Monitored, folder: Path) -> None:
        self.monitored = monitored
        api = monitored.api
        self.children_before = set(children_of(monitored.stack["worker"].pid))
        told = [*["work"] * 4, "refuse", "refuse", "refuse-uncaught", "fail-once", "crash-once", "crash-once"]
        with ThreadPoolExecutor(len(told)) as pool:
            answers = list(pool.map(lambda do: api.start("metered", {"do": do}), told))
        self.statuses = Counter(str(answer.status) for answer in answers)
        joined = api.start("metered", {"do": "work"}, answers[0].body["correlationId"])
        assert joined.headers["idempotency-replayed"] == "true", joined.body
        self.statuses[str(joined.status)] += 1
        wanted = {"processKey": "metered", "correlationId": "told", "callbackUrl": "http://127.0.0.1:1/"}
        told_to = api.call("POST", "/api/process/start", {**wanted, "variables": {"do": "work"}})
        self.statuses[str(told_to.status)] += 1
        self._cancel_one(api, folder / "go-on")
        with ThreadPoolExecutor(SLOTS) as pool:
            self.examples = list(pool.map(self._run_example, CASES))
        self.statuses.update(str(run.started.status) for run in self.examples)
        self.refused = [
            api.start("no-such").status,
            api.start("metered", {"do": 1}, answers[0].body["correlationId"]).status,
        ]
        self.scrapes = self._settled()

    def _run_example(self, case: Case) -> ExampleRun:
        run = ExampleRun(
            self.monitored.api,
            self.monitored.stack.environment.get("CAMUNDA_BASE_URL"),
            case,
            f"{case.nature}-{uuid.uuid4()}",
        )
        assert run.finish()["status"] == case.status, case.name
        return run

    def _cancel_one(self, api: Api, until: Path) -> None:
        name = "cancelled"
        self.hold_one(until, name)
        self.statuses["202"] += 1
        cancelled = api.call("POST", f"/api/process/{name}/cancel", {"reason": "test"})
        assert cancelled.status == 200, cancelled.body
        rows = "SELECT count(*) FROM process_store WHERE engine_open = 1"
        eventually(lambda: self.monitored.rows(rows) == [(0,)], 30, "its instance is deleted")
        until.touch()

    def hold_one(self, until: Path, name: str) -> None:
        """Start a process whose first step runs until this file exists, and wait until it does."""
        variables = {"do": "hold", "until": str(until)}
        started = self.monitored.api.start("metered", variables, name, prefer="respond-async")
        assert started.status == 202, started.body
        begun = f"SELECT count(*) FROM event_log WHERE correlation_id = '{name}'"
        eventually(lambda: self.monitored.rows(begun) == [(1,)], 30, "its step runs")

    def _settled(self) -> list[Scrape]:
        """The metrics when nothing runs any more."""

        def look() -> list[Scrape] | None:
            ((pending,),) = self.monitored.rows("SELECT count(*) FROM process_store WHERE status = 'pending'")
            ((under_way,),) = self.monitored.rows(
                "SELECT count(*) FROM event_log WHERE phase IN ('started', 'completing') AND correlation_id IN "
                "(SELECT correlation_id FROM process_store WHERE status <> 'cancelled')"
            )
            scrapes = self.monitored.scrapes()
            lost = total(scrapes, "step_attempts_total", outcome="lost")
            return None if under_way or pending or not lost else scrapes

        found: list[Scrape] = eventually(look, 60, "every process and attempt has ended")
        return found

    def total(self, name: str, **labels: str) -> float:
        return total(self.scrapes, name, **labels)

    def rows(self, statement: str) -> dict[str, int]:
        return {str(key): number for key, number in self.monitored.rows(statement)}
