"""Every status that `/openapi.json` documents is produced here, and no other status occurs."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import sseclient
from flask import Request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import RequestTimeout
from werkzeug.test import TestResponse

from app.api import data
from app.openapi.spec import operations
from app.operations import ending, suspending
from app.security import api_keys
from service import variables as service_variables
from service.errors import OperationRefused
from service.variables import Variable
from store.process_rows import ERROR, OK, Ending, ProcessRow
from tests.support.facade import USER, Facade

Key = tuple[str, int]

START = "POST /api/process/start"
STATUS = "GET /api/process/status/{correlation_id}"
LIST = "GET /api/process/status/all"
COMPLETE = "POST /api/process/complete"
RETRY = "POST /api/process/{correlation_id}/retry"
CANCEL = "POST /api/process/{correlation_id}/cancel"
MESSAGE = "POST /api/process/{correlation_id}/message"
RERUN = "POST /api/process/{correlation_id}/rerun"
LOG = "GET /api/process/event-log/{traceability_id}"
DEFINITIONS = "GET /api/process/definitions"
LIVE = "GET /health/live"
READY = "GET /health/ready"
EVENTS = "GET /api/process/{correlation_id}/events"
TOPICS = "GET /api/process/topics"
PAUSE = "POST /api/process/topics/{topic}/pause"
RESUME = "POST /api/process/topics/{topic}/resume"
LIMITS = "POST /api/process/topics/{topic}/limits"
BULK_RETRY = "POST /api/process/bulk/retry"
BULK_CANCEL = "POST /api/process/bulk/cancel"
DATA = "GET /api/process/{correlation_id}/data"
ERASE = "DELETE /api/process/{correlation_id}/data"
PAUSE_SEVERAL = "POST /api/process/topics/pause"
RESUME_SEVERAL = "POST /api/process/topics/resume"
MAINTENANCE = "/api/process/maintenance"
VARIABLES = "GET /api/process/{correlation_id}/variables"
CHANGE = "PATCH /api/process/{correlation_id}/variables"
TOPIC = "onboard-user.validate-user-information"

#: (operation, status) -> the function that produces this answer
CASES: dict[Key, Callable[[Facade], TestResponse]] = {}


def case(operation: str, status: int) -> Callable[[Callable[[Facade], TestResponse]], Callable[..., TestResponse]]:
    """Register a function that makes an operation answer a status."""

    def note(make: Callable[[Facade], TestResponse]) -> Callable[[Facade], TestResponse]:
        CASES[operation, status] = make
        return make

    return note


def accept(facade: Facade) -> uuid.UUID:
    """Accept a process `order-1`, which is pending."""
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id("order-1")
    assert row is not None
    return row.id


def end(facade: Facade, ending: Ending) -> None:
    """Accept and end a process `order-1`."""
    process_id = accept(facade)
    assert facade.runtime.processes.record_instance(process_id, "pi")
    facade.runtime.processes.settle(process_id, ending, process_instance_id="pi")


@case(START, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK, result={"n": 1}))
    return facade.start("order-1")


@case(START, 202)
def _(facade: Facade) -> TestResponse:
    return facade.start(Prefer="respond-async")


@case(START, 404)
def _(facade: Facade) -> TestResponse:
    return facade.post("/api/process/start", {"processKey": "nobody-knows"})


@case(START, 409)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.start("order-1", {**USER, "firstName": "Eve"})


@case(STATUS, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK, result={"n": 1}))
    return facade.http.get("/api/process/status/order-1")


@case(STATUS, 202)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.http.get("/api/process/status/order-1", headers={"Prefer": "wait=0"})


@case(STATUS, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/status/nobody")


@case(STATUS, 422)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/status/nobody?active=perhaps")


@case(LIST, 200)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.http.get("/api/process/status/all")


@case(LIST, 400)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/status/all?cursor=zzz")


@case(LOG, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    # too late, which is recorded
    facade.post("/api/process/complete", {"correlationId": "order-1", "status": "error"})
    return facade.http.get(f"/api/process/event-log/{facade.rows()[0].traceability_id}")


@case(LOG, 400)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/event-log/trace?cursor=zzz")


@case(LOG, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/event-log/nobody")


@case(COMPLETE, 200)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.post("/api/process/complete", {"correlationId": "order-1", "status": "ok", "data": {"n": 1}})


@case(COMPLETE, 404)
def _(facade: Facade) -> TestResponse:
    return facade.post("/api/process/complete", {"correlationId": "nobody", "status": "ok"})


@case(COMPLETE, 409)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK, result={"n": 1}))
    return facade.post("/api/process/complete", {"correlationId": "order-1", "status": "ok", "data": {"n": 2}})


@case(RETRY, 200)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "retry_incidents", lambda row, **_: True)
        return facade.http.post("/api/process/order-1/retry")


@case(RETRY, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.post("/api/process/nobody/retry")


@case(RETRY, 409)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(ERROR, error={"code": "E", "message": "m"}))
    with pytest.MonkeyPatch.context() as patch:
        # tests/chaos has an engine; here the process has no incident
        patch.setattr(ending, "retry_incidents", lambda row, **_: False)
        return facade.http.post("/api/process/order-1/retry")


@case(RERUN, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK, result={"n": 1}))
    return facade.post("/api/process/order-1/rerun", {"dryRun": True})


@case(RERUN, 202)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK, result={"n": 1}))
    return facade.post("/api/process/order-1/rerun", {}, Prefer="respond-async")


@case(RERUN, 404)
def _(facade: Facade) -> TestResponse:
    return facade.post("/api/process/nobody/rerun", {})


@case(RERUN, 409)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.post("/api/process/order-1/rerun", {})


@case(CANCEL, 200)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.post("/api/process/order-1/cancel", {"reason": "withdrawn"})


@case(CANCEL, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.post("/api/process/nobody/cancel")


@case(CANCEL, 409)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    return facade.http.post("/api/process/order-1/cancel")


def send(facade: Facade, correlation_id: str, *, taken: bool) -> TestResponse:
    """Send a message, without an engine; tests/e2e/test_ops_calls.py has one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "correlate_message", lambda *given, **named: taken)
        return facade.post(f"/api/process/{correlation_id}/message", VALID[MESSAGE])


