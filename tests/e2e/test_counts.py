"""What one process costs in counted things, which do not depend on the machine's mood.

The bounds are what five empty steps cost today, and a little for what happens by chance (a confirmation that found no
next message to ride on, a renewed count of room). More than that is a change of the way of a step.
"""

from __future__ import annotations

import pytest

from bench.counts import Counts, count


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Counts:
    return count(engine_url, tmp_path_factory.mktemp("counts"), processes=40)


def test_engine_is_asked_twice_a_step_and_twice_at_the_start(counts: Counts) -> None:
    # Start and fetch; five times complete; four times fetch: the response step is the last one.
    assert 11 <= counts.engine_calls <= 11.5, counts.engine_detail


def test_each_step_and_the_start_are_one_message(counts: Counts) -> None:
    assert 6 <= counts.celery_messages <= 6.5, counts.redis_detail


def test_redis_commands_of_a_process_are_few(counts: Counts) -> None:
    assert counts.redis_commands <= 32, counts.redis_detail


def test_a_step_takes_two_transactions(counts: Counts) -> None:
    # Accept, claim, record the instance; begin and outcome of five steps; settle.
    assert 14 <= counts.transactions <= 14.5, counts.sql_detail
    assert counts.sql_statements <= 40, counts.sql_detail
