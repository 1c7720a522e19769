"""The page of the check describes each code and each format, and its examples are those of the code."""

from __future__ import annotations

import json
import re

import pytest

from camunda_bridge.check import CODES, check_files
from camunda_bridge.check.findings import DESCRIPTIONS
from camunda_bridge.check.formats import FORMATS, report
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry
from dev.environment import ROOT

PAGE = (ROOT / "docs" / "reference" / "check.md").read_text()


def section(code: str) -> str:
    """The text below the heading of a code, up to the next heading."""
    return PAGE.split(f"\n### `{code}`\n", 1)[1].split("\n### ", 1)[0]


def test_each_code_has_a_section_in_the_order_of_the_codes() -> None:
    assert re.findall(r"^### `([A-Z_]+)`$", PAGE, re.MULTILINE) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_section_has_a_picture_of_the_fault_the_reason_and_the_repair(code: str) -> None:
    first, picture, *rest = (part for part in section(code).split("\n\n") if part.strip())
    assert first.strip() == DESCRIPTIONS[code].wrong
    assert picture.startswith("```mermaid\nflowchart LR\n")
    assert picture.count("✗") == 1
    marked = re.search(r"^    class (\w+) wrong$", picture, re.MULTILINE)
    assert marked is not None
    assert re.search(rf'\b{marked[1]}(?:\(\(|\[\[|\[| \[)"✗ ', picture), "the marked element has the sign"
    reason, repair = (
        index for index, text in enumerate(rest) if text.startswith(("**Why it is wrong.** ", "**How to"))
    )
    assert rest[repair].startswith("**How to fix it.** ")
    assert reason < repair


def test_rule_of_a_sarif_log_leads_to_its_section() -> None:
    (run,) = json.loads(report([], "sarif"))["runs"]
    for rule in run["tool"]["driver"]["rules"]:
        path, _, anchor = rule["help"]["text"].rpartition(" ")[2].removesuffix(".").partition("#")
        assert (ROOT / path).read_text() == PAGE
        assert f"\n### `{anchor.upper()}`\n" in PAGE
        assert f"| [`{rule['id']}`](#{anchor}) | " in PAGE


def test_each_format_is_in_the_table() -> None:
    table = PAGE.split("| format |", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(FORMATS)


def test_editor_reads_each_line_of_the_text() -> None:
    (block,) = (text for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "problemMatcher" in text)
    pattern = json.loads(block)["tasks"][0]["problemMatcher"]["pattern"]
    findings = check_files(load_processes(["tests.unit.check.fixtures", "tests.processes"], Registry()))
    for finding in findings:
        found = re.fullmatch(pattern["regexp"], str(finding))
        assert found is not None
        parts = [found[pattern[name]] for name in ("file", "line", "code", "message")]
        assert parts == [finding.path, str(finding.line), finding.code, finding.text]
