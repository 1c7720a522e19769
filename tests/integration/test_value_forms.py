"""The forms in which the store and the API show values of other programs and of handlers, with the workers' code."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from app import create_app
from camunda_bridge import File, Raw, VariableError
from camunda_bridge.errors import EngineRefused
from camunda_bridge.variables import to_engine
from service.replay import Recorded
from store.event_rows import COMPLETED, FAILED
from store.models import process_store
from store.process_rows import OK, NewProcess
from tasks.settling import reconcile
from tasks.steps import run as step_module
from telemetry.logs.redaction import REDACTED
from tests.contract.bpmn import external
from tests.integration.step_bench import Bench

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
OUTPUT = {"at": AT, "in": [AT], "bytes": b"abc", "file": File("f.txt", b"x"), "n": Raw("Double", "NaN", {})}
SHOWN = {
    "at": "2026-01-02T03:04:05.678Z",
    "in": ["2026-01-02T03:04:05.678Z"],
    "bytes": "YWJj",
    "file": {"filename": "f.txt", "mimetype": None, "encoding": None, "content": "eA=="},
    "n": "NaN",
}
#: a date in another form than the documented one, or the output of Python's `repr`
WRONG = re.compile(r"\d\dT\d\d:\d\d:\d\d(?!\.\d{3}Z)|\d{4}-\d\d-\d\d \d\d:|datetime\(|File\(|Raw\(|b\'")


def accept(bench: Bench, instance_id: str) -> uuid.UUID:
    row = NewProcess(uuid.uuid4(), f"row-{uuid.uuid4()}", "h", bench.key, {}, "trace")
    store = bench.runtime.processes
    assert store.accept(row)
    store.claim(row.id, "token", for_s=60)
    assert store.record_instance(row.id, instance_id)
    return row.id


def texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for name, item in document.items():
            yield name
            yield from texts(item)
    elif isinstance(document, list):
        for item in document:
            yield from texts(item)


def strictly(content: bytes) -> Any:
    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(content.decode("utf-8"), parse_constant=refuse)


def test_sweep_settles_a_process_with_an_unreadable_variable_and_all_others(bench: Bench) -> None:
    bench.deploy({})
    rows = []
    for value in ("{not json", '{"rate": Infinity}'):
        message = bench.start(found=b"abc", seen=AT)
        bench.engine.complete(message.task.id, message.token, {"reading": {"type": "Json", "value": value}})
        rows.append(accept(bench, message.task.process_instance_id))
    # so long ago that the sweep reads it
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(updated_at=AT - timedelta(days=1)))
    reconcile.sweep_running()
    found = [bench.runtime.processes.by_id(row) for row in rows]
    assert [(row.status, row.result["reading"]) if row and row.result else row for row in found] == [
        (OK, "{not json"),
        (OK, {"rate": "Infinity"}),
    ]
    assert found[0]
    assert found[0].result == {"reading": "{not json", "found": "YWJj", "seen": "2026-01-02T03:04:05.678Z"}
    client = create_app(bench.runtime.settings).test_client()
    for path in ("/api/process/status/all", f"/api/process/{found[0].correlation_id}/data"):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        assert [text for text in texts(strictly(answer.data)) if WRONG.search(text)] == []


def test_events_show_every_value_in_one_form(bench: Bench) -> None:
    bench.deploy(OUTPUT, external("b"))
    row = bench.run(bench.start(**OUTPUT))
    assert (row.phase, row.business_action_response) == (COMPLETED, SHOWN)
    answer = create_app(bench.runtime.settings).test_client().get(f"/api/process/event-log/{row.traceability_id}")
    assert answer.status_code == 200, answer.text
    assert [text for text in texts(strictly(answer.data)) if WRONG.search(text)] == []


def test_outcome_that_is_delivered_later_has_the_types_that_the_handler_returned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise EngineRefused("ExternalTask with id 't' is suspended.", status=400)

    bench.deploy(OUTPUT, external("b"))
    message = bench.start()
    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "complete", refuse)
        bench.run(message)
    assert bench.engine.unlock(message.task.id, message.token)
    assert bench.run(bench.fetch()).phase == COMPLETED
    assert len(bench.calls) == 1
    found = bench.engine.historic_variables(message.task.process_instance_id)
    types = {"at": "Date", "in": "Json", "bytes": "Bytes", "file": "File", "n": "Double"}
    assert {name: typed["type"] for name, typed in found.items()} == types


def test_replay_gives_the_handler_the_types_that_it_had(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    row = bench.run(bench.start(**OUTPUT, small=Raw("Short", 5, {}), text="2026-01-02T03:04:05.678Z"))
    assert Recorded.find(row.execution_id).run() == []
    first, again = bench.calls
    assert again == first
    assert {name: type(value) for name, value in again.items()} == {name: type(first[name]) for name in again}
    with pytest.raises(VariableError, match="no engine to fetch it from"):
        again["file"].read()


def test_overwritten_execution_context_stops_no_step(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    for value in ("{not json", '{"processId": "not-a-uuid", "env": "prod"}', '"text"'):
        given = {"executionContext": {"type": "Json", "value": value}}
        instance = bench.engine.start(bench.key, bench.key, given).id
        step_module.run_step(bench.fetch().dump())
        (event,) = bench.runtime.events.by_traceability_id(instance)
        assert event.phase == COMPLETED


def test_step_runs_beside_variables_that_cannot_be_read(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    broken = {"type": "Json", "value": "{not json"}
    bench.engine.start(bench.key, bench.key, {"reading": broken, "password": broken, "userId": broken})
    row = bench.run(bench.fetch())
    assert row.phase == COMPLETED
    assert row.business_action_request == {"reading": "{not json", "password": REDACTED, "userId": "{not json"}


def test_handler_that_returns_the_bridges_own_variable_fails_at_once(bench: Bench) -> None:
    bench.deploy({"executionContext": {}}, external("b"))
    row = bench.run(bench.start())
    assert row.phase == FAILED
    assert "variable name 'executionContext' is reserved" in row.business_action_response["message"]
    (incident,) = bench.engine.incidents_of(row.process_instance_id or "")
    assert "is reserved" in incident["incidentMessage"]


def test_half_a_character_of_a_java_text_does_no_harm(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    bench.engine.start(bench.key, bench.key, to_engine({"half": Raw("Json", '"\\ud800"', {})}))
    row = bench.run(bench.fetch())
    assert (row.phase, row.business_action_request) == (COMPLETED, {"half": "\ufffd"})
