"""Lists by several statuses, by incident, by the labels of a start, and by code and step of an error."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from store.clock import now
from store.database import Database
from store.finding import Traits
from store.overview import INCIDENT, REJECTED, Filters, OverviewStore
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, NewProcess
from store.processes import ProcessStore

STUCK = {"code": "INCIDENT", "message": "broke", "type": "incident", "step": "charge"}


@pytest.fixture
def store(database: Database) -> ProcessStore:
    """Twelve processes: of each kind two, one of them from the portal and in a batch."""
    store = ProcessStore(database)
    for number in range(2):
        labels = {"application_id": "portal", "batch_id": "night"} if number else {}
        _accept(store, f"pending-{number}", **labels)
        _accept(store, f"ok-{number}", Ending(OK), **labels)
        _accept(store, f"cancelled-{number}", Ending(CANCELLED, error={"code": "CANCELLED"}), **labels)
        _accept(store, f"stuck-{number}", Ending(ERROR, error=STUCK, incident_id="i"), **labels)
        _accept(store, f"rejected-{number}", Ending(ERROR, error={"code": "NO_CREDIT"}), **labels)
        _accept(store, f"odd-{number}", Ending(ERROR, error={"code": ["x"], "step": " "}), **labels)
    return store


def _accept(store: ProcessStore, correlation_id: str, ending: Ending | None = None, **labels: Any) -> None:
    new = NewProcess(uuid.uuid4(), correlation_id, "0" * 64, "p", {}, "trace", **labels)
    assert store.accept(new)
    assert ending is None or store.settle(new.id, ending)


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        (Traits((PENDING, OK)), ["ok-1", "pending-1", "ok-0", "pending-0"]),
        (Traits(incident=True), ["stuck-1", "stuck-0"]),
        (Traits((PENDING,), incident=True), []),
        (Traits((ERROR,), incident=False), ["odd-1", "rejected-1", "odd-0", "rejected-0"]),
        (Traits((ERROR, OK), incident=False), ["odd-1", "rejected-1", "ok-1", "odd-0", "rejected-0", "ok-0"]),
        (Traits(error_code="NO_CREDIT"), ["rejected-1", "rejected-0"]),
        (Traits(error_code="CANCELLED"), ["cancelled-1", "cancelled-0"]),
        (Traits(error_code="no_credit"), []),
        (Traits(error_code="x" * 300), []),
        (Traits(failed_step="charge"), ["stuck-1", "stuck-0"]),
        (Traits(failed_step="charge", application_id="portal"), ["stuck-1"]),
        (Traits(batch_id="night", application_id="portal", statuses=(OK, CANCELLED)), ["cancelled-1", "ok-1"]),
        (Traits(application_id="portal", incident=False, statuses=(ERROR,)), ["odd-1", "rejected-1"]),
        (Traits(application_id="other"), []),
    ],
)
def test_list_has_what_matches_newest_first(store: ProcessStore, traits: Traits, found: list[str]) -> None:
    first = store.page(limit=1, traits=traits)
    rest = store.page(limit=50, traits=traits, before_seq=first[-1].seq) if first else []

    assert [row.correlation_id for row in first + rest] == found
    assert store.count(most=50, traits=traits) == len(found)
    assert store.page(limit=50, traits=traits, process_key="other") == []
    assert store.page(limit=50, traits=traits, started_after=now() + timedelta(hours=1)) == []


def test_count_is_bounded(store: ProcessStore) -> None:
    assert store.count(most=3, traits=Traits(application_id="portal")) == 3


def test_process_that_is_retried_has_no_error_any_more(store: ProcessStore) -> None:
    row = store.by_correlation_id("stuck-0")
    assert row is not None
    assert store.reopen(row.id)

    assert [row.correlation_id for row in store.page(limit=9, traits=Traits(failed_step="charge"))] == ["stuck-1"]


def test_counters_of_the_monitor_tell_incidents_from_other_errors(store: ProcessStore, database: Database) -> None:
    overview = OverviewStore(database)

    both = {PENDING: 2, OK: 2, ERROR: 6, CANCELLED: 2, INCIDENT: 2, REJECTED: 4}
    assert overview.counts(Filters()) == both
    assert overview.counts(Filters(status=OK, traits=Traits(incident=True))) == both
    half = {kind: number // 2 for kind, number in both.items()}
    assert overview.counts(Filters(traits=Traits(application_id="portal"))) == half


def test_text_is_searched_in_what_matches(store: ProcessStore, database: Database) -> None:
    page = OverviewStore(database).page(Filters(text="-1", traits=Traits((OK, ERROR), batch_id="night")), limit=50)

    assert [row.correlation_id for row in page.rows] == ["odd-1", "rejected-1", "stuck-1", "ok-1"]
