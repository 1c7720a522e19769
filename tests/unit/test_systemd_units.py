"""The systemd units are valid for systemd, run the commands of the Procfile, and are hardened."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from dev import procfile
from dev.environment import ROOT

FOLDER = ROOT / "ops" / "systemd"
SERVICES = sorted(FOLDER.glob("celery-camunda-*.service"))
WORKERS = ("worker", "control", "webhooks")
#: the project's folder in the units
HOME = "/opt/celery-camunda"


def parsed(path: Path) -> ConfigParser:
    unit = ConfigParser(strict=False, interpolation=None, allow_no_value=True, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(path.read_text())
    return unit


def command(name: str) -> list[str]:
    """The command of a unit, as a shell sees it."""
    text = parsed(FOLDER / f"celery-camunda-{name}.service")["Service"]["ExecStart"]
    program, *arguments = shlex.split(text.replace("%%", "%"), posix="'" in text)
    return [Path(program).name, *arguments]


@pytest.mark.parametrize("name", sorted(procfile.commands()))
def test_unit_runs_the_command_of_the_procfile(name: str) -> None:
    program, *arguments = procfile.commands()[name]
    assert command(name) == [Path(program).name, *arguments]


@pytest.mark.parametrize("name", WORKERS)
def test_worker_has_a_probe_that_asks_for_its_node_name(name: str) -> None:
    unit = parsed(FOLDER / f"celery-camunda-{name}.service")
    assert unit["Install"]["Also"] == f"celery-camunda-alive@{name}.timer"
    assert f"{name}@%h" in command(name)
    assert "--hostname %i@%%h" in parsed(FOLDER / "celery-camunda-alive@.service")["Service"]["ExecStart"]
    # A worker is not killed before it has had the time to end by itself.
    assert unit["Service"]["KillMode"] == "mixed"


def test_guide_names_each_process_with_its_command_and_enables_each_unit() -> None:
    guide = (ROOT / "docs/guides/deploying.md").read_text()
    enabled = " ".join(line for line in guide.splitlines() if line.startswith("systemctl enable")).split()
    for name, words in procfile.commands().items():
        row = next(line for line in guide.splitlines() if line.startswith(f"| {name} | `"))
        assert shlex.split(row.split("`")[1]) == words
        assert f"celery-camunda-{name}" in enabled


def metrics_ports() -> dict[str, str]:
    """The metrics port of each unit that has one."""
    found = {
        path.stem.removeprefix("celery-camunda-"): parsed(path)["Service"].get("Environment", "") for path in SERVICES
    }
    return {name: text.removeprefix("METRICS_PORT=") for name, text in found.items() if "METRICS_PORT=" in text}


def test_every_worker_and_beat_shows_metrics_on_a_port_of_its_own() -> None:
    exporters = {name for name, words in procfile.commands().items() if {"worker", "beat"} & set(words)}
    ports = metrics_ports()

    assert exporters == {*WORKERS, "beat"}
    assert set(ports) == exporters
    assert len(set(ports.values())) == len(ports)
    assert all(port.isdecimal() and 1024 <= int(port) <= 65_535 for port in ports.values())


def test_prometheus_scrapes_every_unit_that_shows_metrics() -> None:
    document = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yaml").read_text())
    scraped = {
        job["job_name"]: {target.rpartition(":")[2] for group in job["static_configs"] for target in group["targets"]}
        for job in document["scrape_configs"]
    }
    ports = metrics_ports()

    assert scraped["celery-camunda-worker"] == {ports[name] for name in WORKERS}
    assert scraped["celery-camunda-beat"] == {ports["beat"]}


def test_guide_shows_the_ports_of_the_units() -> None:
    guide = (ROOT / "docs/guides/monitoring.md").read_text()
    for name, port in metrics_ports().items():
        line = next(line for line in guide.splitlines() if f"METRICS_PORT={port} " in line)
        assert shlex.split(line)[1:] == procfile.commands()[name]


def test_no_line_that_systemd_does_not_expand_is_recommended() -> None:
    # systemd expands specifiers in units, but not in an EnvironmentFile.
    texts = [path.read_text() for path in (*FOLDER.glob("*/*.conf"), *FOLDER.glob("*.service"))]
    for line in [line for text in texts for line in text.splitlines() if "%d" in line and "systemd fills" not in line]:
        assert line.lstrip("# ").startswith("Environment="), line


def test_every_unit_is_written_in_the_form_of_units() -> None:
    for path in [
        *FOLDER.glob("*.service"),
        *FOLDER.glob("*.timer"),
        *FOLDER.glob("*.target"),
        *FOLDER.glob("*/*.conf"),
    ]:
        unit = parsed(path)
        assert set(unit.sections()) <= {"Unit", "Service", "Timer", "Install"}, path
        assert all(value is not None for section in unit.sections() for value in unit[section].values()), path


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and "CI" not in os.environ,
    reason="this machine has no systemd; another test checks the form, and CI has systemd",
)
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    # Without an installation, the units must name this folder and the user root, because programs and users must exist.
    for path in [path for path in FOLDER.rglob("*") if path.is_file()]:
        copy = tmp_path / path.relative_to(FOLDER)
        copy.parent.mkdir(exist_ok=True)
        text = path.read_text().replace(f"{HOME}/.venv/bin/", f"{Path(sys.executable).parent}/")
        copy.write_text(text.replace(HOME, str(ROOT)).replace("=celery-camunda\n", "=root\n"))
    (tmp_path / "celery-camunda-alive@worker.service").symlink_to("celery-camunda-alive@.service")
    units = [*(path.name for path in SERVICES if "@" not in path.name), "celery-camunda.target"]
    units += ["celery-camunda-alive@worker.service", "celery-camunda-alive@worker.timer"]

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *(str(tmp_path / unit) for unit in units)],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
