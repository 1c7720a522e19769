"""The decision table of `loan-approval`: the first rule that fits decides.

It corresponds to a DMN table with hit policy FIRST. As data in Python, a test can check each rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["approve", "review", "decline"]

#: yearly interest rate
YEARLY_RATE = 0.06


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table; a bound that is None always fits.

    Attributes:
        name: name of the rule, for the event log and the client.
        score_below, score_from: bounds of the credit score, which is 0 to 1,000.
        share_above, share_to: bounds of the instalment, as a share of the monthly income.
        amount_to: upper bound of the amount.
    """

    name: str
    decision: Decision
    reason: str
    score_below: int | None = None
    score_from: int | None = None
    share_above: float | None = None
    share_to: float | None = None
    amount_to: int | None = None

    def fits(self, score: int, share: float, amount: int) -> bool:
        """True when the values are within all bounds."""
        return (
            (self.score_below is None or score < self.score_below)
            and (self.score_from is None or score >= self.score_from)
            and (self.share_above is None or share > self.share_above)
            and (self.share_to is None or share <= self.share_to)
            and (self.amount_to is None or amount <= self.amount_to)
        )


TABLE = (
    Rule("low-score", "decline", "the credit score is too low", score_below=500),
    Rule("high-burden", "decline", "the instalment is too high for the income", share_above=0.5),
    Rule("small-and-safe", "approve", "good score, small amount", score_from=700, share_to=0.3, amount_to=20_000),
    Rule("excellent", "approve", "excellent score", score_from=850, share_to=0.2),
    Rule("anything-else", "review", "a loan officer must decide"),
)


def instalment(amount: int, months: int) -> float:
    """The monthly instalment with interest (an annuity), rounded to two decimals."""
    rate = YEARLY_RATE / 12
    return round(float(amount * rate / (1 - (1 + rate) ** -months)), 2)


def decide(score: int, share: float, amount: int) -> Rule:
    """The first rule that fits; the last rule always fits."""
    return next(rule for rule in TABLE if rule.fits(score, share, amount))
