"""A worker reads its queues in order, so that running work ends before new work begins."""

from __future__ import annotations

import pytest
from kombu.transport.redis import Channel
from kombu.utils.scheduling import cycle_by_name

from tasks.broker.queue_order import UnderWayFirst
from tasks.broker.start_priority import HIGHEST, LOWEST, STARTS_LISTS, list_of

ALL = ["starts", "steps.b", "polls", "steps.a", "settling"]


def test_running_work_comes_before_new_work() -> None:
    order = UnderWayFirst(ALL).consume(10)
    assert set(order[:2]) == {"settling", "polls"}
    assert order[2:] == ["steps.a", "steps.b", *STARTS_LISTS]


def test_starts_are_read_by_priority() -> None:
    assert STARTS_LISTS[0] == list_of(HIGHEST)
    assert STARTS_LISTS[HIGHEST] == list_of(0) == "starts"
    assert STARTS_LISTS[-1] == list_of(LOWEST)
    assert len(set(STARTS_LISTS)) == HIGHEST - LOWEST + 1


@pytest.mark.parametrize(("priority", "nearest"), [(HIGHEST + 1, HIGHEST), (1_000, HIGHEST), (LOWEST - 1, LOWEST)])
def test_start_whose_priority_is_beyond_the_bounds_is_in_a_list_that_is_read(priority: int, nearest: int) -> None:
    assert list_of(priority) == list_of(nearest)


def test_processes_take_turns() -> None:
    cycle = UnderWayFirst([*ALL, "steps.c"])
    seen = []
    for _ in range(4):
        first = cycle.consume(10)[2]
        seen.append(first)
        cycle.rotate(first)
    assert seen == ["steps.a", "steps.b", "steps.c", "steps.a"]


@pytest.mark.parametrize("queue", ["starts", "settling", "polls", "unknown"])
def test_other_queues_keep_their_place(queue: str) -> None:
    cycle = UnderWayFirst(ALL)
    before = cycle.consume(10)
    cycle.rotate(queue)
    assert cycle.consume(10) == before


def test_worker_without_starts_reads_no_list_of_them() -> None:
    assert UnderWayFirst(["steps.a", "polls"]).consume(10) == ["polls", "steps.a"]
    assert UnderWayFirst().consume(3) == []


def test_queues_can_be_exchanged() -> None:
    cycle = UnderWayFirst(ALL)
    cycle.update(["steps.z", "starts"])
    assert cycle.consume(10) == ["steps.z", *STARTS_LISTS]


def test_steps_queue_that_has_gone_can_be_rotated() -> None:
    cycle = UnderWayFirst(ALL)
    cycle.update(["starts"])
    cycle.rotate("steps.a")
    assert cycle.consume(10) == list(STARTS_LISTS)


def test_kombu_finds_the_strategy_by_the_name_that_celery_is_given() -> None:
    import celeryconfig

    name = celeryconfig.broker_transport_options["queue_order_strategy"]
    assert cycle_by_name(name) is UnderWayFirst
    assert "queue_order_strategy" in Channel.from_transport_options


def test_lists_of_starts_are_those_that_kombu_flower_and_purge_know() -> None:
    import celeryconfig

    class Known(Channel):
        """A channel without a connection."""

        def __init__(self) -> None:
            self.priority_steps = celeryconfig.broker_transport_options["priority_steps"]

    channel = Known()
    assert {channel._q_for_pri("starts", priority) for priority in channel.priority_steps} == set(STARTS_LISTS)
    # Celery's own messages have no priority.
    assert channel._q_for_pri("polls", 0) == "polls"
    channel.closed = True
