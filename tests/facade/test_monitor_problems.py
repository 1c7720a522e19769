"""Errors below `/monitor` are shown on a page, and a reload of it does not repeat a form."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.monitor import POLICY, listing
from store.errors import DatabaseUnavailable
from tests.support.facade import Facade, problem


def is_page(answer: TestResponse, status: int, said: str) -> None:
    assert (answer.status_code, answer.mimetype) == (status, "text/html"), answer.text
    assert "<h1>" in answer.text
    assert said in answer.text
    assert answer.headers["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize("path", ["/monitor/a/b/c", "/monitor/", "/monitor/static/x/nothing.js", "/monitor/nothing"])
def test_unknown_address_is_shown_on_a_page(facade: Facade, path: str) -> None:
    is_page(facade.http.get(path), 404, "All processes")


def test_unknown_method_is_shown_on_a_page(facade: Facade) -> None:
    answer = facade.http.get("/monitor/order-1/cancel")

    is_page(answer, 405, "Method Not Allowed")
    assert "POST" in answer.headers["Allow"]


def test_form_that_is_too_large_is_shown_on_a_page(facade: Facade) -> None:
    facade.change(max_body_kb=1)

    is_page(facade.http.post("/monitor/session/login", data={"key": "x" * 2000}), 413, "1 KiB")


@pytest.mark.parametrize(
    ("fault", "status"),
    [(RuntimeError("a secret place"), 500), (DatabaseUnavailable("away"), 503)],
    ids=["fault", "database"],
)
def test_fault_is_shown_on_a_page_without_details(
    facade: Facade, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int
) -> None:
    def broken() -> dict[str, Any]:
        raise fault

    monkeypatch.setattr(listing, "_content", broken)
    facade.app.config["PROPAGATE_EXCEPTIONS"] = False

    answer = facade.http.get("/monitor")

    is_page(answer, status, "All processes")
    assert "a secret place" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_scripts_get_problems_as_json(facade: Facade) -> None:
    answer = facade.http.get("/monitor/nothing/state", headers={"X-Requested-With": "monitor"})

    problem(answer, 404, "unknown-correlation-id")


@pytest.mark.parametrize("path", ["/monitorx", "/api/nothing"])
def test_other_addresses_get_problems_as_json(facade: Facade, path: str) -> None:
    problem(facade.http.get(path), 404, "not-found")


def test_reload_after_a_form_leads_to_a_page(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")

    for path, instead in (
        ("/monitor/order-1/cancel", "/monitor/order-1"),
        ("/monitor/new/process/onboard-user", "/monitor/new/process/onboard-user"),
        ("/monitor/session/logout", "/monitor"),
    ):
        answer = facade.http.post(path, data={"csrf": "of yesterday"})
        is_page(answer, 403, f'data-instead="{instead}"')
        assert "posted.js" in answer.text
        assert facade.http.get(instead).status_code == 200
    assert "posted.js" not in facade.http.get("/monitor/order-1").text
