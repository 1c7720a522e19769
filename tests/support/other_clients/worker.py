"""The Python client as a worker of its own: it sends mails, and makes offers.

It takes a task at once, and ends it as soon as the file GO exists. It runs in an environment of its own.
"""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from camunda.external_task.external_task import ExternalTask, TaskResult
from camunda.external_task.external_task_worker import ExternalTaskWorker

GO = Path(os.environ["GO"])
CONFIG = {
    "maxTasks": int(os.environ["HOLDS"]),
    "lockDuration": 30_000,
    "asyncResponseTimeout": 200,
    "sleepSeconds": 1,
    # With the default, a Json variable is a description of its node, without its content.
    "deserializeValues": False,
}


def send_mail(task: ExternalTask) -> TaskResult:
    """Say that the mail was sent."""
    return task.complete({"sentBy": f"python for {task.get_variable('address')}"})


def make_offer(task: ExternalTask) -> TaskResult:
    """Make an offer; this client has Json and Date variables as texts."""
    if task.get_variable("amount") < 0:
        return task.failure("no such amount", "", max_retries=0, retry_timeout=0)
    offer = {"price": task.get_variable("amount") * 2, "tags": json.loads(task.get_variable("tags"))}
    until = datetime.fromisoformat(task.get_variable("from")) + timedelta(days=1)
    return task.complete(
        {
            "offer": {"value": json.dumps(offer), "type": "Json"},
            "validUntil": {
                "value": until.isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
                "type": "Date",
            },
        }
    )


HANDLERS = {"send-mail": send_mail, "make-offer": make_offer}


def handle(task: ExternalTask) -> TaskResult:
    """Say that the task was taken, wait, do what its topic asks for."""
    print("took", task.get_business_key(), flush=True)
    while not GO.exists():
        time.sleep(0.02)
    return HANDLERS[task.get_topic_name()](task)


class Worker(ExternalTaskWorker):
    """A worker that says what it does."""

    def _fetch_and_lock(self, *args: object) -> list[dict[str, object]]:
        found: list[dict[str, object]] = super()._fetch_and_lock(*args)
        print("polls", flush=True)
        return found

    def _execute_task(self, task: ExternalTask, action: object) -> None:
        super()._execute_task(task, action)
        print("ended", task.get_business_key(), flush=True)


Worker(os.environ["WORKER_ID"], os.environ["ENGINE_URL"], CONFIG).subscribe(os.environ["TOPICS"].split(","), handle)
