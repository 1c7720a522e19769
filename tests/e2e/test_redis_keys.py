"""The reference explains every key that a stack writes to Redis."""

from __future__ import annotations

import re

import pytest
import redis

from dev.environment import ROOT
from tests.e2e.test_flower import QUEUES
from tests.support.monitored import Ran

pytestmark = pytest.mark.timeout(240)


def explained() -> list[str]:
    """The keys of the page, as regular expressions."""
    page = (ROOT / "docs/reference/tasks-and-queues.md").read_text().partition("## Keys in Redis")[2]
    names = [
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall("`([^`]+)`", line.split("|")[1])
    ]
    return [re.sub("<[^>]+>", ".+", re.escape(name)).replace(r"\.\.\.", ".*") for name in names]


def test_every_key_is_explained(ran: Ran) -> None:
    client = redis.Redis.from_url(ran.monitored.stack.environment.get("REDIS_URL"), decode_responses=True)
    with client:
        found = set(client.scan_iter("*"))

    assert any(name.startswith("celery-camunda:") for name in found)
    assert [name for name in found - QUEUES if not any(re.fullmatch(known, name) for known in explained())] == []
