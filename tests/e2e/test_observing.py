"""Traces, JSON logs and readiness of one stack, which then loses one part after the other."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.children import stop_all
from dev.local_engine import LocalEngine
from dev.ports import free_port
from tests.support.api import Answer, eventually
from tests.support.collector import Collector, Span
from tests.support.world import World, broken_world

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARTS = ("web", "worker", "beat")
_OF_A_PROCESS = {"taskId", "correlationId", "processInstanceId"}
_OF_A_STEP = {*_OF_A_PROCESS, "externalTaskId", "topic"}
#: members that every line about a task has
NAMES = {
    "start_process": {"taskId"},
    "run_step": _OF_A_STEP,
    "report_killed": _OF_A_STEP,
    "follow": _OF_A_PROCESS,
    "close_instance": {"taskId"},
}
#: loggers of lines that are of no single request or task, but of the whole process
OF_THE_WORKER = (
    "celery.",
    "kombu.",
    "urllib3.",
    "redis",
    "tasks.broker.start_throttle",
    "tasks.worker.bootsteps",
    "tasks.worker.shutdown",
)
#: gunicorn logs a request before it has an id
OF_THE_SERVER = ("gunicorn.error", "app.web_worker", "urllib3.", "__config__", "app.starts.waiting", "app.streams")


@dataclass
class Observed:
    """The stack, and the collector of its traces."""

    world: World
    collector: Collector

    def lines(self, part: str) -> list[dict[str, Any]]:
        """The log of one part."""
        texts = self.world.stack[part].log_text().splitlines()
        return [json.loads(text) for text in texts if text.startswith("{")]

    def ready(self) -> Answer:
        return self.world.api.get("/health/ready")


@pytest.fixture(scope="module")
def own_engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine of its own, so that no other stack fetches a step whose span is expected here."""
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with LocalEngine(free_port(), log=log).running() as engine:
        yield engine.base_url


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, own_engine_url: str) -> Iterator[Observed]:
    with Collector() as collector:
        settings = {
            "PROCESSES": "processes,tests.processes",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
            "WORKER_CONCURRENCY": 2,
            # A handler crashes.
            "WORKER_POOL": "prefork",
            "POLL_INTERVAL_MS": 500,
            "WORKER_GRACE_S": 5,
            "LOCK_DURATION_MS": 8_000,
            "CAMUNDA_TIMEOUT_MS": 5_000,
        }
        with broken_world(tmp_path_factory.mktemp("observed"), own_engine_url, settings, PARTS) as world:
            yield Observed(world, collector)


def start(observed: Observed, key: str, variables: dict[str, Any] | None = None, trace: str | None = None) -> Answer:
    """Start a process with a trace of its own."""
    parent = f"00-{trace or uuid.uuid4().hex}-b7ad6b7169203331-01"
    return observed.world.api.start(key, variables, traceparent=parent)


def test_request_start_steps_and_settle_are_one_tree(observed: Observed) -> None:
    assert start(observed, "five-steps", trace=TRACE).status == 200

    def spans() -> list[Span]:
        found = observed.collector.of_trace(TRACE)
        return found if len([span for span in found if not span.name.startswith("engine ")]) == 8 else []

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
    # A fetch that conflicts with another in the engine has an error span; no other span is an error.
    assert not [span for span in found if span.is_error and span.kind != "CLIENT"]


def test_trace_continues_behind_an_asynchronous_continuation_to_the_end(observed: Observed) -> None:
    api, trace = observed.world.api, uuid.uuid4().hex
    # so that the step behind the continuation is followed more than once
    assert api.call("POST", "/api/process/topics/async-chain.second/pause", {}).status == 200
    parent = f"00-{trace}-b7ad6b7169203331-01"
    started = api.start("async-chain", traceparent=parent, prefer="respond-async")
    assert started.status == 202
    eventually(lambda: len(_named(observed, trace, "follow async-chain")) >= 2, what="follows behind the first step")
    assert api.call("POST", "/api/process/topics/async-chain.second/resume").status == 200
    assert api.wait_until_ended(started.body["correlationId"]).body["status"] == "ok"
    whole = {"POST /api/process/start", "step async-chain.second", "settle"}
    eventually(lambda: whole <= _names(observed, trace), what="the whole trace")

    tree = {span.span_id: span for span in observed.collector.of_trace(trace)}
    looks = [span for span in tree.values() if span.name == "follow async-chain"]
    assert {tree[span.parent_id].name for span in looks} == {"step async-chain.first"}
    assert {span.name for span in tree.values() if span.parent_id not in tree} == {"POST /api/process/start"}


def test_follow_that_ops_cause_is_of_their_trace(observed: Observed) -> None:
    name = f"told-{uuid.uuid4().hex}"
    assert observed.world.api.start("awaits-message", {}, name, prefer="respond-async").status == 202
    trace = uuid.uuid4().hex

    def told() -> bool:
        body = {"messageName": "payment", "variables": {}}
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        return observed.world.api.call("POST", f"/api/process/{name}/message", body, headers).status == 200

    eventually(told, what="a process that waits for the message")
    look = eventually(lambda: _named(observed, trace, "follow awaits-message"), what="the follow behind the message")[0]
    # Each process of the operating system sends its own spans, at its own time.
    request = eventually(
        lambda: [span for span in observed.collector.of_trace(trace) if span.span_id == look.parent_id],
        what="the request that caused the follow",
    )
    assert [span.kind for span in request] == ["SERVER"]


