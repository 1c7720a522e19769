"""The tutorial's diagrams: the first is that of a new process, and pictures and page show what the files have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from camunda_bridge.bpmn import parse_xml
from dev.environment import ROOT
from service.scaffold import TEMPLATES
from tests.support.doc_blocks import blocks_of

PAGE = "docs/guides/creating-a-process.md"
STAGES = sorted((ROOT / "docs" / "guides" / "rent-bike").glob("*.bpmn"))
#: what the templates of a new process are filled with
WORDS = {"$key": "rent-bike", "$title": "Rent bike"}


def places(svg: str) -> dict[str, tuple[float, float]]:
    """Id of each drawn element -> its place; a flow has none, but it is there."""
    found = {}
    for tag in re.findall(r"<g class=\"djs-element[^>]*>", svg):
        name = re.search(r'data-element-id="([^"]+)"', tag)
        place = re.search(r"matrix\(1 0 0 1 (\S+) (\S+)\)", tag)
        assert name is not None
        found[name[1]] = (float(place[1]), float(place[2])) if place else (0.0, 0.0)
    return {name: place for name, place in found.items() if not name.endswith("_label")}


def drawn(bpmn: Path) -> dict[str, tuple[float, float]]:
    """The same of the drawing in a BPMN file."""
    root = parse_xml(bpmn.read_bytes())
    found = {}
    for shape in root.iter("{*}BPMNShape"):
        bounds = next(shape.iter("{*}Bounds"))
        found[shape.get("bpmnElement", "")] = (float(bounds.get("x", "")), float(bounds.get("y", "")))
    return found | {edge.get("bpmnElement", ""): (0.0, 0.0) for edge in root.iter("{*}BPMNEdge")}


def names(root: etree._Element) -> set[str]:
    return {element.get("name", "") for element in root.iter() if etree.QName(element).localname.endswith("Task")}


def test_first_stage_is_the_diagram_of_a_new_process() -> None:
    template = (TEMPLATES / "$name.bpmn.tmpl").read_text()
    for word, value in WORDS.items():
        template = template.replace(word, value)
    assert STAGES[0].read_text() == template, "copy it, then run `python -m dev.diagram_pictures`"


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.stem)
def test_picture_shows_the_diagram_of_its_stage(stage: Path) -> None:
    picture = stage.with_suffix(".svg").read_text()
    assert places(picture) == drawn(stage), "run `python -m dev.diagram_pictures`"
    texts = "".join(re.findall(r"<tspan[^>]*>([^<]*)</tspan>", picture)).replace(" ", "")
    assert [name for name in names(parse_xml(stage.read_bytes())) if name.replace(" ", "") not in texts] == []


def test_page_shows_each_picture() -> None:
    shown = re.findall(r"!\[[^]]+\]\(rent-bike/(\S+)\.svg\)", (ROOT / PAGE).read_text())
    assert shown == [stage.stem for stage in STAGES]


def test_elements_on_the_page_are_those_of_the_stage_that_is_copied_next() -> None:
    pending: list[str] = []
    for block in blocks_of(PAGE):
        if block.label == "xml":
            pending += [line.strip() for line in block.text.splitlines()]
        if copied := re.search(r"^cp docs/guides/rent-bike/(\S+)", block.text, re.MULTILINE):
            text = next(stage for stage in STAGES if stage.name == copied[1]).read_text()
            assert [line for line in pending if line not in text] == []
            pending = []
    assert pending == []
