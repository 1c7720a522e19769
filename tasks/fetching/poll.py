"""Beat's poll: every topic in one fetch, oldest first. The net under following: timers, retries, dead workers."""

from __future__ import annotations

import logging

from camunda_bridge.errors import BridgeError
from store.database import DatabaseAway
from tasks import app
from tasks.beat.ticks import is_first_tick
from tasks.broker.start_throttle import close_gate, open_gate
from tasks.broker.worker_capacity import gauge
from tasks.fetching.follow import Followed, fetch
from tasks.processes import registry
from tasks.runtime import runtime
from tasks.topics.controls import refresh

log = logging.getLogger(__name__)


@app.task(name="poll")
def poll() -> None:
    """Fetch what is ready, as far as there is room for it."""
    settings = runtime().settings
    if not is_first_tick("poll", settings.poll_interval_ms):
        return
    topics = registry.topics()
    if not topics:
        return
    try:
        # A step cannot begin without its row, so nothing is fetched while the database is away.
        running = runtime().processes.count_running()
        refresh()
    except DatabaseAway as error:
        log.warning("nothing fetched: database is away: %s", error)
        return
    room = gauge().read(fresh=True)
    wanted = min(room.free, settings.poll_max_tasks)
    # Without room nothing is fetched. Whether starts may be read is found out all the same.
    followed = fetch(topics, max_tasks=wanted) if wanted > 0 else Followed(0, asked=False)
    if not (_engine_answers() if followed.answered is None else followed.answered):
        close_gate("engine is away")
    elif running >= settings.max_running:
        close_gate(f"{running} instances run, MAX_RUNNING is {settings.max_running}")
    else:
        open_gate()
    if wanted <= 0 or followed.enqueued >= wanted:
        gauge().mark_backlog()
    elif followed.asked and room.backlog:
        gauge().clear_backlog()


def _engine_answers() -> bool:
    """True when the engine is there that was asked for no tasks: without room, or with every topic paused."""
    try:
        runtime().engine.version()
    except BridgeError as error:
        log.info("engine does not answer: %s", error)
        return False
    return True
