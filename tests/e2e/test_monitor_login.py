"""The monitor with a login: a person logs in, the login expires on an open page, and the web process dies."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver

from app.security import api_keys
from dev.browser import PATIENCE_S
from dev.stack import Stack
from tests.support.api import Api
from tests.support.facade import USER
from tests.support.monitor_page import Monitor

KEY, ENTRY = api_keys.new_entry("ada", ["process:read", "process:start", "process:admin"])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web server with AUTH=on and the shortest possible logins; no worker runs the processes that it accepts."""
    settings = {
        "AUTH": "on",
        "API_KEYS": ENTRY,
        "MONITOR_SESSION_S": 60,
        "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest",
    }
    stack = Stack(tmp_path_factory.mktemp("guarded"), settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", ["python", "-m", "store.migrate"])
        stack.start_parts(["web"])
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def monitor(browser: webdriver.Chrome, guarded: Stack) -> Monitor:
    """The monitor of that web server, before a login."""
    monitor = Monitor(browser, guarded.url)
    browser.get(f"{guarded.url}/monitor/session/login")
    browser.delete_all_cookies()
    browser.get_log("browser")
    return monitor


def start(stack: Stack, correlation_id: str) -> Any:
    """Start a process, which stays in the queue."""
    body = {"processKey": "onboard-user", "correlationId": correlation_id, "variables": USER}
    headers = {"X-API-Key": KEY, "Prefer": "respond-async"}
    return Api(stack.url).call("POST", "/api/process/start", body, headers)


def log_in(monitor: Monitor) -> None:
    monitor.type("#key", KEY)
    monitor.click(".login button")


def test_login_leads_to_the_requested_page_and_so_does_a_link_from_another_site(
    monitor: Monitor, guarded: Stack
) -> None:
    correlation_id = f"order-{uuid.uuid4()}"
    assert start(guarded, correlation_id).status == 202
    monitor.open(f"/{correlation_id}")
    monitor.type("#key", "ck_wrong")
    assert monitor.faults() == []
    monitor.click(".login button")
    monitor.see("#refused", "API key is unknown")
    # the refused login itself is an answer of 401
    assert [fault for fault in monitor.faults() if "401" not in fault] == []
    log_in(monitor)
    monitor.see("h1", correlation_id)

    # a page of another site: the same machine with another name
    page = f"<a id=away href={guarded.url}/monitor/{correlation_id}>the order</a>"
    monitor.browser.get(f"data:text/html,{page}")
    monitor.click("#away")
    monitor.see("h1", correlation_id)

    form = f"<form method=post action={guarded.url}/monitor/{correlation_id}/cancel><button>win</button></form>"
    monitor.browser.get(f"data:text/html,{form}")
    monitor.click("button")
    monitor.see("h1")
    monitor.open(f"/{correlation_id}")
    monitor.see("h1 .status", "pending")


@pytest.mark.timeout(240)
def test_open_pages_lead_to_the_login_when_it_has_expired_and_back(monitor: Monitor, guarded: Stack) -> None:
    correlation_id = f"order-{uuid.uuid4()}"
    start(guarded, correlation_id)
    monitor.open(f"?text={correlation_id}")
    log_in(monitor)
    monitor.see("tbody td a", correlation_id)
    browser = monitor.browser
    listing = browser.current_window_handle
    browser.switch_to.new_window("window")
    try:
        monitor.open(f"/{correlation_id}")
        monitor.see("h1", correlation_id)

        # Both pages refresh themselves, and get a 401 because the session has expired.
        monitor.wait(lambda: "/session/login" in browser.current_url, 2 * PATIENCE_S)
        log_in(monitor)
        monitor.see("h1", correlation_id)
    finally:
        browser.close()
        browser.switch_to.window(listing)
    # After the login in the other window, this one continues, or shows the login page, which a refresh leads on.
    if "/session/login" in browser.current_url:
        browser.refresh()
    monitor.see("tbody td a", correlation_id)


def test_list_shows_that_the_server_is_gone_and_continues_with_the_next_one(monitor: Monitor, guarded: Stack) -> None:
    prefix = f"order-{uuid.uuid4()}"
    start(guarded, f"{prefix}-1")
    monitor.open(f"?text={prefix}")
    log_in(monitor)
    monitor.see("tbody td a", f"{prefix}-1")

    guarded["web"].kill()
    monitor.see("#connection", "Connection lost")
    monitor.see("tbody td a", f"{prefix}-1")
    guarded["web"].start()
    guarded["web"].wait_ready(PATIENCE_S)
    start(guarded, f"{prefix}-2")

    monitor.see("tbody td a", f"{prefix}-2")
    monitor.wait(lambda: not monitor.shown("#connection"))
    monitor.browser.get_log("browser")
    assert monitor.faults() == []


def test_refused_action_is_not_sent_again_by_a_reload(monitor: Monitor, guarded: Stack) -> None:
    correlation_id = f"order-{uuid.uuid4()}"
    start(guarded, correlation_id)
    monitor.open(f"/{correlation_id}")
    log_in(monitor)
    monitor.click("button[data-opens=message]")
    monitor.type("[name=messageName]", "payment")
    monitor.type("[name=variables]", "{")
    monitor.click("#message .primary")
    monitor.see("[role=alert]", "variables")
    assert monitor.browser.current_url.endswith(f"/monitor/{correlation_id}")

    monitor.browser.refresh()

    monitor.see("h1", correlation_id)
    assert monitor.shown("[role=alert]") == []
