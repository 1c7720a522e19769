"""Any small process ends as the reference says: the product, through the testing kit, on the real engine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, note, settings

from camunda_bridge.client import Engine
from testkit import ProcessRun
from tests.property import bpmn
from tests.property.diagram import Diagram
from tests.property.drawing import diagrams
from tests.property.harness import run as run_diagram
from tests.property.reference import Ending, Impossible, Interpreter

#: drawn diagrams: the same 300 each time, or as many others as the variable says
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "300"))
#: most ways to read one order of calls
READINGS = 300

drawn = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="PROPERTY_EXAMPLES" not in os.environ,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def endings(diagram: Diagram, calls: Sequence[str]) -> Iterator[Ending]:
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
            for step_id in calls:
                reading.call(step_id)
            yield reading.ending()
        except Impossible as fault:
            note(f"not so: {fault}")
        for place in range(len(choices), len(reading.taken)):
            before = tuple(choice for choice, _ in reading.taken[:place])
            pending += [(*before, other) for other in range(1, reading.taken[place][1])]


def agrees(run: ProcessRun, ending: Ending) -> bool:
    """True when the product says the same: status, result or error."""
    if run.status != ending.status:
        return False
    if ending.document is not None:
        return (run.result if ending.status == "ok" else run.error) == ending.document
    return not ending.codes or (run.error or {}).get("code") in ending.codes


@pytest.mark.timeout(7_200)
@drawn
@given(diagram=diagrams())
def test_a_process_ends_as_its_diagram_says(engine: Engine, tmp_path: Path, diagram: Diagram) -> None:
    for text in bpmn.files(diagram).values():
        note(text)
    run, calls = run_diagram(engine, diagram, tmp_path)
    note(f"handlers: {' '.join(calls)}")
    allowed = list(endings(diagram, calls))
    event(run.status)
    assert any(agrees(run, ending) for ending in allowed), f"{run!r} is none of {allowed}"
