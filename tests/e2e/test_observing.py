"""One stack that is traced and logs JSON, then loses one part after the other: what people get to see of it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dev.children import stop_all
from tests.support.api import Answer, eventually
from tests.support.collector import Collector, Span
from tests.support.world import World, broken_world

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARTS = ("web", "worker", "beat")


@dataclass
class Observed:
    """The stack, and where its traces go."""

    world: World
    collector: Collector

    def lines(self, part: str) -> list[dict[str, Any]]:
        """The log of one part."""
        texts = self.world.stack[part].log_text().splitlines()
        return [json.loads(text) for text in texts if text.startswith("{")]

    def ready(self) -> Answer:
        return self.world.api.get("/health/ready")


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[Observed]:
    with Collector() as collector:
        settings = {
            "PROCESSES": "processes,tests.processes",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
            "WORKER_CONCURRENCY": 2,
            "POLL_INTERVAL_MS": 500,
        }
        with broken_world(tmp_path_factory.mktemp("observed"), engine_url, settings, PARTS) as world:
            yield Observed(world, collector)


def start(observed: Observed, key: str, variables: dict[str, Any] | None = None, trace: str | None = None) -> Answer:
    """A start under a trace of its own."""
    parent = f"00-{trace or uuid.uuid4().hex}-b7ad6b7169203331-01"
    return observed.world.api.start(key, variables, traceparent=parent)


def test_request_start_steps_and_settle_are_one_tree(observed: Observed) -> None:
    assert start(observed, "five-steps", trace=TRACE).status == 200

    def spans() -> list[Span]:
        found = observed.collector.of_trace(TRACE)
        return found if {"settle", "POST /api/process/start"} <= {span.name for span in found} else []

    found = eventually(spans, what="the whole trace")
    tree = {span.span_id: span for span in found}
    parents = {
        span.name: tree[span.parent_id].name if span.parent_id in tree else None
        for span in found
        if not span.name.startswith("engine ")
    }
    assert parents == {
        "POST /api/process/start": None,
        "start five-steps": "POST /api/process/start",
        **{f"step five-steps.s{number}": "start five-steps" for number in range(1, 6)},
        "settle": "step five-steps.s5",
    }
    (server,) = [span for span in found if span.kind == "SERVER"]
    assert server.parent_id == "b7ad6b7169203331"
    assert server.attributes["http.response.status_code"] == 200
    calls = [(tree[span.parent_id].name, span.name) for span in found if span.kind == "CLIENT"]
    assert ("start five-steps", "engine POST /process-definition/key/five-steps/start") in calls
    assert ("step five-steps.s1", "engine POST /external-task/{id}/complete") in calls
    steps = [span for span in found if span.name.startswith("step ")]
    assert [step.attributes["outcome"] for step in steps] == ["completed"] * 5
    assert [step.attributes["attempt"] for step in steps] == [1] * 5
    assert not [span for span in found if span.is_error]


def test_failed_attempt_is_an_error_and_its_secret_nowhere(observed: Observed) -> None:
    trace = uuid.uuid4().hex
    secret = f"hunter-{uuid.uuid4().hex}"
    answer = start(observed, "probe", {"do": "fail-once", "password": secret}, trace)
    assert answer.status == 200
    steps = eventually(
        lambda: found if len(found := _named(observed, trace, "step probe.work")) == 2 else None, what="two attempts"
    )
    assert sorted((step.attributes["attempt"], step.is_error) for step in steps) == [(1, True), (2, False)]
    log = observed.world.api.events(answer.body["traceabilityId"])
    assert secret not in json.dumps(log)
    assert {event["businessActionRequest"]["password"] for event in log} == {"[redacted]"}
    for part in PARTS:
        assert secret not in observed.world.stack[part].log_text()
    # What the client asked for, and what its own process made of it, is the client's.
    assert answer.body["result"]["password"] == secret


def test_lines_of_a_request_and_its_steps_say_what_they_are_for(observed: Observed) -> None:
    answer = start(observed, "probe", {"do": "refuse-uncaught"})
    body = answer.body
    assert answer.status == 500

    def about() -> list[dict[str, Any]]:
        return [
            line for line in observed.lines("worker")
            if line.get("correlationId") == body["correlationId"] and line.get("topic") == "probe.work"
        ]  # fmt: skip

    line = eventually(about, what="a line about the step")[0]
    assert line["traceabilityId"] == body["traceabilityId"]
    assert line["processInstanceId"] == body["processInstanceId"]
    assert {"taskId", "externalTaskId", "level", "timestamp", "logger", "event"} <= set(line)


@pytest.mark.parametrize(
    ("part", "logger"), [("web", "gunicorn.error"), ("worker", "celery.worker.consumer.connection")]
)
def test_lines_of_others_have_the_same_form(observed: Observed, part: str, logger: str) -> None:
    lines = observed.lines(part)
    assert logger in {line["logger"] for line in lines}
    others = [text for text in observed.world.stack[part].log_text().splitlines() if not text.startswith("{")]
    # Celery greets on standard output before it sets up logging.
    assert not [text for text in others if "INFO" in text or "WARN" in text or "[info]" in text], others


def test_ready_says_which_part_is_away_and_since_when(observed: Observed) -> None:
    world = observed.world
    eventually(lambda: observed.ready().body["status"] == "ready", what="a stack that is ready")
    parts = observed.ready().body["parts"]
    (worker,) = parts["workers"]["workers"].values()
    assert worker == {"slots": 2, "running": 0}
    last_tick = eventually(lambda: observed.ready().body["parts"]["beat"].get("lastTick"), what="a tick")

    stop_all([world.stack["beat"], world.stack["worker"]], 10.0)
    world.engine.refuse()
    away = eventually(
        lambda: (
            body
            if not any((body := observed.ready().body)["parts"][name]["up"] for name in ("beat", "workers", "engine"))
            else None
        ),
        what="three parts away",
    )
    assert away["status"] == "degraded"
    assert away["parts"]["broker"]["up"]
    assert away["parts"]["database"]["up"]
    # since its last tick, not since somebody asked
    assert last_tick <= away["parts"]["beat"]["since"] <= away["parts"]["workers"]["since"]
    assert observed.ready().body["parts"]["engine"]["since"] == away["parts"]["engine"]["since"]
    assert not {"deployments", "topics"} & set(away["parts"])

    world.redis.freeze()
    frozen = eventually(
        lambda: a if not (a := observed.ready()).body["parts"]["broker"]["up"] else None, what="no broker"
    )
    assert frozen.status == 200
    assert frozen.seconds < 10
    assert world.api.get("/health/live").seconds < 1

    world.redis.forward()
    world.engine.forward()
    world.restart("worker", "beat")
    world.wait_ready()


def _named(observed: Observed, trace: str, name: str) -> list[Span]:
    return [span for span in observed.collector.of_trace(trace) if span.name == name]
