"""What a worker does besides running tasks: heartbeat, start throttle, report of handlers that hang or were killed.

Runs in the worker's event loop, except :func:`bound_memory`, which runs in each child of a prefork pool.
"""

from __future__ import annotations

import logging
import resource
from typing import Any

import redis
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps
from celery.platforms import EX_FAILURE
from celery.signals import setup_logging, task_failure, worker_process_init, worker_process_shutdown
from celery.worker import state
from celery.worker.consumer.gossip import Gossip

from tasks import app
from tasks.alive import beat, stop_beating
from tasks.broker.inline import current_step
from tasks.broker.publish import send_killed
from tasks.broker.start_throttle import StartThrottle
from tasks.broker.worker_capacity import forget_worker, note_consumed_queues, runs_steps, send_heartbeat
from tasks.errors import BrokerUnavailable
from tasks.interruption import interruptible
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.steps.middleware import time_limit
from tasks.worker.pool import TaskPool
from tasks.worker.shutdown import begin_grace, grace_expired, step_requests, watch
from telemetry import log_context, tracing
from telemetry.logs.configuring import configure_logging
from telemetry.metrics import declared

__all__ = ["log_context"]  # its signal is connected by its import

log = logging.getLogger(__name__)

#: seconds between two heartbeats
HEARTBEAT_S = 1.0
#: seconds for which events for Flower are collected
EVENTS_EVERY_S = 0.3

#: events after which Flower needs no event of the task's start
ENDS = frozenset({"task-succeeded", "task-failed", "task-retried"})


class Heartbeat(bootsteps.StartStopStep):
    """Sends every second how many slots this worker has and how many steps it runs; pauses and resumes its starts."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._entry: Any = None
        self._throttle: StartThrottle | None = None

    def start(self, consumer: Any) -> None:
        """Begin, each time the consumer has connected."""
        _batch_events(consumer)
        if isinstance(consumer.pool, TaskPool):
            pool = consumer.pool
            interruptible.give_up = lambda thread_id, seconds: pool.give_up(thread_id, TimeLimitExceeded(seconds))
        if self._throttle is None:
            self._throttle = StartThrottle(consumer)
        self._entry = consumer.timer.call_repeatedly(HEARTBEAT_S, self._beat, (consumer, self._throttle))
        self._beat(consumer, self._throttle)

    def stop(self, consumer: Any) -> None:
        """Stop, and delete the heartbeat: nothing more is fetched for the slots of this worker."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
        try:
            forget_worker(runtime().redis, consumer.hostname)
        except redis.RedisError as error:
            log.debug("heartbeat not deleted, it expires: %s", error)

    def shutdown(self, consumer: Any) -> None:
        """As `stop`, and delete the file of `tasks.alive`: after a lost connection alone the worker stays alive."""
        self.stop(consumer)
        stop_beating(consumer.hostname)

    def _beat(self, consumer: Any, throttle: StartThrottle) -> None:
        # The pool itself looks for dead children every 5 s. A killed step must be reported at once.
        consumer.pool.maintain_pool()
        _say_alive(consumer.hostname)
        self._end_if_stuck()
        try:
            if runs_steps():
                slots = consumer.pool.num_processes
                send_heartbeat(
                    runtime().redis, consumer.hostname, slots, len(step_requests()), stuck=interruptible.stuck
                )
            throttle.update()
        except redis.RedisError as error:
            log.debug("heartbeat not sent: %s", error)

    def _end_if_stuck(self) -> None:
        """End the worker when too many of its threads hang: what they hold comes back with a new process only."""
        stuck = interruptible.stuck
        if stuck > runtime().settings.worker_max_stuck and state.should_stop is None:
            log.error("%d threads hang in handlers beyond their time limits: the worker ends", stuck)
            begin_grace(exit_code=EX_FAILURE)
            state.should_stop = EX_FAILURE  # type: ignore[assignment]


def _say_alive(hostname: str) -> None:
    try:
        beat(hostname)
    except OSError as error:
        log.warning("file for tasks.alive not written: %s", error)


def _batch_events(consumer: Any) -> None:
    """Publish the events for Flower a few times a second instead of after every iteration of the loop.

    Each event has its own time. A publication costs as much CPU time as a whole task costs the parent.
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
    """Drop the start of a task whose end is in the same batch.

    Flower spends more CPU time on an event than a worker, and shows the task as ended either way.
    """
    ended = {event["uuid"] for event in events if event["type"] in ENDS}
    events[:] = [event for event in events if event["type"] != "task-started" or event["uuid"] not in ended]


@setup_logging.connect
def _configure(**_: Any) -> None:
    configure_logging(runtime().settings)
    tracing.configure(runtime().settings)


class Queues(bootsteps.StartStopStep):
    """Reads, before the pool forks, which queues this worker consumes."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        note_consumed_queues(app.amqp.queues.consume_from)
        watch(worker)
        # This opens no connection: the parent process must not use the database.
        log.info("database: %s", runtime().database.described)
        for fault in registry.faults:
            log.error("package of processes not loaded, all others run: %s", fault)
        for key, topics in registry.unhandled_topics().items():
            log.warning("process %s: no handler for %s, these topics are not fetched", key, topics)


# The same as `--without-gossip`, for every worker: reading each other's heartbeats took an eighth of the CPU time of an
# idle system. The logical clock of gossip is not needed: Flower orders events by their times.
Gossip.compatible_transports = set()

app.steps["worker"].add(Queues)
app.steps["consumer"].add(Heartbeat)


@worker_process_init.connect
def bound_memory(**_: Any) -> None:
    """Limit the memory of a child: a handler that needs more gets a MemoryError, and its attempt fails."""
    limit_mb = runtime().settings.step_max_memory_mb
    if limit_mb:
        limit = limit_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@worker_process_shutdown.connect
def send_spans(**_: Any) -> None:
    """Send the spans of a child that ends, since Python's exit handlers do not run in it."""
    tracing.flush()


@task_failure.connect
def report_killed_child(
    sender: Any = None, task_id: str | None = None, exception: BaseException | None = None, **given: Any
) -> None:
    """Have the attempt reported whose thread was given up, or whose child was killed or ran over its time limit.

    A message does it, since the loop must not wait for the database. The parent of a prefork pool must not even use it:
    a child that is forked while another thread here writes to SQLite inherits a lock that is never released.
    """
    if not isinstance(exception, TimeLimitExceeded | WorkerLostError):
        # The attempt itself has reported it.
        return
    name = getattr(sender, "name", None)
    # Celery logs the same right after this.
    log_context.begin_turn(task_id, name, given["args"])
    if name != "run_step" or grace_expired.is_set():
        return
    try:
        text = f"{type(exception).__name__}: {exception}"
        if isinstance(exception, TimeLimitExceeded):
            text = f"TimeLimitExceeded: the handler hangs beyond its time limit of {exception.args[0]:g} s"
        elif time_limit.SIGNAL_NAME in text:
            text = "TimeLimitExceeded: the handler ran longer than its time limit"
        declared.CHILDREN_LOST.labels("time_limit" if text.startswith("TimeLimit") else "killed").inc()
        send_killed(current_step(task_id or "", given["args"][0]), text)
    except BrokerUnavailable as error:
        log.warning("killed step not reported, its lock expires: %s", error)
