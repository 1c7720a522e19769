"""The end that the testing kit reports for processes with several possible ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from camunda_bridge import BusinessRuleError, StepContext
from camunda_bridge.definition import ProcessDefinition
from testkit import ProcessRun
from tests.contract.bpmn import Part, boundary, call, error_end, external, process, subprocess

Run = Callable[..., ProcessRun]
Make = Callable[..., ProcessDefinition]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A process of these parts. `answers` are its response steps; every step returns its own name."""

    def made(key: str, *parts: Part, answers: dict[str, Any] | None = None) -> ProcessDefinition:
        path = tmp_path / f"{key}.bpmn"
        path.write_text(process(key, *parts))
        definition = ProcessDefinition(key, path)
        for topic in definition.diagram().topics.values():
            name = topic.removeprefix(f"{key}.")
            definition.step(name, outcome=(answers or {}).get(name), retries=0)(_returning(name))
        return definition

    return made


def test_first_response_step_decides_whatever_comes_after_it(run_process: Run, make: Make) -> None:
    steps = (external("good"), external("bad"), external("broken"))
    made = make("two-answers", *steps, answers={"good": "ok", "bad": "error"})
    assert run_process(made).result == {"good": True}
    run = run_process(made, replace={"broken": RuntimeError("no luck")})
    assert (run.status, run.result, run.waiting_at) == ("ok", {"good": True}, ["broken"])


def test_response_step_of_a_called_process_is_a_step_of_its_caller(run_process: Run, make: Make) -> None:
    called = make("called-answers", external("inner"), answers={"inner": "error"})
    made = make("calls-one-that-answers", call("call", "called-answers", business_key=True), external("after"))
    run = run_process(made, calls=[called])
    assert (run.status, run.result) == ("ok", {"inner": True, "after": True})


@pytest.mark.parametrize("expression", ["${'called-so'}", "${kind}", "called-${what}"])
def test_called_process_may_be_named_by_an_expression(run_process: Run, make: Make, expression: str) -> None:
    called = make("called-so", external("inner"))
    made = make("calls-by-expression", call("call", expression, business_key=False))
    run = run_process(made, {"kind": "called-so", "what": "so"}, calls=[called])
    assert run.steps == ["inner"]


@pytest.mark.parametrize("place", ["root", "subprocess", "called"])
def test_error_end_that_nothing_catches_ends_the_process_badly(run_process: Run, make: Make, place: str) -> None:
    thrown = (external("before"), error_end("thrown", "GONE"))
    called = make("throws", *thrown)
    inside = {"subprocess": subprocess("sub", *thrown), "called": call("call", "throws", business_key=False)}
    parts = (inside[place], external("after")) if place in inside else thrown
    run = run_process(make("throws-in", *parts), calls=[called])
    assert run.error is not None
    assert (run.status, run.error["code"]) == ("error", "GONE")


def test_place_of_a_waiting_process_is_the_innermost_element(run_process: Run, make: Make) -> None:
    made = make("waits-inside", subprocess("outer", subprocess("inner", external("held"))))
    run = run_process(made, replace={"held": RuntimeError("no luck")})
    assert run.waiting_at == ["held"]


def test_task_that_another_branch_cancels_is_lost(run_process: Run, make: Make) -> None:
    fork = Part(
        "fork",
        '<parallelGateway id="fork"/><serviceTask id="one" camunda:type="external" camunda:topic="{key}.one"/>'
        '<sequenceFlow id="to-one" sourceRef="fork" targetRef="one"/>',
    )
    made = make("interrupts", subprocess("sub", fork, external("two")), boundary("sub", external("caught")))
    refused = BusinessRuleError("NO", "no")
    run = run_process(made, replace={"one": refused, "two": refused})
    assert (run.status, run.steps[-1]) == ("ok", "caught")
    assert sorted(event.phase for event in run.events) == ["bpmn-error", "completed", "lost"]


def _returning(name: str) -> Callable[[Any], dict[str, bool]]:
    return lambda given: {name: True}


def test_diagram_and_step_have_the_priority_that_the_test_gives_to_the_start(run_process: Run, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = tmp_path / "ranked.bpmn"
    priority = "${10 * executionContext.prop('priority').numberValue()}"
    path.write_text(process("ranked", external("a", taskPriority=priority)))
    definition = ProcessDefinition("ranked", path)

    def note(given: dict[str, Any], context: StepContext) -> dict[str, Any]:
        seen.append((context.start_priority, context.priority))
        return {}

    definition.step("a", outcome="ok")(note)
    run_process(definition)
    run_process(definition, priority=3)
    assert seen == [(0, 0), (3, 30)]
