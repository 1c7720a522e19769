"""Tasks that the limit of their topic has held back: the step that ends fetches the next one."""

from __future__ import annotations

import logging

from camunda_bridge.errors import BridgeError
from tasks.broker.worker_capacity import worker_capacity
from tasks.fetching.fetch import fetch
from tasks.processes import registry
from tasks.topics import leases

log = logging.getLogger(__name__)


def fetch_held_back(topic: str) -> None:
    """Fetch one task of a topic whose limit has held tasks back, if a slot is free. Otherwise the poll does it."""
    found = registry.find(topic)
    if found is None or worker_capacity().read().free <= 0:
        return
    process, step = found
    try:
        fetched = fetch([process.topic(step)], max_tasks=1)
    except BridgeError as error:
        log.warning("next task of %s left to the poll: %s", topic, error)
        return
    if fetched.covers_all and not fetched.enqueued and not fetched.held_back:
        leases.clear_held_back(topic)
