"""The testing kit with processes of every kind: parallel, asynchronous, called, with timers, messages and failures."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from marshmallow import ValidationError

from camunda_bridge import BusinessRuleError, StepContext
from camunda_bridge.client import Engine
from processes.onboard_user.steps import process as onboard_user
from testkit import ProcessRun
from tests.processes.async_chain.steps import process as async_chain
from tests.processes.awaits_message.steps import process as awaits_message
from tests.processes.callee.steps import process as callee
from tests.processes.caller.steps import process as caller
from tests.processes.error_end.steps import process as error_end
from tests.processes.failing_job.steps import process as failing_job
from tests.processes.fan_out.steps import process as fan_out
from tests.processes.five_steps.steps import process as five_steps
from tests.processes.mailer.steps import worker as mailer
from tests.processes.notifies.steps import process as notifies
from tests.processes.probe.steps import process as probe
from tests.processes.waits_for_timer.steps import process as waits_for_timer

Run = Callable[..., ProcessRun]


def test_parallel_branches_all_run(run_process: Run) -> None:
    run = run_process(fan_out)
    assert run.result == {"customerId": "c-1", "orderId": "o-1", "accountId": "a-1"}
    assert sorted(run.steps) == ["branch1", "branch2", "branch3", "respond"]
    assert run.path[:2] == ["start", "split"]
    assert run.path[-2:] == ["respond", "end"]


def test_asynchronous_continuation_is_run_at_once(run_process: Run) -> None:
    assert run_process(async_chain, {"given": "x"}).result == {"given": "x", "one": 1, "two": 2}


def test_called_process_without_business_key_is_run_too(run_process: Run) -> None:
    run = run_process(caller, {"given": 1}, calls=[callee])
    assert (run.result, run.steps) == ({"before": "done", "inner": "done"}, ["before", "inner", "after"])


def test_timer_fires_when_the_test_fires_it(run_process: Run) -> None:
    run = run_process(waits_for_timer)
    assert (run.status, run.waiting_at) == ("waiting", ["pause"])
    assert run.fire_timer("pause").result == {"after": True}
    with pytest.raises(LookupError, match="0 timers"):
        run.fire_timer()


def test_message_brings_its_variables(run_process: Run) -> None:
    run = run_process(awaits_message, {"order": 1})
    with pytest.raises(
        LookupError, match="nothing waits for the message 'delivery'; the process waits at \\['wait'\\]"
    ):
        run.message("delivery")
    assert run.message("payment", {"amount": 5}).result == {"order": 1, "amount": 5}


def test_error_end_event_is_a_business_error(run_process: Run) -> None:
    run = run_process(error_end)
    assert (run.status, run.path[-1]) == ("error", "refused")
    assert run.error == {"code": "REFUSED", "message": "refused by the diagram", "type": None, "details": None}


def test_job_that_fails_is_an_incident(run_process: Run) -> None:
    run = run_process(failing_job)
    assert run.status == "incident"
    assert run.error is not None
    assert "toString" in run.error["message"]


def test_incident_names_step_attempt_and_line_of_the_handler(run_process: Run) -> None:
    def work(_: object) -> None:
        raise RuntimeError("no luck")

    run = run_process(probe, replace={"work": work})
    where = f"tests/integration/test_testkit.py:{work.__code__.co_firstlineno + 1}"
    assert run.error == {
        "code": "INCIDENT",
        "type": "incident",
        "message": "RuntimeError: no luck",
        "step": "work",
        "attempt": len(run.events),
        "where": where,
    }
    assert where in repr(run)


def test_topic_without_handler_is_told(run_process: Run) -> None:
    run = run_process(notifies, {"address": "ada@example.org"})
    assert (run.status, run.waiting_at, run.unhandled) == ("waiting", ["mail"], {"mail": "send-mail"})
    assert "no handler for topic 'send-mail' of 'mail'" in repr(run)


def test_failed_attempt_is_tried_again_without_a_pause(run_process: Run) -> None:
    run = run_process(probe, {"do": "fail-once"})
    assert [(it.step, it.phase, it.attempt) for it in run.events] == [
        ("work", "failed", 1),
        ("work", "completed", 2),
        ("respond", "completed", 1),
    ]
    assert run.events[0].response["message"] == "RuntimeError: told to fail once"


def test_error_that_nothing_catches_is_an_incident(run_process: Run) -> None:
    run = run_process(probe, {"do": "refuse-uncaught"})
    assert (run.status, run.steps) == ("incident", ["work"])
    assert run.error is not None
    assert "no event in the BPMN catches the error 'NOBODY_CATCHES_THIS'" in run.error["message"]


def test_handlers_are_replaced_by_functions_values_and_errors(run_process: Run) -> None:
    def work(given: object, context: StepContext) -> dict[str, object]:
        return {"seen": context.correlation_id}

    assert run_process(probe, replace={"work": work}, correlation_id="order-1").result == {"seen": "order-1"}
    assert run_process(probe, replace={"probe.work": {"worked": 1}}).result == {"worked": 1}
    run = run_process(probe, replace={"work": BusinessRuleError("CAUGHT", "no", {"n": 1})})
    assert run.error == {"code": "CAUGHT", "message": "no", "details": {"n": 1}}
    with pytest.raises(LookupError, match="'wrok' names 0 steps, it must name one; the steps are probe"):
        run_process(probe, replace={"wrok": {}})


def test_start_that_the_api_would_refuse_is_refused(run_process: Run) -> None:
    with pytest.raises(ValidationError, match="surplus"):
        run_process(onboard_user, {**onboard_user.example, "surplus": 1})


def test_nothing_of_a_run_is_named_as_others_know_it(run_process: Run, engine: Engine) -> None:
    """A run has keys and topics of its own, so workers that poll the same engine find no task of it."""
    deployed = {"keysIn": "waits-for-timer", "latestVersion": "true"}
    before = engine.session.get("/process-definition", **deployed)
    run = run_process(waits_for_timer)
    instance = engine.historic_instance(run.instance_id)
    assert instance is not None
    assert instance["processDefinitionKey"].startswith("waits-for-timer-test-")
    assert engine.session.get("/process-definition", **deployed) == before


def test_process_of_five_steps_takes_tens_of_milliseconds(run_process: Run) -> None:
    run_process(five_steps)
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        assert run_process(five_steps).result == {"done": True}
        took.append(time.perf_counter() - begun)
    # much more than on an idle machine, and much less than with a queue
    assert min(took) < 0.5, took
    print(f"\nfive steps: {min(took) * 1000:.0f} ms")


def test_context_of_a_plain_call_can_be_made(step_context: StepContext) -> None:
    assert (step_context.attempt, step_context.idempotency_key) == (1, "test-key")


def test_step_of_a_worker_runs_in_a_process_under_test(run_process: Callable[..., ProcessRun]) -> None:
    run = run_process(notifies, {"address": "ada@example.org"}, workers=[mailer])
    assert run.status == "ok", run
    assert run.result == {"mailed": "ada@example.org for notifies.mail"}
    assert run.steps == ["send-mail", "respond"]


def test_step_of_a_worker_can_be_replaced(run_process: Callable[..., ProcessRun]) -> None:
    run = run_process(notifies, notifies.example, workers=[mailer], replace={"send-mail": {"mailed": "nowhere"}})
    assert run.result == {"mailed": "nowhere"}
