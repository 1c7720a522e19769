"""Webhooks of real processes to a real receiver: signed, repeated until accepted, one an end, to allowed hosts only."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from dev.stack import Stack
from tests.e2e.conftest import CALLBACK_SECRET
from tests.support.api import Answer, Api, eventually
from tests.support.guide import verifier
from tests.support.scripted_server import Handler, ScriptedServer, Seen, in_turn, says, stays_silent


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def start(api: Api, url: str, process_key: str = "stepless", **variables: Any) -> Answer:
    correlation_id = f"hook-{uuid.uuid4()}"
    body = {"processKey": process_key, "variables": variables, "correlationId": correlation_id, "callbackUrl": url}
    answer = api.call("POST", "/api/process/start", body)
    return Answer(answer.status, answer.headers, {**answer.body, "correlationId": correlation_id}, answer.seconds)


def callback(api: Api, started: Answer) -> dict[str, Any]:
    found: dict[str, Any] = api.status(started.body["correlationId"]).body["callback"]
    return found


def until(api: Api, started: Answer, status: str) -> dict[str, Any]:
    return eventually(lambda: (found := callback(api, started))["status"] == status and found, what=status)


def data(seen: Seen) -> dict[str, Any]:
    """Check the signature of a webhook as the guide shows it, and return its data."""
    headers = {name.lower(): value for name, value in seen.headers.items()}
    event: dict[str, Any] = verifier()([CALLBACK_SECRET], headers, seen.body)
    assert (event["specversion"], event["type"]) == ("1.0", "celery-camunda.process.ended")
    assert seen.headers["Content-Type"].startswith("application/cloudevents+json")
    assert event["id"] == seen.headers["webhook-id"]
    assert event["subject"] == event["data"]["correlationId"]
    inner: dict[str, Any] = event["data"]
    return inner


def test_end_is_sent_once_with_the_status_and_a_signature(api: Api, receiver: ScriptedServer) -> None:
    started = start(api, f"{receiver.url}/hook?token=secret", "probe", greeting="hi")
    assert started.status == 200, started.body

    found = until(api, started, "delivered")

    assert (found["attempts"], found["lastStatusCode"], found["lastError"], found["nextAt"]) == (1, 200, None, None)
    assert found["url"] == f"{receiver.url}/hook?..."
    (seen,) = receiver.seen
    assert seen.path == "/hook?token=secret"
    assert found["webhookId"] == seen.headers["webhook-id"]
    status = api.status(started.body["correlationId"]).body
    assert data(seen) == {
        name: value
        for name, value in status.items()
        if name not in ("callback", "links", "active", "maintenance", "reruns")
    }


def test_every_kind_of_end_is_sent(api: Api, receiver: ScriptedServer) -> None:
    refused = start(api, receiver.url, "probe", do="refuse")
    diagram = start(api, receiver.url, "error-end")
    incident = start(api, receiver.url, "probe", do="refuse-uncaught")
    pending = []
    for _ in range(2):
        correlation_id = f"hook-{uuid.uuid4()}"
        body = {"processKey": "never-ends", "correlationId": correlation_id, "callbackUrl": receiver.url}
        pending.append(api.call("POST", "/api/process/start", body, {"Prefer": "respond-async"}))
    cancelled, completed = pending
    assert callback(api, cancelled)["status"] == "waiting"
    for _ in range(2):
        api.call("POST", f"/api/process/{cancelled.body['correlationId']}/cancel")
        end = {"correlationId": completed.body["correlationId"], "status": "ok", "data": {"n": 1}}
        api.call("POST", "/api/process/complete", end)

    for started in (refused, diagram, incident, cancelled, completed):
        until(api, started, "delivered")

    told = {
        data(seen)["correlationId"]: (data(seen)["status"], (data(seen)["error"] or {}).get("code"))
        for seen in receiver.seen
    }
    assert told[refused.body["correlationId"]] == ("error", "CAUGHT")
    assert told[diagram.body["correlationId"]][0] == "error"
    assert told[incident.body["correlationId"]] == ("error", "INCIDENT")
    assert told[cancelled.body["correlationId"]] == ("cancelled", "CANCELLED")
    assert told[completed.body["correlationId"]] == ("ok", None)
    assert len(receiver.seen) == 5


def test_webhook_that_a_receiver_refuses_is_sent_again_with_the_same_id(api: Api, receiver: ScriptedServer) -> None:
    receiver.answer = in_turn(says(500), says(503, Retry_After="1"), says(204))
    started = start(api, receiver.url)

    found = until(api, started, "delivered")

    assert (found["attempts"], found["lastStatusCode"]) == (3, 204)
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert len({seen.body for seen in receiver.seen}) == 1
    assert data(receiver.seen[-1])["status"] == "ok"


def test_webhook_is_not_sent_again_after_410(api: Api, receiver: ScriptedServer) -> None:
    receiver.answer = says(410)
    found = until(api, start(api, receiver.url), "failed")
    assert (found["attempts"], found["lastStatusCode"], found["nextAt"]) == (1, 410, None)


def test_redirect_is_not_followed(api: Api, receiver: ScriptedServer) -> None:
    receiver.answer = in_turn(says(307, Location=f"{receiver.url}/inner"), says(200))
    until(api, start(api, f"{receiver.url}/outer"), "delivered")
    assert [seen.path for seen in receiver.seen] == ["/outer", "/outer"]


def test_name_with_an_inside_address_is_never_connected_to(api: Api, receiver: ScriptedServer) -> None:
    # `localhost` is listed as a name, but its address is not listed.
    started = start(api, receiver.url.replace("127.0.0.1", "localhost"))
    found = eventually(lambda: (one := callback(api, started))["attempts"] > 1 and one)
    assert found["lastError"] == "the host has an address that is not allowed"
    assert receiver.seen == []


def drips(handler: Handler) -> None:
    """Send an answer that never ends, one byte at a time."""
    deadline = time.monotonic() + 10
    try:
        while time.monotonic() < deadline:
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.3)
    except OSError:
        pass
    handler.close_connection = True


def test_attempt_at_a_silent_or_slow_receiver_ends_in_time(api: Api, receiver: ScriptedServer) -> None:
    other = ScriptedServer()
    try:
        receiver.answer = in_turn(stays_silent, says(200))
        other.answer = in_turn(drips, says(200))
        silent, dripping = start(api, receiver.url), start(api, other.url)
        errors = [eventually(lambda one=one: callback(api, one)["lastError"]) for one in (silent, dripping)]
        assert errors == ["no answer within 1000 ms", "no answer within 3 s"]
        for one in (silent, dripping):
            assert until(api, one, "delivered")["attempts"] == 2
    finally:
        other.close()


def test_workers_killed_while_sending_and_redis_emptied(api: Api, stack: Stack, receiver: ScriptedServer) -> None:
    reached, release = threading.Event(), threading.Event()

    def holds(handler: Handler) -> None:
        reached.set()
        release.wait(10)
        handler.close_connection = True

    receiver.answer = in_turn(holds, says(200))
    body = {"processKey": "never-ends", "correlationId": f"hook-{uuid.uuid4()}", "callbackUrl": receiver.url}
    lost = api.call("POST", "/api/process/start", body, {"Prefer": "respond-async"})
    eventually(lambda: api.status(lost.body["correlationId"]).body["processInstanceId"])
    caught = start(api, receiver.url)
    assert reached.wait(20)
    try:
        for name in ("worker", "control"):
            stack[name].kill()
        client = redis.Redis.from_url(stack.environment.get("REDIS_URL"))
        # Redis gives messages to the killed workers until their connections are gone.
        eventually(lambda: client.info("clients")["blocked_clients"] == 0)
        ended = api.call("POST", "/api/process/complete", {"correlationId": body["correlationId"], "status": "ok"})
        assert ended.status == 200, ended.body
        assert client.llen("webhooks") >= 1
        client.flushall()
    finally:
        release.set()
        stack.start_parts(["worker", "control"])

    assert until(api, caught, "delivered")["attempts"] == 2
    assert until(api, lost, "delivered")["attempts"] == 1
    ids = [json.loads(seen.body)["id"] for seen in receiver.seen]
    assert sorted(ids.count(one) for one in set(ids)) == [1, 2]


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest",
        "https://127.0.0.1/",
    ],
)
def test_start_that_names_another_host_is_refused(api: Api, url: str) -> None:
    refused = start(api, url)
    assert (refused.status, refused.body["type"]) == (422, "/problems/invalid-callback")
    assert set(refused.body["errors"]) == {"callbackUrl"}


def test_another_callback_is_another_start(api: Api, receiver: ScriptedServer) -> None:
    started = start(api, receiver.url)
    body = {"processKey": "stepless", "variables": {}, "correlationId": started.body["correlationId"]}
    same = api.call("POST", "/api/process/start", {**body, "callbackUrl": receiver.url})
    assert (same.status, same.headers["idempotency-replayed"]) == (200, "true")
    for other in ({}, {"callbackUrl": f"{receiver.url}/other"}):
        assert api.call("POST", "/api/process/start", {**body, **other}).status == 409
