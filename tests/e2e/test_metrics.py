"""The metrics agree with the database, for every kind of end, over all processes of the stack."""

from __future__ import annotations

from urllib.error import HTTPError

import pytest

from telemetry.metrics.declared import catalogue
from tests.support.monitored import Ran
from tests.support.world import children_of

pytestmark = pytest.mark.timeout(240)


def test_outcomes_are_those_of_the_rows(ran: Ran) -> None:
    ended = ran.rows("SELECT status, count(*) FROM process_store WHERE process_key = 'metered' GROUP BY status")

    assert set(ended) == {"ok", "error", "cancelled"}
    assert {status: ran.total("processes_ended_total", process="metered", status=status) for status in ended} == ended


def test_each_row_is_an_accepted_start(ran: Ran) -> None:
    ((rows,),) = ran.monitored.rows("SELECT count(*) FROM process_store WHERE process_key = 'metered'")

    assert ran.total("starts_total", process="metered", outcome="accepted") == rows
    assert ran.total("starts_total", outcome="joined") == 1


def test_answers_are_those_that_clients_got(ran: Ran) -> None:
    assert {status: ran.total("start_answers_total", status=status) for status in ran.statuses} == ran.statuses
    assert ran.total("start_answers_total") == ran.statuses.total()
    assert ran.total("start_wait_seconds_count", answer="async") == ran.statuses["202"]
    assert ran.total("start_wait_seconds_count", answer="sync") == ran.statuses.total() - ran.statuses["202"]


def test_refused_starts_are_no_rows(ran: Ran) -> None:
    assert ran.refused == [404, 409]
    assert ran.total("starts_refused_total", reason="unknown-process") == 1
    assert ran.total("starts_refused_total", reason="correlation-id-conflict") == 1
    assert ran.total("starts_refused_total") == 2


def test_incidents_are_those_of_the_rows(ran: Ran) -> None:
    ((rows,),) = ran.monitored.rows("SELECT count(*) FROM process_store WHERE incident_id IS NOT NULL")

    assert rows == 1
    assert ran.total("incidents_total", process="metered") == rows
    assert ran.scrapes[0].value("incidents_open", process="metered") == rows


def test_attempts_are_those_of_the_events(ran: Ran) -> None:
    events = ran.rows(
        "SELECT phase, count(*) FROM event_log WHERE external_task_id IS NOT NULL AND correlation_id IN "
        "(SELECT correlation_id FROM process_store WHERE status <> 'cancelled') GROUP BY phase"
    )

    assert ran.total("step_attempts_total", outcome="completed") == events["completed"]
    assert ran.total("step_attempts_total", outcome="bpmn-error") == events["bpmn-error"] > 2
    killed = ran.total("step_attempts_total", outcome="killed")
    assert killed + ran.total("step_attempts_total", outcome="failed") == events["failed"]
    assert sum(events.values()) == events["completed"] + events["bpmn-error"] + events["failed"]
    # the attempt whose process was cancelled while it ran
    assert ran.total("step_attempts_total", outcome="lost") == 1


def test_counts_of_a_worker_process_survive_it(ran: Ran) -> None:
    replaced = ran.children_before - set(children_of(ran.monitored.stack["worker"].pid))
    ((killed,),) = ran.monitored.rows(
        "SELECT count(*) FROM event_log WHERE phase = 'failed' AND business_action_response LIKE '%WorkerLost%'"
    )

    # A process that replaced a dead one may have died too, in the second crash.
    assert 1 <= len(replaced) <= killed == 2
    assert ran.total("worker_children_lost_total", reason="killed") == killed
    assert ran.total("step_attempts_total", outcome="killed") == killed


def test_every_web_process_gives_the_same_answer(ran: Ran) -> None:
    counted = {ran.monitored.scrape("web").value("starts_total") for _ in range(20)}

    assert counted == {ran.scrapes[0].value("starts_total")}
    assert len(children_of(ran.monitored.stack["web"].pid)) == 2


def test_each_instance_is_one_start_in_the_engine(ran: Ran) -> None:
    ((instances,),) = ran.monitored.rows("SELECT count(*) FROM process_store WHERE process_instance_id IS NOT NULL")
    call = "POST /process-definition/key/{}/start"

    assert ran.total("engine_calls_total", call=call, status="200") == instances
    assert ran.total("engine_call_seconds_count", call=call) == instances


def test_queues_are_empty_when_everything_has_ended(ran: Ran) -> None:
    web = ran.monitored.scrape("web")

    assert web.value("waiting_requests") == 0
    assert web.value("queue_messages", queue="steps.metered") == 0
    assert web.value("processes_pending", process="metered") == 0
    assert web.value("step_slots_free") == 3
    assert web.labels("worker_slots", "worker")


def test_ticks_are_sent_and_run(ran: Ran) -> None:
    assert ran.total("beat_ticks_sent_total", tick="poll") >= ran.total("ticks_total", tick="poll") > 0
    assert ran.total("fetched_tasks_bucket", kind="poll", le="0.0") > 0


def test_scraped_metrics_are_the_declared_ones(ran: Ran) -> None:
    labels = {series: set(metric.labels) for metric in catalogue() for series in metric.series}

    for scrape in ran.scrapes:
        for sample in scrape.samples:
            assert labels[sample.name] == set(sample.labels) - {"le"}, sample


def test_metrics_need_the_token(ran: Ran) -> None:
    for name in ("web", "worker", "beat"):
        with pytest.raises(HTTPError) as refused:
            ran.monitored.scrape(name, token="")
        assert refused.value.code == 401
