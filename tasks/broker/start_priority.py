"""The priorities of starts, and the Redis list of each.

All are one Celery queue, `starts`: its messages of priority 0 are in the list of that name, those of another priority
in a list of kombu's form for priorities. Redis keeps no empty list, so a priority that no start has costs no key. But a
worker names every list in each read, so the bounds are narrow: `docs/design/decisions.md` has what they cost.
"""

from __future__ import annotations

from typing import Any

#: the Celery queue
STARTS_QUEUE = "starts"
#: bounds of the priority of a start; the default is 0
LOWEST, HIGHEST = -5, 5
#: what kombu's Redis transport writes between a queue and a priority (`Channel.sep`)
_SEPARATOR = "\x06\x16"


def list_of(priority: int) -> str:
    """The Redis list of the starts of this priority.

    A priority beyond the bounds, which another version may have, counts as the nearest one.
    """
    nearest = min(max(priority, LOWEST), HIGHEST)
    return f"{STARTS_QUEUE}{_SEPARATOR}{nearest}" if nearest else STARTS_QUEUE


#: the lists in the order in which they are read: highest priority first
STARTS_LISTS = tuple(list_of(priority) for priority in range(HIGHEST, LOWEST - 1, -1))


def priority_of(request: Any) -> int:
    """The priority of the start that runs as this Celery task, from the properties of its message."""
    return int((request.delivery_info or {}).get("priority") or 0)
