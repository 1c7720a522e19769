"""What a worker does beside running tasks: heartbeat, start throttle, memory bound, report of killed children.

Runs in the worker's parent process, except :func:`bound_memory`, which runs in each child.
"""

from __future__ import annotations

import logging
import resource
from typing import Any

import redis
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps
from celery.signals import setup_logging, task_failure, worker_process_init, worker_process_shutdown
from celery.worker.consumer.gossip import Gossip

from tasks import app
from tasks.alive import beat, stop_beating
from tasks.broker.inline import present_step
from tasks.broker.publish import send_killed
from tasks.broker.start_throttle import StartThrottle
from tasks.broker.worker_capacity import forget_worker, note_consumed_queues, runs_steps, send_heartbeat
from tasks.errors import BrokerUnavailable
from tasks.runtime import runtime
from tasks.steps.middleware.time_limit import SIGNAL_NAME
from tasks.topics.unhandled import unhandled_topics
from tasks.worker.shutdown import cutting_off, step_requests, watch
from telemetry import log_context, tracing
from telemetry.logs.configuring import configure_logging
from telemetry.metrics import declared

__all__ = ["log_context"]  # its signal is connected by its import

log = logging.getLogger(__name__)

#: seconds between two heartbeats
HEARTBEAT_S = 1.0
#: seconds for which events for Flower are gathered
EVENTS_EVERY_S = 0.3

#: events after which a task's start is no news
ENDS = frozenset({"task-succeeded", "task-failed", "task-retried"})


class Heartbeat(bootsteps.StartStopStep):
    """Sends every second how many slots this worker has and how many steps it runs; pauses and resumes its starts."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._entry: Any = None
        self._throttle: StartThrottle | None = None

    def start(self, consumer: Any) -> None:
        """Begin, each time the consumer has (again) a connection."""
        _batch_events(consumer)
        _acknowledge_nothing(consumer)
        if self._throttle is None:
            self._throttle = StartThrottle(consumer)
        self._entry = consumer.timer.call_repeatedly(HEARTBEAT_S, self._beat, (consumer, self._throttle))
        self._beat(consumer, self._throttle)

    def stop(self, consumer: Any) -> None:
        """Stop, and say so: nothing more is fetched for this worker's slots."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
        try:
            forget_worker(runtime().redis, consumer.hostname)
        except redis.RedisError as error:
            log.debug("heartbeat not withdrawn: %s", error)

    def shutdown(self, consumer: Any) -> None:
        """As `stop`; a worker that only lost its connection goes on living."""
        self.stop(consumer)
        stop_beating(consumer.hostname)

    def _beat(self, consumer: Any, throttle: StartThrottle) -> None:
        # The pool looks for dead children every 5 s by itself; a killed step is to be reported at once.
        consumer.pool.maintain_pool()
        _say_alive(consumer.hostname)
        try:
            if runs_steps():
                slots = consumer.pool.num_processes
                send_heartbeat(runtime().redis, consumer.hostname, slots, len(step_requests()))
            throttle.update()
        except redis.RedisError as error:
            log.debug("no heartbeat: %s", error)


def _say_alive(hostname: str) -> None:
    try:
        beat(hostname)
    except OSError as error:
        log.warning("tasks.alive cannot see this worker: %s", error)


def _acknowledge_nothing(consumer: Any) -> None:
    """Spare the broker a transaction a message: every queue here is declared without acknowledgement.

    kombu's Redis transport keeps no list of such messages, and yet strikes each from it when Celery acknowledges it.
    """
    consumer.task_consumer.channel.basic_ack = lambda *_tag, **_options: None


def _batch_events(consumer: Any) -> None:
    """Publish the events for Flower a few times a second instead of after every turn of the loop.

    They carry their own times; a publication costs as much CPU time as a task's whole way through the parent.
    """
    dispatcher = consumer.event_dispatcher
    if dispatcher is None or not dispatcher.buffer_group:
        return
    waiting = False

    def flush() -> None:
        nonlocal waiting
        waiting = False
        if consumer.event_dispatcher is dispatcher:
            _drop_overtaken(dispatcher._group_buffer["task"])
            dispatcher.flush()

    def flush_soon() -> None:
        nonlocal waiting
        if not waiting:
            waiting = True
            consumer.timer.call_after(EVENTS_EVERY_S, flush)

    dispatcher.on_send_buffered = flush_soon


def _drop_overtaken(events: list[dict[str, Any]]) -> None:
    """Leave out what Flower need not hear.

    That a task has started, where the same batch says how it ended: Flower spends more CPU time on an event than a
    worker does, and shows such a task as ended either way. That a tick has expired: no other event of it was sent, and
    Flower would show something revoked without a name.
    """
    ended = {event["uuid"] for event in events if event["type"] in ENDS}
    events[:] = [
        event
        for event in events
        if not (event["type"] == "task-started" and event["uuid"] in ended)
        and not (event["type"] == "task-revoked" and event.get("expired"))
    ]


@setup_logging.connect
def _configure(**_: Any) -> None:
    configure_logging(runtime().settings)
    tracing.configure(runtime().settings)


class Queues(bootsteps.StartStopStep):
    """Finds out, before the pool forks, which queues this worker consumes."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        note_consumed_queues(app.amqp.queues.consume_from)
        watch(worker)
        # Naming it connects to nothing: this process must not touch the database.
        log.info("database: %s", runtime().database.described)
        for key, topics in unhandled_topics().items():
            log.warning("process %s: nobody handles %s; not fetched", key, topics)


# What `--without-gossip` does, for every worker: to listen to each other's heartbeats took an eighth of the CPU time
# of an idle system. The logical clock that this keeps orders nothing here: Flower goes by the times of events.
Gossip.compatible_transports = set()

app.steps["worker"].add(Queues)
app.steps["consumer"].add(Heartbeat)


@worker_process_init.connect
def bound_memory(**_: Any) -> None:
    """Bound what a child may allocate: a handler that wants more gets a MemoryError, and that is a failed attempt."""
    limit_mb = runtime().settings.step_max_memory_mb
    if limit_mb:
        limit = limit_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@worker_process_shutdown.connect
def send_spans(**_: Any) -> None:
    """Send the traces of a child that ends: it ends without Python's own way out."""
    tracing.flush()


@task_failure.connect
def report_killed_child(
    sender: Any = None, task_id: str | None = None, exception: BaseException | None = None, **given: Any
) -> None:
    """A child was killed, or ran over its time limit: only the parent is left to say so.

    It says so to a child. The parent itself must not touch the database: a child that is forked while another thread
    here writes to SQLite inherits a lock that nobody will ever release.
    """
    if not isinstance(exception, TimeLimitExceeded | WorkerLostError):
        # Said in the child.
        return
    name = getattr(sender, "name", None)
    # Celery says it too, right behind this.
    log_context.begin_turn(task_id, name, given["args"])
    if name != "run_step" or cutting_off.is_set():
        return
    try:
        text = f"{type(exception).__name__}: {exception}"
        if SIGNAL_NAME in text:
            text = "TimeLimitExceeded: the handler ran longer than its time limit"
        declared.CHILDREN_LOST.labels("time_limit" if text.startswith("TimeLimit") else "killed").inc()
        send_killed(present_step(task_id or "", given["args"][0]), text)
    except BrokerUnavailable as error:
        log.warning("killed step not reported, its lock runs out: %s", error)
