"""Celery's settings: messages are JSON, and every task has a queue that a worker reads."""

from __future__ import annotations

import pytest
from kombu.exceptions import ContentDisallowed
from kombu.serialization import loads

import celeryconfig
from tasks import app
from tasks.processes import registry


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> None:
    app.loader.import_default_modules()


def own_tasks() -> set[str]:
    return {name for name in app.tasks if not name.startswith("celery.")}


def test_only_json_is_written_and_read() -> None:
    assert app.conf.task_serializer == app.conf.result_serializer == app.conf.event_serializer == "json"
    assert set(app.conf.accept_content) == {"json"}
    assert set(app.conf.result_accept_content) == {"json"}
    with pytest.raises(ContentDisallowed):
        loads(b"cos\nsystem\n.", "application/x-python-serialize", "binary", accept=app.conf.accept_content)


def test_every_task_has_a_queue_that_a_bare_worker_reads() -> None:
    queues = {queue.name for queue in celeryconfig.task_queues}
    routed = {name: celeryconfig.task_routes[name]["queue"] for name in own_tasks() - {"run_step"}}
    assert set(routed.values()) <= queues
    assert routed["start_process"] == "starts"
    assert routed["reconcile"] == "settling"
    assert routed["poll"] == "polls"
    # run_step is sent to the queue of its process, so it has no route
    assert {process.queue for process in registry} <= queues


def test_every_route_and_tick_is_of_a_task_that_exists() -> None:
    assert set(celeryconfig.task_routes) <= own_tasks()
    # `purge` has ticks only with RETENTION_DAYS
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} == {"poll", "reconcile"}


def test_every_process_has_a_queue_of_its_own() -> None:
    names = [queue.name for queue in celeryconfig.task_queues]
    assert len(names) == len(set(names))
    assert "steps.onboard-user" in names


def test_bare_worker_reads_every_queue() -> None:
    assert set(app.amqp.queues.consume_from) == {queue.name for queue in celeryconfig.task_queues}


def test_queue_that_nobody_reads_stops_the_sender() -> None:
    with pytest.raises(KeyError):
        app.amqp.queues["misspelt"]


def test_redis_calls_have_time_outs() -> None:
    options = celeryconfig.broker_transport_options
    assert options["socket_connect_timeout"] <= 5
    assert options["socket_timeout"] <= 10
    assert app.conf.redis_socket_connect_timeout <= 5
    assert app.conf.redis_socket_timeout <= 10


def test_message_does_not_wait_behind_a_busy_slot() -> None:
    assert app.conf.worker_disable_prefetch
    assert not app.conf.task_acks_late


def test_results_of_the_tasks_themselves_are_not_stored() -> None:
    assert app.conf.task_ignore_result
    assert not app.conf.task_store_errors_even_if_ignored
