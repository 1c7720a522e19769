"""The monitor's pages without a browser: the login, the list, hostile texts."""

from __future__ import annotations

import re

import pytest

from app.monitor import POLICY
from app.security.api_keys import new_entry
from store.process_rows import CANCELLED, ERROR, OK, Ending
from tests.support.facade import Facade

READ_KEY, READ_ENTRY = new_entry("reader", ["process:read"])
HOSTILE = '<script>alert("x")</script>'


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def logged_in(facade: Facade) -> str:
    """Log in. Returns the value of the cookie."""
    facade.http.post("/monitor/session/login", data={"key": READ_KEY})
    cookie = facade.http.get_cookie("monitor", path="/monitor")
    assert cookie is not None
    return cookie.value


def test_list_shows_processes_and_their_links(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")

    page = facade.http.get("/monitor")

    assert page.status_code == 200
    assert page.mimetype == "text/html"
    assert 'href="/monitor/order-1"' in page.text
    assert page.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY


def test_filters_are_in_the_address_and_in_every_link(facade: Facade) -> None:
    for number in range(52):
        facade.start(f"order-{number}", Prefer="respond-async")

    page = facade.http.get("/monitor?processKey=onboard-user&status=pending&text=order").text

    assert "<option selected>onboard-user</option>" in page
    assert "processKey=onboard-user&amp;text=order" in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    second = facade.http.get(older[1].replace("&amp;", "&")).text
    assert "order-1<" in second
    assert "order-51<" not in second


@pytest.mark.parametrize("zone", ["", "Z", "-11:00", "%2B11:00"])
def test_times_may_have_any_zone_or_none(facade: Facade, zone: str) -> None:
    facade.start("order-1", Prefer="respond-async")

    page = facade.http.get(f"/monitor?startedAfter=2020-01-01T10:00{zone}&startedBefore=2020-01-02T10:00{zone}")
    assert page.status_code == 200
    assert 'href="/monitor/order-1"' not in page.text
    page = facade.http.get(f"/monitor?startedAfter=2020-01-01T10:00{zone}")
    assert 'href="/monitor/order-1"' in page.text


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=lost", "status"), ("startedAfter=yesterday", "startedAfter"), ("cursor=x", "cursor")],
)
def test_wrong_filter_is_named_on_a_page(facade: Facade, query: str, field: str) -> None:
    page = facade.http.get(f"/monitor?{query}")

    assert page.status_code in (400, 422)
    assert page.mimetype == "text/html"
    assert field in page.text


def test_empty_fields_of_the_form_filter_nothing(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")

    page = facade.http.get("/monitor?status=&processKey=&text=+&startedAfter=2020-01-01T10:00&startedBefore=")

    assert "order-1" in page.text


@pytest.mark.parametrize("query", ["status=ok&status=cancelled", "status=ok,cancelled"])
def test_several_statuses_are_chosen_together_and_stay_chosen(facade: Facade, query: str) -> None:
    for name, ending in (
        ("good", Ending(OK)),
        ("gone", Ending(CANCELLED)),
        ("bad", Ending(ERROR, error={})),
        ("new", None),
    ):
        facade.start(name, Prefer="respond-async")
        row = facade.runtime.processes.by_correlation_id(name)
        assert row is not None
        assert ending is None or facade.runtime.processes.settle(row.id, ending)

    page = facade.http.get(f"/monitor?{query}").text

    assert re.findall(r'href="/monitor/(good|gone|bad|new)"', page) == ["gone", "good"]
    assert re.findall(r'value="(\w+)" checked', page) == ["ok", "cancelled"]


def test_text_of_processes_stays_text(facade: Facade) -> None:
    row = facade.runtime.processes
    facade.start("order-1", Prefer="respond-async")
    found = row.by_correlation_id("order-1")
    assert found is not None
    row.settle(
        found.id,
        Ending(ERROR, error={"code": HOSTILE, "message": HOSTILE}, identifiers={HOSTILE: HOSTILE}),
    )

    page = facade.http.get("/monitor").text

    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_list_stays_small_whatever_texts_processes_have(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")
    (row,) = facade.rows()
    long = "W" * 10_000
    ending = Ending(ERROR, error={"code": long, "message": long}, identifiers={long: long, "customerId": long})
    facade.runtime.processes.settle(row.id, ending)

    page = facade.http.get("/monitor").text

    assert "customerId W" in page
    assert len(page) < 10_000


def test_login_needs_a_key_and_leads_back_to_the_requested_page(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])

    refused = facade.http.get("/monitor?status=ok")
    assert refused.status_code == 302
    assert refused.location == "/monitor/session/login?next=/monitor?status%3Dok"
    assert facade.http.get("/monitor/list/rows", headers={"X-Requested-With": "monitor"}).status_code == 401

    wrong = facade.http.post("/monitor/session/login", data={"key": "ck_wrong", "next": "/monitor?status=ok"})
    assert wrong.status_code == 401
    assert "API key is unknown" in wrong.text

    right = facade.http.post("/monitor/session/login", data={"key": READ_KEY, "next": "/monitor?status=ok"})
    assert (right.status_code, right.location) == (303, "/monitor?status=ok")
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/monitor" in cookie
    assert READ_KEY not in cookie
    assert facade.http.get("/monitor?status=ok").status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/monitor", "//evil.example/monitor", "/monitor\\evil", "/api", "//["),
        *("/monitor\r\nSet-Cookie: x=y", "/monitor/../api", "/monitor/%2e%2e/api", "/monitorx", "/monitor\t"),
    ],
)
def test_login_does_not_lead_to_another_site(facade: Facade, address: str) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])

    right = facade.http.post("/monitor/session/login", data={"key": READ_KEY, "next": address})

    assert (right.status_code, right.location) == (303, "/monitor")
    assert facade.http.get("/monitor/session/login", query_string={"next": address}).status_code in (200, 302)


