"""The end of a worker at SIGTERM: running steps have WORKER_GRACE_S to end, then they are stopped and unlocked.

Celery's warm shutdown waits without limit, and its soft shutdown kills children without unlocking their tasks. kombu
itself puts messages that were not begun back into their queues. A stopped step does not count as an attempt: a long
step gets no incident, however many deployments come while it runs.
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
from tasks.runtime import runtime
from telemetry import log_context

log = logging.getLogger(__name__)

#: seconds for which killed children are waited for
DEATH_S = 5.0
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
        # Read now: the closing consumer drops its requests long before they end.
        running = step_requests()
        timer = threading.Timer(runtime().settings.worker_grace_s, stop_running, [running])
        timer.daemon = True
        timer.start()


def stop_running(running: list[Any]) -> None:
    """Kill the steps that still run, unlock their tasks once the children are dead, and end the process."""
    pool = _worker.pool._pool
    if pool is None:
        # Every child has ended, and this process is about to end.
        return
    # A step that ended in time has no locked task, or a failed one whose lock is the pause before its retry.
    running = [request for request in running if not has_ended(request)]
    log.warning("grace period expired: %d running steps are stopped and unlocked", len(running))
    grace_expired.set()
    children = [process.pid for process in pool._pool]
    for pid in children:
        _kill(pid)
    deadline = time.monotonic() + DEATH_S
    while any(_is_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    engine = Engine.from_settings(runtime().settings)
    # From here on this process may use the database: it forks no child that would inherit a lock of the connection.
    events = EventStore(Database.from_settings(runtime().settings, pool_size=1))
    for request in running:
        log_context.begin(task_id=request.id, task=request.task.name)
        body = current_step(request.id, request.args[0])
        log_context.bind_step(body)
        # A child that is still alive could complete the task after another worker has fetched it.
        if request.worker_pid is None or not _is_alive(request.worker_pid):
            _note_released(events, body)
            unlock_task(engine, body, GRACE_EXPIRED)
    log_context.begin()
    _send_revoked(running)
    logging.shutdown()
    os._exit(0)


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
    job = None if request._apply_result is None else request._apply_result()
    return request._apply_result is not None and (job is None or job.ready())


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
