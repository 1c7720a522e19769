"""A worker reads its queues in order, so that running work ends before new work begins."""

from __future__ import annotations

import pytest
from kombu.transport.redis import Channel
from kombu.utils.scheduling import cycle_by_name

from tasks.broker.queue_order import UnderWayFirst

ALL = ["starts", "steps.b", "polls", "steps.a", "settling"]


def test_running_work_comes_before_new_work() -> None:
    order = UnderWayFirst(ALL).consume(10)
    assert set(order[:2]) == {"settling", "polls"}
    assert order[2:] == ["steps.a", "steps.b", "starts"]


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


def test_only_as_many_as_asked_for_are_given() -> None:
    assert len(UnderWayFirst(ALL).consume(3)) == 3
    assert UnderWayFirst().consume(3) == []


def test_queues_can_be_exchanged() -> None:
    cycle = UnderWayFirst(ALL)
    cycle.update(["steps.z", "starts"])
    assert cycle.consume(10) == ["steps.z", "starts"]


def test_steps_queue_that_has_gone_can_be_rotated() -> None:
    cycle = UnderWayFirst(ALL)
    cycle.update(["starts"])
    cycle.rotate("steps.a")
    assert cycle.consume(10) == ["starts"]


def test_kombu_finds_the_strategy_by_the_name_that_celery_is_given() -> None:
    import celeryconfig

    name = celeryconfig.broker_transport_options["queue_order_strategy"]
    assert cycle_by_name(name) is UnderWayFirst
    assert "queue_order_strategy" in Channel.from_transport_options
