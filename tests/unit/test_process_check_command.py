"""`flask process check`: its output in each format, its exit code; it needs no server."""

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
    assert "caller.bpmn:7: BUSINESS_KEY_NOT_PASSED call starts" in done.stdout
    assert "excused: the poll must find" in done.stdout
    assert "0 faults, 8 excused" in done.stderr


def test_faults_have_exit_code_1_and_a_json_document() -> None:
    done = check("tests.unit.check.fixtures", "--json", "response-early", "topic-unhandled")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert document["excused"] == []
    assert [(it["path"], it["line"], it["element"], it["name"], it["code"]) for it in document["faults"]] == [
        ("tests/unit/check/fixtures/not_loaded/steps.py", 9, "", NOT_LOADED, "PACKAGE_NOT_LOADED"),
        ("tests/unit/check/fixtures/response_early/response_early.bpmn", 5, "answer", "Answer", "RESPONSE_NOT_LAST"),
        ("tests/unit/check/fixtures/topic_unhandled/topic_unhandled.bpmn", 6, "ship", "Ship", "TOPIC_WITHOUT_HANDLER"),
    ]


def test_github_gets_an_annotation_for_each_finding() -> None:
    done = check("tests.processes", "--format", "github", "caller")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "::notice file=tests/processes/caller/caller.bpmn,line=7,title=BUSINESS_KEY_NOT_PASSED::"
    )
    assert "0 faults, 1 excused" in done.stderr


def test_sarif_is_the_whole_output() -> None:
    done = check("tests.unit.check.fixtures", "--format", "sarif", "topic-unhandled")
    assert (done.returncode, done.stderr) == (1, "")
    (run,) = json.loads(done.stdout)["runs"]
    assert [it["ruleId"] for it in run["results"]] == ["PACKAGE_NOT_LOADED", "TOPIC_WITHOUT_HANDLER"]


def test_json_is_one_format_and_no_other() -> None:
    done = check("processes", "--json", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"faults": [], "excused": []})
    done = check("processes", "--json", "--format", "sarif")
    assert done.returncode == 2
    assert "--json is short for --format json, so it cannot go with --format sarif" in done.stderr


def test_unknown_process_is_refused() -> None:
    done = check("processes", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no process has the key 'nobody'; the keys are: loan-approval, onboard-user, order-fulfilment" in done.stderr
