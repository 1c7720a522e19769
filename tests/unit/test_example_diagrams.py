"""The diagrams of the examples are complete: every element is drawn, none covers another, flows meet their elements."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

PROCESSES = Path(__file__).parents[2] / "processes"
FILES = sorted(PROCESSES.glob("*/*.bpmn"))
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
BOUNDS = "{http://www.omg.org/spec/DD/20100524/DC}Bounds"
WAYPOINT = "{http://www.omg.org/spec/DD/20100524/DI}waypoint"
CAMUNDA = "{http://camunda.org/schema/1.0/bpmn}"

Box = tuple[float, float, float, float]

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def boxes(root: ElementTree.Element) -> dict[str, Box]:
    """Element id -> left, top, right and bottom of its shape."""
    found = {}
    for shape in root.iter(f"{DI}BPMNShape"):
        bounds = shape.find(BOUNDS)
        assert bounds is not None
        x, y, width, height = (float(bounds.get(name, "")) for name in ("x", "y", "width", "height"))
        found[str(shape.get("bpmnElement"))] = (x, y, x + width, y + height)
    return found


def test_there_is_a_diagram_for_each_example(file: Path) -> None:
    assert file.stem == file.parent.name
    assert len(FILES) == len([path for path in PROCESSES.iterdir() if (path / "steps.py").exists()])


def test_every_element_has_its_place(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    scopes = [*root.iter(f"{BPMN}process"), *root.iter(f"{BPMN}subProcess")]
    inside = [element.get("id") for scope in scopes for element in scope if element.get("id")]
    drawn = [shape.get("bpmnElement") for kind in ("BPMNShape", "BPMNEdge") for shape in root.iter(DI + kind)]
    assert sorted(map(str, drawn)) == sorted(map(str, inside))


def test_no_element_covers_another(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    loose = {*root.iter(f"{BPMN}subProcess"), *root.iter(f"{BPMN}boundaryEvent")}
    skipped = {element.get("id") for element in loose}
    drawn = {name: box for name, box in boxes(root).items() if name not in skipped}
    for (one, a), (other, b) in combinations(drawn.items(), 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, f"{one} and {other}"


def test_flows_begin_and_end_at_the_border_of_what_they_connect(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    placed = boxes(root)
    ends = {
        flow.get("id"): (flow.get("sourceRef"), flow.get("targetRef"))
        for kind in ("sequenceFlow", "association")
        for flow in root.iter(BPMN + kind)
    }
    for edge in root.iter(f"{DI}BPMNEdge"):
        points = [(float(point.get("x", "")), float(point.get("y", ""))) for point in edge.iter(WAYPOINT)]
        for element, (x, y) in zip(ends[edge.get("bpmnElement")], (points[0], points[-1]), strict=True):
            left, top, right, bottom = placed[str(element)]
            on_border = (x in (left, right) and top <= y <= bottom) or (y in (top, bottom) and left <= x <= right)
            assert on_border, f"{edge.get('bpmnElement')} at {element}"
        for (x1, y1), (x2, y2) in pairwise(points):
            assert x1 == x2 or y1 == y2, f"{edge.get('bpmnElement')} is crooked"


def test_topics_are_named_after_process_and_step(file: Path) -> None:
    root = ElementTree.parse(file).getroot()
    key = file.stem.replace("_", "-")
    topics = {task.get("id"): task.get(f"{CAMUNDA}topic") for task in root.iter(f"{BPMN}serviceTask")}
    assert topics == {step: f"{key}.{step}" for step in topics}
