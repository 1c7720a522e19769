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
    package = tmp_path / f"made_{uuid4().hex[:8]}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    folder = write_process(key, package.name, ())

    def flask(command: str) -> str:
        more = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PROCESSES": package.name}
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", "process", command],
            cwd=ROOT,
            env={**os.environ, **more, "CAMUNDA_BASE_URL": engine_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert flask("definitions").splitlines()[1].split() == [key, "-", "missing", "0"]
    assert flask("deploy") == f"{key}: deployed version 1\n"
    assert flask("deploy") == f"{key}: unchanged, version 1\n"
    engine.start(key, key, {})
    assert flask("definitions").splitlines()[1].split() == [key, "1", "deployed", "1"]
    (bpmn,) = folder.glob("*.bpmn")
    bpmn.write_text(bpmn.read_text().replace("1.0.0", "1.0.1"))
    assert flask("definitions").splitlines()[1].split() == [key, "1", "changed", "1"]
    assert flask("deploy") == f"{key}: deployed version 2, before 1\n"


@pytest.mark.parametrize(
    ("command", "content"), [("deploy", b"<broken"), ("deploy", None), ("definitions", b"\xff\xfe\xfa")]
)
def test_file_that_is_no_bpmn_is_named_before_any_request_to_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, content: bytes | None
) -> None:
    package = tmp_path / f"made_{uuid4().hex[:8]}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    write_process("a-good-one", package.name, ())
    bpmn = write_process("broken", package.name, ()) / "broken.bpmn"
    bpmn.unlink()
    if content is not None:
        bpmn.write_bytes(content)
    more = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "PROCESSES": package.name}

    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "process", command],
        cwd=ROOT,
        env={**os.environ, **more, "CAMUNDA_BASE_URL": "http://127.0.0.1:1/engine-rest"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {bpmn}: "), done.stderr
