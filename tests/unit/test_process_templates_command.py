"""`flask process templates`: what it writes, keeps and removes; it needs no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from camunda_bridge import define_worker
from camunda_bridge.definition import WorkerDefinition
from camunda_bridge.registry import PackageFault, Registry
from service import element_templates
from service.element_templates import compare

ROOT = Path(__file__).resolve().parents[2]


def mail(**items: fields.Field[Any]) -> WorkerDefinition:
    """The worker `mail` with a step `send-email` that takes these fields."""
    worker = define_worker("mail")
    worker.step("send-email", input_schema=type(Schema.from_dict(items)()))(lambda given: {})
    return worker


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make these workers the code of the installation."""

    def declare(*owners: WorkerDefinition, fault: str = "") -> None:
        registry = Registry()
        for owner in owners:
            registry.add(owner)
        if fault:
            registry.faults.append(PackageFault(fault, None, None, "does not load"))
        monkeypatch.setattr(element_templates, "registry", registry)

    return declare


def write(folder: Path, *keys: str) -> dict[str, str]:
    """Bring the folder up to date. Returns the state of each file."""
    found = compare(folder, keys)
    for file in found.files:
        file.write()
    return {file.path.name: file.state for file in found.files}


def test_a_change_is_a_new_version_beside_the_old_ones(declare: Any, tmp_path: Path) -> None:
    declare(mail(address=fields.String(required=True)))
    assert write(tmp_path / "deep/folder") == {"send-email.json": "new"}
    path = tmp_path / "deep/folder/send-email.json"
    first, text = json.loads(path.read_text()), path.read_text()
    assert [it["version"] for it in first] == [1]
    assert write(tmp_path / "deep/folder") == {"send-email.json": "unchanged"}
    assert path.read_text() == text
    declare(mail(address=fields.Email(required=True)))
    assert write(tmp_path / "deep/folder") == {"send-email.json": "changed"}
    second = json.loads(path.read_text())
    assert [it["version"] for it in second] == [2, 1]
    assert second[1:] == first
    assert second[0]["properties"] != first[0]["properties"]
    assert [found.name for found in path.parent.iterdir()] == ["send-email.json"]


def test_files_of_steps_that_are_gone_are_removed_and_those_of_others_stay(declare: Any, tmp_path: Path) -> None:
    sms = define_worker("sms")
    sms.step("send-sms")(lambda given: {})
    declare(mail(), sms)
    write(tmp_path)
    (tmp_path / "theirs.json").write_text('[{"id": "theirs", "version": 1}]')
    (tmp_path / "broken.json").write_text("{")
    declare(mail())
    assert write(tmp_path, "mail") == {"send-email.json": "unchanged"}
    assert write(tmp_path) == {"send-email.json": "unchanged", "send-sms.json": "removed"}
    assert sorted(it.name for it in tmp_path.iterdir()) == ["broken.json", "send-email.json", "theirs.json"]


def test_a_package_that_does_not_load_keeps_its_files(declare: Any, tmp_path: Path) -> None:
    sms = define_worker("sms")
    sms.step("send-sms")(lambda given: {})
    declare(mail(), sms)
    write(tmp_path)
    declare(mail(), fault="processes.sms")
    assert write(tmp_path) == {"send-email.json": "unchanged"}
    assert compare(tmp_path).faults == ["processes.sms: does not load"]


def test_a_file_of_others_with_the_name_of_a_step_is_a_fault(declare: Any, tmp_path: Path) -> None:
    declare(mail())
    path = tmp_path / "send-email.json"
    path.write_text('[{"id": "theirs"}]')
    found = compare(tmp_path)
    assert (found.files, found.faults) == ([], [f"{path} is not a file of this command; rename it"])


def test_a_topic_may_have_any_name(declare: Any, tmp_path: Path) -> None:
    worker = define_worker("any")
    worker.step("send", topic="../mails/send it")(lambda given: {})
    declare(worker)
    assert write(tmp_path) == {"..%2Fmails%2Fsend%20it.json": "new"}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "CAMUNDA_BASE_URL": "http://127.0.0.1:1/engine-rest"}
    packages = {"PROCESSES": "processes,tests.processes", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "process", "templates", *arguments],
        cwd=folder,
        env={**os.environ, **nowhere, **packages, "DATABASE_URL": "sqlite:////nowhere/at/all.db"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_check_writes_nothing_and_fails_until_the_files_are_as_the_code(tmp_path: Path) -> None:
    done = command(tmp_path, "--check", "mailer")
    assert (done.returncode, done.stderr) == (1, "1 templates, 1 differ\n")
    assert list(tmp_path.iterdir()) == []
    done = command(tmp_path, "mailer")
    assert (done.returncode, done.stderr) == (0, "1 templates, 1 written\n")
    assert done.stdout == ".camunda/element-templates/send-mail.json: new, version 1\n"
    assert command(tmp_path, "--check", "mailer").returncode == 0
    done = command(tmp_path, "mailr")
    assert done.returncode == 2
    assert "no process or worker has the key 'mailr'" in done.stderr