def test_killed_attempt_has_a_span_in_its_trace(observed: Observed) -> None:
    trace = uuid.uuid4().hex
    assert start(observed, "probe", {"do": "crash"}, trace).status == 500
    eventually(lambda: "settle" in _names(observed, trace), what="the end of the process")

    # one for each attempt, because a killed attempt cannot send a span
    killed = eventually(
        lambda: found if len(found := _named(observed, trace, "report killed probe.work")) >= 3 else None,
        what="three killed attempts",
    )
    assert len(killed) == 3
    assert all(span.is_error and span.attributes["error.type"] == "killed" for span in killed)
    (settle,) = _named(observed, trace, "settle")
    assert settle.parent_id in {span.span_id for span in killed}


def test_failed_attempt_is_an_error_span_without_its_secret(observed: Observed) -> None:
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
    # The client may see its own input, and the error of its own process.
    assert answer.body["result"]["password"] == secret


def test_lines_about_a_lock_that_cannot_be_extended_name_its_process(observed: Observed, tmp_path: Path) -> None:
    until = tmp_path / "until"
    name = f"held-{uuid.uuid4().hex}"
    given = {"do": "hold", "until": str(until), "notes": str(tmp_path / "notes")}
    assert observed.world.api.start("patient", given, name, prefer="respond-async").status == 202
    eventually((tmp_path / "notes").exists, what="a handler that runs")
    observed.world.engine.refuse()
    try:
        line = eventually(
            lambda: [
                line for line in observed.lines("worker")
                if line["logger"] == "camunda_bridge.locks" and line.get("correlationId") == name
            ],
            what="a line of the thread that extends locks",
        )[0]  # fmt: skip
    finally:
        observed.world.engine.forward()
        until.touch()
    assert line["topic"] == "patient.work"
    assert line["task"] == "run_step"
    assert {"taskId", "externalTaskId", "processInstanceId", "traceabilityId"} <= set(line)
    assert observed.world.api.wait_until_ended(name).body["status"] == "ok"


def test_lines_of_a_request_and_its_steps_have_their_ids(observed: Observed) -> None:
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
    # Celery prints its banner on standard output before it sets up logging.
    assert not [text for text in others if "INFO" in text or "WARN" in text or "[info]" in text], others


def test_ready_shows_which_part_is_down_and_since_when(observed: Observed) -> None:
    world = observed.world
    eventually(lambda: observed.ready().body["status"] == "ready", what="a stack that is ready")

    def slots() -> list[dict[str, int]]:
        return list(observed.ready().body["parts"]["workers"]["workers"].values())

    eventually(lambda: slots() == [{"slots": 2, "running": 0}], what="a worker whose slots are free")
    last_tick = eventually(lambda: observed.ready().body["parts"]["beat"].get("lastTick"), what="a tick")

    trace = uuid.uuid4().hex
    start(observed, "five-steps", trace=trace)
    stop_all([world.stack["beat"], world.stack["worker"]], 20.0)
    assert _named(observed, trace, "settle"), "a worker that ends sends its spans"
    world.engine.refuse()
    away = eventually(
        lambda: (
            body
            if not any((body := observed.ready().body)["parts"][name]["up"] for name in ("beat", "workers", "engine"))
            else None
        ),
        what="three parts that are down",
    )
    assert away["status"] == "degraded"
    assert away["parts"]["broker"]["up"]
    assert away["parts"]["database"]["up"]
    # since its last tick, not since the first check
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


def test_every_line_of_a_request_or_a_process_has_its_id(observed: Observed, tmp_path: Path) -> None:
    # A step that is stopped and unlocked at the end of its worker, and one that ends within the grace period.
    api, worker = observed.world.api, observed.world.stack["worker"]
    cut_off, in_time = (f"{name}-{uuid.uuid4().hex}" for name in ("cut-off", "in-time"))
    for name in (cut_off, in_time):
        given = {"do": "hold", "until": str(tmp_path / f"until-{name}"), "notes": str(tmp_path / f"notes-{name}")}
        assert api.start("patient", given, name, prefer="respond-async").status == 202
        eventually((tmp_path / f"notes-{name}").exists, what="a handler that runs")
    worker.signal(signal.SIGTERM)
    (tmp_path / f"until-{in_time}").touch()
    assert worker.wait(30)
    given_back = [
        line["correlationId"] for line in observed.lines("worker") if line["logger"] == "tasks.fetching.unlock"
    ]
    assert given_back == [cut_off]
    observed.world.restart("worker")
    (tmp_path / f"until-{cut_off}").touch()
    for name in (cut_off, in_time):
        assert api.wait_until_ended(name).body["status"] == "ok"

    about_tasks = [line for line in observed.lines("worker") if line.get("task") in NAMES]
    assert {line["task"] for line in about_tasks} >= {"run_step", "report_killed"}
    assert [line for line in about_tasks if not NAMES[line["task"]] <= set(line)] == []
    lines = observed.lines("worker")
    assert [line for line in lines if "task" not in line and not line["logger"].startswith(OF_THE_WORKER)] == []

    lines = observed.lines("web")
    assert any("requestId" in line for line in lines)
    assert [line for line in lines if "requestId" not in line and not line["logger"].startswith(OF_THE_SERVER)] == []
    # A line that is logged before a request has its id must not have the id of the request before it.
    assert [line for line in lines if line["event"].startswith(("GET /", "POST /")) and "requestId" in line] == []


def _names(observed: Observed, trace: str) -> set[str]:
    return {span.name for span in observed.collector.of_trace(trace)}


def _named(observed: Observed, trace: str, name: str) -> list[Span]:
    return [span for span in observed.collector.of_trace(trace) if span.name == name]
