"""`flask process check`: its output, its JSON document, its exit code; it needs no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

NOT_LOADED = "tests.unit.check.fixtures.not_loaded.steps"


def check(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "CAMUNDA_BASE_URL": "http://127.0.0.1:1/engine-rest"}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "process", "check", *arguments],
        cwd=ROOT,
        env={**os.environ, **nowhere, "DATABASE_URL": "sqlite:////nowhere/at/all.db", "PROCESSES": packages},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_processes_without_faults_have_exit_code_0_and_exceptions_are_printed() -> None:
    done = check("tests.processes,processes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "caller.bpmn:call: BUSINESS_KEY_NOT_PASSED" in done.stdout
    assert "excused: the poll must find" in done.stdout
    assert "0 faults, 6 excused" in done.stderr


def test_faults_have_exit_code_1_and_a_json_document() -> None:
    done = check("tests.unit.check.fixtures", "--json", "response-early", "topic-unhandled")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["excused"] == []
    assert [(it["path"], it["element"], it["name"], it["code"]) for it in document["faults"]] == [
        ("tests/unit/check/fixtures/not_loaded/steps.py", "9", NOT_LOADED, "PACKAGE_NOT_LOADED"),
        ("tests/unit/check/fixtures/response_early/response_early.bpmn", "answer", "Answer", "RESPONSE_NOT_LAST"),
        ("tests/unit/check/fixtures/topic_unhandled/topic_unhandled.bpmn", "ship", "Ship", "TOPIC_WITHOUT_HANDLER"),
    ]


def test_unknown_process_is_refused() -> None:
    done = check("processes", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no process has the key 'nobody'; the keys are: loan-approval, onboard-user, order-fulfilment" in done.stderr
