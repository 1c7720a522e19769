"""The forms of a handler: what it gets of the input, converted by its types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypedDict

import pytest
from marshmallow import Schema, fields

from camunda_bridge.context import StepContext
from camunda_bridge.definition import define_process
from camunda_bridge.errors import DefinitionError
from camunda_bridge.executor import BusinessError, Completed, Outcome, execute

CONTEXT = StepContext("c", "t", "i", "charge", 1, "k")


class Card(Enum):
    """A kind of card."""

    VISA = "visa"
    AMEX = "amex"


@dataclass
class Item:
    """One line of an order."""

    sku: str
    amount: int = 1


@dataclass
class Order:
    """An order."""

    id: str
    items: list[Item]
    card: Card | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Given(TypedDict):
    """An input by its keys."""

    amount: int


class AmountSchema(Schema):
    """An input schema."""

    amount = fields.Integer(required=True)


def outcome(handler: Callable[..., Any], given: dict[str, Any], **options: Any) -> Outcome:
    process = define_process("order")
    process.step("charge", **options)(handler)
    (step,) = process.steps.values()
    return execute(step, given, CONTEXT).outcome


def got(handler: Callable[..., Any], given: dict[str, Any], **options: Any) -> Any:
    """What the handler was called with: it returns that in `got`."""
    seen: list[Any] = []

    def noting(*given: Any, **named: Any) -> None:
        seen.append((given, named))

    # the signature of the handler, noted
    noting.__signature__ = __import__("inspect").signature(handler)  # type: ignore[attr-defined]
    noting.__annotations__ = handler.__annotations__
    found = outcome(noting, given, **options)
    assert isinstance(found, Completed), found
    ((positional, named),) = seen
    assert positional == ()
    return named


def test_one_parameter_gets_the_whole_input() -> None:
    def untyped(order): ...  # type: ignore[no-untyped-def]
    def typed(order: dict[str, Any]) -> None: ...
    def mapping(order: Mapping[str, Any]) -> None: ...
    def by_keys(order: Given) -> None: ...

    for handler in (untyped, typed, mapping, by_keys):
        assert got(handler, {"amount": "7", "x": 1}) == {"order": {"amount": "7", "x": 1}}


def test_second_parameter_gets_the_context() -> None:
    def untyped(order, other): ...  # type: ignore[no-untyped-def]
    def typed(order: dict[str, Any], other: StepContext) -> None: ...

    for handler in (untyped, typed):
        assert got(handler, {"a": 1}) == {"order": {"a": 1}, "other": CONTEXT}

    def with_schema(order: Order, other): ...  # type: ignore[no-untyped-def]

    assert got(with_schema, {"amount": "7"}, input_schema=AmountSchema) == {"order": {"amount": 7}, "other": CONTEXT}


def test_handler_without_parameters_is_called_without_any() -> None:
    assert outcome(lambda: {"done": True}, {"a": 1}) == Completed(
        {"done": {"value": True, "type": "Boolean"}}, {"done": True}
    )


def test_named_parameters_are_converted_by_their_types() -> None:
    def charge(
        amount: int, price: Decimal, due: date, card: Card, kind: Literal["a", "b"], note: str | None, tags: list[str]
    ) -> None: ...

    given = {"amount": "7", "price": "1.50", "due": "2026-11-27", "card": "visa", "kind": "b", "note": None}
    assert got(charge, {**given, "tags": ["x"], "other": 1}) == {
        "amount": 7,
        "price": Decimal("1.50"),
        "due": date(2026, 11, 27),
        "card": Card.VISA,
        "kind": "b",
        "note": None,
        "tags": ["x"],
    }


def test_parameter_with_a_default_need_not_be_given_and_the_context_may_stand_anywhere() -> None:
    def charge(context: StepContext, amount: int, currency: str = "EUR") -> None: ...

    assert got(charge, {"amount": 1}) == {"amount": 1, "currency": "EUR", "context": CONTEXT}


def test_dataclass_is_made_of_the_variables_of_its_fields() -> None:
    def ship(order: Order, context: StepContext) -> None: ...

    named = got(ship, {"id": "o-1", "items": [{"sku": "s", "amount": "2", "x": 1}, {"sku": "t"}], "x": 1})
    assert named == {"order": Order("o-1", [Item("s", 2), Item("t", 1)], None, {}), "context": CONTEXT}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [({}, {"amount"}), ({"amount": "seven"}, {"amount"}), ({"amount": 1, "currency": 5}, {"currency"})],
)
def test_variable_that_does_not_fit_is_a_validation_error_that_names_it(given: dict[str, Any], wrong: set[str]) -> None:
    def charge(amount: int, currency: str = "EUR") -> None: ...

    found = outcome(charge, given)
    assert isinstance(found, BusinessError)
    assert found.code == "VALIDATION_ERROR"
    assert set(found.details["errors"]) == wrong


def test_date_variable_of_the_engine_is_a_datetime() -> None:
    moment = datetime(2026, 11, 27, 12, tzinfo=UTC)

    def charge(due: datetime, note: str = "") -> None: ...

    assert got(charge, {"due": moment.isoformat()})["due"] == moment
    assert got(charge, {"due": moment})["due"] == moment


def test_only_the_variables_that_are_named_are_fetched() -> None:
    process = define_process("order", identifiers=())

    @process.step("charge")
    def charge(amount: int, currency: str) -> None: ...

    topic = process.topic(process.steps["order.charge"])
    assert topic.variables is not None
    assert set(topic.variables) >= {"amount", "currency"}


def test_signature_that_fits_no_form_is_refused_by_name() -> None:
    process = define_process("order")

    def mixed(amount: int, other) -> None: ...  # type: ignore[no-untyped-def]
    def strange(amount: complex) -> None: ...
    def twice(amount: int, currency: str) -> None: ...

    with pytest.raises(DefinitionError, match=r"mixed'.*annotate the parameter 'other'"):
        process.step("a")(mixed)
    with pytest.raises(DefinitionError, match=r"strange'.*no variable has the type of 'amount'"):
        process.step("b")(strange)
    with pytest.raises(DefinitionError, match="either an input schema, or named parameters"):
        process.step("c", input_schema=AmountSchema)(twice)
    assert process.steps == {}


def test_wrapper_that_passes_everything_on_gets_input_and_context() -> None:
    seen: list[Any] = []

    def wrapper(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))

    outcome(wrapper, {"a": 1})
    assert seen == [(({"a": 1}, CONTEXT), {})]
