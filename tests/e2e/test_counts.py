"""Counts of the calls of one process, which do not depend on the speed of the machine.

The limits are the present counts of five empty steps, and a little more for chance (a confirmation without a next
message, a renewed count of free slots). A higher count means that the code of a step makes more calls.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.counts import Counts, count


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Counts:
    return count(engine_url, tmp_path_factory.mktemp("counts"), processes=40)


def test_engine_is_asked_twice_a_step_and_twice_at_the_start(counts: Counts) -> None:
    # start and fetch; five times complete; four times fetch, because nothing follows the response step
    assert 11 <= counts.engine_calls <= 11.5, counts.engine_detail


def test_each_step_and_the_start_are_one_message(counts: Counts) -> None:
    assert 6 <= counts.celery_messages <= 6.5, counts.redis_detail


def test_redis_commands_of_a_process_are_few(counts: Counts) -> None:
    assert counts.redis_commands <= 32, counts.redis_detail


def test_a_step_takes_three_statements_of_which_two_are_a_transaction(counts: Counts) -> None:
    # four times: begin a step and close the one before it; once: close the last one and settle
    assert 5 <= counts.transactions <= 5.5, counts.sql_detail
    # and single statements: accept, claim, read, record the instance; begin the first step; five outcomes
    assert 20 <= counts.sql_statements <= 22, counts.sql_detail


def test_with_inline_steps_a_process_takes_two_messages_and_all_other_counts_stay(
    counts: Counts, tmp_path: Path, engine_url: str
) -> None:
    in_place = count(engine_url, tmp_path, processes=40, settings={"STEPS_IN_PLACE_MS": 10_000})

    # the start and the first step
    assert 2 <= in_place.celery_messages <= 2.5, in_place.redis_detail
    assert in_place.redis_commands <= 32, in_place.redis_detail
    assert 11 <= in_place.engine_calls <= 11.5, in_place.engine_detail
    assert 5 <= in_place.transactions <= 5.5, in_place.sql_detail
    assert in_place.sql_statements <= counts.sql_statements + 0.5, in_place.sql_detail
