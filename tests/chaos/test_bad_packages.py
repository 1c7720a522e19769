"""Packages that cannot be loaded: everything else starts and runs, and each part says what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dev.stack import Stack
from tests.chaos.conftest import SETTINGS
from tests.support.api import Api, eventually

PACKAGES = {
    "imports_nothing_that_is_there": "import no_such_client",
    "twice": "from camunda_bridge import define_process\nprocess = define_process('five-steps')",
    "no_file": "from camunda_bridge import define_process\nprocess = define_process('no-file')",
}
FAULTS = [
    "imports_nothing_that_is_there.steps: ModuleNotFoundError: No module named 'no_such_client'",
    "twice.steps: process 'five-steps' is declared twice, the other is process 'five-steps' of "
    "tests.processes.five_steps.steps",
    "process 'no-file': no_file.bpmn: No such file or directory",
]


@pytest.fixture
def package(tmp_path: Path) -> str:
    """The name of a package with bad sub-packages."""
    folder = tmp_path / "bad_packages"
    for name, steps in PACKAGES.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (folder / name / "steps.py").write_text(steps)
    (folder / "__init__.py").touch()
    return folder.name


def test_bad_packages_keep_nothing_else_from_running(package: str, tmp_path: Path, engine_url: str) -> None:
    said: list[str] = []
    settings = {
        **SETTINGS,
        "CAMUNDA_BASE_URL": engine_url,
        "PROCESSES": f"tests.processes,{package}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    parts = ("broker", "web", "worker", "control", "beat")
    with Stack(
        tmp_path / "stack", settings=settings, parts=parts, lenient=True, report=lambda *line: said.append(line[1])
    ) as stack:
        api = Api(stack.url)
        assert api.start("five-steps").status == 200
        assert api.start("external-events").status == 200

        expected = [fault if fault.startswith("process ") else f"{package}.{fault}" for fault in FAULTS]
        part = eventually(lambda: api.get("/health/ready").body["parts"].get("processes"), what="the check")
        assert (part["up"], part["faults"]) == (False, expected)
        assert api.get("/health/ready").body["status"] == "degraded"
        assert [line for line in said if line.startswith("Error: ")] == [f"Error: {fault}" for fault in expected]
        for name in ("worker", "control"):
            assert stack[name].log_text().count("package of processes not loaded, all others run: ") == 2
