"""The header `Prefer` (RFC 7240): preferences for the wait, and others that are ignored."""

from __future__ import annotations

import pytest
from flask import Flask

from app.starts.start import Preference, preference
from settings import Settings

CEILING_S = 25.0
SETTINGS = Settings(sync_timeout_ms=int(CEILING_S * 1000))


def preferred(*values: str, default_s: float | None = None) -> Preference:
    with Flask(__name__).test_request_context("/", headers=[("Prefer", value) for value in values]):
        return preference(SETTINGS, default_s=default_s)


@pytest.mark.parametrize(
    "value",
    [
        "wait=10",
        "Wait=10",
        "WAIT = 10",
        " wait=10 ",
        'wait="10"',
        "wait=10; explain=yes",
        "wait=10;a=b;c",
        "return=minimal, wait=10",
        "wait=10, return=minimal",
        "respond-async, wait=10",
        "wait=10,respond-async",
        'foo="a, b", wait=10',
        "wait=10, wait=20",
        ",, wait=10,",
    ],
)
def test_wait_is_understood_in_every_form(value: str) -> None:
    assert preferred(value) == Preference(10.0, "wait=10")


def test_preferences_of_several_headers_count_together() -> None:
    assert preferred("return=minimal", "wait=10") == Preference(10.0, "wait=10")


@pytest.mark.parametrize(
    "value", ["respond-async", "Respond-Async", "respond-async; x=y", "return=minimal, respond-async", "wait=x, respond-async"]
)  # fmt: skip
def test_respond_async_is_understood_in_every_form(value: str) -> None:
    assert preferred(value) == Preference(0.0, "respond-async")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "wait",
        "wait=",
        "wait=-1",
        "wait=1.5",
        "wait=1e3",
        "wait=ten",
        "wait=5s",
        "wait=5 6",
        "wait=0x10",
        "wait=1_000",
        "wait=" + "9" * 10,
        "wait=" + "9" * 5_000,
        "waiting=5",
        "await=5",
        "x-wait=5",
        "foo; wait=5",
        'foo="bar, wait=5"',
        'foo="bar, respond-async"',
        "foo; respond-async",
        "not-respond-async",
        "respond-asynchronously",
        "wait:5",
        '"',
        "=",
        "²",
        "wait=²",
        "wait\t5",
    ],
)
def test_other_preferences_are_ignored(value: str) -> None:
    assert preferred(value) == Preference(CEILING_S, None)
    assert preferred(value, default_s=0) == Preference(0, None)


def test_wait_of_nothing_is_no_wait() -> None:
    assert preferred("wait=0") == Preference(0.0, "wait=0")


def test_wait_up_to_the_ceiling_is_applied_and_a_longer_one_cut() -> None:
    assert preferred("wait=25") == Preference(CEILING_S, "wait=25")
    assert preferred("wait=26") == Preference(CEILING_S, None)
    assert preferred("wait=999999999") == Preference(CEILING_S, None)


def test_without_a_preference_the_default_holds() -> None:
    assert preferred() == Preference(CEILING_S, None)
    assert preferred(default_s=0) == Preference(0, None)
    assert preferred("wait=3", default_s=0) == Preference(3.0, "wait=3")


def test_hostile_header_costs_no_time() -> None:
    assert preferred('"' * 8_000) == Preference(CEILING_S, None)
    assert preferred('a="\\' * 2_000) == Preference(CEILING_S, None)
    assert preferred('",' * 4_000) == Preference(CEILING_S, None)
