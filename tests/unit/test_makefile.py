"""What people type: `make help` lists the targets, and each page that uses pytest says what installs it."""

from __future__ import annotations

import re
import subprocess

import pytest

from dev.environment import ROOT

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
#: a command that runs pytest, in a block or within a sentence
COMMAND = re.compile(r"(?:^|`)(?:\w+=\S+ )?pytest\b", re.MULTILINE)


def listed() -> dict[str, str]:
    """The targets of `make help`, each with its description."""
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return dict(re.findall(r"^ +make (\S+) +(\S.*)$", done.stdout, re.MULTILINE))


def test_help_lists_every_target_that_people_are_told_to_type() -> None:
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^|`)(?:\w+=\S+ )?make ([a-z][a-z-]*)", (ROOT / page).read_text(), re.MULTILINE)
    }

    assert {"run", "test", "setup-dev"} <= named
    assert named <= set(listed())
    assert "pytest" in listed()["setup-dev"]


@pytest.mark.parametrize("page", [page for page in PAGES if COMMAND.search((ROOT / page).read_text())])
def test_page_with_pytest_says_what_installs_it(page: str) -> None:
    assert "make setup-dev" in (ROOT / page).read_text()
