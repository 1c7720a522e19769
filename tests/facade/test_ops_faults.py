"""Calls of ops while something fails: the answer is what has happened, and no transaction is written in part."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from camunda_bridge.client import Engine
from camunda_bridge.errors import EngineRefused, EngineUnavailable, Unauthorized
from service import retry as retrying
from store.errors import DatabaseUnavailable
from store.event_rows import OPS, EventRow
from store.events import EventStore
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, ProcessRow
from store.processes import ProcessStore
from tasks.settling.settle import settle
from tests.integration.threads import together
from tests.support.facade import Facade, problem

INCIDENT = Ending(ERROR, error={"code": "INCIDENT", "message": "broken"}, incident_id="inc-1")


class Incidents:
    """The incidents of one instance in the engine, each of an external task of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
        self.open = list(ids)
        self.asked = 0
        self.retried: list[str] = []
        #: id of an incident whose retry gets no answer -> the exception, with whether it may have been done
        self.faulty: dict[str, EngineUnavailable] = {}
        monkeypatch.setattr(Engine, "incidents_of", lambda _, instance: self._list())
        monkeypatch.setattr(Engine, "incident", lambda _, name: self._one(name))
        monkeypatch.setattr(Engine, "set_task_retries", lambda _, task, retries: self._retry(task))

    def _list(self) -> list[dict[str, Any]]:
        self.asked += 1
        return [self._one(name) for name in self.open]

    @staticmethod
    def _one(name: str) -> dict[str, Any]:
        task = {"configuration": name, "incidentType": "failedExternalTask"}
        return {"id": name, "rootCauseIncidentId": name, **task}

    def _retry(self, name: str) -> None:
        if name in self.faulty:
            raise self.faulty[name]
        self.open.remove(name)
        self.retried.append(name)


@pytest.fixture
def incidents(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Incidents]:
    return lambda *ids: Incidents(monkeypatch, *ids)


@pytest.fixture
def row(facade: Facade) -> ProcessRow:
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    row = facade.rows()[0]
    assert facade.runtime.processes.claim(row.id, "token", for_s=30)[1]
    assert facade.runtime.processes.record_instance(row.id, "pi-1")
    return now(facade)


def now(facade: Facade) -> ProcessRow:
    (row,) = facade.rows()
    return row


def ops(facade: Facade) -> list[EventRow]:
    return [event for event in facade.runtime.events.by_correlation_id("order-1") if event.phase == OPS]


def end(facade: Facade, ending: Ending) -> None:
    assert facade.runtime.processes.settle(now(facade).id, ending)


