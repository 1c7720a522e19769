"""The open result of a start, as Celery reads it, and its connections to Redis."""

from __future__ import annotations

import uuid

import pytest
import redis
from celery.result import AsyncResult

from store.process_rows import ERROR, OK, Ending, ProcessRow
from tasks import app as celery_app
from tasks.broker.results import KEY_PREFIX
from tasks.settling.settle import ops_event, reopen, settle
from tests.integration.threads import together
from tests.support.facade import Facade


@pytest.fixture
def row(facade: Facade) -> ProcessRow:
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    return facade.rows()[0]


def result_of(process_id: uuid.UUID) -> AsyncResult:
    return AsyncResult(str(process_id), app=celery_app)


def test_celery_reads_the_end_of_a_process_as_any_result(facade: Facade, row: ProcessRow, client: redis.Redis) -> None:
    assert result_of(row.id).state == "PENDING"

    assert settle(row, Ending(OK, result={"ü": [None, 1.5]}))

    result = result_of(row.id)
    assert (result.state, result.ready(), result.id) == ("SUCCESS", True, str(row.id))
    assert result.get(timeout=5)["result"] == {"ü": [None, 1.5]}
    assert (
        facade.settings.result_expires_s - 10 < client.ttl(f"{KEY_PREFIX}{row.id}") <= facade.settings.result_expires_s
    )


def test_result_is_open_again_after_a_retry(facade: Facade, row: ProcessRow) -> None:
    assert settle(row, Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"))
    assert result_of(row.id).state == "SUCCESS"

    assert reopen(row, ops_event(row, actor="eve", step_name="retry", result="again"))

    assert result_of(row.id).state == "PENDING"


def test_end_that_follows_an_incident_replaces_it_in_the_result(facade: Facade, row: ProcessRow) -> None:
    assert settle(row, Ending(ERROR, error={"code": "INCIDENT"}, incident_id="i"))

    # after a retry in Cockpit, which does not open the result again
    assert settle(row, Ending(OK, result=1))

    assert result_of(row.id).get(timeout=5)["status"] == "ok"


# On a busy machine the last of twelve threads waits long until it may write.
@pytest.mark.parametrize("db_timeout_ms", [10_000])
def test_threads_that_end_processes_share_one_connection(facade: Facade, client: redis.Redis) -> None:
    for number in range(12):
        assert facade.start(f"order-{number}", Prefer="respond-async").status_code == 202
    before = len(client.client_list())

    def cancel(number: int) -> int:
        return facade.app.test_client().post(f"/api/process/order-{number}/cancel").status_code

    assert together(12, cancel) == [200] * 12

    assert len(client.client_list()) <= before
