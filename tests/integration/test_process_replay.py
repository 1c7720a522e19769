"""`flask process replay` runs a recorded step again, with the event of the store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from store.database import Database
from store.event_rows import COMPLETED, NewEvent
from store.events import EventStore

ROOT = Path(__file__).resolve().parents[2]
GIVEN = {"userId": "u", "customerId": "c", "accountId": "a", "riskLevel": "low"}
MESSAGE = "user u is onboarded"


def record(path: Path, response: dict[str, str], **change: Any) -> str:
    """Write the event of an attempt. Returns its execution id."""
    database = Database(f"sqlite:///{path}", pool_size=1, timeout_ms=2_000)
    store = EventStore(database)
    given = {"external_task_id": uuid4().hex, "lock_token": "t", "business_action_request": GIVEN}
    values: dict[str, Any] = {**given, **change}
    store.record(
        NewEvent(
            traceability_id="trace",
            step_name="prepare-response",
            process_name="User onboarding",
            phase=COMPLETED,
            correlation_id="order-1",
            business_action_response=response,
            **values,
        )
    )
    (event,) = store.by_correlation_id("order-1")
    database.dispose()
    return str(event.execution_id)


def replay(path: Path, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "CAMUNDA_BASE_URL": "http://127.0.0.1:1/engine-rest"}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "process", "replay", *arguments],
        cwd=ROOT,
        env={**os.environ, **nowhere, "DATABASE_URL": f"sqlite:///{path}"},
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def path(tmp_path: Path, migrated_file: Path) -> Path:
    """The file of a store for this test."""
    return Path(shutil.copy(migrated_file, tmp_path / "store.db"))


def test_difference_of_the_outcome_is_shown_and_nothing_is_written(path: Path) -> None:
    execution_id = record(path, {**GIVEN, "message": "as it was told before"})
    before = path.read_bytes()
    done = replay(path, execution_id, "--yes")
    assert done.returncode == 0, done.stderr
    assert '-    "message": "as it was told before",' in done.stdout
    assert f'+    "message": "{MESSAGE}",' in done.stdout
    assert "external effects of the handler are real" in done.stderr
    assert path.read_bytes() == before


def test_same_outcome_is_reported_and_without_confirmation_nothing_runs(path: Path) -> None:
    execution_id = record(path, {**GIVEN, "message": MESSAGE})
    assert replay(path, execution_id, answer="y\n").stdout.strip() == "the same outcome as recorded"
    refused = replay(path, execution_id, answer="n\n")
    assert (refused.returncode, refused.stdout) == (1, "")


def test_event_that_is_no_step_is_refused(path: Path) -> None:
    execution_id = record(path, {}, external_task_id=None, lock_token=None)
    assert "of ops, not an attempt of a step" in replay(path, execution_id, "--yes").stderr
    assert "no event has the execution id" in replay(path, str(uuid4()), "--yes").stderr


def test_database_that_was_not_migrated_is_reported_with_what_to_do(tmp_path: Path) -> None:
    done = replay(tmp_path / "empty.db", str(uuid4()), "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Error: the store cannot be read: no such table: event_log;")
    assert "Traceback" not in done.stderr


def test_field_that_the_event_does_not_have_is_named(path: Path) -> None:
    given = {**GIVEN, "login": {"password": "[redacted]"}}
    execution_id = record(path, {"message": MESSAGE}, business_action_request=given)
    done = replay(path, execution_id, "--yes")
    assert done.returncode == 0, done.stderr
    assert "the event has no value of login.password" in done.stderr
