"""Calls of ops for a running process: cancel it, send it a message, retry it, find it by its time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import requests

from dev.stack import Stack
from tests.support.api import Answer, Api, eventually


def cancel(api: Api, correlation_id: str, reason: str | None = None) -> Answer:
    body = None if reason is None else {"reason": reason}
    return api.call("POST", f"/api/process/{correlation_id}/cancel", body)


def send(api: Api, correlation_id: str, name: str, **variables: object) -> Answer:
    body = {"messageName": name, "variables": variables}
    return api.call("POST", f"/api/process/{correlation_id}/message", body)


def ops_of(api: Api, trace: str) -> list[tuple[str, str]]:
    return [(event["stepName"], event["actor"]) for event in api.events(trace) if event["phase"] == "ops"]


def is_gone(stack: Stack, instance: str) -> bool:
    engine = stack.environment.get("CAMUNDA_BASE_URL")
    return requests.get(f"{engine}/process-instance/{instance}", timeout=10).status_code == 404


def test_waiting_client_gets_a_cancel_at_once(api: Api, stack: Stack, correlation_id: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.start, "never-ends", {}, correlation_id)
        instance = eventually(lambda: api.status(correlation_id).body.get("processInstanceId"))

        begun = time.monotonic()
        cancelled = cancel(api, correlation_id, "withdrawn")
        told = waiting.result(timeout=30)
        seconds = time.monotonic() - begun

    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert (told.status, told.body["type"], told.body["detail"]) == (409, "/problems/process-cancelled", "withdrawn")
    assert seconds < 2, "without the cancel the wait would end after 8 s"
    assert cancel(api, correlation_id).body["error"] == {"code": "CANCELLED", "message": "withdrawn"}
    assert ops_of(api, told.body["traceabilityId"]) == [("cancel", "api")]
    eventually(lambda: is_gone(stack, instance))


def test_process_with_an_open_incident_can_be_cancelled(api: Api, stack: Stack) -> None:
    failed = api.start("probe", {"do": "fail"})
    assert failed.status == 500, failed.body
    assert not is_gone(stack, failed.body["processInstanceId"])

    cancelled = cancel(api, failed.body["correlationId"])

    assert (cancelled.status, cancelled.body["status"], cancelled.body["incidentId"]) == (200, "cancelled", None)
    eventually(lambda: is_gone(stack, failed.body["processInstanceId"]))


def test_process_that_ended_well_cannot_be_cancelled(api: Api) -> None:
    ended = api.start("stepless")

    refused = cancel(api, ended.body["correlationId"])

    assert (refused.status, refused.body["type"]) == (409, "/problems/already-ended")
    late = send(api, ended.body["correlationId"], "payment")
    assert (late.status, late.body["type"]) == (409, "/problems/already-ended")


def test_message_brings_its_variables_to_the_process(api: Api, correlation_id: str) -> None:
    started = api.start("awaits-message", {"order": 1}, correlation_id, prefer="respond-async")
    eventually(lambda: api.status(correlation_id).body["processInstanceId"])
    other = send(api, correlation_id, "another")
    assert (other.status, other.body["type"]) == (409, "/problems/message-not-correlated")

    sent = send(api, correlation_id, "payment", amount=12.5, paid=True, by={"name": "Ada"})

    assert sent.status == 200, sent.body
    ended = api.wait_until_ended(correlation_id)
    assert ended.body["data"] == {"order": 1, "amount": 12.5, "paid": True, "by": {"name": "Ada"}}
    again = send(api, correlation_id, "payment", amount=99)
    assert (again.status, again.body["type"]) == (409, "/problems/already-ended")
    assert ops_of(api, started.body["traceabilityId"]) == [("message", "api")]


def test_message_sent_twice_at_once_is_delivered_once(api: Api, correlation_id: str) -> None:
    started = api.start("awaits-message", {"order": 1}, correlation_id, prefer="respond-async")
    eventually(lambda: api.status(correlation_id).body["processInstanceId"])

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda amount: send(api, correlation_id, "payment", amount=amount), (1, 2)))

    taken, refused = sorted(answers, key=lambda answer: answer.status)
    assert (taken.status, refused.status in (409, 503)) == (200, True), refused.body
    assert api.wait_until_ended(correlation_id).body["data"]["amount"] == answers.index(taken) + 1
    assert ops_of(api, started.body["traceabilityId"]) == [("message", "api")]


def test_two_retries_at_once_run_the_step_once_more(api: Api, correlation_id: str) -> None:
    failed = api.start("probe", {"do": "fail"}, correlation_id)
    assert failed.status == 500, failed.body
    before = api.status(correlation_id).body["incidentId"]

    with ThreadPoolExecutor(2) as pool:
        retried = list(pool.map(lambda _: api.call("POST", f"/api/process/{correlation_id}/retry"), range(2)))

    assert [answer.status for answer in retried] == [200, 200]
    eventually(lambda: api.status(correlation_id).body["incidentId"] not in (None, before))
    events = api.events(failed.body["traceabilityId"])
    assert len([event for event in events if event["stepName"] == "work"]) == 3 + 1
    assert ops_of(api, failed.body["traceabilityId"]) == [("retry", "api")]


def test_list_is_bounded_by_time(api: Api) -> None:
    ids = [api.start("stepless").body["correlationId"] for _ in range(3)]
    moments = [api.status(name).body["startedAt"] for name in ids]

    query = urlencode({"startedAfter": moments[1], "startedBefore": moments[2], "limit": 500})
    listed = api.get(f"/api/process/status/all?{query}").body["processes"]

    assert [row["correlationId"] for row in listed] == [ids[1]]


def test_links_lead_somewhere(api: Api) -> None:
    started = api.start("probe")
    links = api.status(started.body["correlationId"]).body["links"]

    assert api.get(links["status"]).status == 200
    assert api.get(links["eventLog"]).status == 200
    assert api.call("POST", links["cancel"]).status == 409
