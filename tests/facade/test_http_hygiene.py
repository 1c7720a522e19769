"""Features of all requests and answers: ids, compression, CORS, security headers, rate limits, problem pages."""

from __future__ import annotations

import gzip
import re

import pytest

from app.responses.problem_types import problem_types
from app.security import api_keys
from tests.support.facade import Facade, problem


@pytest.mark.parametrize("given", ["order-1", "x" * 128])
def test_request_id_is_echoed(facade: Facade, given: str) -> None:
    assert facade.http.get("/nowhere", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>"])
def test_strange_request_id_is_made_anew(facade: Facade, given: str) -> None:
    assert facade.http.get("/nowhere", headers={"X-Request-Id": given}).headers["X-Request-Id"] not in ("", given)


def test_log_lines_of_a_request_carry_its_id(facade: Facade, capsys: pytest.CaptureFixture[str]) -> None:
    key, entry = api_keys.new_entry("reader", ["process:read"])
    facade.change(auth="on", api_keys=[entry])
    capsys.readouterr()
    for name in ("first", "second"):
        facade.start("order-1", X_Request_Id=f"request-{name}", X_API_Key=key)
    lines = [line for line in capsys.readouterr().err.splitlines() if "request of reader refused" in line]
    assert len(lines) == 2
    for line, name in zip(lines, ("first", "second"), strict=True):
        assert f"requestId=request-{name}" in line


@pytest.mark.parametrize(
    ("accepts", "packed"), [("gzip", True), ("gzip;q=0.5, br", True), ("gzip;q=0", False), ("br", False), ("", False)]
)
def test_large_answer_is_compressed_if_the_client_accepts_it(facade: Facade, accepts: str, packed: bool) -> None:
    response = facade.http.get("/openapi.json", headers={"Accept-Encoding": accepts})
    assert (response.headers.get("Content-Encoding") == "gzip") is packed
    assert "Accept-Encoding" in response.headers["Vary"]
    assert (gzip.decompress(response.data) if packed else response.data).startswith(b"{")


def test_small_answer_is_left_as_it_is(facade: Facade) -> None:
    response = facade.http.get("/health/live", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers


def test_other_origins_are_refused_unless_listed(facade: Facade) -> None:
    asks = {"Origin": "https://portal.example.org", "Access-Control-Request-Method": "POST"}
    assert "Access-Control-Allow-Origin" not in facade.http.options("/api/process/start", headers=asks).headers
    facade.change(cors_origins=["https://portal.example.org"])
    preflight = facade.http.options("/api/process/start", headers=asks)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://portal.example.org"
    stranger = facade.http.get("/health/live", headers={"Origin": "https://elsewhere.example.org"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    assert "Origin" in stranger.headers["Vary"]


def test_docs_run_no_inline_script(facade: Facade) -> None:
    page = facade.http.get("/docs")
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert facade.http.get("/docs/start.js").mimetype == "text/javascript"


def test_answers_are_not_stored(facade: Facade) -> None:
    assert facade.http.get("/nowhere").headers["Cache-Control"] == "no-store"


def test_rate_limit_is_applied_and_shown_in_headers(facade: Facade) -> None:
    facade.change(rate_limit="2/hour")
    first = facade.http.get("/api/process/status/nobody")
    assert first.status_code == 404
    assert first.headers["RateLimit-Policy"] == '"default";q=2;w=3600'
    assert re.fullmatch(r'"default";r=1;t=\d+', first.headers["RateLimit"])
    facade.http.get("/api/process/status/nobody")
    refused = facade.http.get("/api/process/status/nobody")
    problem(refused, 429, "too-many-requests")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit"] == f'"default";r=0;t={refused.headers["Retry-After"]}'
    assert "RateLimit" not in facade.http.get("/health/live").headers


def test_rate_limit_leaves_retry_after_to_the_answer(facade: Facade) -> None:
    facade.change(rate_limit="20/minute")
    accepted = facade.start("order-1", Prefer="respond-async")
    assert (accepted.status_code, accepted.headers["Retry-After"]) == (202, str(facade.settings.retry_after_s))
    assert "RateLimit" in accepted.headers
    missing = facade.http.get("/api/process/status/nobody")
    assert (missing.status_code, "Retry-After" in missing.headers) == (404, False)
    ok = facade.http.get("/api/process/definitions")
    assert (ok.status_code, "Retry-After" in ok.headers) == (200, False)
    facade.change(rate_limit="20/minute", auth="on", api_keys=[api_keys.new_entry("portal", ["process:read"])[1]])
    stranger = facade.http.get("/api/process/status/nobody")
    assert (stranger.status_code, "Retry-After" in stranger.headers) == (401, False)


def test_each_key_has_a_budget_of_its_own(facade: Facade) -> None:
    made = [api_keys.new_entry(name, ["process:read"]) for name in ("portal", "shop")]
    (portal, _), (shop, _) = made
    facade.change(auth="on", api_keys=[entry for _, entry in made], rate_limit="2/hour")

    def ask(key: str) -> int:
        return facade.http.get("/api/process/status/nobody", headers={"X-API-Key": key}).status_code

    assert [ask(portal), ask(portal), ask(portal)] == [404, 404, 429]
    assert [ask(shop), ask(shop), ask(shop)] == [404, 404, 429]
    # Callers without a valid key share the limit of their address, whatever keys they invent.
    assert [ask("ck_one"), ask("ck_two"), ask("ck_three")] == [401, 401, 429]


def test_every_problem_type_has_a_cause_and_an_advice() -> None:
    for name, kind in problem_types().items():
        assert kind.cause.endswith("."), name
        assert kind.cure.endswith("."), name


@pytest.mark.parametrize("name", list(problem_types()))
def test_problem_page_explains_its_type(facade: Facade, name: str) -> None:
    assert "<h2>What to do</h2>" in facade.http.get(f"/problems/{name}").text
    assert "## What to do" in facade.http.get(f"/problems/{name}", headers={"Accept": "text/markdown"}).text
    assert name in facade.http.get("/problems").text


def test_unknown_problem_type_is_not_found(facade: Facade) -> None:
    problem(facade.http.get("/problems/<b>"), 404, "not-found")
