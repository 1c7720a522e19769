"""Redaction: the values that are hidden in documents and texts, and those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.logs.redaction import REDACTED, Redactor, names_of, redactor, shown_error, shown_text, values_at_hand


@pytest.fixture
def this() -> Redactor:
    return Redactor(names_of([]))


@pytest.mark.parametrize(
    "name",
    ["password", "PASSWORD", "customerPassword", "X-Api-Key", "api_key", "ACCESS_TOKEN", "Authorization", "iban"],
)
def test_value_of_a_secret_name_is_hidden(this: Redactor, name: str) -> None:
    assert this.redact({name: "v"}) == {name: REDACTED}


@pytest.mark.parametrize("name", ["userId", "tokenCount", "passwordless", "email", ""])
def test_value_of_another_name_is_shown(this: Redactor, name: str) -> None:
    assert this.redact({name: "v"}) == {name: "v"}


def test_nested_values_are_hidden_and_the_given_stays_as_it_is(this: Redactor) -> None:
    given = {"a": [{"secret": {"x": 1}}, "s"], "b": {"c": {"token": "t"}}, "none": {"token": None}}
    assert this.redact(given) == {
        "a": [{"secret": REDACTED}, "s"],
        "b": {"c": {"token": REDACTED}},
        "none": {"token": None},
    }
    assert given["b"] == {"c": {"token": "t"}}


def test_document_without_secrets_is_the_very_same_object(this: Redactor) -> None:
    given = {"a": [1, {"b": "c"}]}
    assert this.redact(given) is given


def test_value_that_is_nested_without_end_does_not_break_it(this: Redactor) -> None:
    deep: Any = {"password": "p"}
    for _ in range(5_000):
        deep = {"a": deep}
    assert "'p'" not in str(this.redact(deep))


def test_configured_names_are_added_and_taken_away() -> None:
    this = Redactor(names_of(["loyalty-number", "-iban"]))
    assert this.redact({"loyaltyNumber": 1, "iban": "DE", "password": "p"}) == {
        "loyaltyNumber": REDACTED,
        "iban": "DE",
        "password": REDACTED,
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login with password=hunter2, failed", "login with password=[redacted], failed"),
        ('{"token": "a b", "n": 1}', '{"token": "[redacted]", "n": 1}'),
        ("{'apiKey': 'k'}", "{'apiKey': '[redacted]'}"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"),
        ('cut off: "password": "hunt', 'cut off: "password": "[redacted]"'),
        ("redis://:pw@host/0 is away", "redis://[redacted]@host/0 is away"),
        ("3 tokens were given", "3 tokens were given"),
    ],
)
def test_secrets_in_text_are_hidden(this: Redactor, text: str, shown: str) -> None:
    assert this.redact_text(text) == shown


def test_no_text_contains_a_hidden_value() -> None:
    values = {"password": "hunter22", "user": {"pins": ["x"], "secret": {"answer": "Fido4711"}}, "name": "ada"}
    text = "KeyError: 'hunter22' of ada, who says Fido4711"
    assert shown_text(text, values) == f"KeyError: '{REDACTED}' of ada, who says {REDACTED}"
    with values_at_hand(values):
        assert shown_text(text) == f"KeyError: '{REDACTED}' of ada, who says {REDACTED}"
        assert shown_error({"message": text, "token": "t"})["message"].count(REDACTED) == 2
    assert shown_text(text) == text


def test_long_text_takes_no_longer_than_its_length(this: Redactor) -> None:
    # This would take minutes if each position were searched to the end of the text.
    assert this.redact_text("x" * 200_000 + ": password=p").endswith(f"password={REDACTED}")


def test_names_of_this_process_are_the_defaults() -> None:
    assert redactor().hides("clientSecret")