@case(MESSAGE, 200)
def _(facade: Facade) -> TestResponse:
    process_id = accept(facade)
    assert facade.runtime.processes.claim(process_id, "token", for_s=30)[1]
    assert facade.runtime.processes.record_instance(process_id, "pi")
    return send(facade, "order-1", taken=True)


@case(MESSAGE, 404)
def _(facade: Facade) -> TestResponse:
    return send(facade, "nobody", taken=True)


@case(MESSAGE, 409)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    return send(facade, "order-1", taken=False)


def suspension(facade: Facade, path: str, *, versions: int = 1) -> TestResponse:
    """Suspend or resume, without an engine; tests/e2e/test_suspension.py has one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("suspend", "resume"):
            patch.setattr(suspending.suspension, name, lambda *given, **named: True)
        patch.setattr(suspending.suspension, "set_definition_suspended", lambda *given, **named: versions)
        return facade.http.post(path)


for _what in ("suspend", "resume"):

    @case(f"POST /api/process/{{correlation_id}}/{_what}", 200)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        accept(facade)
        return suspension(facade, f"/api/process/order-1/{what}")

    @case(f"POST /api/process/{{correlation_id}}/{_what}", 404)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        return suspension(facade, f"/api/process/nobody/{what}")

    @case(f"POST /api/process/{{correlation_id}}/{_what}", 409)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        end(facade, Ending(OK))
        return suspension(facade, f"/api/process/order-1/{what}")

    @case(f"POST /api/process/definitions/{{key}}/{_what}", 200)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        return suspension(facade, f"/api/process/definitions/onboard-user/{what}")

    @case(f"POST /api/process/definitions/{{key}}/{_what}", 404)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        return suspension(facade, f"/api/process/definitions/nobody/{what}")

    @case(f"POST /api/process/definitions/{{key}}/{_what}", 409)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        return suspension(facade, f"/api/process/definitions/onboard-user/{what}", versions=0)

    @case(f"POST /api/process/definitions/{{key}}/{_what}", 503)
    def _(facade: Facade, what: str = _what) -> TestResponse:
        return facade.http.post(f"/api/process/definitions/onboard-user/{what}")


@case(EVENTS, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    return facade.http.get("/api/process/order-1/events")


@case(EVENTS, 204)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    *_, last = facade.http.get("/api/process/order-1/events").text.split("id: ")
    return facade.http.get("/api/process/order-1/events", headers={"Last-Event-ID": last.splitlines()[0]})


@case(EVENTS, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/nobody/events")


@case(DEFINITIONS, 200)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/definitions")


@case(TOPICS, 200)
def _(facade: Facade) -> TestResponse:
    assert facade.post(f"/api/process/topics/{TOPIC}/pause", {"reason": "why"}).status_code == 200
    return facade.http.get("/api/process/topics")


@case(PAUSE, 200)
def _(facade: Facade) -> TestResponse:
    return facade.http.post(f"/api/process/topics/{TOPIC}/pause")


@case(PAUSE_SEVERAL, 200)
def _paused_several(facade: Facade) -> TestResponse:
    return facade.post("/api/process/topics/pause", {"topics": [TOPIC], "reason": "release"})


@case(PAUSE_SEVERAL, 404)
def _paused_several_unknown(facade: Facade) -> TestResponse:
    return facade.post("/api/process/topics/pause", {"topics": [TOPIC, "unknown"]})


@case(RESUME_SEVERAL, 200)
def _resumed_several(facade: Facade) -> TestResponse:
    return facade.post("/api/process/topics/resume", {"topics": [TOPIC]})


@case(RESUME_SEVERAL, 404)
def _resumed_several_unknown(facade: Facade) -> TestResponse:
    return facade.post("/api/process/topics/resume", {"topics": ["unknown"]})


def variables(facade: Facade, name: str, *, dry_run: bool | None = None) -> TestResponse:
    """Read or change variables, without an engine; tests/e2e/test_variables.py has one."""
    one = Variable("n", "Integer", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_variables, "variables_of", lambda row: [one])
        patch.setattr(service_variables, "change", lambda row, changes, **_: [(None, one), (one, one)])
        if dry_run is None:
            return facade.http.get(f"/api/process/{name}/variables")
        body = {"variables": {"n": 1}, "dryRun": dry_run}
        return facade.http.patch(f"/api/process/{name}/variables", json=body)


@case(VARIABLES, 200)
def _read_variables(facade: Facade) -> TestResponse:
    accept(facade)
    return variables(facade, "order-1")


@case(VARIABLES, 404)
def _read_variables_of_nobody(facade: Facade) -> TestResponse:
    return variables(facade, "nobody")


@case(VARIABLES, 409)
def _read_variables_of_an_ended_process(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    return variables(facade, "order-1")


@case(CHANGE, 200)
def _change_variables(facade: Facade) -> TestResponse:
    accept(facade)
    return variables(facade, "order-1", dry_run=True)


@case(CHANGE, 404)
def _change_variables_of_nobody(facade: Facade) -> TestResponse:
    return variables(facade, "nobody", dry_run=False)


@case(CHANGE, 409)
def _change_variables_of_an_ended_process(facade: Facade) -> TestResponse:
    end(facade, Ending(OK))
    return variables(facade, "order-1", dry_run=False)


@case("GET /api/process/incidents", 200)
def _incidents(facade: Facade) -> TestResponse:
    row = accept(facade)
    assert facade.runtime.processes.record_instance(row, "pi")
    error = {"code": "INCIDENT", "type": "incident", "message": "PartnerError: 503", "step": "charge"}
    assert facade.runtime.processes.settle(row, Ending(ERROR, error=error, incident_id="i"))
    return facade.http.get("/api/process/incidents")


@case(f"GET {MAINTENANCE}", 200)
def _maintenance(facade: Facade) -> TestResponse:
    return facade.http.get(MAINTENANCE)


@case(f"PUT {MAINTENANCE}", 200)
def _maintenance_on(facade: Facade) -> TestResponse:
    return facade.http.put(MAINTENANCE, json={"reason": "release"})


@case(f"DELETE {MAINTENANCE}", 200)
def _maintenance_off(facade: Facade) -> TestResponse:
    facade.http.put(MAINTENANCE, json={"reason": "release"})
    return facade.http.delete(MAINTENANCE)


@case(PAUSE, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.post("/api/process/topics/nobody/pause")


@case(RESUME, 200)
def _(facade: Facade) -> TestResponse:
    return facade.http.post(f"/api/process/topics/{TOPIC}/resume")


@case(RESUME, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.post("/api/process/topics/nobody/resume")


@case(LIMITS, 200)
def _(facade: Facade) -> TestResponse:
    return facade.post(f"/api/process/topics/{TOPIC}/limits", {"maxConcurrency": 2, "rate": "5/second"})


@case(LIMITS, 404)
def _(facade: Facade) -> TestResponse:
    return facade.post("/api/process/topics/nobody/limits", {"rate": None})


@case(BULK_RETRY, 200)
def _(facade: Facade) -> TestResponse:
    end(facade, Ending(ERROR, error={"message": "broke"}, incident_id="i"))
    return facade.post("/api/process/bulk/retry", {"errorContains": "broke"})


@case(BULK_CANCEL, 200)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.post("/api/process/bulk/cancel", {"dryRun": False})


def ended_without_instance(facade: Facade) -> None:
    """Accept a process `order-1` whose start the engine refused."""
    facade.runtime.processes.settle(accept(facade), Ending(ERROR, error={"code": "START_REFUSED"}))


@case(DATA, 200)
def _(facade: Facade) -> TestResponse:
    ended_without_instance(facade)
    return facade.http.get("/api/process/order-1/data")


@case(DATA, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/api/process/nobody/data")


@case(DATA, 409)
def _(facade: Facade) -> TestResponse:
    accept(facade)

    def refuse(_: ProcessRow) -> dict[str, Any]:
        raise OperationRefused("no permission")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "export", refuse)
        return facade.http.get("/api/process/order-1/data")


@case(ERASE, 200)
def _(facade: Facade) -> TestResponse:
    ended_without_instance(facade)
    return facade.http.delete("/api/process/order-1/data")


@case(ERASE, 404)
def _(facade: Facade) -> TestResponse:
    return facade.http.delete("/api/process/nobody/data")


@case(ERASE, 409)
def _(facade: Facade) -> TestResponse:
    accept(facade)
    return facade.http.delete("/api/process/order-1/data")


@case(LIVE, 200)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/health/live")


@case(READY, 200)
def _(facade: Facade) -> TestResponse:
    return facade.http.get("/health/ready")


@case(READY, 503)
def _(facade: Facade) -> TestResponse:
    away(facade)
    return facade.http.get("/health/ready")


# -- answers that all operations of a kind have, produced in one way


def away(facade: Facade) -> None:
    """Make the database unavailable."""
    folder = Path(facade.settings.database_url.removeprefix("sqlite:///")).parent
    facade.change(database_url=f"sqlite:///{folder}")


def implied(facade: Facade, name: str, operation: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[Key, Any]:
    """The functions for the answers that every operation of a kind has."""
    method, path = name.split()
    url = path.format(correlation_id="order-1", traceability_id="trace-1", topic=TOPIC, key="onboard-user")

    def sent(body: bytes, kind: str = "application/json") -> TestResponse:
        return facade.http.open(url, method=method, data=body, headers={"Content-Type": kind})

    def valid() -> TestResponse:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is None:
            return facade.http.open(url, method=method)
        return sent(json.dumps(VALID[name]).encode())

    def fault() -> TestResponse:
        def broken(**_: Any) -> None:
            raise ZeroDivisionError

        endpoint, _ = facade.app.url_map.bind("localhost").match(url, method=method)
        monkeypatch.setitem(facade.app.view_functions, endpoint, broken)
        return valid()

    def without_store() -> TestResponse:
        away(facade)
        return valid()

    def with_key(*, sent: bool) -> TestResponse:
        key, entry = api_keys.new_entry("caller", ["process:start" if method == "GET" else "process:read"])
        facade.change(auth="on", api_keys=[entry])
        return facade.http.open(url, method=method, headers={"X-API-Key": key} if sent else {})

    def late() -> TestResponse:
        # tests/e2e/test_web_server.py tests this with the real server.
        def never_comes(*_: Any, **__: Any) -> None:
            raise RequestTimeout("the body did not arrive within 15 s")

        monkeypatch.setattr(Request, "get_data", never_comes)
        return sent(b"{}")

    def too_often() -> TestResponse:
        facade.change(rate_limit="1/hour")
        redis.Redis.from_url(facade.settings.redis_url).flushall()
        facade.http.open(url, method=method)
        return facade.http.open(url, method=method)

    def without_keys() -> TestResponse:
        facade.change(auth="on", **KEYS_AWAY)
        header = base64.urlsafe_b64encode(b'{"alg": "RS256", "kid": "k"}').decode().rstrip("=")
        return facade.http.open(url, method=method, headers={"Authorization": f"Bearer {header}.e30.c2ln"})

    ways: dict[int, Callable[[], TestResponse]] = {429: too_often, 500: fault, 503: without_store}
    if path == "/api/process/definitions":
        ways[503] = without_keys
    if path.startswith("/api/"):
        # a key with the scope of another call
        ways |= {401: lambda: with_key(sent=False), 403: lambda: with_key(sent=True)}
    if "requestBody" in operation:
        ways |= {
            400: lambda: sent(b"{"),
            408: late,
            413: lambda: sent(b" " * (facade.settings.max_body_kb * 1024 + 1)),
            415: lambda: sent(b"{}", "text/plain"),
            422: lambda: sent(b'{"surplus": 1}'),
        }
    else:
        ways[422] = lambda: facade.http.open(f"{url}?limit=x", method=method)
    return {(name, status): way for status, way in ways.items()}


#: an issuer whose keys cannot be fetched
KEYS_AWAY: dict[str, Any] = {"jwt_jwks_url": "http://127.0.0.1:9/jwks", "jwt_issuer": "us", "jwt_audience": "it"}
#: a valid body of each operation
VALID: dict[str, Any] = {
    START: {"processKey": "onboard-user", "variables": USER},
    COMPLETE: {"correlationId": "order-1", "status": "ok"},
    CANCEL: {},
    RERUN: {},
    PAUSE: {},
    RETRY: {},
    CHANGE: {"variables": {"n": 1}},
    "POST /api/process/{correlation_id}/suspend": {},
    "POST /api/process/definitions/{key}/suspend": {},
    PAUSE_SEVERAL: {"topics": [TOPIC]},
    RESUME_SEVERAL: {"topics": [TOPIC]},
    f"PUT {MAINTENANCE}": {"reason": "release"},
    BULK_RETRY: {},
    BULK_CANCEL: {"dryRun": False, "reason": "withdrawn"},
    LIMITS: {"maxConcurrency": 0},
    MESSAGE: {"messageName": "payment", "variables": {"amount": 1}},
}


def documented(facade: Facade) -> dict[str, dict[str, Any]]:
    """All operations of the document, by name."""
    document = facade.http.get("/openapi.json").json or {}
    return {f"{method.upper()} {path}": operation for path, method, operation in operations(document)}


def test_every_documented_status_is_produced_and_looks_as_documented(
    facade: Facade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wanted = statuses(facade)

    produce(facade, wanted, monkeypatch, tmp_path)

    assert set(CASES) <= wanted, "every produced answer is documented"


def test_what_keys_tokens_and_limits_add_is_documented_and_produced(
    facade: Facade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = statuses(facade)
    facade.change(auth="on", rate_limit="100000/hour", **KEYS_AWAY)
    added = statuses(facade) - before

    assert {status for _, status in added} == {429, 503}
    assert (DEFINITIONS, 503) in added
    assert {name for name, status in added if status == 429} == {name for name, _ in before if " /api/" in name}
    produce(facade, added, monkeypatch, tmp_path)


def statuses(facade: Facade) -> set[Key]:
    """All statuses in the document."""
    return {(name, int(status)) for name, op in documented(facade).items() for status in op["responses"]}


def produce(facade: Facade, wanted: set[Key], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Produce each answer, and compare it with the present document."""
    document = facade.http.get("/openapi.json").json
    assert document is not None
    described = documented(facade)
    pristine = Path(facade.settings.database_url.removeprefix("sqlite:///")).read_bytes()
    for number, (name, status) in enumerate(sorted(wanted)):
        store = tmp_path / f"store-{number}.db"
        store.write_bytes(pristine)
        facade.change(database_url=f"sqlite:///{store}", auth="off", api_keys=[], rate_limit="", jwt_jwks_url="")
        with monkeypatch.context() as patch:
            make = CASES.get((name, status))
            way = implied(facade, name, described[name], patch).get((name, status))
            assert make or way, f"no function here makes {name} answer {status}"
            response = make(facade) if make else way()
            assert response.status_code == status, (name, status, response.text)
        check(document, described[name]["responses"][str(status)], response)


def streamed(answer: TestResponse) -> list[dict[str, str]]:
    """The events of a stream."""
    events = sseclient.SSEClient(iter([answer.data])).events()
    return [{"id": event.id, "event": event.event, "data": event.data} for event in events]


def check(document: dict[str, Any], response: dict[str, Any], answer: TestResponse) -> None:
    """Check that media type, headers and body are as documented."""
    if "content" not in response:
        assert answer.data == b""
        return
    assert answer.mimetype in response["content"]
    schema = {**response["content"][answer.mimetype]["schema"], "components": document["components"]}
    documents = [answer.json] if answer.is_json else streamed(answer)
    assert documents
    for document_sent in documents:
        Draft202012Validator(schema).validate(document_sent)
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers or not header.get("required"), name
        if name in answer.headers and (pattern := header["schema"].get("pattern")):
            assert re.search(pattern, answer.headers[name]), (name, answer.headers[name])
