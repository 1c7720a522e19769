"""The JSON form of any value is JSON by RFC 8259."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, NoReturn
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_bridge.json_form import MAX_DEPTH, json_form, parse_json, rfc3339
from camunda_bridge.variables import File, Raw, from_engine, to_document


def strictly(value: Any) -> Any:
    """`value` written by a strict writer and read by a strict parser."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON")

    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return json.loads(text.encode("utf-8"), parse_constant=refuse)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (math.nan, "NaN"),
        ([math.inf, {"x": -math.inf}], ["Infinity", {"x": "-Infinity"}]),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 6_789, tzinfo=timezone(timedelta(hours=1))), "2026-01-02T02:04:05.006Z"),
        (datetime(7, 1, 2), "0007-01-02T00:00:00.000Z"),  # noqa: DTZ001
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "0001-01-01T00:00:00.000+01:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (b"abc", "YWJj"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        ((1, {2}), [1, [2]]),
        (MappingProxyType({"a": MappingProxyType({})}), {"a": {}}),
        ({1: 1, None: 2, False: 3, 1.5: 4, Decimal(2): 5}, {"1": 1, "null": 2, "false": 3, "1.5": 4, "2": 5}),
        ("a\ud800b", "a\ufffdb"),
        ({"\udc00": 1}, {"\ufffd": 1}),
        pytest.param(object(), "[a object, which has no JSON form]", id="object"),
        (File("a.txt"), {"filename": "a.txt", "mimetype": None, "encoding": None}),
        (Raw("Double", "NaN", {}), "NaN"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_form_is_strict_json(value: Any, form: Any) -> None:
    assert strictly(json_form(value)) == form


def test_form_of_what_is_nested_too_deeply_says_so() -> None:
    tower: Any = 1
    for _ in range(MAX_DEPTH + 1):
        tower = [tower]
    assert f"nested more than {MAX_DEPTH} levels" in json.dumps(json_form(tower))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=[]))
    | st.binary()
    | st.datetimes(timezones=st.timezones())
    | st.datetimes()
    | st.dates()
    | st.decimals()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(st.text(st.characters(codec=None, exclude_categories=[])) | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(anything)
def test_form_of_anything_is_strict_json_and_its_own_form(value: Any) -> None:
    form = json_form(value)
    assert strictly(form) == form
    assert json_form(form) == form


@given(anything)
def test_json_of_another_program_is_read_as_strict_json(value: Any) -> None:
    # Python's own writer writes NaN and lone surrogates.
    text = json.dumps(value, default=str)
    document = parse_json(text)
    assert strictly(document) == document


@given(st.sampled_from(["Json", "Date", "Bytes", "File", "Object", "Double", "String", "Xml", "Short"]), anything)
def test_whatever_the_engine_may_say_is_shown_as_strict_json_and_fails_nobody_who_does_not_use_it(
    kind: str, value: Any
) -> None:
    wire = json.loads(json.dumps({"v": {"type": kind, "value": value, "valueInfo": None}}, default=str))
    document, _ = to_document(wire)
    assert strictly(document) == document
    values = from_engine(wire)
    assert list(values) == ["v"]
    shown = json_form(values)
    assert strictly(shown) == shown


def test_every_time_in_a_document_has_one_form() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert json_form({"at": at, "in": [at]}) == {"at": rfc3339(at), "in": [rfc3339(at)]}
