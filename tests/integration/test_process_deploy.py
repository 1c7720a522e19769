"""`flask process deploy` deploys only changed files, and `definitions` lists the versions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from camunda_bridge.client import Engine
from service.scaffold import write_process
from testkit.isolation import delete_deployments

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def key(engine: Engine) -> Iterator[str]:
    """A process key that only this test uses; its deployments are deleted after the test."""
    key = f"deployed-{uuid4().hex[:8]}"
    yield key
    delete_deployments(engine, key)


def test_only_changed_files_are_deployed_and_versions_are_listed(
    key: str, engine: Engine, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = made(tmp_path, monkeypatch)
    folder = write_process(key, package, ())

    def output(command: str) -> str:
        done = flask(tmp_path, package, engine_url, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert output("definitions").splitlines()[1].split() == [key, "-", "missing", "0"]
    assert output("deploy") == f"{key}: deployed version 1\n"
    assert output("deploy") == f"{key}: unchanged, version 1\n"
    engine.start(key, key, {})
    assert output("definitions").splitlines()[1].split() == [key, "1", "deployed", "1"]
    (bpmn,) = folder.glob("*.bpmn")
    bpmn.write_text(bpmn.read_text().replace("1.0.0", "1.0.1"))
    assert output("definitions").splitlines()[1].split() == [key, "1", "changed", "1"]
    assert output("deploy") == f"{key}: deployed version 2, before 1\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<broken", "the file is not XML"),
        (None, "No such file or directory"),
        (b"\xff\xfe\xfa", "the file is not XML"),
        (b'<?xml version="1.0" encoding="KLINGON"?><a/>', "the file is not XML: Unsupported encoding: KLINGON"),
    ],
)
def test_invalid_file_is_named_and_the_others_are_deployed(
    key: str,
    engine_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    reason: str,
) -> None:
    package = made(tmp_path, monkeypatch)
    write_process(key, package, ())
    bpmn = write_process("broken", package, ()) / "broken.bpmn"
    bpmn.unlink()
    if content is not None:
        bpmn.write_bytes(content)

    done = flask(tmp_path, package, engine_url, "deploy")
    assert (done.returncode, done.stdout) == (1, f"{key}: deployed version 1\n")
    assert done.stderr.startswith(f"Error: process 'broken': broken.bpmn: {reason}"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr

    done = flask(tmp_path, package, engine_url, "definitions")
    assert done.returncode == 1
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["broken", "-", "missing", "0"],
        [key, "1", "deployed", "0"],
    ]
    assert reason in done.stderr


def test_package_that_cannot_be_imported_is_named_and_the_others_are_deployed(
    key: str, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = made(tmp_path, monkeypatch)
    write_process(key, package, ())
    (write_process("broken", package, ()) / "steps.py").write_text("import no_such_client")

    done = flask(tmp_path, package, engine_url, "deploy")
    assert (done.returncode, done.stdout) == (1, f"{key}: deployed version 1\n")
    assert done.stderr == f"Error: {package}.broken.steps: ModuleNotFoundError: No module named 'no_such_client'\n"


def test_file_that_the_engine_refuses_is_named_and_the_others_are_deployed(
    key: str, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = made(tmp_path, monkeypatch)
    bpmn = write_process("a-broken-one", package, ()) / "a_broken_one.bpmn"
    bpmn.write_text(bpmn.read_text().replace('targetRef="', 'targetRef="nowhere-', 1))
    write_process(key, package, ())

    done = flask(tmp_path, package, engine_url, "deploy")
    assert (done.returncode, done.stdout) == (1, f"{key}: deployed version 1\n")
    assert done.stderr.startswith(f"Error: {bpmn.parent}: engine answered 400 ParseException"), done.stderr
    assert "resource a_broken_one.bpmn | line " in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_unavailable_engine_has_an_exit_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = made(tmp_path, monkeypatch)
    write_process("a-good-one", package, ())
    done = flask(tmp_path, package, "http://127.0.0.1:1/engine-rest", "deploy")
    assert (done.returncode, done.stdout) == (7, "")
    assert "\nError: no connection to 127.0.0.1:1" in done.stderr, done.stderr


def test_package_is_one_deployment_with_all_its_files(
    key: str, engine: Engine, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = made(tmp_path, monkeypatch)
    folder = write_process(key, package, ())
    bpmn = next(folder.glob("*.bpmn"))
    (folder / "rules.dmn").write_text(DMN.format(key=key, value=1))
    (folder / "forms").mkdir()
    (folder / "forms" / "begin.html").write_text("<form/>")
    (folder / "forms" / "unused.html").write_text("<form/>")
    bpmn.write_text(bpmn.read_text().replace("<bpmn:startEvent", f"<bpmn:startEvent {FORM}", 1))
    done = flask(tmp_path, package, engine_url, "deploy")
    assert done.stdout == f"{key}: deployed version 1\n", done.stderr

    newest = engine.newest_definitions([key])[key]
    files = engine.deployment_files(newest["deploymentId"])
    assert set(files) == {bpmn.name, "rules.dmn", "forms/begin.html"}
    assert files[bpmn.name] == bpmn.read_bytes()

    (folder / "rules.dmn").write_text(DMN.format(key=key, value=2))
    assert flask(tmp_path, package, engine_url, "definitions").stdout.splitlines()[1].split()[2] == "changed"
    assert flask(tmp_path, package, engine_url, "deploy").stdout == f"{key}: deployed version 2, before 1\n"
    assert flask(tmp_path, package, engine_url, "deploy").stdout == f"{key}: unchanged, version 2\n"


@pytest.mark.parametrize("name", ["theirs", "ours"])
def test_deployment_by_hand_is_a_change_and_is_replaced(
    key: str, engine: Engine, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    package = made(tmp_path, monkeypatch)
    bpmn = next(write_process(key, package, ()).glob("*.bpmn"))
    assert flask(tmp_path, package, engine_url, "deploy").stdout == f"{key}: deployed version 1\n"

    name = key if name == "ours" else f"{key}-by-hand"
    content = bpmn.read_bytes().replace(b"1.0.0", b"1.0.1")
    engine.session.request(
        "POST",
        f"{engine.session.base_url}/deployment/create",
        files={"deployment-name": name, "a": (bpmn.name, content)},
    )
    try:
        shown = flask(tmp_path, package, engine_url, "definitions").stdout
        assert shown.splitlines()[1].split() == [key, "2", "changed", "0"]
        assert flask(tmp_path, package, engine_url, "deploy").stdout == f"{key}: deployed version 3, before 2\n"
        shown = flask(tmp_path, package, engine_url, "definitions").stdout
        assert shown.splitlines()[1].split() == [key, "3", "deployed", "0"]
        assert flask(tmp_path, package, engine_url, "deploy").stdout == f"{key}: unchanged, version 3\n"
    finally:
        delete_deployments(engine, f"{key}-by-hand")


FORM = 'camunda:formKey="embedded:deployment:forms/begin.html"'
DMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="d" name="d" namespace="test"
    xmlns:camunda="http://camunda.org/schema/1.0/dmn">
  <decision id="{key}-rules" name="Rules" camunda:historyTimeToLive="P1D"><variable id="v" name="v"/>
    <literalExpression id="e"><text>{value}</text></literalExpression></decision>
</definitions>
"""


def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make an empty package that can be imported. Returns its name."""
    package = folder / f"made_{uuid4().hex[:8]}"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    return package.name


def flask(folder: Path, package: str, engine_url: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a `flask process` command for the processes of one package."""
    more = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PROCESSES": package, "CAMUNDA_BASE_URL": engine_url}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "process", *command],
        cwd=ROOT,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
