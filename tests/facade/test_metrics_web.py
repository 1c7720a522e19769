"""The facade's metrics, and `/metrics` of the web server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from store.process_rows import OK, Ending
from tests.support.facade import USER, Facade, problem
from tests.support.metrics_text import Scrape

NOW = {"Prefer": "respond-async"}


class Counter:
    """The growth of counts since the test began."""

    def __init__(self, facade: Facade) -> None:
        self._facade = facade
        self._before = self._look()

    def grown(self, name: str, **labels: str) -> float:
        """The growth of a count."""
        return self._look().value(name, **labels) - self._before.value(name, **labels)

    def _look(self) -> Scrape:
        answer = self._facade.http.get("/metrics")
        assert answer.status_code == 200
        return Scrape(answer.text)


@pytest.fixture
def counted(facade: Facade) -> Counter:
    return Counter(facade)


def test_accepted_start_is_answered_asynchronously(facade: Facade, counted: Counter) -> None:
    assert facade.start(**NOW).status_code == 202
    assert counted.grown("starts_total", process="onboard-user", outcome="accepted") == 1
    assert counted.grown("start_answers_total", process="onboard-user", status="202") == 1
    assert counted.grown("start_wait_seconds_count", answer="async") == 1
    assert counted.grown("start_wait_seconds_count", answer="sync") == 0


def test_start_that_joins_an_ended_one_is_answered_synchronously(facade: Facade, counted: Counter) -> None:
    facade.start("once", **NOW)
    (row,) = facade.rows()
    facade.runtime.processes.settle(row.id, Ending(OK, result={}))

    assert facade.start("once").status_code == 200

    assert counted.grown("starts_total", outcome="joined") == 1
    assert counted.grown("starts_total", outcome="accepted") == 1
    assert counted.grown("start_answers_total", status="200") == 1
    assert counted.grown("start_wait_seconds_count", answer="sync") == 1


def _conflict(facade: Facade) -> TestResponse:
    facade.start("taken", **NOW)
    return facade.start("taken", {**USER, "userId": "another"})


def _full(facade: Facade) -> TestResponse:
    facade.change(max_pending_starts=1)
    facade.start(**NOW)
    return facade.start(**NOW)


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda facade: facade.post("/api/process/start", {"processKey": "no-such"}), "unknown-process"),
        (lambda facade: facade.start(variables={}), "invalid-fields"),
        (lambda facade: facade.post("/api/process/start", raw=b"{"), "invalid-json"),
        (lambda facade: facade.post("/api/process/start", {}, Content_Type="text/plain"), "unsupported-media-type"),
        (_conflict, "correlation-id-conflict"),
        (_full, "too-many-pending-starts"),
    ],
)
def test_refused_start_is_counted_by_its_reason(
    facade: Facade, counted: Counter, refused: Callable[[Facade], TestResponse], reason: str
) -> None:
    assert refused(facade).status_code >= 400
    assert counted.grown("starts_refused_total", reason=reason) == 1
    assert counted.grown("starts_refused_total") == 1
    assert counted.grown("problems_total", type=reason) == 1


def test_requests_are_counted_by_route_and_not_by_path(facade: Facade, counted: Counter) -> None:
    facade.http.get("/api/process/status/one")
    facade.http.get("/api/process/status/two")
    route = "/api/process/status/<correlation_id>"
    assert counted.grown("http_requests_total", route=route, method="GET", status="404") == 2
    assert counted.grown("http_request_seconds_count", route=route) == 2
    assert counted.grown("starts_refused_total") == 0


def test_unknown_paths_and_methods_make_no_labels(facade: Facade, counted: Counter) -> None:
    facade.http.open("/made/up", method="BREW")
    facade.http.get("/made/up/too")
    assert counted.grown("http_requests_total", route="other", method="other", status="404") == 1
    assert counted.grown("http_requests_total", route="other", method="GET", status="404") == 1


def test_everybody_may_read_metrics_unless_a_token_is_set(facade: Facade) -> None:
    facade.change(metrics_token="secret")
    refused = facade.http.get("/metrics")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
    problem(refused, 401, "unauthorized")
    assert facade.http.get("/metrics", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_callers_of_the_api_need_no_key_for_metrics(facade: Facade) -> None:
    facade.change(auth="on", api_keys=["key:" + "0" * 64 + ":process:read"])
    assert facade.http.get("/metrics").status_code == 200


def test_openmetrics_is_sent_to_clients_that_ask_for_it(facade: Facade) -> None:
    answer = facade.http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.mimetype == "application/openmetrics-text"
    assert answer.text.endswith("# EOF\n")
