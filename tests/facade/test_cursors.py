"""Cursors: our own are read, and all other texts are refused."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.responses import cursors
from app.responses.problem import Problem
from app.responses.problem_types import INVALID_CURSOR
from tests.support.facade import Facade, problem


@given(st.integers(0, 2**63 - 1))
def test_written_cursor_is_read(seq: int) -> None:
    text = cursors.write(seq)
    assert cursors.read(text) == seq
    assert text.isascii()
    assert not set(text) & set("+/=&?#%")


def test_no_cursor_is_none() -> None:
    assert cursors.read(None) is None


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    ["", "5", "x", "zzz", "é", "c2Vx", *map(encoded, ["seq:", "seq:-1", "seq:x", "seq:9223372036854775808", "Seq:1", "seq:" + "9" * 100])],
)  # fmt: skip
def test_cursor_of_another_kind_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        cursors.read(cursor)
    assert caught.value.kind is INVALID_CURSOR


@given(st.text(max_size=50))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Problem):
        assert cursors.read(text) is not None


@pytest.mark.parametrize("path", ["/api/process/status/all", "/api/process/event-log/trace"])
def test_wrong_cursor_is_a_problem(facade: Facade, path: str) -> None:
    body = problem(facade.http.get(path, query_string={"cursor": "zzz"}), 400, "invalid-cursor")
    assert list(body["errors"]) == ["cursor"]


def test_list_is_paged_to_its_end(facade: Facade) -> None:
    for number in range(5):
        facade.start(f"order-{number}", Prefer="respond-async")
    seen, query = [], {"limit": "2"}
    while True:
        page = facade.http.get("/api/process/status/all", query_string=query).json
        assert page is not None
        seen += [row["correlationId"] for row in page["processes"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert seen == [f"order-{number}" for number in reversed(range(5))]
