"""The row of a webhook: written with the end or not at all, one claim at a time, due again when the claim expires."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from settings import Settings
from store import webhooks
from store.database import Database
from store.process_rows import ERROR, OK, Ending, NewProcess
from store.retention import Retention
from store.retrying import retrying
from store.webhooks import DELIVERED, PENDING, Claim, Outcome, WebhookStore
from tasks import runtime as runtime_module
from tasks.runtime import Runtime, runtime
from tasks.settling import settle as settling
from tests.integration.conftest import Clock
from tests.integration.threads import together

URL = "https://hooks.example.com/a?token=1"


@pytest.fixture
def sent(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[Claim]:
    """The deliveries that settling enqueues; the stores use the test's database and clock."""
    found: list[Claim] = []
    monkeypatch.setattr(webhooks, "now", clock)
    mine = Runtime(Settings(resend_after_s=20))
    mine.__dict__["database"] = database
    monkeypatch.setattr(runtime_module, "_runtime", mine)
    monkeypatch.setattr(settling, "publish_end", lambda *_: None)
    monkeypatch.setattr(settling, "enqueue", found.append)
    return found


@pytest.fixture
def store(sent: list[Claim], database: Database) -> WebhookStore:
    return runtime().webhooks


def accept(callback_url: str | None = URL) -> uuid.UUID:
    new = NewProcess(uuid.uuid4(), f"order-{uuid.uuid4()}", "0" * 64, "p", {}, "trace", callback_url=callback_url)
    assert runtime().processes.accept(new)
    return new.id


def end(process_id: uuid.UUID, ending: Ending) -> bool:
    row = runtime().processes.by_id(process_id)
    assert row is not None
    return settling.settle(row, ending)


def test_end_that_changes_the_row_writes_one_delivery(store: WebhookStore, sent: list[Claim]) -> None:
    process_id = accept()
    won = together(4, lambda number: end(process_id, Ending(OK, result={"n": number})))
    assert sorted(won) == [False, False, False, True]
    (claim,) = sent
    delivery = store.latest(process_id)
    assert delivery is not None
    assert (delivery.id, delivery.status, delivery.attempt, delivery.url) == (claim.id, PENDING, 0, URL)
    assert delivery.payload["status"] == OK
    assert delivery.payload["data"] == {"n": won.index(True)}


def test_process_without_callback_has_none(store: WebhookStore, sent: list[Claim]) -> None:
    process_id = accept(None)
    assert end(process_id, Ending(OK))
    assert (sent, store.latest(process_id)) == ([], None)


def test_end_after_a_retry_is_another_event_and_the_first_stays_as_it_was(
    store: WebhookStore, sent: list[Claim]
) -> None:
    process_id = accept()
    assert end(process_id, Ending(ERROR, error={"code": "E"}, incident_id="i"))
    assert runtime().processes.reopen(process_id)
    begun = store.begin(sent[0], for_s=10)
    assert begun is not None
    assert begun[0].payload["status"] == ERROR
    assert end(process_id, Ending(OK))
    assert len({claim.id for claim in sent}) == 2
    latest = store.latest(process_id)
    assert latest is not None
    assert (latest.id, latest.payload["status"]) == (sent[1].id, OK)


def test_duplicate_message_makes_one_attempt(store: WebhookStore, sent: list[Claim]) -> None:
    assert end(accept(), Ending(OK))
    assert sum(found is not None for found in together(4, lambda _: store.begin(sent[0], for_s=10))) == 1


def test_delivery_of_a_lost_message_or_a_dead_worker_is_due_again(
    store: WebhookStore, sent: list[Claim], clock: Clock
) -> None:
    assert end(accept(), Ending(OK))
    assert store.claim_due(limit=10, for_s=5) == []
    clock.advance(20)
    (again,) = store.claim_due(limit=10, for_s=5)
    assert again.id == sent[0].id
    assert store.begin(sent[0], for_s=10) is None, "the old message must not begin an attempt"
    begun = store.begin(again, for_s=10)
    assert begun is not None
    assert store.claim_due(limit=10, for_s=5) == []
    clock.advance(10)
    (third,) = store.claim_due(limit=10, for_s=5)
    assert not store.record(begun[1], Outcome(DELIVERED)), "its holder said nothing in its time"
    delivery, _ = store.begin(third, for_s=10) or pytest.fail("not given back")
    assert (delivery.id, delivery.attempt) == (sent[0].id, 2)


def test_next_attempt_comes_at_its_time(store: WebhookStore, sent: list[Claim], clock: Clock) -> None:
    process_id = accept()
    assert end(process_id, Ending(OK))
    _, claim = store.begin(sent[0], for_s=10) or pytest.fail("the attempt did not begin")
    assert store.record(claim, Outcome(PENDING, clock.time + timedelta(seconds=60), 500, "said 500"))
    clock.advance(59)
    assert store.claim_due(limit=10, for_s=5) == []
    clock.advance(1)
    (due,) = store.claim_due(limit=10, for_s=5)
    _, claim = store.begin(due, for_s=10) or pytest.fail("not begun")
    assert store.record(claim, Outcome(PENDING, clock.time, counted=False))
    found = store.latest(process_id)
    assert found is not None
    assert (found.attempt, found.last_status_code, found.last_error) == (1, 500, "said 500")
    (due,) = store.claim_due(limit=10, for_s=5)
    _, claim = store.begin(due, for_s=10) or pytest.fail("not begun")
    assert store.record(claim, Outcome(DELIVERED, status_code=204))
    found = store.latest(process_id)
    assert found is not None
    assert (found.status, found.attempt, found.payload, found.next_at) == (DELIVERED, 2, None, None)
    clock.advance(1e6)
    assert store.claim_due(limit=10, for_s=5) == []


def test_each_due_delivery_is_claimed_once_and_may_be_released(
    store: WebhookStore, sent: list[Claim], clock: Clock
) -> None:
    for _ in range(20):
        assert end(accept(), Ending(OK))
    clock.advance(20)

    def take(_: int) -> list[Claim]:
        return retrying(lambda: store.claim_due(limit=10, for_s=5), for_s=30)

    taken = [claim for claims in together(4, take) for claim in claims]
    # SQL Server skips rows that another transaction is locking.
    while more := take(0):
        taken += more
    assert len({claim.id for claim in taken}) == len(taken) == 20
    store.release(taken[:3])
    assert {claim.id for claim in store.claim_due(limit=10, for_s=5)} == {claim.id for claim in taken[:3]}


def test_deliveries_are_deleted_with_their_process(
    store: WebhookStore, sent: list[Claim], clock: Clock, database: Database
) -> None:
    old = accept()
    assert end(old, Ending(OK))
    clock.advance(100)
    new = accept()
    assert end(new, Ending(OK))
    assert Retention(database).purge(clock.time - timedelta(seconds=50)) == 2
    assert store.latest(old) is None
    assert store.latest(new) is not None
