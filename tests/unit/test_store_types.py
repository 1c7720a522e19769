"""Texts are cut to the columns of SQL Server, which count UTF-16 code units."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from store.types import Json, truncated, without_nones


@pytest.mark.parametrize(
    ("value", "length", "expected"),
    [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("éüö€", 3, "éüö"),
        ("订单订单", 3, "订单订"),
        ("😀", 2, "😀"),
        ("😀😀", 3, "😀"),
        ("a😀😀", 3, "a😀"),
        ("😀", 1, ""),
        # Combining marks are units of their own, and may be lost.
        ("e\u0301", 1, "e"),
    ],
)
def test_text_is_cut_between_characters(value: str, length: int, expected: str) -> None:
    assert truncated(value, length) == expected
    assert len(truncated(value, length).encode("utf-16-le")) <= length * 2


@pytest.mark.parametrize("value", [0, False, "", {}, []])
def test_only_none_is_left_out(value: Any) -> None:
    assert without_nones({"a": value, "b": None}) == {"a": value}


def test_document_with_a_number_that_json_does_not_have_is_not_written_and_an_old_one_is_read_as_text() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Json().process_bind_param({"rate": math.nan}, sqlite.dialect())
    assert Json().process_result_value('{"rate":Infinity}', sqlite.dialect()) == {"rate": "Infinity"}
