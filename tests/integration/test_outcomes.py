"""The end of a process on the real engine: from its response step, from its diagram, and after lost answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.context import CONTEXT_VARIABLE, ExecutionContext
from camunda_bridge.errors import BusinessRuleError, EngineRefused, EngineUnavailable
from camunda_bridge.variables import to_engine
from service.operations import end_by_ops
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST, OPS, NewEvent, Progress
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, NewProcess, ProcessRow
from tasks.broker.step_message import StepMessage
from tasks.settling import reconcile
from tests.contract.bpmn import Part, boundary, call, error_end, external, process, subprocess
from tests.contract.engine import eventually
from tests.integration.step_bench import Bench

#: true if the variable `bad` is true, or if the task has failed
ERROR_DEFINITION = "${bad == true or externalTask.getErrorMessage() != null}"


def accept(bench: Bench, key: str | None = None, **variables: Any) -> ProcessRow:
    """A row whose instance is started as in production."""
    new = NewProcess(uuid.uuid4(), bench.key, "h", key or bench.key, variables, "trace")
    store = bench.runtime.processes
    assert store.accept(new)
    assert store.claim(new.id, "token", for_s=60)[1]
    context = ExecutionContext(str(new.id), bench.key, "trace", process_key=new.process_key)
    values = {**variables, CONTEXT_VARIABLE: context.to_variable()}
    instance = bench.engine.start(new.process_key, bench.key, to_engine(values))
    assert store.record_instance(new.id, instance.id)
    return row_of(bench, new.id)


def row_of(bench: Bench, process_id: uuid.UUID) -> ProcessRow:
    row = bench.runtime.processes.by_id(process_id)
    assert row is not None
    return row


def ops(bench: Bench) -> list[str | None]:
    return [event.result for event in bench.events() if event.phase == OPS]


def with_error_definition(name: str, code: str = "E") -> Part:
    """An external task that ends in a BPMN error if the expression of its output or failure is true."""
    inside = (
        f'<extensionElements><camunda:errorEventDefinition id="define-{name}" errorRef="error-{code}"'
        f' expression="{ERROR_DEFINITION}"/></extensionElements>'
    )
    return replace(external(name, inside), roots=frozenset({f'<error id="error-{code}" errorCode="{code}"/>'}))


def once(function: Callable[..., Any], error: Exception, *, after: bool) -> Callable[..., Any]:
    """`function`, but its first call raises `error`: instead of its work, or with `after`, after its work."""
    calls: list[object] = []

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > 1:
            return function(*args, **kwargs)
        if after:
            function(*args, **kwargs)
        raise error

    return wrapped


def complete_in_engine_alone(bench: Bench, message: StepMessage) -> None:
    """A response step whose outcome the engine has accepted, while its event is still `completing`."""
    event = NewEvent(
        "trace",
        "a",
        correlation_id=bench.key,
        process_instance_id=message.task.process_instance_id,
        external_task_id=message.task.id,
        lock_token=message.token,
    )
    assert bench.runtime.events.begin(event) == []
    assert bench.runtime.events.progress(message.attempt, Progress(COMPLETING, {"n": 1}, process_status=OK))
    bench.engine.complete(message.task.id, message.token, {})


def test_first_response_step_decides_though_the_process_goes_on_and_ends_otherwise(bench: Bench) -> None:
    bench.deploy({"n": 1}, external("b"), error_end("bad", "E"), outcome="ok")
    row = accept(bench)

    bench.run(bench.fetch())

    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"n": 1})


def test_output_that_the_diagram_turns_into_an_error_is_no_answer(bench: Bench) -> None:
    bench.deploy({"bad": True}, boundary("a", external("b"), code="E"), a=with_error_definition("a"), outcome="ok")
    row = accept(bench, bad=False)

    event = bench.run(bench.fetch())

    assert event.phase == BPMN_ERROR
    assert row_of(bench, row.id).status == PENDING
    assert ops(bench) == []


def test_output_that_the_diagram_turns_into_an_error_that_nothing_catches_is_a_bad_end(bench: Bench) -> None:
    bench.deploy({"bad": True}, external("b"), a=with_error_definition("a", "TOO_LOW"), outcome="ok")
    row = accept(bench, bad=False)

    event = bench.run(bench.fetch())

    assert event.phase == BPMN_ERROR
    ended = row_of(bench, row.id)
    assert ended.error is not None
    assert (ended.status, ended.error["code"], ended.result) == (ERROR, "TOO_LOW", None)


def test_output_that_the_diagram_leaves_alone_is_an_answer(bench: Bench) -> None:
    bench.deploy({"bad": False}, external("b"), a=with_error_definition("a"), outcome="ok")
    row = accept(bench, bad=False)

    assert bench.run(bench.fetch()).phase == COMPLETED
    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"bad": False})


def test_failure_that_the_diagram_turns_into_an_error_is_no_incident(bench: Bench) -> None:
    bench.deploy(RuntimeError("503"), boundary("a", external("b"), code="E"), a=with_error_definition("a"), retries=0)
    row = accept(bench, bad=False)

    assert bench.run(bench.fetch()).phase == FAILED
    assert (row_of(bench, row.id).status, row_of(bench, row.id).incident_id) == (PENDING, None)


@pytest.mark.parametrize("caught", [True, False])
def test_error_end_of_a_called_process_is_a_bad_end_unless_its_caller_catches_it(bench: Bench, caught: bool) -> None:
    called = f"{bench.key}-called"
    bench.deploy({"x": 1}, error_end("bad", "GONE"))
    catching = (boundary("call", code="GONE"),) if caught else ()
    caller = process(called, call("call", bench.key, business_key=True), *catching)
    bench.engine.deploy(bench.key, {"caller.bpmn": caller.encode()})
    row = accept(bench, called)

    bench.run(bench.fetch())

    ended = row_of(bench, row.id)
    assert (ended.status, (ended.error or {}).get("code")) == ((OK, None) if caught else (ERROR, "GONE"))


def test_error_end_in_a_subprocess_that_its_boundary_event_takes_is_no_bad_end(bench: Bench) -> None:
    inner = subprocess("sub", external("a"), error_end("bad", "E"))
    bench.deploy({"x": 1}, boundary("sub", code="E"), a=inner)
    row = accept(bench)

    bench.run(bench.fetch())

    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"x": 1})


def test_response_step_of_a_called_process_ends_no_other_process(bench: Bench) -> None:
    caller = f"{bench.key}-caller"
    bench.deploy({"inner": 1}, outcome="ok")
    text = process(caller, call("call", bench.key, business_key=True), external("b"))
    bench.engine.deploy(bench.key, {"caller.bpmn": text.encode()})
    row = accept(bench, caller)

    assert bench.run(bench.fetch()).phase == COMPLETED
    assert row_of(bench, row.id).status == PENDING
    assert ops(bench) == []


def test_process_that_calls_itself_is_ended_by_the_outermost_response_step_alone(bench: Bench) -> None:
    bench.deploy({"done": True}, external("b"), outcome="ok")
    row = accept(bench)
    outer = bench.fetch()
    context = to_engine(
        {CONTEXT_VARIABLE: ExecutionContext(str(row.id), bench.key, "trace", process_key=bench.key).to_variable()}
    )
    bench.engine.start(bench.key, bench.key, context)

    assert bench.run(bench.fetch()).phase == COMPLETED
    assert row_of(bench, row.id).status == PENDING
    assert ops(bench) == []
    bench.run(outer)
    assert row_of(bench, row.id).status == OK


def test_error_of_a_call_that_nothing_catches_is_an_incident_though_another_call_would_catch_it(bench: Bench) -> None:
    caller = f"{bench.key}-caller"
    bench.deploy(BusinessRuleError("GONE", "sold out"))
    text = process(
        caller,
        call("first", bench.key, business_key=True),
        call("second", bench.key, business_key=True),
        boundary("second", code="GONE"),
    )
    bench.engine.deploy(bench.key, {"caller.bpmn": text.encode()})
    row = accept(bench, caller)

    assert bench.run(bench.fetch()).phase == FAILED
    stands = row_of(bench, row.id)
    assert stands.error is not None
    assert (stands.status, stands.error["code"]) == (ERROR, "INCIDENT")
    assert "no event in the BPMN catches the error 'GONE'" in stands.error["message"]


def test_answer_of_the_engine_that_was_lost_is_looked_up_before_the_outcome_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy({"n": 1}, external("b"), outcome="ok")
    row = accept(bench)
    message = bench.fetch()
    monkeypatch.setattr(bench.engine, "complete", once(bench.engine.complete, EngineUnavailable("lost"), after=True))

    assert bench.run(message).phase == COMPLETED
    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"n": 1})


def test_lost_answer_to_a_business_error_is_looked_up_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy(BusinessRuleError("E", "no"), boundary("a", external("b"), code="E"))
    message = bench.start()
    monkeypatch.setattr(
        bench.engine, "bpmn_error", once(bench.engine.bpmn_error, EngineUnavailable("lost"), after=True)
    )

    assert bench.run(message).phase == BPMN_ERROR


def test_outcome_that_the_engine_refuses_is_an_incident_at_once_with_its_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy({"n": 1}, outcome="ok")
    row = accept(bench)
    message = bench.fetch()
    words = EngineRefused("engine answered 500 ProcessEngineException: Unknown property used", status=500)
    monkeypatch.setattr(bench.engine, "complete", once(bench.engine.complete, words, after=False))

    assert bench.run(message).phase == FAILED
    stands = row_of(bench, row.id)
    assert stands.error is not None
    assert (stands.status, stands.error["code"]) == (ERROR, "INCIDENT")
    assert "Unknown property used" in stands.error["message"]
    assert stands.incident_id == bench.engine.incidents_of(message.task.process_instance_id)[0]["id"]


def test_incident_of_the_row_names_step_attempt_and_place(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=1, retry_base_s=0)
    row = accept(bench)
    bench.run(bench.fetch())
    bench.run(bench.fetch())

    error = row_of(bench, row.id).error
    assert error is not None
    assert error["where"].startswith("tests/integration/step_bench.py:")
    assert {name: value for name, value in error.items() if name != "where"} == {
        "code": "INCIDENT", "type": "incident", "message": "ValueError: no", "step": "a", "attempt": 2,
    }  # fmt: skip


def test_failure_that_did_not_reach_the_engine_is_reported_by_the_next_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy(ValueError("no"), retries=2, retry_base_s=0)
    message = bench.start()
    short = replace(bench.runtime.settings, lock_duration_ms=300, camunda_timeout_ms=200)
    with monkeypatch.context() as patch:

        def away(*_: Any, **__: Any) -> None:
            raise EngineUnavailable("away", maybe_done=True)

        patch.setattr(bench.engine, "failure", away)
        patch.setattr(bench.runtime, "settings", short)
        assert bench.run(message).phase == COMPLETING
    bench.engine.unlock(message.task.id, message.token)

    assert bench.run(bench.fetch()).phase == FAILED

    assert len(bench.calls) == 1
    assert [event.phase for event in bench.events()] == [LOST, FAILED]
    again = bench.fetch()
    assert again.task.retries == 2, "the failure counts once"
    assert bench.run(again).phase == FAILED
    assert len(bench.calls) == 2


def test_failure_whose_answer_was_lost_is_not_reported_twice(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy(ValueError("no"), retries=3, retry_base_s=0)
    message = bench.start()
    with monkeypatch.context() as patch:
        real = bench.engine.failure

        def lost(*args: Any, **kwargs: Any) -> None:
            real(*args, **kwargs)
            raise EngineUnavailable("lost")

        patch.setattr(bench.engine, "failure", lost)
        patch.setattr(
            bench.runtime, "settings", replace(bench.runtime.settings, lock_duration_ms=300, camunda_timeout_ms=200)
        )
        bench.run(message)
    # The lock may have been extended once more in between.
    again = eventually(bench.fetch_if_any, "the task again")
    assert again.task.retries == 3
    assert bench.run(again).phase == FAILED
    assert len(bench.calls) == 2, "the engine had accepted the failure, so the handler runs again"
    assert bench.fetch().task.retries == 2


def test_incident_of_a_row_without_an_instance_writes_the_instance_down(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=0)
    new = NewProcess(uuid.uuid4(), bench.key, "h", bench.key, {}, "trace")
    assert bench.runtime.processes.accept(new)
    assert bench.runtime.processes.claim(new.id, "token", for_s=60)[1]
    context = ExecutionContext(str(new.id), bench.key, "trace", process_key=bench.key)
    instance = bench.engine.start(bench.key, bench.key, to_engine({CONTEXT_VARIABLE: context.to_variable()}))

    bench.run(bench.fetch())

    row = row_of(bench, new.id)
    assert (row.status, row.process_instance_id) == (ERROR, instance.id)
    assert row.incident_id == bench.engine.incidents_of(instance.id)[0]["id"]


def test_response_step_of_a_row_without_an_instance_writes_the_instance_down(bench: Bench) -> None:
    bench.deploy({"n": 1}, outcome="ok")
    new = NewProcess(uuid.uuid4(), bench.key, "h", bench.key, {}, "trace")
    assert bench.runtime.processes.accept(new)
    assert bench.runtime.processes.claim(new.id, "token", for_s=60)[1]
    context = ExecutionContext(str(new.id), bench.key, "trace", process_key=bench.key)
    instance = bench.engine.start(bench.key, bench.key, to_engine({CONTEXT_VARIABLE: context.to_variable()}))

    bench.run(bench.fetch())

    row = row_of(bench, new.id)
    assert (row.status, row.process_instance_id, row.result) == (OK, instance.id, {"n": 1})


def test_answer_of_a_row_without_an_instance_is_not_closed_without_its_process(bench: Bench) -> None:
    bench.deploy({"n": 1}, outcome="ok")
    new = NewProcess(uuid.uuid4(), bench.key, "h", bench.key, {}, "trace")
    assert bench.runtime.processes.accept(new)
    assert bench.runtime.processes.claim(new.id, "token", for_s=60)[1]
    context = ExecutionContext(str(new.id), bench.key, "trace", process_key=bench.key)
    instance = bench.engine.start(bench.key, bench.key, to_engine({CONTEXT_VARIABLE: context.to_variable()}))
    message = bench.fetch()
    # as if the worker were killed between the engine's commit and its own
    complete_in_engine_alone(bench, message)
    with bench.runtime.database.write() as connection:
        connection.execute(sa.text("UPDATE event_log SET updated_at = '2020-01-01 00:00:00.000000'"))

    reconcile.resolve_attempts()

    row = row_of(bench, new.id)
    assert (row.status, row.process_instance_id, row.result) == (OK, instance.id, {"n": 1})


def test_incident_that_was_retried_in_between_ends_no_row(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=0)
    row = accept(bench)
    message = bench.fetch()
    bench.engine.failure(message.task.id, message.token, "no", "", retries=0, retry_timeout_ms=0)
    (stale,) = bench.engine.incidents_of(message.task.process_instance_id)
    bench.engine.set_task_retries(message.task.id, 1)

    assert not reconcile.settle_incident(row, {"message": stale["incidentMessage"], "step": "a"})

    assert row_of(bench, row.id).status == PENDING


def test_row_is_pending_again_when_its_incident_was_resolved_in_the_engine(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=0)
    row = accept(bench)
    message = bench.fetch()
    bench.run(message)
    assert row_of(bench, row.id).status == ERROR
    reconcile.reopen_resolved()
    assert row_of(bench, row.id).status == ERROR
    bench.engine.set_task_retries(message.task.id, 1)

    reconcile.reopen_resolved()

    assert (row_of(bench, row.id).status, row_of(bench, row.id).incident_id) == (PENDING, None)


def test_process_with_an_open_incident_can_be_ended_as_an_error(bench: Bench) -> None:
    bench.deploy(ValueError("no"), retries=0)
    row = accept(bench)
    bench.run(bench.fetch())
    stands = row_of(bench, row.id)
    assert stands.incident_id is not None

    ending = Ending(ERROR, error={"code": "GIVEN_UP", "message": "by ops"}, engine_open=True)
    assert end_by_ops(stands, ending, actor="ops", step_name="complete")

    ended = row_of(bench, row.id)
    assert (ended.error, ended.incident_id) == ({"code": "GIVEN_UP", "message": "by ops"}, None)


def test_cancel_comes_too_late_for_a_process_whose_outcome_the_engine_has_accepted(bench: Bench) -> None:
    bench.deploy({"n": 1}, outcome="ok")
    row = accept(bench)
    message = bench.fetch()
    # as if the worker were stopped between the engine's commit and its own
    complete_in_engine_alone(bench, message)

    ending = Ending(CANCELLED, error={"code": "CANCELLED", "message": "m"}, engine_open=True)
    assert not end_by_ops(row, ending, actor="ops", step_name="cancel")

    assert (row_of(bench, row.id).status, row_of(bench, row.id).result) == (OK, {"n": 1})


def test_incident_of_a_called_process_is_reported_with_its_cause(bench: Bench) -> None:
    caller = f"{bench.key}-caller"
    bench.deploy({})
    text = process(caller, call("call", bench.key, business_key=True))
    bench.engine.deploy(bench.key, {"caller.bpmn": text.encode()})
    row = accept(bench, caller)
    message = bench.fetch()
    bench.engine.failure(message.task.id, message.token, "no luck", "", retries=0, retry_timeout_ms=0)

    reconcile.settle_incidents()

    stands = row_of(bench, row.id)
    assert stands.error is not None
    assert (stands.error["message"], stands.error["step"]) == ("no luck", "a")
