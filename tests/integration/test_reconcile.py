"""The reconciler on a real engine: what it settles in one round, and with how few requests."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from camunda_bridge.variables import to_engine
from service.retry import retry_incidents
from store.clock import now
from store.event_rows import COMPLETED, COMPLETING, OPS, AttemptKey, NewEvent, Progress
from store.models import event_log, process_store
from store.process_rows import CANCELLED, ERROR, OK, PENDING, NewProcess
from tasks.broker.step_message import StepMessage
from tasks.settling import reconcile
from tasks.settling.outcome import settle_answered
from tests.contract.bpmn import external
from tests.integration.step_bench import Bench

MANY = 50_000


def accept(bench: Bench, instance_id: str) -> uuid.UUID:
    """A row with the id of its instance."""
    row = NewProcess(uuid.uuid4(), f"row-{uuid.uuid4()}", "h", bench.key, {}, "trace")
    store = bench.runtime.processes
    assert store.accept(row)
    store.claim(row.id, "token", for_s=60)
    assert store.record_instance(row.id, instance_id)
    return row.id


def status(bench: Bench, process_id: uuid.UUID) -> str:
    row = bench.runtime.processes.by_id(process_id)
    assert row is not None
    return row.status


def seed(bench: Bench, number: int) -> None:
    """Write rows of running instances that the engine of this test does not have."""
    moment = now()
    values = [
        {
            "id": uuid.uuid4(),
            "correlation_id": f"seed-{index}",
            "request_hash": "h",
            "process_key": bench.key,
            "process_instance_id": f"gone-{index}",
            "status": PENDING,
            "engine_open": False,
            "variables": {},
            "traceability_id": "t",
            "started_at": moment,
            "updated_at": moment,
        }
        for index in range(number)
    ]
    with bench.runtime.database.write() as connection:
        connection.execute(sa.insert(process_store), values)


def finished_instance(bench: Bench) -> str:
    """An instance that ended without being noticed."""
    message = bench.start()
    bench.engine.complete(message.task.id, message.token, {})
    return message.task.process_instance_id


def write_answer(
    bench: Bench, message: StepMessage, correlation_id: str, status: str, document: Any, *, instance: str | None = None
) -> AttemptKey:
    """Write what a worker writes before it reports a response step's outcome to the engine."""
    event = NewEvent(
        "trace",
        "a",
        correlation_id=correlation_id,
        process_instance_id=instance or message.task.process_instance_id,
        external_task_id=message.task.id,
        lock_token=message.token,
    )
    assert bench.runtime.events.begin(event) == []
    progress = Progress(COMPLETING, business_action_response=document, process_status=status)
    assert bench.runtime.events.progress(message.attempt, progress)
    return message.attempt


def phases(bench: Bench, correlation_id: str) -> dict[AttemptKey, str]:
    events = bench.runtime.events.by_correlation_id(correlation_id)
    return {AttemptKey(event.external_task_id or "", event.lock_token or ""): event.phase for event in events}


def test_instance_that_ended_unnoticed_is_settled_in_one_round_beside_50_000_running_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy({})
    seed(bench, MANY)
    ended = accept(bench, finished_instance(bench))
    bench.runtime.bookmarks.put("finished-after", (now() - timedelta(minutes=1)).isoformat())
    before = bench.engine.session.requests_sent

    reconcile.settle_finished()
    reconcile.settle_incidents()
    reconcile.sweep_running()

    assert status(bench, ended) == OK
    # history since the bookmark, its variables and activities, the incidents, and one part of the sweep
    pages = bench.engine.session.requests_sent - before
    assert pages <= 2 * reconcile.PAGES + 2 + reconcile.SWEEP // reconcile.PAGE


def test_sweep_continues_where_it_stopped_and_begins_again_after_the_end(bench: Bench) -> None:
    bench.deploy({})
    first_page = reconcile.SWEEP + 10
    seed(bench, first_page)
    ended = accept(bench, finished_instance(bench))

    reconcile.sweep_running()
    assert status(bench, ended) == PENDING
    reconcile.sweep_running()

    assert status(bench, ended) == OK
    assert bench.runtime.bookmarks.get("sweep") == "0"


def test_end_of_a_process_is_what_its_response_step_wrote_however_long_its_worker_is_stopped(
    bench: Bench,
) -> None:
    bench.deploy({})
    message = bench.start(other=1)
    ended = accept(bench, message.task.process_instance_id)
    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    attempt = write_answer(bench, message, row.correlation_id, ERROR, {"code": "REFUSED"})
    bench.engine.complete(message.task.id, message.token, to_engine({"code": "REFUSED"}))
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(event_log).values(updated_at=now() - timedelta(minutes=10)))

    reconcile.sweep_running()

    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    assert (row.status, row.error, row.result) == (ERROR, {"code": "REFUSED"}, None)
    assert phases(bench, row.correlation_id) == {attempt: COMPLETED}


def test_answer_that_the_engine_never_accepted_decides_nothing(bench: Bench) -> None:
    bench.deploy({})
    message = bench.start(other=1)
    ended = accept(bench, message.task.process_instance_id)
    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    attempt = write_answer(bench, message, row.correlation_id, ERROR, {"code": "REFUSED"})
    bench.engine.unlock(message.task.id, message.token)
    again = bench.fetch()
    bench.engine.complete(again.task.id, again.token, {})

    reconcile.sweep_running()

    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    assert (row.status, row.result) == (OK, {"other": 1})
    assert phases(bench, row.correlation_id) == {attempt: COMPLETING}


