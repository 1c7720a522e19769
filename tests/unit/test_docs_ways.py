"""The pages of the ways of a start and of a step name files, functions and crash points that are there."""

from __future__ import annotations

import ast
import re

import pytest

from dev.environment import ROOT
from tests.chaos.test_crash_points import SCENARIOS

PAGES = ("way-of-a-start", "way-of-a-step")


def rows(page: str) -> list[list[str]]:
    lines = (ROOT / "docs" / "design" / f"{page}.md").read_text().splitlines()
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| \d", line)]
    assert len(found) == 12
    return found


def names_in(path: str) -> set[str]:
    found = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("page", PAGES)
def test_each_function_is_in_its_file(page: str) -> None:
    wrong = [(row[1], row[2]) for row in rows(page) if row[2].strip("`") not in names_in(row[1].strip("`"))]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES)
def test_each_crash_point_is_tested(page: str) -> None:
    named = re.findall(r"`((?:start|fetch|step|settle): [^`]+)`", (ROOT / "docs" / "design" / f"{page}.md").read_text())
    assert len(named) >= 5
    assert [name for name in named if name not in SCENARIOS] == []
