"""Which way to a process's next steps is taken, by what each took lately."""

from __future__ import annotations

import pytest

from tasks.fetching.strategy import TRY_AGAIN, Way, Ways

#: seconds
WORTH_S = 0.012


def picks(ways: Ways, number: int) -> list[Way]:
    return [ways.pick(slow_s=WORTH_S) for _ in range(number)]


def test_quick_fetches_are_never_left() -> None:
    ways = Ways()
    for _ in range(3):
        ways.note(Way.BY_KEY, WORTH_S * 0.9)

    assert set(picks(ways, 3 * TRY_AGAIN)) == {Way.BY_KEY}


def test_slow_fetches_are_left_for_what_is_quicker_and_tried_again_now_and_then() -> None:
    ways = Ways()
    ways.note(Way.BY_KEY, WORTH_S * 4)
    assert ways.pick(slow_s=WORTH_S) is Way.BY_INSTANCE
    ways.note(Way.BY_INSTANCE, WORTH_S)

    picked = picks(ways, 2 * TRY_AGAIN)

    assert picked.count(Way.BY_KEY) == 2
    assert picked.count(Way.BY_INSTANCE) == 2 * TRY_AGAIN - 2


def test_slow_fetches_are_kept_where_listing_is_slower_still() -> None:
    ways = Ways()
    ways.note(Way.BY_KEY, WORTH_S * 2)
    ways.note(Way.BY_INSTANCE, WORTH_S * 5)

    picked = picks(ways, 2 * TRY_AGAIN)

    assert picked.count(Way.BY_INSTANCE) == 2


def test_fetches_that_are_quick_again_are_taken_again() -> None:
    ways = Ways()
    ways.note(Way.BY_KEY, WORTH_S * 4)
    ways.note(Way.BY_INSTANCE, WORTH_S)
    for _ in range(12):
        ways.note(Way.BY_KEY, WORTH_S / 10)

    assert set(picks(ways, TRY_AGAIN)) == {Way.BY_KEY}


def test_failed_way_leaves_no_measurement() -> None:
    ways = Ways()
    with pytest.raises(OSError, match="away"), ways.timing(Way.BY_KEY):
        raise OSError("away")

    assert not ways._took_s
