"""The guide to monitoring lists all metrics, queues and alerts."""

from __future__ import annotations

import re

from celeryconfig import task_queues
from dev.metrics_table import PATH, rewritten
from tests.unit.test_ops_files import alerts

TEXT = PATH.read_text()


def test_list_of_metrics_is_that_of_the_code() -> None:
    assert rewritten(TEXT) == TEXT, "python -m dev.metrics_table"


def test_every_queue_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z]+|steps\.<process>)` \|", TEXT, re.M))
    assert {re.sub(r"^steps\..*", "steps.<process>", queue.name) for queue in task_queues} <= explained


def test_files_that_it_links_to_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (PATH.parent / link).exists(), link


def test_every_severity_is_listed() -> None:
    assert {rule["labels"]["severity"] for rule in alerts()} == {"critical", "warning", "info"}
    assert re.findall(r"^\| (critical|warning|info):", TEXT, re.M) == ["critical", "warning", "info"]
