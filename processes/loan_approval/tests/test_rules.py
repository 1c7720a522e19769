"""Tests the decision table at both sides of every bound, and the computation of the instalment."""

from __future__ import annotations

import pytest

from processes.loan_approval import rules


@pytest.mark.parametrize(
    ("score", "share", "amount", "name"),
    [
        (499, 0.01, 500, "low-score"),
        (500, 0.01, 500, "anything-else"),
        (900, 0.51, 500, "high-burden"),
        (900, 0.5, 500, "anything-else"),
        (700, 0.3, 20_000, "small-and-safe"),
        (699, 0.3, 20_000, "anything-else"),
        (700, 0.31, 20_000, "anything-else"),
        (700, 0.3, 20_001, "anything-else"),
        (850, 0.2, 100_000, "excellent"),
        (849, 0.2, 100_000, "anything-else"),
        (850, 0.21, 100_000, "anything-else"),
        # the first rule that fits decides
        (499, 0.9, 500, "low-score"),
        (900, 0.1, 1_000, "small-and-safe"),
    ],
)
def test_first_rule_that_fits_decides(score: int, share: float, amount: int, name: str) -> None:
    assert rules.decide(score, share, amount).name == name


def test_every_rule_can_decide_and_the_last_fits_everything() -> None:
    cases = [(score, share, amount) for score in (400, 720, 900) for share in (0.1, 0.6) for amount in (500, 90_000)]
    assert {rules.decide(*case) for case in [*cases, (600, 0.1, 500)]} == set(rules.TABLE)
    assert rules.TABLE[-1].fits(0, 1.0, 10**9)


@pytest.mark.parametrize(("amount", "months", "paid"), [(12_000, 48, 281.82), (500, 6, 84.80), (100_000, 120, 1110.21)])
def test_instalment_is_an_annuity(amount: int, months: int, paid: float) -> None:
    assert rules.instalment(amount, months) == paid
