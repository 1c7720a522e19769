"""The line of an element: where its start tag begins, in any encoding and in any size of file."""

from __future__ import annotations

from pathlib import Path

import pytest

from camunda_bridge.bpmn import read_diagram
from camunda_bridge.check import check
from camunda_bridge.definition import ProcessDefinition

BPMN = """<?xml version="1.0" encoding="{encoding}"?>
<!-- a comment
     of two lines -->
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="lines">
  <process
      id="lines"
      isExecutable="true">
    <documentation>Größe{blank}</documentation>
    <startEvent id="begin"/><serviceTask id="beside"/>
    <serviceTask id="work"
      camunda:type="external"
      camunda:topic="lines.work">
      <incoming>flow</incoming>
    </serviceTask>
    <subProcess id="sub">
      <endEvent id="end"/>
    </subProcess>
  </process>
</definitions>
"""
LINES = {"lines": 6, "begin": 10, "beside": 10, "work": 11, "sub": 16, "end": 17}


def lines_of(content: bytes | str) -> dict[str, int]:
    diagram = read_diagram(content)
    return {node.id: diagram.line(node) for node in (diagram.root, *diagram.nodes)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_element_is_on_the_line_where_its_tag_begins(encoding: str) -> None:
    named = encoding.removesuffix("-sig")
    assert lines_of(BPMN.format(encoding=named, blank="").encode(encoding)) == LINES


def test_text_from_the_engine_keeps_its_lines() -> None:
    assert lines_of(BPMN.format(encoding="utf-16", blank="")) == LINES


def test_lines_beyond_65535_are_exact() -> None:
    far = 70_000
    expected = {name: line + far * (line > 9) for name, line in LINES.items()}
    assert lines_of(BPMN.format(encoding="utf-8", blank="\n" * far).encode()) == expected


def test_encoding_that_only_libxml2_knows_gives_the_line_on_which_the_tag_ends() -> None:
    content = BPMN.replace("Größe", "大").format(encoding="gb2312", blank="").encode("gb2312")
    assert lines_of(content) == {**LINES, "lines": 8, "work": 13}


def test_file_that_is_not_xml_is_found_at_the_line_of_the_fault(tmp_path: Path) -> None:
    process = ProcessDefinition("broken", tmp_path / "broken.bpmn")
    process.bpmn_path.write_text("<definitions>\n  <process id=1/>\n</definitions>")
    (finding,) = check([process])
    assert (finding.code, finding.line, finding.element) == ("BPMN_UNREADABLE", 2, "broken")


def test_file_that_is_missing_is_found_at_line_1(tmp_path: Path) -> None:
    (finding,) = check([ProcessDefinition("gone", tmp_path / "gone.bpmn")])
    assert str(finding).startswith(f"{tmp_path}/gone.bpmn:1: BPMN_UNREADABLE gone ")
