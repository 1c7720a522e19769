"""The gauges that are read when metrics are scraped."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import mssql

from service import topics
from store.counts import Counts
from store.database import Database
from store.process_rows import ERROR, OK, Ending, NewProcess
from tasks.broker.publish import send_start, send_start_again
from tasks.broker.start_throttle import PAUSED_KEY
from tasks.broker.worker_capacity import send_heartbeat
from tasks.worker.gauges import System
from telemetry.metrics import declared
from telemetry.metrics.showing import render
from tests.support.facade import USER, Facade
from tests.support.metrics_text import Scrape


def look(system: System | None = None) -> Scrape:
    return Scrape(render("text/plain", [system or System()])[0].decode())


def accept(facade: Facade, process_key: str = "onboard-user") -> uuid.UUID:
    new = NewProcess(
        id=uuid.uuid4(),
        correlation_id=str(uuid.uuid4()),
        request_hash="",
        process_key=process_key,
        variables=USER,
        traceability_id="t",
    )
    assert facade.runtime.processes.accept(new)
    return new.id


def test_every_queue_has_a_length_and_an_age(facade: Facade, client: redis.Redis) -> None:
    send_start(uuid.uuid4(), process_key="onboard-user", correlation_id="a")
    send_start(uuid.uuid4(), process_key="onboard-user", correlation_id="b")
    scrape = look()
    assert scrape.value("queue_messages", queue="starts") == 2
    assert scrape.labels("queue_messages", "queue") >= {"starts", "polls", "settling", "webhooks", "steps.onboard-user"}
    assert 0 < scrape.value("queue_oldest_message_seconds", queue="starts") < 30
    assert scrape.value("queue_oldest_message_seconds", queue="polls") == 0


def test_age_is_that_of_the_message_that_waits_longest(facade: Facade, client: redis.Redis) -> None:
    send_start(uuid.uuid4(), process_key="onboard-user", correlation_id="a")
    send_start_again(str(uuid.uuid4()), shadow=None, argsrepr=None, sent_at=time.time() - 500)
    assert 500 <= look().value("queue_oldest_message_seconds", queue="starts") < 530


def test_message_that_does_not_say_when_it_was_sent_has_no_age(facade: Facade, client: redis.Redis) -> None:
    client.lpush("starts", '{"headers": {}}')
    client.lpush("polls", "no json")
    scrape = look()
    assert scrape.value("queue_messages", queue="starts") == 1
    assert scrape.labels("queue_oldest_message_seconds", "queue") & {"starts", "polls"} == set()


def test_slots_are_those_of_the_workers_heartbeats(facade: Facade, client: redis.Redis) -> None:
    send_heartbeat(client, "worker@a", 8, 3)
    send_heartbeat(client, "worker@b", 4, 4)
    client.lpush("steps.onboard-user", "{}")
    scrape = look()
    assert scrape.value("worker_slots") == 12
    assert scrape.value("worker_steps_running", worker="worker@a") == 3
    assert scrape.value("step_slots_free") == 12 - 7 - 1


def test_paused_starts_queue_is_shown(facade: Facade, client: redis.Redis) -> None:
    assert look().value("starts_gate_closed") == 0
    client.set(PAUSED_KEY, "engine is away")
    assert look().value("starts_gate_closed") == 1


def test_running_processes_and_open_incidents_are_counted(facade: Facade) -> None:
    processes = facade.runtime.processes
    accept(facade)
    processes.settle(accept(facade), Ending(OK, result={}))
    processes.settle(accept(facade), Ending(ERROR, error={}, incident_id="i"))
    processes.settle(accept(facade), Ending(ERROR, error={"code": "X"}))
    scrape = look()
    assert scrape.value("processes_pending", process="onboard-user") == 1
    assert scrape.value("incidents_open", process="onboard-user") == 1
    assert scrape.value("webhooks_pending") == 0
    assert scrape.value("part_up", part="database") == 1


def test_paused_topic_is_shown_until_it_is_resumed(facade: Facade, client: redis.Redis) -> None:
    topic = "onboard-user.respond"
    assert look().value("topics_paused", topic=topic) == 0
    topics.pause([topic], "the partner is down", actor="ada")
    # a topic of a process that this installation does not have any more: it is paused too
    topics.pause(["gone.work"], None, actor="ada")
    scrape = look()
    assert scrape.value("topics_paused", topic=topic) == 1
    assert scrape.value("topics_paused", topic="gone.work") == 1
    assert scrape.value("topics_paused") == 2
    topics.resume([topic], actor="ada")
    assert look().value("topics_paused", topic=topic) == 0


def test_unavailable_database_removes_only_its_own_gauges(
    facade: Facade, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Database("sqlite:////proc/nowhere.db", pool_size=1, timeout_ms=200)
    monkeypatch.setitem(vars(facade.runtime), "database", away)
    scrape = look()
    assert scrape.value("part_up", part="database") == 0
    assert scrape.value("part_up", part="broker") == 1
    assert scrape.labels("incidents_open", "process") == set()
    assert scrape.labels("queue_messages", "queue")


def test_unavailable_broker_removes_only_its_own_gauges(facade: Facade) -> None:
    facade.change(redis_url="redis://127.0.0.1:1/0")
    scrape = look()
    assert scrape.value("part_up", part="broker") == 0
    assert scrape.value("part_up", part="database") == 1
    assert scrape.labels("queue_messages", "queue") == set()
    assert scrape.labels("processes_pending", "process")


def test_starts_of_all_priorities_are_one_queue(facade: Facade, client: redis.Redis) -> None:
    for priority, age_s in {3: 5, 0: 60, -5: 500}.items():
        given = {"shadow": None, "argsrepr": None, "priority": priority, "sent_at": time.time() - age_s}
        send_start_again(str(uuid.uuid4()), **given)
    scrape = look()
    assert scrape.value("queue_messages", queue="starts") == 3
    assert scrape.value("queue_messages") == 3
    assert 500 <= scrape.value("queue_oldest_message_seconds", queue="starts") < 530


def test_values_are_kept_for_a_second(facade: Facade, client: redis.Redis) -> None:
    now = 100.0
    system = System(lambda: now)
    assert look(system).value("queue_messages", queue="starts") == 0
    client.lpush("starts", "{}")
    assert look(system).value("queue_messages", queue="starts") == 0
    now += 1.1
    assert look(system).value("queue_messages", queue="starts") == 1


def test_every_scraped_gauge_is_shown(facade: Facade, client: redis.Redis) -> None:
    send_heartbeat(client, "worker@a", 8, 3)
    wanted = {value.full_name for value in vars(declared).values() if isinstance(value, declared.Scraped)}
    assert wanted <= set(look().families)


def test_counts_are_t_sql_on_sql_server(facade: Facade) -> None:
    sent: list[str] = []

    def note(_: object, element: Any, *__: Any) -> None:
        compiled = element.compile(dialect=mssql.dialect())
        sent.append(compiled.construct_expanded_state(compiled.params).statement)

    sa.event.listen(facade.runtime.database.engine, "before_execute", note)
    counts = Counts(facade.runtime.database)
    counts.pending(["a", "b"])
    counts.on_incident()
    counts.webhooks_pending()
    assert len(sent) == 3
    for statement in sent:
        sqlglot.parse(statement, read="tsql", error_level=sqlglot.ErrorLevel.RAISE)
        assert "'" in statement


def test_counts_read_an_index_and_not_the_rows(facade: Facade) -> None:
    plans: list[str] = []

    def note(_: object, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in rows if row[3].startswith(("SEARCH", "SCAN")))

    counts = Counts(facade.runtime.database)
    sa.event.listen(facade.runtime.database.engine, "before_cursor_execute", note)
    counts.pending(["a", "b"])
    counts.on_incident()
    counts.webhooks_pending()
    assert "USING COVERING INDEX ix_process_store_process_key_status_seq" in plans[0]
    assert "ix_process_store_on_incident" in plans[1]
    assert "ix_webhook_delivery_due" in plans[2]
