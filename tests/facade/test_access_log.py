"""The access log: one line for each request, with what is needed to find it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import structlog

from app.security.api_keys import new_entry
from tests.support.facade import Facade

LOGGER = "app.http.access_log"
#: fields that a test compares
FIELDS = ("method", "route", "status", "principal", "problem", "correlationId")


class Lines(logging.Handler):
    """The fields of each line of the access log, with the log context."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert record.getMessage() == "request answered"
        assert record.levelno == logging.INFO
        self.found.append({**structlog.contextvars.get_contextvars(), **record.__dict__})

    def of(self, *names: str) -> list[dict[str, Any]]:
        return [{name: line[name] for name in names if name in line} for line in self.found]


@pytest.fixture
def lines(facade: Facade) -> Any:
    facade.change(access_log="on")
    handler, logger = Lines(), logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_line_has_route_status_time_and_correlation_id(facade: Facade, lines: Lines) -> None:
    facade.start("c-1", Prefer="respond-async")
    facade.http.get("/api/process/status/c-1")
    facade.start("c-1", {"userId": 1})
    facade.http.get("/api/process/status/c-2")
    status = "/api/process/status/<correlation_id>"
    start = "/api/process/start"
    assert lines.of(*FIELDS) == [
        {"method": "POST", "route": start, "status": 202, "correlationId": "c-1"},
        {"method": "GET", "route": status, "status": 202, "correlationId": "c-1"},
        {"method": "POST", "route": start, "status": 422, "problem": "invalid-fields", "correlationId": "c-1"},
        {"method": "GET", "route": status, "status": 404, "problem": "unknown-correlation-id", "correlationId": "c-2"},
    ]
    assert all(0 <= line["ms"] < 10_000 for line in lines.found)
    assert all(line["requestId"] for line in lines.found)


def test_line_names_the_caller(facade: Facade, lines: Lines) -> None:
    key, entry = new_entry("portal", ["process:read"])
    facade.change(auth="on", api_keys=[entry])
    facade.http.get("/api/process/status/all", headers={"X-API-Key": key})
    facade.http.get("/api/process/status/all", headers={"X-API-Key": "wrong"})
    route = "/api/process/status/all"
    assert lines.of(*FIELDS) == [
        {"method": "GET", "route": route, "status": 200, "principal": "portal"},
        {"method": "GET", "route": route, "status": 401, "problem": "unauthorized"},
    ]


def test_complete_is_logged_with_the_correlation_id_of_its_body(facade: Facade, lines: Lines) -> None:
    facade.post("/api/process/complete", {"correlationId": "c-3", "status": "ok"})
    assert [line["correlationId"] for line in lines.found] == ["c-3"]


def test_path_without_route_is_logged_without_its_text(facade: Facade, lines: Lines) -> None:
    facade.http.get("/secret-path?token=x")
    assert lines.of(*FIELDS) == [{"method": "GET", "status": 404, "problem": "not-found"}]
    assert "secret-path" not in str(
        [{name: line[name] for name in ("msg", *FIELDS) if name in line} for line in lines.found]
    )


def test_health_checks_and_metrics_are_not_logged(facade: Facade, lines: Lines) -> None:
    facade.http.get("/health/live")
    facade.http.get("/metrics")
    assert lines.found == []


def test_off_is_the_default(facade: Facade, lines: Lines) -> None:
    facade.change(access_log="off")
    assert type(facade.settings)().access_log == "off"
    facade.http.get("/api/process/status/all")
    assert lines.found == []
