"""Retry strategies: the number of attempts, the pauses, and errors that are final."""

from __future__ import annotations

from typing import Any

import pytest

from camunda_bridge.context import StepContext
from camunda_bridge.definition import define_process
from camunda_bridge.errors import DefinitionError
from camunda_bridge.executor import Failed, execute
from camunda_bridge.retry import ExponentialBackoff, NoRetry, RetryStrategy

CONTEXT = StepContext("c", "t", "i", "charge", 1, "k")


class Fixed(RetryStrategy):
    """Pauses of ten seconds; a PermissionError is final."""

    retries = 4

    def pause_s(self, failures: int) -> float:
        return 10.0 * failures

    def is_final(self, error: Exception) -> bool:
        return isinstance(error, PermissionError)


def pauses(strategy: RetryStrategy, number: int) -> list[float]:
    return [strategy.pause_s(failures) for failures in range(1, number + 1)]


def test_pause_doubles_up_to_the_longest() -> None:
    assert pauses(ExponentialBackoff(base_s=2, max_s=10, jitter=0), 4) == [2, 4, 8, 10]
    assert ExponentialBackoff(jitter=0).pause_s(10_000) == 3_600


def test_jitter_is_a_share_of_the_pause() -> None:
    found = {ExponentialBackoff(base_s=100, jitter=0.25).pause_s(1) for _ in range(200)}
    assert 75 <= min(found) < 90 < 110 < max(found) <= 125


def test_engine_counts_the_retries_and_ops_may_set_them() -> None:
    strategy = ExponentialBackoff(retries=3)
    assert [strategy.retries_left(before) for before in (None, 3, 1, 0)] == [3, 2, 0, 0]
    assert Fixed().pause_ms(4) == 10_000
    assert Fixed().pause_ms(1) == 40_000
    # more than the step has, because ops set more
    assert Fixed().pause_ms(9) == 10_000
    assert Fixed().pause_ms(0) == 0


def test_step_has_the_strategy_that_it_declares() -> None:
    process = define_process("order")
    process.step("charge", retry_strategy=Fixed())(lambda given: {})
    process.step("ship", retries=1, retry_base_s=5)(lambda given: {})
    process.step("book", retry_strategy=NoRetry())(lambda given: {})
    steps = process.steps
    assert (steps["order.charge"].retries, steps["order.book"].retries) == (4, 0)
    assert steps["order.ship"].retry_strategy == ExponentialBackoff(retries=1, base_s=5)


@pytest.mark.parametrize("beside", [{"retries": 1}, {"retry_base_s": 2.0}])
def test_strategy_beside_its_numbers_is_refused(beside: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"'charge': give either retry_strategy, or retries and retry_base_s"):
        define_process("order").step("charge", retry_strategy=Fixed(), **beside)


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"base_s": -1}, {"max_s": -1}, {"jitter": 1.5}])
def test_strategy_with_a_number_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"must"):
        ExponentialBackoff(**wrong)


@pytest.mark.parametrize(("error", "is_final"), [(PermissionError("no"), True), (ValueError("no"), False)])
def test_strategy_decides_which_errors_are_final(error: Exception, is_final: bool) -> None:
    process = define_process("order")

    @process.step("charge", retry_strategy=Fixed())
    def charge(_given: object) -> None:
        raise error

    outcome = execute(process.steps["order.charge"], {}, CONTEXT).outcome
    assert isinstance(outcome, Failed)
    assert outcome.final is is_final
