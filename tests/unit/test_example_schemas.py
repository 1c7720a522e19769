"""The start schemas of the examples; the steps of `onboard-user` have tests of their own."""

from __future__ import annotations

from typing import Any

import pytest

from processes.loan_approval.steps import process as loan
from processes.order_fulfilment.steps import process as order


@pytest.mark.parametrize("process", [loan, order], ids=lambda process: process.key)
def test_example_is_a_valid_start(process: Any) -> None:
    assert process.start_schema.validate(process.example) == {}


def test_whole_number_may_be_written_with_a_point() -> None:
    loaded: dict[str, Any] = loan.start_schema.load({**loan.example, "termMonths": 48.0})  # type: ignore[union-attr]
    assert (loaded["termMonths"], type(loaded["termMonths"])) == (48, int)


@pytest.mark.parametrize(
    ("process", "name", "value"),
    [
        (loan, "amount", 499),
        (loan, "amount", "12000"),
        (loan, "amount", True),
        (loan, "amount", 12_000.5),
        (loan, "termMonths", 121),
        (loan, "monthlyIncome", 0),
        (loan, "iban", "GB33 BUKB 2020 1555 5555 55"),
        (loan, "iban", "GB33BUKB20201555555555\n"),
        (loan, "surplus", 1),
        (order, "items", []),
        (order, "items", [{"sku": "cup", "quantity": 0}]),
        (order, "items", [{"sku": "cup", "quantity": 1, "surplus": 1}]),
        (order, "amountCents", 59.5),
        (order, "currency", "XXX"),
        (order, "address", ""),
    ],
)
def test_wrong_variables_of_a_start_are_named(process: Any, name: str, value: Any) -> None:
    assert list(process.start_schema.validate({**process.example, name: value})) == [name]
