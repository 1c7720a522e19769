"""The end of a worker at SIGTERM: running steps have WORKER_GRACE_S to end, then they are stopped and unlocked.

Celery's warm shutdown waits without limit, and its soft shutdown kills children without unlocking their tasks. kombu
itself puts messages that were not begun back into their queues. A stopped step does not count as an attempt: a long
step gets no incident, however many deployments come while it runs.

A handler in a thread is stopped by an exception. One that waits in C code runs no instruction of Python any more: the
exception is the first that happens in its thread, and the process ends as soon as the tasks are unlocked.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_shutting_down
from celery.worker import state

from camunda_bridge.client import Engine
from store.database import Database
from store.errors import DatabaseUnavailable
from store.event_rows import LOST, RELEASED, AttemptKey, Progress
from store.events import EventStore
from tasks import app
from tasks.broker.inline import current_step
from tasks.fetching.unlock import unlock_task
from tasks.interruption import interruptible
from tasks.runtime import runtime
from tasks.worker.pool import TaskPool
from telemetry import log_context

log = logging.getLogger(__name__)

#: seconds for which killed children are waited for
DEATH_S = 5.0
#: seconds for which interrupted threads are waited for: the others hang in C code
INTERRUPT_S = 1.0
#: the reason in the events of stopped steps, and in the log
GRACE_EXPIRED = "the grace period of its worker expired"

_worker: Any = None

#: set when the grace period has expired and children are killed: their attempts are released and have not failed
grace_expired = threading.Event()


def watch(worker: Any) -> None:
    """Keep the worker whose shutdown is to be limited."""
    global _worker
    _worker = worker


def step_requests() -> list[Any]:
    """The requests of steps that this worker has, begun or not. `request.name` is the name that Flower shows."""
    return [request for request in list(state.reserved_requests) if request.task.name == "run_step"]


@worker_shutting_down.connect
def limit_grace(how: str = "", **_: Any) -> None:
    """Limit a warm shutdown to the grace period."""
    if how == "Warm":
        begin_grace(exit_code=0)


def begin_grace(*, exit_code: int) -> None:
    """Stop what still runs when the grace period has expired, and end the process with this code."""
    # Read now: the closing consumer drops its requests long before they end.
    running = step_requests()
    timer = threading.Timer(runtime().settings.worker_grace_s, stop_running, [running, exit_code])
    timer.daemon = True
    timer.start()


def stop_running(running: list[Any], exit_code: int) -> None:
    """Stop the steps that still run, unlock their tasks, and end the process."""
    pool = _worker.pool
    # A step that ended in time has no locked task, or a failed one whose lock is the pause before its retry.
    running = [request for request in running if not has_ended(request)]
    if not isinstance(pool, TaskPool) and pool._pool is None:
        # Every child has ended, and this process is about to end.
        return
    log.warning("grace period expired: %d running steps are stopped and unlocked", len(running))
    grace_expired.set()
    stopped = _interrupt(running) if isinstance(pool, TaskPool) else _kill_children(pool, running)
    engine = Engine.from_settings(runtime().settings)
    # From here on this process may use the database: it forks no child that would inherit a lock of the connection.
    events = EventStore(Database.from_settings(runtime().settings, pool_size=1))
    for request in stopped:
        log_context.begin(task_id=request.id, task=request.task.name)
        body = current_step(request.id, request.args[0])
        log_context.bind_step(body)
        _note_released(events, body)
        unlock_task(engine, body, GRACE_EXPIRED)
    log_context.begin()
    _send_revoked(running)
    logging.shutdown()
    os._exit(exit_code)


def _interrupt(running: list[Any]) -> list[Any]:
    """Stop the handlers that run in threads; the requests whose tasks must be unlocked."""
    _worker.pool.hold()
    interruptible.interrupt_all()
    deadline = time.monotonic() + INTERRUPT_S
    while not all(map(has_ended, running)) and time.monotonic() < deadline:
        time.sleep(0.02)
    # The others have reported their outcome meanwhile.
    return [request for request in running if (job := _job(request)) is None or job.has_raised or not job.ready()]


def _kill_children(pool: Any, running: list[Any]) -> list[Any]:
    """Kill the children of a prefork pool; the requests whose tasks must be unlocked."""
    children = [process.pid for process in pool._pool._pool]
    for pid in children:
        _kill(pid)
    deadline = time.monotonic() + DEATH_S
    while any(_is_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    # A child that is still alive could complete the task after another worker has fetched it.
    return [request for request in running if request.worker_pid is None or not _is_alive(request.worker_pid)]


def _note_released(events: EventStore, body: dict[str, Any]) -> None:
    """Write that the shutdown of its worker stopped an attempt, unless its handler had returned."""
    progress = Progress(LOST, result=GRACE_EXPIRED, metadata={RELEASED: True})
    try:
        events.progress(AttemptKey(body["id"], body["token"]), progress, only_from_started=True)
    except (DatabaseUnavailable, KeyError) as error:
        log.warning("%s: stopped attempt not closed, the next one closes it: %r", body.get("topic", "a step"), error)


def has_ended(request: Any) -> bool:
    """True when the pool has the result of a request, or knows that its child has ended."""
    # The pool drops a job that is done. A request without a job was never given to the pool.
    job = _job(request)
    return request._apply_result is not None and (job is None or job.ready())


def _job(request: Any) -> Any:
    return None if request._apply_result is None else request._apply_result()


def _send_revoked(requests: list[Any]) -> None:
    """Send the end of these tasks to Flower, which would show them as started for ever."""
    try:
        with app.events.default_dispatcher(hostname=_worker.hostname) as dispatcher:
            for request in requests:
                number = int(signal.SIGKILL)
                dispatcher.send("task-revoked", uuid=request.id, terminated=True, signum=number, expired=False)
    except Exception as error:
        # This process ends without waiting for the broker.
        log.info("stopped steps not shown as revoked in Flower: %s", error)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # The state follows the name in parentheses. A zombie runs no more code.
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
