"""Flower: tasks have a readable name, the id of their process and a final state; queues are shown with lengths."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from dev.browser import headless
from dev.environment import ROOT
from dev.screenshots import HIDE_SCROLLBARS, photograph_queues, photograph_tasks
from tests.support.api import eventually
from tests.support.monitored import FLOWER_AUTH, Monitored, Ran

pytestmark = pytest.mark.timeout(240)

FINAL = {"SUCCESS", "FAILURE", "REVOKED"}
PROCESSES = ("metered", "onboard-user", "order-fulfilment", "loan-approval")
_KEY = f"({'|'.join(PROCESSES)})"
#: patterns of the names that a task may have
STEP = re.compile(rf"{_KEY}\.[a-z-]+")
NAMES = re.compile(
    rf"start {_KEY}|{STEP.pattern}|follow {_KEY}|delete instance metered|report killed metered\.work"
    r"|deliver webhook"
)
STEPS_QUEUES = {f"steps.{key}" for key in PROCESSES}
QUEUES = {"starts", "polls", "settling", "webhooks", *STEPS_QUEUES}


def tasks(monitored: Monitored) -> list[dict[str, Any]]:
    found = monitored.flower("/api/tasks?limit=5000").values()
    # A task may have been received before Flower listened to events, and ended after that.
    return [task for task in found if task["received"] is not None]


def steps(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [task for task in found if STEP.fullmatch(task["name"])]


def settled(monitored: Monitored) -> list[dict[str, Any]]:
    """Wait until every task has ended. Returns all of them; ticks send no events."""

    def look() -> list[dict[str, Any]] | None:
        ((attempts,),) = monitored.rows("SELECT count(*) FROM event_log WHERE external_task_id IS NOT NULL")
        found = tasks(monitored)
        if len(steps(found)) < attempts:
            return None
        return found if all(task["state"] in FINAL for task in found) else None

    found: list[dict[str, Any]] = eventually(
        look, 30, f"a final state of {[task for task in tasks(monitored) if task['state'] not in FINAL]}"
    )
    return found


def test_every_task_has_a_readable_name_and_ends_in_a_final_state(ran: Ran) -> None:
    found = settled(ran.monitored)

    assert [task["name"] for task in found if not NAMES.fullmatch(task["name"])] == []
    ((attempts,),) = ran.monitored.rows("SELECT count(*) FROM event_log WHERE external_task_id IS NOT NULL")
    assert len(steps(found)) == attempts


def test_task_of_a_step_or_a_start_shows_its_process(ran: Ran) -> None:
    ids = {name for (name,) in ran.monitored.rows("SELECT correlation_id FROM process_store")}

    found = [task for task in settled(ran.monitored) if any(key in task["name"] for key in PROCESSES)]

    assert {task["args"].strip("()") for task in found} == ids
    assert {task["name"] for task in found} >= {
        *("start metered", "metered.work", "metered.respond", "metered.rescue"),
        *("report killed metered.work", "delete instance metered"),
    }


def test_webhook_shows_its_process(ran: Ran) -> None:
    found = [task for task in settled(ran.monitored) if task["name"] == "deliver webhook"]

    assert [(task["args"], task["state"]) for task in found] == [("(told)", "SUCCESS")]


def test_step_whose_process_was_killed_is_shown_as_failed(ran: Ran) -> None:
    failed = [task for task in steps(settled(ran.monitored)) if task["state"] == "FAILURE"]

    killed = [task for task in failed if "WorkerLostError" in task["traceback"]]
    assert [task["name"] for task in killed] == ["metered.work"] * 2


def test_every_failed_attempt_is_shown_as_failed_and_no_other(ran: Ran) -> None:
    found = [task["exception"] for task in steps(settled(ran.monitored)) if task["state"] == "FAILURE"]
    ((failed,),) = ran.monitored.rows("SELECT count(*) FROM event_log WHERE phase = 'failed'")

    # The attempt of a killed process is reported as failed by another task.
    assert len(found) == failed


def test_worker_without_options_reads_every_queue_and_another_those_of_its_option(ran: Ran) -> None:
    def read() -> dict[str, set[str]]:
        workers = ran.monitored.flower("/api/workers?refresh=1")
        return {name.split("@")[0]: {queue["name"] for queue in it["active_queues"]} for name, it in workers.items()}

    # A control worker does not read the starts queue while no worker has a free slot for steps.
    eventually(lambda: read() == {"worker": QUEUES, "control": {"starts", "polls", "settling"}}, 30, f"{read()}")


def test_lengths_of_queues_are_shown(ran: Ran) -> None:
    lengths = {
        queue["name"]: queue["messages"] for queue in ran.monitored.flower("/api/queues/length")["active_queues"]
    }
    page = ran.monitored.flower_page("/broker")

    assert set(lengths) == QUEUES
    assert all(number >= 0 for number in lengths.values())
    assert all(name in page for name in QUEUES)


def test_worker_that_reads_one_queue_runs_nothing_else(ran: Ran) -> None:
    told = ran.monitored.stack.environment.variables
    asked = subprocess.run(
        ["celery", "-A", "tasks", "worker", "-Q", "steps.nothing-of-the-kind"],
        env=dict(told), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode != 0
    assert "steps.nothing-of-the-kind" in asked.stderr + asked.stdout


def test_pages_show_tasks_and_queues(ran: Ran, tmp_path: Path) -> None:
    user, _, password = FLOWER_AUTH.partition(":")
    url = ran.monitored.stack.environment.flower_url.replace("//", f"//{user}:{quote(password)}@")

    with headless(HIDE_SCROLLBARS) as driver:
        tasks_page = photograph_tasks(
            driver, url, tmp_path / "tasks.png", wanted="metered.respond", search="metered.respond"
        )
        queues_page = photograph_queues(driver, url, tmp_path / "queues.png", wanted="steps.metered 0")

    assert re.match(r"metered\.respond \([^)]+\) SUCCESS", tasks_page)
    assert all(f"{name} " in queues_page for name in QUEUES)
    assert (tmp_path / "tasks.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("auth", ["", "ops:wrong"])
@pytest.mark.parametrize("path", ["/", "/tasks", "/broker", "/api/tasks", "/api/queues/length"])
def test_pages_need_a_password(ran: Ran, path: str, auth: str) -> None:
    with pytest.raises(HTTPError) as refused:
        ran.monitored.flower_page(path, auth)
    assert refused.value.code == 401


def test_open_pages_name_tasks_and_workers_but_no_process(ran: Ran) -> None:
    ids = {name for (name,) in ran.monitored.rows("SELECT correlation_id FROM process_store")}

    shown = [ran.monitored.flower_page(path, auth="") for path in ("/metrics", "/healthcheck")]

    assert 'task="start metered"' in shown[0]
    assert not [name for name in ids if any(name in text for text in shown)]


def test_production_does_not_start_flower_without_a_password(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "APP_ENV": "production", "AUTH": "on", "FLOWER_PORT": "1"}
    environment["API_KEYS"] = "key:" + "0" * 64 + ":process:read"
    tried = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "tasks", "flower"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert tried.returncode != 0
    assert "FLOWER_BASIC_AUTH must be set" in tried.stderr + tried.stdout
