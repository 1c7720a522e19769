"""Any small process ends as the reference says: by the testing kit, and by the workers, on the real engine."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, note, settings

from camunda_bridge.client import Engine
from tasks.broker.step_message import StepMessage
from tasks.runtime import Runtime
from tests.property import bpmn
from tests.property.diagram import Diagram, Step, parts_of
from tests.property.drawing import diagrams
from tests.property.harness import Called, Told, by_testkit, by_workers
from tests.property.reference import Ending, Interpreter

#: drawn diagrams: the same each time, or as many others as the variable says; half as many go through the workers
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "600"))
#: most ways to read one order of calls
READINGS = 300


def drawn(examples: int) -> settings:
    """The settings of a test that draws."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize="PROPERTY_EXAMPLES" not in os.environ,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def endings(diagram: Diagram, calls: Sequence[Called]) -> Iterator[Ending]:
    """How the process may have ended when its handlers were called in this order.

    It is mostly one way; where a call may have been for one of several tasks, turns of a multi-instance, each is tried.
    """
    pending: list[tuple[int, ...]] = [()]
    for _ in range(READINGS):
        if not pending:
            return
        choices = pending.pop()
        reading = Interpreter(diagram, choices)
        try:
            for step_id, turn in calls:
                reading.call(step_id, turn)
            yield reading.ending()
        except LookupError as fault:
            note(f"not so: {fault}")
        for place in range(len(choices), len(reading.taken)):
            before = tuple(choice for choice, _ in reading.taken[:place])
            pending += [(*before, other) for other in range(1, reading.taken[place][1])]


def agrees(told: Told, ending: Ending) -> bool:
    """True when the product says the same: status, result or error."""
    if told.status != ending.status:
        return False
    if ending.document is not None:
        return (told.result if ending.status == "ok" else told.error) == ending.document
    return not ending.codes or (told.error or {}).get("code") in ending.codes


def compare(diagram: Diagram, told: Told) -> None:
    for text in bpmn.files(diagram).values():
        note(text)
    note(f"handlers: {told.calls}")
    event(told.status)
    event(f"{len(told.calls)} calls")
    allowed = list(endings(diagram, told.calls))
    assert any(agrees(told, ending) for ending in allowed), f"{told} is none of {allowed}"


@pytest.mark.timeout(7_200)
@drawn(EXAMPLES)
@given(diagram=diagrams())
def test_a_process_ends_as_its_diagram_says(engine: Engine, tmp_path: Path, diagram: Diagram) -> None:
    compare(diagram, by_testkit(engine, diagram, tmp_path))


@pytest.mark.timeout(7_200)
@drawn(EXAMPLES // 2)
@given(diagram=diagrams())
def test_workers_write_down_the_same_end(
    runtime: Runtime, messages: deque[StepMessage], tmp_path: Path, diagram: Diagram
) -> None:
    told = by_workers(runtime, messages, diagram, tmp_path)
    compare(diagram, told)
    answers = [part for part in parts_of(diagram.main) if isinstance(part, Step) and part.outcome is not None]
    assert answers or not told.ops, "no answer of this process can have come too late"
