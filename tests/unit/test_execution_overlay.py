"""The execution overlay: the elements of a diagram, from the engine's history, its incidents and the event log.

The engine is a small server that answers like a real one; tests/integration/test_execution_overlay.py uses a real one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from service.history import execution_overlay
from service.history.execution_overlay import (
    CANCELLED,
    DONE,
    RUNNING,
    STUCK,
    WAITING,
    Element,
    ExecutionOverlay,
    _add_attempts,
    overlay_of,
)
from settings import Settings
from store.event_rows import COMPLETED, FAILED, LOST, OUTCOME_UNKNOWN, STARTED, PhaseRow
from store.process_rows import CANCELLED as ENDED_EARLY
from store.process_rows import PENDING, ProcessRow
from tasks import runtime
from tasks.runtime import Runtime
from tests.support.histories import AT, diagram, element, flow, task, visit
from tests.support.scripted_server import Handler, ScriptedServer

SEVERAL = "<multiInstanceLoopCharacteristics/>"


def attempt(task: str, phase: str, step: str = "pay") -> PhaseRow:
    return PhaseRow(1, uuid.uuid4(), task, phase, None, 1, step, f"{task} {phase}", None, 5, AT, AT, None)


def put(element: Element, attempts: list[PhaseRow], places: dict[str, str]) -> Element:
    _add_attempts({"pay": element}, attempts, places, {"pay": ["pay"]})
    return element


def test_element_is_no_more_stuck_when_a_later_attempt_goes_well() -> None:
    attempts = [attempt("t", FAILED), attempt("t", COMPLETED)]

    found = put(Element(WAITING), attempts, {"t": "pay"})

    assert (found.state, found.message, found.attempts) == (WAITING, None, 2)


@pytest.mark.parametrize("phase", [FAILED, LOST])
def test_one_stuck_task_of_several_instances_makes_the_element_stuck(phase: str) -> None:
    attempts = [attempt("a", phase), attempt("b", COMPLETED), attempt("c", STARTED)]

    assert put(Element(WAITING), attempts, {"a": "pay", "b": "pay", "c": "pay"}).state == STUCK


def test_one_running_task_of_several_instances_makes_the_element_run() -> None:
    attempts = [attempt("a", STARTED), attempt("b", COMPLETED)]

    assert put(Element(WAITING), attempts, {"a": "pay", "b": "pay"}).state == RUNNING


@pytest.mark.parametrize("state", [DONE, CANCELLED])
def test_element_that_the_engine_has_left_stays_as_it_was_left(state: str) -> None:
    assert put(Element(state), [attempt("t", FAILED)], {"t": "pay"}).state == state


def test_loop_counts_the_attempts_of_each_round_anew() -> None:
    attempts = [attempt("first", FAILED), attempt("first", COMPLETED), attempt("second", STARTED)]

    assert put(Element(WAITING, visits=2), attempts, {"first": "pay", "second": "pay"}).attempts == 1


def test_task_of_a_called_instance_is_not_put_on_the_callers_element() -> None:
    found = put(Element(WAITING), [attempt("called", FAILED)], {"own": "pay"})

    assert (found.state, found.attempts) == (WAITING, 0)


def test_without_a_log_of_external_tasks_the_steps_name_says_where() -> None:
    assert put(Element(WAITING), [attempt("t", STARTED)], {}).state == RUNNING


class ScriptedEngine(ScriptedServer):
    """An engine with one instance, whose answers the test sets."""

    def __init__(self) -> None:
        super().__init__()
        self.xml = diagram(task("pay"), task("ship"), flow("pay-ship"))
        self.activities: list[dict[str, Any]] = []
        self.places: dict[str, str] = {}
        self.incidents: list[dict[str, Any]] = []
        self.missing: set[str] = set()
        self.definition = f"p:3:{uuid.uuid4()}"
        self.answer = self._answer

    def _answer(self, handler: Handler) -> None:
        address = urlsplit(handler.path)
        path = address.path.removeprefix("/engine-rest")
        answers: dict[str, Any] = {
            "/history/process-instance/i": {"processDefinitionId": self.definition, "processDefinitionVersion": 3},
            f"/process-definition/{self.definition}/xml": {"bpmn20Xml": self.xml},
            "/history/activity-instance": self.activities,
            "/history/external-task-log": [
                {"externalTaskId": name, "activityId": activity} for name, activity in self.places.items()
            ],
            "/incident": self.incidents,
        }
        if path in self.missing or path not in answers:
            handler.send(404, b'{"type": "InvalidRequestException", "message": "no such thing"}')
            return
        found = answers[path]
        query = parse_qs(address.query)
        if query.get("sortOrder") == ["desc"]:
            found = found[::-1]
        if "maxResults" in query:
            found = found[: int(query["maxResults"][0])]
        handler.send(200, json.dumps(found).encode())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    """The engine of the runtime."""
    engine = ScriptedEngine()
    settings = Settings(camunda_base_url=f"{engine.url}/engine-rest", camunda_timeout_ms=2_000)
    monkeypatch.setattr(runtime, "_runtime", Runtime(settings))
    yield engine
    engine.close()


ROW = ProcessRow(
    *(1, uuid.uuid4(), "order-1", "hash", "order-fulfilment", "i", PENDING, None, None, False, {}, None, None, None),
    *(None, None, "trace", None, None, AT, AT, None),
)


def look(*attempts: PhaseRow, row: ProcessRow = ROW) -> ExecutionOverlay:
    return overlay_of(row, attempts)


def test_elements_are_done_or_waiting_and_a_loop_is_counted(engine: ScriptedEngine) -> None:
    engine.activities = [visit("pay", 0, 1), visit("ship", 1, 1.5), visit("pay", 1.5, 3.5), visit("ship", 3.5)]

    found = look()

    assert found.elements["pay"] == Element(DONE, visits=2, took_ms=2_000)
    assert found.elements["ship"] == Element(WAITING, visits=2, took_ms=500)
    assert (found.version, found.flows, found.note) == (3, ["pay-ship"], "")


def test_activity_that_an_event_interrupted_is_cancelled(engine: ScriptedEngine) -> None:
    engine.xml = diagram(task("pay"), element("boundaryEvent", "refused", attachedToRef="pay"), task("sorry"))
    engine.activities = [visit("pay", 0, 1, canceled=True), visit("refused", 1, 1, "boundaryError"), visit("sorry", 1)]

    states = {name: element.state for name, element in look().elements.items()}

    assert states == {"pay": CANCELLED, "refused": DONE, "sorry": WAITING}


def test_activity_with_instances_is_one_visit_that_lasts_as_long_as_any_of_them(engine: ScriptedEngine) -> None:
    engine.xml = diagram(task("pay", SEVERAL), task("ship"), flow("pay-ship"))
    engine.activities = [
        visit("pay#multiInstanceBody", 0, kind="multiInstanceBody"),
        *(visit("pay", 0, 1, scope="body"), visit("pay", 0, scope="body")),
    ]
    assert look().elements == {"pay": Element(WAITING, visits=1, instances=2)}

    engine.activities = [
        visit("pay#multiInstanceBody", 0, 2, kind="multiInstanceBody"),
        *(visit("pay", 0, 1, scope="body"), visit("pay", 0, 2, scope="body"), visit("ship", 2)),
    ]
    assert look().elements["pay"] == Element(DONE, visits=1, instances=2, took_ms=2_000)


def test_one_instance_after_another_runs_until_the_last_is_over(engine: ScriptedEngine) -> None:
    engine.activities = [visit("pay#multiInstanceBody", 0, kind="multiInstanceBody"), visit("pay", 0, 1, scope="body")]

    assert look().elements["pay"] == Element(RUNNING, visits=1, instances=1)


def test_call_runs_until_what_it_called_is_over_and_shows_nothing_of_its_steps(engine: ScriptedEngine) -> None:
    engine.xml = diagram(element("callActivity", "call", calledElement="other"), task("pay"), flow("call-pay"))
    engine.activities = [visit("call", 0, kind="callActivity", calledProcessInstanceId="other")]
    engine.places = {}
    called = attempt("of-the-called", STARTED, step="pay")

    assert look(called).elements == {"call": Element(RUNNING, visits=1)}

    engine.activities = [visit("call", 0, 4, "callActivity"), visit("pay", 4)]
    engine.places = {"own": "pay"}
    found = look(called)
    assert found.elements["call"] == Element(DONE, visits=1, took_ms=4_000)
    assert found.elements["pay"].attempts == 0
    assert found.flows == ["call-pay"]


def test_incident_makes_its_element_stuck_begun_or_not(engine: ScriptedEngine) -> None:
    engine.activities = [visit("pay", 0)]
    engine.incidents = [
        {"activityId": "pay", "incidentMessage": "no money"},
        {"activityId": "ship#multiInstanceBody", "incidentMessage": "no such variable"},
    ]
    found = look().elements

    assert (found["pay"].state, found["pay"].message) == (STUCK, "no money")
    assert (found["ship"].state, found["ship"].message, found["ship"].visits) == (STUCK, "no such variable", 0)


def test_only_the_newest_visits_of_many_are_read_and_the_note_says_so(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_overlay, "MOST_VISITS", 3)
    engine.activities = [visit("pay", number, number + 1) for number in range(4)] + [visit("ship", 4)]

    found = look()

    assert {name: element.visits for name, element in found.elements.items()} == {"pay": 2, "ship": 1}
    assert found.note == "Only the newest 3 visits of elements are shown."


# -- without the engine


def step(name: str, phase: str, of: str = "t") -> PhaseRow:
    return attempt(of, phase, step=name)


def test_while_the_engine_is_unavailable_the_overlay_has_the_steps_of_the_event_log(engine: ScriptedEngine) -> None:
    engine.close()

    found = look(step("reserve-goods", COMPLETED, "r"), step("charge-payment", LOST), step("charge-payment", STARTED))

    assert found.note.startswith("The engine is unavailable: ")
    assert found.version is None
    assert 'id="order-fulfilment"' in found.xml
    assert found.elements["reserve-goods"] == Element(DONE, 1, attempts=1, took_ms=5, steps=["reserve-goods"])
    assert found.elements["charge-payment"] == Element(RUNNING, 1, attempts=2, steps=["charge-payment"])
    assert found.flows == []


def test_history_that_was_cleaned_up_leaves_the_event_log(engine: ScriptedEngine) -> None:
    engine.missing.add("/history/process-instance/i")

    found = look(step("reserve-goods", COMPLETED))

    assert found.note == "The engine's history does not have this instance any more."
    assert found.elements["reserve-goods"].state == DONE


def test_definition_that_was_deleted_is_not_reported_as_an_unavailable_engine(engine: ScriptedEngine) -> None:
    engine.missing.add(f"/process-definition/{engine.definition}/xml")

    found = look(step("reserve-goods", COMPLETED))

    assert found.note.startswith("The engine does not have the diagram of this instance any more")
    assert found.elements["reserve-goods"].state == DONE


def test_process_that_has_not_begun_has_passed_no_element(engine: ScriptedEngine) -> None:
    found = look(row=replace(ROW, process_instance_id=None))

    assert (found.elements, found.note) == ({}, "The process has not begun in the engine yet.")
    assert engine.seen == []


def test_event_log_counts_a_visit_for_each_task_and_the_attempts_of_the_newest(engine: ScriptedEngine) -> None:
    engine.missing.add("/history/process-instance/i")

    found = look(
        *(step("trace-parcel", FAILED, "first"), step("trace-parcel", COMPLETED, "first")),
        step("trace-parcel", FAILED, "second"),
    ).elements["trace-parcel"]

    assert (found.state, found.visits, found.attempts, found.took_ms) == (STUCK, 2, 1, 5)
    assert found.message == "second failed"


@pytest.mark.parametrize(("phase", "state"), [(STARTED, CANCELLED), (FAILED, STUCK), (OUTCOME_UNKNOWN, DONE)])
def test_task_that_was_open_when_the_process_ended_is_cancelled(engine: ScriptedEngine, phase: str, state: str) -> None:
    engine.missing.add("/history/process-instance/i")

    found = look(step("reserve-goods", phase), row=replace(ROW, status=ENDED_EARLY, finished_at=AT))

    assert found.elements["reserve-goods"].state == state


def test_process_that_is_not_known_here_has_no_diagram(engine: ScriptedEngine) -> None:
    engine.missing.add("/history/process-instance/i")

    with pytest.raises(LookupError, match="no process 'other' in this installation"):
        look(row=replace(ROW, process_key="other"))
