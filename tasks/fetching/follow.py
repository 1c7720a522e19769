"""Follow a process: whoever starts an instance or ends one of its steps fetches what comes next and enqueues it.

So no worker competes with another for a task and no fetch comes back empty. Beat's poll finds everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from store.event_rows import AttemptKey
from tasks.broker.worker_capacity import worker_capacity
from tasks.fetching.fetch import Fetched, Scope, fetch
from tasks.fetching.strategy import FetchStrategy, picker
from tasks.processes import registry
from tasks.runtime import runtime

#: no identifier is known to be in the store
NONE_KNOWN: Mapping[str, str] = MappingProxyType({})


def follow(
    process_key: str,
    business_key: str | None,
    *,
    flat_instance: str | None = None,
    confirm: AttemptKey | None = None,
    own_slots: int = 1,
    known: Mapping[str, str] = NONE_KNOWN,
) -> Fetched:
    """Fetch the next steps of one process and enqueue them.

    Args:
        flat_instance: the id of its instance, if that calls no other process and its steps see no variables but its
            own: then its tasks may be listed where a fetch has become slow.
        own_slots: slots that the caller leaves free when it returns (1 for a step, or for a start on a step worker).
        known: identifiers of the process that the store has already.
    """
    allowed = own_slots + worker_capacity().read().free
    topics = registry.family_topics(process_key)
    if not topics:
        return Fetched(0)
    if allowed <= 0:
        worker_capacity().mark_backlog()
        return Fetched(0, covers_all=False)
    if business_key is None:
        # A called process that was given no business key: a fetch cannot be filtered by its instance.
        return fetch(registry.topics(), max_tasks=1, confirm=confirm)
    scope = Scope(business_key=business_key, known=known)
    slow_s = runtime().settings.fetch_slow_ms / 1000
    if flat_instance and picker.pick(slow_s=slow_s) is FetchStrategy.BY_INSTANCE:
        scope = Scope(instance_id=flat_instance, known=known)
    return fetch(topics, max_tasks=allowed, scope=scope, confirm=confirm)


def fetch_from_backlog() -> bool:
    """Fetch the oldest task that waits in the engine for a free slot, for the slot that the caller leaves.

    Whoever starts a process or ends one calls this first, so that no process waits behind newer ones. True if a task
    was fetched.
    """
    if not worker_capacity().read().backlog:
        return False
    fetched = fetch(registry.topics(), max_tasks=1)
    if fetched.covers_all and not fetched.enqueued:
        worker_capacity().clear_backlog()
    return fetched.enqueued > 0
