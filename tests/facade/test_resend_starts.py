"""Starts that are in no queue are sent again once, however often sending fails and however many reconcilers run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis

from store import events, processes
from store.clock import now
from store.event_rows import NewEvent
from store.events import EventStore
from store.migrate import ROOT
from store.process_rows import NewProcess
from tasks.broker.publish import send_start
from tasks.errors import BrokerUnavailable
from tasks.settling import reconcile
from tests.support.facade import Facade

#: seconds that two reconcilers may take
PATIENCE_S = 60
#: a reconciler as a program: it locks a few rows at a time until there are none
RECONCILER = """
import json, sys
from tasks.runtime import runtime
runtime().processes.count_unstarted()
print("ready", flush=True)
sys.stdin.readline()
rows, attempts = [], []
while some := runtime().processes.claim_unstarted(untouched_for_s=15, limit=3):
    if not rows:
        # neither is through before the other has begun
        print("begun", flush=True)
        sys.stdin.readline()
    rows += [str(row.id) for row in some]
while some := runtime().events.claim_open_attempts(untouched_for_s=15, limit=3):
    attempts += [str(row.execution_id) for row in some]
print(json.dumps([rows, attempts]))
"""


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Move the clock, so that rows are written an hour ago."""
    with monkeypatch.context() as patch:
        for module in (events, processes):
            patch.setattr(module, "now", lambda: now() - timedelta(hours=1))
        yield patch


def accept(facade: Facade, name: str) -> uuid.UUID:
    new = NewProcess(uuid.uuid4(), name, "0" * 64, "onboard-user", {}, "trace")
    assert facade.runtime.processes.accept(new)
    return new.id


def queued(client: redis.Redis) -> list[str]:
    """The ids of the starts in the queue, oldest first."""
    messages = client.lrange("starts", 0, -1)
    assert isinstance(messages, list)
    return [json.loads(message)["headers"]["id"] for message in reversed(messages)]


@pytest.fixture
def full(client: redis.Redis) -> Iterator[redis.Redis]:
    """A broker that answers and accepts no messages."""
    client.config_set("maxmemory", 1)
    yield client
    client.config_set("maxmemory", 0)


@pytest.mark.usefixtures("full")
def test_start_whose_sending_fails_again_is_sent_in_the_next_round(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch
) -> None:
    ids = [accept(facade, f"order-{number}") for number in range(3)]
    long_ago.undo()
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            reconcile.resend_starts()
    assert queued(client) == []
    client.config_set("maxmemory", 0)
    reconcile.resend_starts()
    assert sorted(queued(client)) == sorted(str(one) for one in ids)


def test_start_that_was_sent_before_sending_failed_is_not_sent_twice(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [accept(facade, f"order-{number}") for number in range(4)]
    long_ago.undo()
    sent: list[uuid.UUID] = []

    def send(process_id: uuid.UUID, **options: str) -> None:
        if len(sent) == 2:
            client.config_set("maxmemory", 1)
        sent.append(process_id)
        send_start(process_id, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(reconcile, "send_start", send)
    try:
        with pytest.raises(BrokerUnavailable):
            reconcile.resend_starts()
    finally:
        client.config_set("maxmemory", 0)
    assert len(queued(client)) == 2
    reconcile.resend_starts()
    assert sorted(queued(client)) == sorted(str(one) for one in ids)


def test_queued_starts_are_not_sent_again_and_missing_ones_behind_them_are(
    facade: Facade, client: redis.Redis, long_ago: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "BATCH", 2)
    waiting = [accept(facade, f"queued-{number}") for number in range(4)]
    missing = accept(facade, "missing")
    long_ago.undo()
    for one in waiting:
        send_start(one, process_key="onboard-user", correlation_id="c")
    for _ in range(3):
        reconcile.resend_starts()
    assert queued(client) == [str(one) for one in [*waiting, missing]]


def test_two_reconcilers_at_once_never_lock_the_same_row(facade: Facade, long_ago: pytest.MonkeyPatch) -> None:
    ids = {str(accept(facade, f"order-{number}")) for number in range(60)}
    store = EventStore(facade.runtime.database)
    for number in range(60):
        store.begin(NewEvent("trace", "step", external_task_id=f"task-{number}", lock_token="token"))
    long_ago.undo()
    environment = {
        **os.environ,
        "DATABASE_URL": facade.settings.database_url,
        "REDIS_URL": facade.settings.redis_url,
    }
    both = [
        subprocess.Popen(
            [sys.executable, "-c", RECONCILER],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for said in ("ready\n", "begun\n"):
            for one in both:
                assert one.stdout is not None
                assert one.stdout.readline() == said
            for one in both:
                assert one.stdin is not None
                one.stdin.write("go\n")
                one.stdin.flush()
        told = [json.loads(one.communicate(timeout=PATIENCE_S)[0]) for one in both]
    finally:
        for one in both:
            one.kill()
            one.wait()
    rows, attempts = [told[0][kind] + told[1][kind] for kind in range(2)]
    assert len(rows) == len(set(rows)) == 60
    assert set(rows) == ids
    assert len(attempts) == len(set(attempts)) == 60
    assert all(told[one][0] for one in range(2)), "both reconcilers ran at the same time"