def test_first_answer_that_the_engine_accepted_decides_not_the_first_that_was_written(bench: Bench) -> None:
    # Two branches, each with a response step; the process goes on at a third one.
    bench.deploy({}, external("b"))
    first, second = bench.start(), bench.start()
    ended = accept(bench, first.task.process_instance_id)
    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    written_first = write_answer(bench, second, row.correlation_id, OK, {"n": 1}, instance=row.process_instance_id)
    written_second = write_answer(bench, first, row.correlation_id, OK, {"n": 2})
    bench.engine.complete(first.task.id, first.token, {})
    time.sleep(0.01)  # the engine's log has milliseconds
    bench.engine.complete(second.task.id, second.token, {})

    assert settle_answered(row)

    row = bench.runtime.processes.by_id(ended)
    assert row is not None
    assert (row.status, row.result) == (OK, {"n": 2})
    assert phases(bench, row.correlation_id) == {written_first: COMPLETED, written_second: COMPLETED}


def test_attempt_of_a_response_step_left_open_is_resolved_with_its_process_which_goes_on(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    message = bench.start()
    row_id = accept(bench, message.task.process_instance_id)
    row = bench.runtime.processes.by_id(row_id)
    assert row is not None
    attempt = write_answer(bench, message, row.correlation_id, OK, {"n": 1})
    bench.engine.complete(message.task.id, message.token, {})
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(event_log).values(updated_at=now() - timedelta(minutes=10)))

    reconcile.resolve_attempts()

    row = bench.runtime.processes.by_id(row_id)
    assert row is not None
    assert (row.status, row.result) == (OK, {"n": 1})
    assert phases(bench, row.correlation_id) == {attempt: COMPLETED}


def test_instance_that_the_engine_has_forgotten_is_an_error_after_a_while(bench: Bench) -> None:
    bench.deploy({})
    lost = accept(bench, "nobody-knows-me")

    reconcile.sweep_running()
    assert status(bench, lost) == PENDING
    with bench.runtime.database.write() as connection:
        connection.execute(sa.update(process_store).values(updated_at=now() - timedelta(hours=1)))
    reconcile.sweep_running()

    assert status(bench, lost) == ERROR


def test_incident_made_in_the_engine_reaches_the_row_which_is_cancelled_with_its_instance(bench: Bench) -> None:
    bench.deploy({}, external("b"))
    message = bench.start()
    row_id = accept(bench, message.task.process_instance_id)
    bench.engine.failure(message.task.id, message.token, "broken", "", retries=0, retry_timeout_ms=0)

    reconcile.settle_incidents()
    row = bench.runtime.processes.by_id(row_id)
    assert row is not None
    assert (row.status, row.error["message"] if row.error else None) == (ERROR, "broken")
    assert row.incident_id

    bench.engine.delete_instance(message.task.process_instance_id, "given up")
    for _ in range(2):
        reconcile.sweep_running()
        assert status(bench, row_id) == CANCELLED
    assert [event for event in bench.runtime.events.by_correlation_id(row.correlation_id) if event.phase == OPS] == []


def test_retry_at_the_moment_of_a_round_is_recorded_once_as_the_act_of_its_caller(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy({})
    message = bench.start()
    process_id = accept(bench, message.task.process_instance_id)
    bench.engine.failure(message.task.id, message.token, "boom", "", retries=0, retry_timeout_ms=0)
    reconcile.settle_incidents()
    row = bench.runtime.processes.by_id(process_id)
    assert row is not None
    assert row.incident_id
    engine = bench.runtime.engine
    look = engine.without_incident

    def look_after_retry(ids: list[str]) -> set[str]:
        assert retry_incidents(row, actor="ada")
        return look(ids)

    monkeypatch.setattr(engine, "without_incident", look_after_retry)
    reconcile.reopen_resolved()

    assert status(bench, process_id) == PENDING
    events = bench.runtime.events.by_correlation_id(row.correlation_id)
    assert [(event.step_name, event.actor) for event in events if event.phase == OPS] == [("retry", "ada")]


@pytest.mark.parametrize("retries", [0, 2])
def test_failure_that_the_engine_accepted_before_a_crash_is_resolved_by_the_engines_log(
    bench: Bench, retries: int
) -> None:
    bench.deploy(ValueError("no"), retries=retries, retry_base_s=60)
    bench.run(bench.start())
    with bench.runtime.database.write() as connection:
        connection.execute(
            sa.text("UPDATE event_log SET phase = 'completing', updated_at = '2020-01-01 00:00:00.000000'")
        )

    reconcile.resolve_attempts()

    assert [event.phase for event in bench.events()] == ["failed"]


def test_attempt_left_open_by_a_crash_is_resolved_by_the_engines_log(bench: Bench) -> None:
    bench.deploy({"x": 1})
    message = bench.start()
    # as if the worker died after the engine accepted the completion: the event is still `completing`
    bench.run(message)
    with bench.runtime.database.write() as connection:
        connection.execute(
            sa.text("UPDATE event_log SET phase = 'completing', updated_at = '2020-01-01 00:00:00.000000'")
        )

    reconcile.resolve_attempts()

    assert [event.phase for event in bench.events()] == ["completed"]
