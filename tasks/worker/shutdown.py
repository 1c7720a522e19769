"""The end of a worker at SIGTERM: running steps have WORKER_GRACE_S to end, then they are stopped and unlocked.

Celery's warm shutdown waits without limit; its soft shutdown kills children without a word to anybody. What was not
begun goes back through the broker by kombu itself. A step that is stopped so does not count as an attempt: however many
deployments come while a long step runs, it is no incident.
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
from tasks.broker.inline import present_step
from tasks.fetching.unlock import unlock_task
from tasks.runtime import runtime
from telemetry import log_context

log = logging.getLogger(__name__)

#: seconds that killed children have to be gone
DEATH_S = 5.0
#: why a step was stopped, in its event and in the log
GRACE_IS_OVER = "the worker's grace time is over"

_worker: Any = None

#: set when children are killed to be cut off: their attempts are given back, and have not failed
cutting_off = threading.Event()


def watch(worker: Any) -> None:
    """Remember the worker whose end is to be limited."""
    global _worker
    _worker = worker


def step_requests() -> list[Any]:
    """The requests of steps that this worker has, begun or not. A request's own name is the one that Flower shows."""
    return [request for request in list(state.reserved_requests) if request.task.name == "run_step"]


@worker_shutting_down.connect
def limit_grace(how: str = "", **_: Any) -> None:
    """A warm shutdown has begun: cut it off after the grace time."""
    if how == "Warm":
        # Taken now: the closing consumer forgets its requests long before they end.
        running = step_requests()
        timer = threading.Timer(runtime().settings.worker_grace_s, cut_off, [running])
        timer.daemon = True
        timer.start()


def cut_off(running: list[Any]) -> None:
    """Kill what still runs, give its steps back to the engine once the children are dead, and end the process."""
    pool = _worker.pool._pool
    if pool is None:
        # Every child has ended; this process is about to.
        return
    # One that ended in time has no task to unlock, or one that failed: its lock is the pause before its retry.
    running = [request for request in running if not has_ended(request)]
    log.warning("grace time is over: what still runs is cut off and given back")
    cutting_off.set()
    children = [process.pid for process in pool._pool]
    for pid in children:
        _kill(pid)
    deadline = time.monotonic() + DEATH_S
    while any(_is_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    engine = Engine.from_settings(runtime().settings)
    # No child is forked any more, which would inherit a lock of this process's connection.
    events = EventStore(Database.from_settings(runtime().settings, pool_size=1))
    for request in running:
        log_context.begin(task_id=request.id, task=request.task.name)
        body = present_step(request.id, request.args[0])
        log_context.bind_step(body)
        # A child that lives could still complete the step that another worker has by then.
        if request.worker_pid is None or not _is_alive(request.worker_pid):
            _note_released(events, body)
            unlock_task(engine, body, GRACE_IS_OVER)
    log_context.begin()
    _say_revoked(running)
    logging.shutdown()
    os._exit(0)


def _note_released(events: EventStore, body: dict[str, Any]) -> None:
    """Write down that an attempt was stopped by its worker's end, unless its handler was done."""
    progress = Progress(LOST, result=GRACE_IS_OVER, metadata={RELEASED: True})
    try:
        events.progress(AttemptKey(body["id"], body["token"]), progress, only_from_started=True)
    except (DatabaseUnavailable, KeyError) as error:
        log.warning("%s: stopped attempt stays open in its event: %r", body.get("topic", "a step"), error)


def has_ended(request: Any) -> bool:
    """True when the pool has the result of a request, or the end of its child."""
    # The pool lets go of a job that is done; one that it never had is not.
    job = None if request._apply_result is None else request._apply_result()
    return request._apply_result is not None and (job is None or job.ready())


def _say_revoked(requests: list[Any]) -> None:
    """Tell Flower how these tasks ended: nobody else is left who would, and it would show them as started for ever."""
    try:
        with app.events.default_dispatcher(hostname=_worker.hostname) as dispatcher:
            for request in requests:
                number = int(signal.SIGKILL)
                dispatcher.send("task-revoked", uuid=request.id, terminated=True, signum=number, expired=False)
    except Exception as error:
        # The end of this process does not wait for a broker.
        log.info("cut-off steps are not shown as revoked: %s", error)


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
    # The state stands behind the name in parentheses; a zombie runs no more code.
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