def without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every write to the event log fail."""

    def away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("told to be away")

    monkeypatch.setattr(EventStore, "record", away)
    monkeypatch.setattr(retrying, "WRITE_S", 0.1)


# -- ending


def test_process_is_not_ended_without_the_event_with_the_actor(
    facade: Facade, row: ProcessRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_events(monkeypatch)

    problem(facade.http.post("/api/process/order-1/cancel"), 503, "database-away")

    assert now(facade).status == PENDING


def test_cancel_and_end_at_once_leave_one_end_and_record_the_one_that_came_too_late(
    facade: Facade, row: ProcessRow
) -> None:
    calls = [
        ("/api/process/complete", {"correlationId": "order-1", "status": "ok"}),
        ("/api/process/order-1/cancel", {}),
    ]

    answers = together(2, lambda number: facade.app.test_client().post(calls[number][0], json=calls[number][1]))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert now(facade).status == (won.json or {})["status"]
    problem(lost, 409, "already-ended")
    first, second = ops(facade)
    assert first.step_name in ("complete", "cancel")
    assert second.step_name == "settle"
    assert (second.actor, "came too late" in (second.result or "")) == ("api", True)


@pytest.mark.parametrize(
    ("first", "found", "recorded"),
    [
        (CANCELLED, OK, True),
        (CANCELLED, ERROR, True),
        (OK, ERROR, True),
        # The instance was deleted because its row had ended.
        (OK, CANCELLED, False),
        (ERROR, CANCELLED, False),
        # History does not show that a step declares an error.
        (ERROR, OK, False),
        (OK, OK, False),
    ],
)
def test_end_found_in_history_is_recorded_as_too_late_only_if_it_differs(
    facade: Facade, row: ProcessRow, first: str, found: str, recorded: bool
) -> None:
    end(facade, Ending(first))

    assert not settle(row, Ending(found), as_found=True)

    assert now(facade).status == first
    assert [event.step_name for event in ops(facade)] == (["settle"] if recorded else [])


# -- retry


@pytest.mark.parametrize(
    "ending", [Ending(CANCELLED, engine_open=True), Ending(OK), Ending(ERROR, error={"code": "E"})]
)
def test_ended_process_is_not_retried_even_if_its_instance_has_an_incident(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], ending: Ending
) -> None:
    engine = incidents("inc-1")
    end(facade, ending)

    problem(facade.http.post("/api/process/order-1/retry"), 409, "no-incident")

    assert (engine.retried, now(facade).status, ops(facade)) == ([], ending.status, [])


def test_process_that_is_cancelled_just_before_its_retry_is_not_retried(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents]
) -> None:
    engine = incidents("inc-1")
    end(facade, Ending(CANCELLED, engine_open=True))

    assert not retrying.retry_incidents(row, actor="eve")

    assert engine.retried == []


def test_business_error_that_came_in_between_is_kept_after_a_retry(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], monkeypatch: pytest.MonkeyPatch
) -> None:
    incidents("inc-1")
    end(facade, INCIDENT)
    retry = Engine.set_task_retries

    def retry_and_end(engine: Engine, task: str, retries: int) -> None:
        retry(engine, task, retries)
        end(facade, Ending(ERROR, error={"code": "REJECTED"}))

    monkeypatch.setattr(Engine, "set_task_retries", retry_and_end)

    answer = facade.http.post("/api/process/order-1/retry")

    assert (answer.status_code, (answer.json or {})["status"]) == (200, ERROR)
    assert (now(facade).status, now(facade).error) == (ERROR, {"code": "REJECTED"})
    assert [event.step_name for event in ops(facade)] == ["retry"]


def test_two_retries_at_once_retry_an_incident_once(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = incidents("inc-1")
    end(facade, INCIDENT)
    both_have_read = threading.Barrier(2)
    find = ProcessStore.by_correlation_id

    def found_by_both(store: ProcessStore, correlation_id: str) -> ProcessRow | None:
        found = find(store, correlation_id)
        both_have_read.wait(10)
        return found

    monkeypatch.setattr(ProcessStore, "by_correlation_id", found_by_both)

    answers = together(2, lambda _: facade.app.test_client().post("/api/process/order-1/retry"))

    assert [(answer.status_code, (answer.json or {})["status"]) for answer in answers] == [(200, PENDING)] * 2
    assert (engine.retried, engine.asked) == (["inc-1"], 1)
    assert [(event.step_name, event.actor) for event in ops(facade)] == [("retry", "api")]


def test_retry_that_waited_for_another_does_not_retry_the_next_incident(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents]
) -> None:
    engine = incidents("inc-2")
    end(facade, INCIDENT)
    asked_for = now(facade)
    assert facade.runtime.processes.reopen(row.id)
    end(facade, Ending(ERROR, error={"code": "INCIDENT"}, incident_id="inc-2"))

    assert retrying.retry_incidents(asked_for, actor="eve")

    assert engine.retried == []


def test_retry_works_without_redis(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = incidents("inc-1")
    end(facade, INCIDENT)
    facade.change(redis_url="redis://127.0.0.1:1/0")

    assert facade.http.post("/api/process/order-1/retry").status_code == 200

    assert (engine.retried, now(facade).status) == (["inc-1"], PENDING)


def test_retry_that_fails_midway_reports_what_is_done_and_continues_when_called_again(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents]
) -> None:
    engine = incidents("inc-1", "inc-2", "inc-3")
    end(facade, INCIDENT)
    engine.faulty["inc-2"] = EngineUnavailable("gone")

    answer = facade.http.post("/api/process/order-1/retry")

    said = problem(answer, 503, "engine-away")
    assert "1 of 3 incidents were retried" in said["detail"]
    assert "nothing was changed" not in answer.text
    assert answer.headers["Retry-After"]
    assert (engine.retried, now(facade).status) == (["inc-1"], ERROR)
    assert [(event.result, event.actor) for event in ops(facade)] == [("1 of 3 incidents were retried", "api")]

    engine.faulty.clear()
    assert facade.http.post("/api/process/order-1/retry").status_code == 200
    assert (engine.retried, now(facade).status) == (["inc-1", "inc-2", "inc-3"], PENDING)


@pytest.mark.parametrize(
    ("maybe_done", "known"), [(True, "may have been retried already"), (False, "nothing was changed")]
)
def test_retry_reports_that_nothing_was_changed_only_if_that_is_certain(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], maybe_done: bool, known: str
) -> None:
    engine = incidents("inc-1")
    end(facade, INCIDENT)
    engine.faulty["inc-1"] = EngineUnavailable("gone", maybe_done=maybe_done)

    said = problem(facade.http.post("/api/process/order-1/retry"), 503, "engine-away")

    assert known in said["detail"]
    assert "nothing" not in said["title"]
    assert ops(facade) == []


def test_retry_whose_answer_was_lost_is_found_when_called_again(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents]
) -> None:
    incidents()
    end(facade, INCIDENT)

    answer = facade.http.post("/api/process/order-1/retry")

    assert (answer.status_code, now(facade).status) == (200, PENDING)


def test_retry_that_the_engine_has_accepted_is_answered_as_done_when_the_store_fails(
    facade: Facade, row: ProcessRow, incidents: Callable[..., Incidents], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = incidents("inc-1")
    end(facade, INCIDENT)
    without_events(monkeypatch)

    assert facade.http.post("/api/process/order-1/retry").status_code == 200

    assert engine.retried == ["inc-1"]


# -- message


def test_delivered_message_is_answered_as_done_when_the_store_fails(
    facade: Facade, row: ProcessRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "correlate", lambda *_, **__: True)
    without_events(monkeypatch)

    def away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable("told to be away")

    monkeypatch.setattr(ProcessStore, "by_id", away)

    answer = facade.post("/api/process/order-1/message", {"messageName": "payment"})

    assert answer.status_code == 200, answer.text


def test_message_is_recorded_when_the_store_is_back_within_a_moment(
    facade: Facade, row: ProcessRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "correlate", lambda *_, **__: True)
    record, calls = EventStore.record, []

    def away_once(store: EventStore, *given: Any, **more: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise DatabaseUnavailable("told to be away")
        record(store, *given, **more)

    monkeypatch.setattr(EventStore, "record", away_once)

    assert facade.post("/api/process/order-1/message", {"messageName": "payment"}).status_code == 200

    assert [event.step_name for event in ops(facade)] == ["message"]


def test_message_that_the_engine_refuses_is_answered_with_the_engines_message(
    facade: Facade, row: ProcessRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def correlate(*_: Any, **__: Any) -> bool:
        raise EngineRefused("Unknown property used in expression: ${rate}", status=500)

    monkeypatch.setattr(Engine, "correlate", correlate)

    answer = facade.post("/api/process/order-1/message", {"messageName": "payment"})

    said = problem(answer, 409, "engine-refused")
    assert said["detail"] == "Unknown property used in expression: ${rate}; the message was not delivered"
    assert ops(facade) == []


@pytest.mark.parametrize(
    ("fault", "known"),
    [
        (EngineUnavailable("no answer"), "the process may have received the message"),
        (EngineUnavailable("no connection", maybe_done=False), "the message was not delivered"),
        (Unauthorized("no"), "the message was not delivered"),
    ],
)
def test_message_without_an_answer_may_have_been_delivered(
    facade: Facade, row: ProcessRow, monkeypatch: pytest.MonkeyPatch, fault: Exception, known: str
) -> None:
    def correlate(*_: Any, **__: Any) -> bool:
        raise fault

    monkeypatch.setattr(Engine, "correlate", correlate)

    answer = facade.post("/api/process/order-1/message", {"messageName": "payment"})

    said = problem(answer, 503, "engine-away")
    assert known in said["detail"]
    assert "nothing" not in said["title"]
    assert ops(facade) == []
