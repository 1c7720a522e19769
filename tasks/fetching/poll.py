"""Beat's poll: fetch all topics, oldest task first. It finds what no follow finds: timers, retries, lost locks."""

from __future__ import annotations

import logging

from camunda_bridge.errors import BridgeError
from store.errors import DatabaseUnavailable
from tasks import app
from tasks.beat.ticks import is_first_tick
from tasks.broker.start_throttle import pause_starts, resume_starts
from tasks.broker.worker_capacity import worker_capacity
from tasks.fetching.fetch import Fetched, fetch
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.topics.controls import controls_of, refresh

log = logging.getLogger(__name__)


@app.task(name="poll", send_events=False)
def poll() -> None:
    """Fetch ready tasks for the free slots; pause or resume the starts queue."""
    settings = runtime().settings
    if not is_first_tick("poll", settings.poll_interval_ms):
        return
    topics = registry.topics()
    try:
        # A step cannot begin without its row, so nothing is fetched while the database is unavailable.
        running = runtime().processes.count_running(started_here=True)
        is_maintenance = controls_of(refresh()).maintenance
    except DatabaseUnavailable as error:
        log.warning("nothing fetched: database unavailable: %s", error)
        return
    capacity = worker_capacity().read(fresh=True)
    wanted = min(capacity.free, settings.poll_max_tasks)
    # Without a free slot nothing is fetched. Whether starts may be consumed is decided all the same.
    fetched = fetch(topics, max_tasks=wanted) if topics and wanted > 0 else Fetched(0, covers_all=False)
    if is_maintenance:
        pause_starts("maintenance")
    elif not (_engine_answers() if fetched.engine_answered is None else fetched.engine_answered):
        pause_starts("the engine is unavailable")
    elif running >= settings.max_running:
        pause_starts(f"{running} instances run, MAX_RUNNING is {settings.max_running}")
    else:
        resume_starts()
    if wanted <= 0 or fetched.enqueued >= wanted:
        worker_capacity().mark_backlog()
    elif fetched.covers_all and capacity.backlog:
        worker_capacity().clear_backlog()


def _engine_answers() -> bool:
    """True when the engine answers, after a poll without a fetch: no slot is free, or every topic is paused."""
    try:
        runtime().engine.version()
    except BridgeError as error:
        log.info("nothing fetched: %s", error)
        return False
    return True
