"""Secrets in a step: redacted in events, and whole in the engine and for redeliveries."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.errors import BusinessRuleError, EngineRefused
from camunda_bridge.variables import from_engine
from store.event_rows import BPMN_ERROR, COMPLETED, COMPLETING, FAILED, LOST
from store.models import event_log
from store.process_rows import ERROR, Ending, NewProcess
from tasks.settling.settle import ops_event, record_ops, settle
from telemetry.logs.redaction import REDACTED
from tests.contract.bpmn import boundary, external
from tests.integration.step_bench import Bench

OUTPUT = {"accessToken": "tok-4711", "account": {"iban": "DE-4711", "bank": "x"}}
SHOWN = {"accessToken": REDACTED, "account": {"iban": REDACTED, "bank": "x"}}


def kept(bench: Bench) -> list[Any]:
    with bench.runtime.database.read() as connection:
        return list(connection.execute(sa.select(event_log.c.kept_outcome).order_by(event_log.c.seq)).scalars())


def away(*_: Any, **__: Any) -> None:
    raise EngineRefused("ExternalTask with id 't' is suspended.", status=400)


def variables(bench: Bench, message: Any) -> dict[str, Any]:
    return from_engine(bench.engine.historic_variables(message.task.process_instance_id))


def test_handler_and_engine_have_what_the_event_hides(bench: Bench) -> None:
    bench.deploy(OUTPUT, external("b"))
    message = bench.start(password="hunter22")
    row = bench.run(message)
    assert bench.calls == [{"password": "hunter22"}]
    assert {name: variables(bench, message)[name] for name in OUTPUT} == OUTPUT
    assert (row.phase, row.business_action_request, row.business_action_response) == (
        COMPLETED,
        {"password": REDACTED},
        SHOWN,
    )
    assert kept(bench) == [None]


def test_redelivery_completes_with_the_whole_output_and_leaves_none_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy(OUTPUT, external("b"))
    message = bench.start()
    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "complete", away)
        first = bench.run(message)
    assert (first.phase, first.business_action_response) == (COMPLETING, SHOWN)
    assert kept(bench) == [{"response": OUTPUT}]

    bench.engine.unlock(message.task.id, message.token)
    second = bench.run(bench.fetch())

    assert len(bench.calls) == 1
    assert {name: variables(bench, message)[name] for name in OUTPUT} == OUTPUT
    assert [row.phase for row in bench.events()] == [LOST, COMPLETED]
    assert second.business_action_response == SHOWN
    assert kept(bench) == [None, None]


def test_secret_in_an_error_reaches_neither_event_nor_engine(bench: Bench) -> None:
    bench.deploy(ValueError("login of ada with hunter22 failed, token=tok-4711"), retries=2)
    message = bench.start(password="hunter22")
    row = bench.run(message)
    task = bench.engine.external_task(message.task.id)
    assert task is not None
    assert row.phase == FAILED
    assert task["errorMessage"] == f"ValueError: login of ada with {REDACTED} failed, token={REDACTED}"
    assert "Traceback" in (row.error_details or "")
    assert "hunter22" not in (row.error_details or "")


def test_business_error_is_whole_in_the_process_and_redacted_in_its_event(bench: Bench) -> None:
    error = BusinessRuleError("NO", "refused", {"iban": "DE-4711"})
    bench.deploy(error, boundary("a", code="NO"), external("b"))
    message = bench.start()
    row = bench.run(message)
    assert row.phase == BPMN_ERROR
    assert row.business_action_response == {"code": "NO", "message": "refused", "details": {"iban": REDACTED}}
    assert variables(bench, message)["errorDetails"] == {"iban": "DE-4711"}
    assert kept(bench) == [None]


def test_client_and_ops_see_no_secret_of_an_error(bench: Bench) -> None:
    store = bench.runtime.processes
    new = NewProcess(
        id=uuid.uuid4(),
        correlation_id=str(uuid.uuid4()),
        request_hash="x",
        process_key="k",
        variables={},
        traceability_id="t",
    )
    store.accept(new)
    row = store.by_id(new.id)
    assert row is not None
    settle(row, Ending(ERROR, error={"code": "X", "message": "password: hunter22", "details": {"iban": "DE-4711"}}))
    ended = store.by_id(new.id)
    assert ended is not None
    assert ended.error == {"code": "X", "message": f"password: {REDACTED}", "details": {"iban": REDACTED}}
    record_ops(ops_event(row, actor="ops", step_name="x", result="x", metadata={"data": {"token": "tok-4711"}}))
    (event,) = bench.runtime.events.by_correlation_id(new.correlation_id)
    assert event.metadata == {"data": {"token": REDACTED}}


def test_outcome_that_will_not_be_delivered_is_cleared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy(OUTPUT, external("b"))
    message = bench.start()
    with monkeypatch.context() as patch:
        patch.setattr(bench.engine, "complete", away)
        bench.run(message)
    bench.runtime.events.close(message.attempt, LOST)
    assert json.dumps(kept(bench)).count("tok-4711") == 1
    bench.runtime.events.forget_outcomes(bench.key, message.task.process_instance_id)
    assert kept(bench) == [None]
    assert CONTEXT_VARIABLE not in bench.events()[0].business_action_request