def test_session_opens_nothing_but_the_monitor(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])
    facade.http.post("/monitor/session/login", data={"key": READ_KEY})

    assert facade.http.get("/api/process/status/all").status_code == 401


def test_session_of_a_replaced_key_is_not_valid_any_more(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])
    cookie = logged_in(facade)
    facade.change(api_keys=[new_entry("reader", ["process:read"])[1]])

    facade.http.set_cookie("monitor", cookie, path="/monitor")

    assert facade.http.get("/monitor").status_code == 302


def test_session_is_valid_in_every_web_process(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])
    cookie = logged_in(facade)
    facade.change()

    facade.http.set_cookie("monitor", cookie, path="/monitor")

    assert facade.http.get("/monitor").status_code == 200


def test_key_without_the_scope_reads_nothing(facade: Facade) -> None:
    key, entry = new_entry("starter", ["process:start"])
    facade.change(auth="on", api_keys=[entry])
    facade.http.post("/monitor/session/login", data={"key": key})

    page = facade.http.get("/monitor")

    assert page.status_code == 403
    assert "process:read" in page.text


def test_form_without_the_sessions_token_is_refused(facade: Facade) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])
    facade.http.post("/monitor/session/login", data={"key": READ_KEY})

    assert facade.http.post("/monitor/session/logout", data={"csrf": "guessed"}).status_code == 403
    assert facade.http.get("/monitor").status_code == 200
    token = csrf_of(facade.http.get("/monitor").text)
    assert facade.http.post("/monitor/session/logout", data={"csrf": token}).status_code == 303
    assert facade.http.get("/monitor").status_code == 302


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_sites_cannot_log_a_person_in_or_out(facade: Facade, headers: dict[str, str]) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])

    forged = facade.http.post("/monitor/session/login", data={"key": READ_KEY}, headers=headers)
    assert (forged.status_code, facade.http.get_cookie("monitor", path="/monitor")) == (403, None)

    logged_in(facade)
    token = csrf_of(facade.http.get("/monitor").text)
    assert facade.http.post("/monitor/session/logout", data={"csrf": token}, headers=headers).status_code == 403
    assert facade.http.get("/monitor").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://localhost"},
        {"Origin": "https://monitor.example", "X-Forwarded-Host": "monitor.example"},
        {},
    ],
)
def test_own_pages_log_in(facade: Facade, headers: dict[str, str]) -> None:
    facade.change(auth="on", api_keys=[READ_ENTRY])

    assert facade.http.post("/monitor/session/login", data={"key": READ_KEY}, headers=headers).status_code == 303
    # With "no-referrer" a browser would not send the origin of the form.
    assert facade.http.get("/monitor").headers["Referrer-Policy"] == "same-origin"


def test_login_page_leads_on_if_the_session_is_valid(facade: Facade) -> None:
    assert facade.http.get("/monitor/session/login?next=/monitor/order-1").location == "/monitor/order-1"
    facade.change(auth="on", api_keys=[READ_ENTRY])
    assert facade.http.get("/monitor/session/login").status_code == 200
    logged_in(facade)

    known = facade.http.get("/monitor/session/login?next=/monitor?status%3Dok")

    assert (known.status_code, known.location) == (302, "/monitor?status=ok")


def test_forms_of_a_first_tab_stay_valid_after_a_second_tab_without_logins(facade: Facade) -> None:
    facade.start("order-1", Prefer="respond-async")
    first = facade.app.test_client(use_cookies=False).get("/monitor/order-1").text
    second = facade.http.get("/monitor/order-1").text
    facade.change()

    for page in (first, second):
        done = facade.http.post("/monitor/order-1/cancel", data={"csrf": csrf_of(page), "reason": "test"})
        assert done.status_code == 303
    assert facade.http.post("/monitor/order-1/cancel", data={"csrf": "guessed"}).status_code == 403


def test_monitor_can_be_off(facade: Facade) -> None:
    facade.change(monitor="off")

    assert facade.http.get("/monitor").status_code == 404
