"""What the attempts of the event log make of the elements that the engine's history tells of."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from store.events import COMPLETED, FAILED, LOST, STARTED, PhaseRow
from tasks.trail import CANCELLED, DONE, RUNNING, STUCK, WAITING, Element, _add_attempts

AT = datetime(2026, 1, 1, tzinfo=UTC)


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
