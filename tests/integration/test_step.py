"""One attempt of a step on a real engine, in the process of the test: what is written, and what is reported."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from marshmallow import Schema, fields

from camunda_bridge.context import ExecutionContext
from camunda_bridge.errors import BusinessRuleError, EngineUnavailable
from camunda_bridge.executor import OutputFieldDropped
from camunda_bridge.variables import File, Raw
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST, NewEvent
from store.finding import Identifier, Search
from store.process_rows import NewProcess
from tasks.broker.step_message import StepMessage
from tasks.steps import delivery
from tasks.steps import run as step_module
from tasks.steps.attempt import Attempt
from tasks.worker.shutdown import _note_released
from tests.contract.bpmn import boundary, external
from tests.contract.engine import eventually
from tests.integration.step_bench import Bench


def test_step_completes_with_its_output(bench: Bench) -> None:
    bench.deploy({"userId": "u", "n": 1}, external("b"))
    row = bench.run(bench.start(x=1))
    assert bench.calls == [{"x": 1}]
    assert (row.phase, row.business_action_request) == (COMPLETED, {"x": 1})
    assert (row.business_action_response, row.identifiers) == ({"userId": "u", "n": 1}, {"userId": "u"})
    assert row.execution_time is not None


@pytest.mark.parametrize(
    ("business_key", "kept"),
    [("{} ", "{}"), (" {}  ", " {}"), ("{}" + "😀" * 100, "{}" + "😀" * 91), ("  ", None)],
    ids=["space behind", "spaces around", "too long", "nothing else"],
)
def test_business_key_of_another_system_is_stored_so_that_both_databases_find_it(
    bench: Bench, business_key: str, kept: str | None
) -> None:
    bench.runtime.settings = replace(bench.runtime.settings, record_foreign_instances="off")
    bench.deploy({})
    instance = bench.engine.start(bench.key, business_key.format(bench.key), {}).id
    step_module.run_step(bench.fetch().dump())
    correlation_id = kept.format(bench.key) if kept else instance
    assert [row.phase for row in bench.runtime.events.by_correlation_id(correlation_id)] == [COMPLETED]


def test_process_is_found_by_what_its_steps_name(bench: Bench) -> None:
    bench.deploy({"userId": "u-1"}, external("b"))
    new = accepted(bench)

    bench.run(bench.start(orderId="1", customerId="c-1", executionContext=context_of(bench, new)))

    for name, value in (("orderId", "1"), ("customerId", "c-1"), ("userId", "u-1")):
        (row,) = bench.runtime.processes.page(limit=10, search=Search(Identifier(name, value)))
        assert row.id == new.id
    assert row.identifiers == {"orderId": "1", "customerId": "c-1", "userId": "u-1"}


def test_process_is_found_by_what_a_failed_step_was_given(bench: Bench) -> None:
    bench.deploy(ValueError("no"))
    new = accepted(bench)

    row = bench.run(bench.start(customerId="c-1", executionContext=context_of(bench, new)))

    assert row.phase == FAILED
    (found,) = bench.runtime.processes.page(limit=10, search=Search(Identifier("customerId", "c-1")))
    assert found.id == new.id


def test_identifiers_that_the_message_names_cost_no_statement(bench: Bench) -> None:
    bench.deploy({"userId": "u-1"}, external("b"))
    message = bench.start(orderId="1", executionContext=context_of(bench, accepted(bench)))
    sent: list[str] = []
    sa.event.listen(bench.runtime.database.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))

    bench.run(replace(message, known={"orderId": "1", "userId": "u-1"}))

    assert any("event_log" in statement for statement in sent)
    assert not any("process_identifier" in statement for statement in sent)


def accepted(bench: Bench) -> NewProcess:
    new = NewProcess(uuid.uuid4(), bench.key, "0" * 64, bench.key, {}, "trace", searched={"orderId": "1"})
    assert bench.runtime.processes.accept(new)
    return new


def context_of(bench: Bench, new: NewProcess) -> dict[str, str]:
    return ExecutionContext(str(new.id), bench.key, "trace").to_variable()


def test_duplicate_message_is_ignored(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    message = bench.start()
    bench.run(message)
    bench.run(message)
    assert len(bench.calls) == 1


def test_message_that_is_too_old_is_dropped(bench: Bench) -> None:
    bench.deploy({})
    message = bench.start()
    old = StepMessage(message.task, message.token, message.fetched_at - 3_600, message.lock_s)
    step_module.run_step(old.dump())
    assert (bench.calls, bench.events()) == ([], [])


def test_variables_that_json_has_no_form_for_are_shown_in_the_form_of_all_answers(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    object_ = Raw(
        "Object", "[1]", {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/json"}
    )
    row = bench.run(bench.start(file=File("a.txt", b"x", "text/plain"), at=moment, raw=b"\x00", list=object_))
    assert bench.calls == [{"file": File("a.txt", None, "text/plain"), "at": moment, "raw": b"\x00", "list": [1]}]
    assert row.phase == COMPLETED
    assert row.business_action_request == {
        "file": {"filename": "a.txt", "mimetype": "text/plain", "encoding": None},
        "at": "2026-01-01T00:00:00.000Z",
        "raw": "AA==",
        "list": [1],
    }
    assert row.metadata == {"inputTypes": {"file": "File", "at": "Date", "raw": "Bytes", "list": "Object"}}


def test_identifier_that_json_has_no_form_for_is_kept_as_it_is_shown(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    row = bench.run(bench.start(userId=datetime(2026, 1, 1, tzinfo=UTC)))
    assert row.phase == COMPLETED
    assert row.identifiers == {"userId": "2026-01-01T00:00:00.000Z"}


def test_business_error_goes_to_the_event_that_catches_it(bench: Bench) -> None:
    bench.deploy(BusinessRuleError("E", "m" * 10_000, {"n": 1}), boundary("a", external("b"), code="E"))
    row = bench.run(bench.start())
    assert row.phase == BPMN_ERROR
    assert row.business_action_response == {"code": "E", "message": "m" * 10_000, "details": {"n": 1}}


def test_business_error_that_nothing_catches_makes_an_incident(bench: Bench) -> None:
    bench.deploy(BusinessRuleError("E", "message"), boundary("a", external("b"), code="OTHER"))
    message = bench.start()
    row = bench.run(message)
    assert row.phase == FAILED
    (incident,) = bench.engine.incidents_of(message.task.process_instance_id)
    assert "no event in the BPMN catches the error 'E': message" in incident["incidentMessage"]


def test_business_error_survives_an_engine_that_is_unavailable_when_its_diagram_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy(BusinessRuleError("E", "message"), boundary("a", external("b"), code="E"))
    message = bench.start()

    def away(*_: object) -> bool:
        raise EngineUnavailable

    real = delivery.is_caught
    monkeypatch.setattr(delivery, "is_caught", away)
    # It is tried again as long as the lock lasts.
    monkeypatch.setattr(
        bench.runtime, "settings", replace(bench.runtime.settings, lock_duration_ms=500, camunda_timeout_ms=400)
    )
    assert bench.run(message).phase == COMPLETING
    monkeypatch.setattr(delivery, "is_caught", real)
    assert bench.engine.unlock(message.task.id, message.token)
    assert bench.run(bench.fetch()).phase == BPMN_ERROR
    assert len(bench.calls) == 1
    assert [row.phase for row in bench.events()] == [LOST, BPMN_ERROR]


@pytest.mark.parametrize("output", ["\ud800", float("nan"), object()])
def test_output_that_cannot_be_carried_makes_an_incident(bench: Bench, output: Any) -> None:
    bench.deploy({"x": output})
    message = bench.start()
    assert bench.run(message).phase == FAILED
    assert len(bench.engine.incidents_of(message.task.process_instance_id)) == 1


def test_stack_trace_is_logged_at_the_first_failure_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.deploy(ValueError("no"), retries=1, retry_base_s=0)
    bench.run(bench.start())
    bench.run(bench.fetch())
    first, last = [record.__dict__ for record in caplog.records if "failed in attempt" in record.getMessage()]
    assert "Traceback" in first["exception"]
    assert "exception" not in last
    assert last["message"].startswith("step a failed in attempt 2: ValueError: no (tests/integration/step_bench.py:")
    assert last["message"].endswith("retries left: 0")


def test_dropped_output_field_is_in_the_metadata_of_the_event(bench: Bench) -> None:
    class Output(Schema):
        known = fields.Integer()

    bench.deploy({"known": 1, "surplus": 2}, output_schema=Output)
    with pytest.warns(OutputFieldDropped):
        row = bench.run(bench.start())
    assert row.business_action_response == {"known": 1}
    assert (row.metadata or {})["droppedFields"] == ["surplus"]


def test_failure_leaves_its_retries_to_the_engine(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=2, retry_base_s=0)
    message = bench.start()
    row = bench.run(message)
    assert (row.phase, row.business_action_response["message"]) == (FAILED, "ValueError: no")
    assert row.business_action_response["where"].startswith("tests/integration/step_bench.py:")
    assert row.error_details is not None
    assert "Traceback" in row.error_details
    assert bench.fetch().task.retries == 2


def test_attempt_that_lost_its_lock_neither_completes_nor_records_success(bench: Bench) -> None:
    bench.deploy({})
    first = bench.start()
    assert bench.engine.unlock(first.task.id, first.token)
    second = bench.fetch()
    assert bench.run(first).phase == LOST
    assert bench.run(second).phase == COMPLETED


def test_attempts_that_never_ended_make_an_incident(bench: Bench) -> None:
    bench.deploy({})
    message = bench.start()
    for _ in range(bench.runtime.settings.step_max_lost):
        attempt = Attempt(
            message, bench.definition, bench.definition.steps[f"{bench.key}.a"], execution_id=uuid.uuid4()
        )
        bench.runtime.events.begin(attempt.event())
        assert bench.engine.unlock(message.task.id, message.token)
        message = eventually(bench.fetch_if_any, "the task again")
    assert bench.run(message).phase == FAILED
    assert bench.calls == []
    assert len(bench.engine.incidents_of(message.task.process_instance_id)) == 1


def test_attempts_that_were_stopped_with_their_workers_do_not_count_however_many_they_are(bench: Bench) -> None:
    bench.deploy({"done": True})
    message = bench.start()
    event = NewEvent("trace", "a", correlation_id=bench.key, external_task_id=message.task.id)
    for number in range(2 * bench.runtime.settings.step_max_lost):
        body = {"id": message.task.id, "token": f"stopped-{number}", "topic": message.task.topic}
        assert bench.runtime.events.begin(replace(event, lock_token=body["token"])) is not None
        _note_released(bench.runtime.events, body)
    assert bench.run(message).phase == COMPLETED
    assert len(bench.calls) == 1
    assert [row.phase for row in bench.events()] == [LOST] * 6 + [COMPLETED]


def test_step_given_up_as_lost_runs_again_when_ops_retry_it(bench: Bench) -> None:
    bench.deploy({"done": True})
    message = bench.start()
    event = NewEvent("trace", "a", correlation_id=bench.key, external_task_id=message.task.id)
    for number in range(bench.runtime.settings.step_max_lost):
        # attempts that began and never ended
        assert bench.runtime.events.begin(replace(event, lock_token=f"killed-{number}")) is not None
    assert bench.run(message).phase == FAILED
    assert bench.calls == []

    bench.engine.set_task_retries(message.task.id, 1)

    assert bench.run(bench.fetch()).phase == COMPLETED
    assert len(bench.calls) == 1
