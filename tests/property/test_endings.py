"""Any small process has the end of the reference: in the testing kit, and with the workers, on the real engine."""

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
from tests.property.harness import Called, Observed, by_testkit, by_workers
from tests.property.reference import Ending, Interpreter

#: number of drawn diagrams, the same in each run; the variable sets another number of random ones. The workers run half
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "600"))
#: most interpretations of one order of calls
READINGS = 300


def drawn(examples: int) -> settings:
    """The settings of a test that draws diagrams."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize="PROPERTY_EXAMPLES" not in os.environ,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def endings(diagram: Diagram, calls: Sequence[Called]) -> Iterator[Ending]:
    """The ends that the process may have when its handlers were called in this order.

    Usually there is one. If a call may have been for one of several tasks (turns of a multi-instance), each is tried.
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


def agrees(observed: Observed, ending: Ending) -> bool:
    """True if the product has the same end: status, result or error."""
    if observed.status != ending.status:
        return False
    if ending.document is not None:
        return (observed.result if ending.status == "ok" else observed.error) == ending.document
    return not ending.codes or (observed.error or {}).get("code") in ending.codes


def compare(diagram: Diagram, observed: Observed) -> None:
    for text in bpmn.files(diagram).values():
        note(text)
    note(f"handlers: {observed.calls}")
    event(observed.status)
    event(f"{len(observed.calls)} calls")
    allowed = list(endings(diagram, observed.calls))
    assert any(agrees(observed, ending) for ending in allowed), f"{observed} must be one of {allowed}"


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
    observed = by_workers(runtime, messages, diagram, tmp_path)
    compare(diagram, observed)
    answers = [part for part in parts_of(diagram.main) if isinstance(part, Step) and part.outcome is not None]
    assert answers or not observed.ops, "this process has no outcome that can have come too late"
