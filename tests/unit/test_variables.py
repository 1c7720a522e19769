"""Python values are the same after they were written to the engine's typed variables and read back."""

from __future__ import annotations

import enum
import json
import math
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from camunda_bridge.errors import VariableError
from camunda_bridge.variables import (
    MAX_STRING,
    File,
    Raw,
    format_date,
    from_document,
    from_engine,
    input_types,
    json_form,
    parse_date,
    to_document,
    to_engine,
)
from service.catalogue import check_carried


def round_trip(value: Any) -> Any:
    # through the bytes that the session sends
    wire = json.dumps(to_engine({"x": value}), ensure_ascii=False).encode()
    return from_engine(json.loads(wire))["x"]


def typed(value: Any) -> dict[str, Any]:
    return to_engine({"x": value})["x"]


class Colour(enum.Enum):
    RED = "red"


ROWS = [
    (None, "Null"),
    (True, "Boolean"),
    (False, "Boolean"),
    (1.5, "Double"),
    (1.0, "Double"),
    (-0.0, "Double"),
    (1.7976931348623157e308, "Double"),
    (5e-324, "Double"),
    (0, "Integer"),
    (2**31 - 1, "Integer"),
    (-(2**31), "Integer"),
    (2**31, "Long"),
    (-(2**31) - 1, "Long"),
    (2**63 - 1, "Long"),
    (-(2**63), "Long"),
    ("", "String"),
    ("grüße 你好 👩‍👩‍👧 \u0000\n", "String"),
    ("x" * MAX_STRING, "String"),
    ("x" * (MAX_STRING + 1), "Json"),
    ("x" * 5_000, "Json"),
    ({}, "Json"),
    ({"a": [1, None, {"b": True}], "é": "👍"}, "Json"),
    ([], "Json"),
    ([1, "2", None], "Json"),
    (datetime(2026, 11, 24, 10, 30, 15, 123_000, UTC), "Date"),
    (datetime(1, 1, 1, tzinfo=UTC), "Date"),
    (datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC), "Date"),
    (datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=-9, minutes=-30))), "Date"),
    (b"", "Bytes"),
    (bytes(range(256)), "Bytes"),
    (File("a b.pdf", b"%PDF", "application/pdf", "utf-8"), "File"),
    (File("a", b""), "File"),
    (Raw("Object", "<a/>", {"serializationDataFormat": "application/xml"}), "Object"),
    (Raw("Xml", "<a/>", {}), "Xml"),
]


@pytest.mark.parametrize(("value", "kind"), ROWS, ids=lambda value: repr(value)[:40])
def test_value_has_its_type_and_comes_back_as_it_was(value: Any, kind: str) -> None:
    assert typed(value)["type"] == kind
    back = round_trip(value)
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        ((1, (2,)), [1, [2]]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": MappingProxyType({})}), {"a": {}}),
        (date(2026, 2, 28), "2026-02-28"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (Colour.RED, "red"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC), "n": Decimal("1.10")}, {"at": "2026-01-01T00:00:00.000Z", "n": "1.10"}),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2026, 1, 1, microsecond=999_999, tzinfo=UTC), datetime(2026, 1, 1, microsecond=999_000, tzinfo=UTC)),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_value_without_an_equal_comes_back_as_its_nearest(value: Any, back: Any) -> None:
    assert round_trip(value) == back


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=30,
)  # fmt: skip


@given(json_values)
def test_any_json_value_comes_back_as_it_was(value: Any) -> None:
    assert round_trip(value) == value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), json_values, max_size=5))
def test_document_of_json_values_alone_gives_the_variables_back(values: dict[str, Any]) -> None:
    variables = to_engine(values)
    document, exact = to_document(variables)
    assert exact
    assert document == values
    assert to_engine(json.loads(json.dumps(document))) == variables


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_comes_back_to_the_millisecond(value: datetime) -> None:
    assert round_trip(value) == value.replace(microsecond=value.microsecond // 1000 * 1000)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00.000Z"),
        (b"abc", "YWJj"),
        (File("f", b"x"), {"filename": "f", "mimetype": None, "encoding": None, "content": "eA=="}),
        (Raw("Xml", "<a/>", {}), "<a/>"),
        (Raw("Double", "NaN", {}), "NaN"),
        (Raw("Short", 5, {}), 5),
    ],
)
def test_document_shows_values_that_json_has_no_form_for_and_does_not_give_them_back(value: Any, shown: Any) -> None:
    variables = to_engine({"plain": 1, "x": value})
    document, exact = to_document(variables)
    assert not exact
    assert document == {"plain": 1, "x": shown}
    # `replay` gets the same values from the input in an event.
    assert from_document(document, input_types(variables)) == from_engine(variables)


