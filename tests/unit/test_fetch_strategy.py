"""The fetch strategy for the next steps of a process is chosen by how long each strategy took lately."""

from __future__ import annotations

import pytest

from tasks.fetching.strategy import TRY_AGAIN, FetchStrategy, StrategyPicker

#: seconds
WORTH_S = 0.012


def picks(picker: StrategyPicker, number: int) -> list[FetchStrategy]:
    return [picker.pick(slow_s=WORTH_S) for _ in range(number)]


def test_quick_fetches_are_never_left() -> None:
    picker = StrategyPicker()
    for _ in range(3):
        picker.note(FetchStrategy.BY_KEY, WORTH_S * 0.9)

    assert set(picks(picker, 3 * TRY_AGAIN)) == {FetchStrategy.BY_KEY}


def test_slow_fetches_are_replaced_by_the_quicker_strategy_and_tried_again_at_intervals() -> None:
    picker = StrategyPicker()
    picker.note(FetchStrategy.BY_KEY, WORTH_S * 4)
    assert picker.pick(slow_s=WORTH_S) is FetchStrategy.BY_INSTANCE
    picker.note(FetchStrategy.BY_INSTANCE, WORTH_S)

    picked = picks(picker, 2 * TRY_AGAIN)

    assert picked.count(FetchStrategy.BY_KEY) == 2
    assert picked.count(FetchStrategy.BY_INSTANCE) == 2 * TRY_AGAIN - 2


def test_slow_fetches_are_kept_where_listing_is_slower_still() -> None:
    picker = StrategyPicker()
    picker.note(FetchStrategy.BY_KEY, WORTH_S * 2)
    picker.note(FetchStrategy.BY_INSTANCE, WORTH_S * 5)

    picked = picks(picker, 2 * TRY_AGAIN)

    assert picked.count(FetchStrategy.BY_INSTANCE) == 2


def test_fetches_that_are_quick_again_are_taken_again() -> None:
    picker = StrategyPicker()
    picker.note(FetchStrategy.BY_KEY, WORTH_S * 4)
    picker.note(FetchStrategy.BY_INSTANCE, WORTH_S)
    for _ in range(12):
        picker.note(FetchStrategy.BY_KEY, WORTH_S / 10)

    assert set(picks(picker, TRY_AGAIN)) == {FetchStrategy.BY_KEY}


def test_failed_strategy_leaves_no_measurement() -> None:
    picker = StrategyPicker()
    with pytest.raises(OSError, match="away"), picker.timing(FetchStrategy.BY_KEY):
        raise OSError("away")

    assert not picker._average_s