def test_string_is_measured_in_utf_16_as_the_engine_does() -> None:
    # each emoji has two code units
    assert typed("👍" * (MAX_STRING // 2))["type"] == "String"
    assert typed("👍" * (MAX_STRING // 2) + "x")["type"] == "Json"
    assert typed("ü" * MAX_STRING)["type"] == "String"
    assert round_trip("👍" * MAX_STRING) == "👍" * MAX_STRING


def test_date_is_written_as_the_engine_reads_it() -> None:
    assert format_date(datetime(7, 3, 4, 5, 6, 7, 8_999, UTC)) == "0007-03-04T05:06:07.008+0000"
    assert parse_date("2026-11-24T10:30:15.123+0130").utcoffset() == timedelta(hours=1, minutes=30)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        -(2**63) - 1,
        math.nan,
        math.inf,
        {"deep": [math.nan]},
        {(1, 2): 3},
        pytest.param(object(), id="object"),
        {1, 2},
        {"deep": {"set": {1}}},
        [b"bytes"],
        "\ud800",
        "x" * 5_000 + "\udfff",
        {"deep": ["\ud800"]},
        {"\ud800": 1},
        File("only-a-name"),
        File("n" * 256, b""),
        File("f", b"", "nonsense"),
        File("f", b"", "text/plain#x"),
        File("f", b"", "text/plain\r\nX-Header: 1"),
        File("f", b"", "a/" + "b" * 254),
        File("f", b"", "text/plain", "ut f"),
        File(cast(str, None), b""),
        File(cast(str, 5), b""),
        Raw("Object", object(), {}),
        Raw("Double", math.nan, {}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_value_that_the_engine_cannot_store_is_refused_by_name(value: Any) -> None:
    with pytest.raises(VariableError, match="'amount'"):
        to_engine({"fine": 1, "amount": value})


def test_value_nested_too_deeply_is_refused_by_name() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(VariableError, match="'tower'"):
        to_engine({"tower": value})


@pytest.mark.parametrize("name", [1, None, ("a",), "\ud800"])
def test_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(VariableError, match=r"name|variable"):
        to_engine({name: 1})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Json", "{"),
        ("Json", ""),
        ("Date", "yesterday"),
        ("Date", 5),
        ("Double", "many"),
        ("Bytes", "x"),
        ("Bytes", "not*base64!="),
        ("File", "x"),
    ],
)
def test_content_that_does_not_fit_its_type_fails_its_reader_and_names_the_variable(kind: str, value: Any) -> None:
    variables = {"amount": {"type": kind, "value": value}, "fine": {"type": "Integer", "value": 1}}
    values = from_engine(variables)
    assert values["fine"] == 1
    assert ("amount" in values, len(values), list(values)) == (True, 2, ["amount", "fine"])
    with pytest.raises(VariableError, match=f"'amount' can't be read as {kind}"):
        values["amount"]
    assert to_document(variables)[0] == {"amount": value, "fine": 1}
    assert json_form(values) == {"amount": value, "fine": 1}


@pytest.mark.parametrize("kind", ["Null", "String", "Boolean", "Integer", "Long", "Double", "Date", "Json", "Bytes"])
def test_empty_variable_of_any_type_is_none(kind: str) -> None:
    assert from_engine({"x": {"type": kind, "value": None, "valueInfo": {}}}) == {"x": None}


def test_double_may_come_as_a_whole_number() -> None:
    assert type(from_engine({"x": {"type": "Double", "value": 1}})["x"]) is float


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_double_that_json_has_no_form_for_survives_a_round_trip(text: str) -> None:
    variable = {"type": "Double", "value": text, "valueInfo": {}}
    assert to_engine(from_engine({"x": variable})) == {"x": variable}


def test_file_of_a_fetched_task_has_metadata_and_no_content() -> None:
    info = {"filename": "a.pdf", "mimeType": "application/pdf", "encoding": "utf-8"}
    value = from_engine({"x": {"type": "File", "value": None, "valueInfo": info}})["x"]
    assert value == File("a.pdf", None, "application/pdf", "utf-8")


JAVA = {"objectTypeName": "java.util.ArrayList", "serializationDataFormat": "application/x-java-serialized-object"}


class Contents:
    """Contents instead of the engine's, and the number of requests for them."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.asked = 0

    def data(self, name: str) -> bytes:
        self.asked += 1
        assert isinstance(self.given, bytes), name
        return self.given

    def value(self, name: str) -> Any:
        self.asked += 1
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


def test_java_object_is_requested_once_when_it_is_used() -> None:
    contents = Contents(["ada", 2, math.nan])
    values = from_engine({"to": {"type": "Object", "value": "rO0AB", "valueInfo": JAVA}}, contents)
    assert ("to" in values, json_form(values), contents.asked) == (True, {"to": "rO0AB"}, 0)
    assert values["to"] == values.get("to") == ["ada", 2, "NaN"]
    assert contents.asked == 1
    assert json_form(values) == {"to": ["ada", 2, "NaN"]}


def test_error_about_a_java_object_that_has_no_json_names_its_class() -> None:
    for contents in (None, Contents(VariableError("no such class"))):
        values = from_engine({"to": {"type": "Object", "value": "rO0AB", "valueInfo": JAVA}}, contents)
        with pytest.raises(VariableError, match=r"variable 'to' is a Java object of java.util.ArrayList"):
            values["to"]


def test_object_in_json_is_read_as_what_it_is() -> None:
    info = {"objectTypeName": "com.example.Order", "serializationDataFormat": "application/json"}
    variables = {"order": {"type": "Object", "value": '{"lines":[1]}', "valueInfo": info}}
    assert from_engine(variables) == {"order": {"lines": [1]}}
    assert to_document(variables) == ({"order": {"lines": [1]}}, False)


def test_content_of_a_file_is_fetched_when_it_is_read_and_can_be_returned() -> None:
    contents = Contents(b"a;b")
    values = from_engine({"f": {"type": "File", "value": None, "valueInfo": {"filename": "a.csv"}}}, contents)
    assert (values["f"].content, contents.asked) == (None, 0)
    assert values["f"].read() == b"a;b"
    assert to_engine(values) == {"f": {"type": "File", "value": "YTti", "valueInfo": {"filename": "a.csv"}}}


def test_json_of_another_program_is_read_so_that_it_can_be_written_again() -> None:
    text = r'{"rate": Infinity, "n": [NaN, -Infinity, 1e999, 1.5], "half": "a\ud800b", "\udfff": "\ud83d\ude00"}'
    values = from_engine({"reading": {"type": "Json", "value": text, "valueInfo": {}}})
    assert values["reading"] == {
        "rate": "Infinity",
        "n": ["NaN", "-Infinity", "1e999", 1.5],
        "half": "a\ufffdb",
        "\ufffd": "\U0001f600",
    }
    document, exact = to_document(to_engine(values))
    assert (document, exact) == ({"reading": values["reading"]}, True)


@pytest.mark.parametrize("text", ["[" * 501 + "]" * 501, "[" * 100_000 + "]" * 100_000, "9" * 5_000])
def test_json_that_cannot_be_written_again_fails_its_reader(text: str) -> None:
    variables = {"tower": {"type": "Json", "value": text, "valueInfo": {}}}
    with pytest.raises(VariableError, match="'tower'"):
        from_engine(variables)["tower"]
    assert to_document(variables)[0] == {"tower": text}


@pytest.mark.parametrize("name", ["", "n" * 256, "😀" * 128])
def test_name_that_the_engine_does_not_keep_is_refused(name: str) -> None:
    with pytest.raises(VariableError, match=r"has 256 characters; at most 255 are allowed|empty name"):
        to_engine({name: 1})
    assert to_engine({"n" * 255: 1, "😀" * 127: 1})


def test_start_and_message_name_the_variable_that_they_cannot_set() -> None:
    for name in ("executionContext", "n" * 300, "", "😀" * 200):
        with pytest.raises(ValidationError) as refused:
            check_carried({"fine": 1, name: 1})
        assert list(refused.value.messages_dict) == [name]
