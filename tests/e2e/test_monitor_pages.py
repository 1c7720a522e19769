"""The monitor in a real browser: a person lists processes, watches one, and repairs one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from bench.seeding import fill
from dev.browser import PATIENCE_S
from dev.stack import Stack
from store.database import Database
from tests.support.api import Api
from tests.support.monitor_page import Monitor

#: processes in the large store
ROWS = 100_000


def test_list_follows_what_happens_without_a_reload(monitor: Monitor, api: Api, correlation_id: str) -> None:
    monitor.open(f"?text={correlation_id}")
    monitor.see(".empty", "No process matches")

    api.start("probe", {"do": "sleep", "seconds": 0.5}, correlation_id)

    monitor.see("tbody .status", "ok")
    monitor.see("tbody td a", correlation_id)
    assert monitor.faults() == []


def test_process_is_started_from_the_form_and_watched_to_its_end(
    monitor: Monitor, correlation_id: str, user: Callable[..., dict[str, Any]]
) -> None:
    monitor.open("/new/process")
    monitor.click("a", "User onboarding")
    monitor.type("[name=correlationId]", correlation_id)
    monitor.type("[name='v.userId']", user("slow-6000ms")["userId"])
    assert monitor.faults() == []

    monitor.click("#start button")

    monitor.see("h1", correlation_id)
    monitor.see("h1 .status", "pending")
    monitor.see("#diagram .is-running")
    assert monitor.faults() == []
    monitor.see("h1 .status", "ok")
    monitor.see("#diagram .is-taken")
    monitor.see(".badge.done")
    monitor.wait(lambda: not monitor.browser.find_elements(By.CSS_SELECTOR, "#diagram .is-running"))
    assert len(monitor.browser.find_elements(By.CSS_SELECTOR, ".timeline li.completed")) == 4
    assert monitor.faults() == []


def test_awaited_message_is_shown_and_sent_by_its_name(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("awaits-message", {}, correlation_id, prefer="respond-async")
    monitor.open(f"/{correlation_id}")
    monitor.see("#active h2", "Waits for")
    monitor.see("#active .message", 'the message "payment"')
    assert monitor.faults() == []

    monitor.click("#active [data-sends=payment]")
    monitor.see("#message h2", "Send a message")
    name = monitor.browser.find_element(By.CSS_SELECTOR, "#message [name=messageName]")
    assert name.get_attribute("value") == "payment"
    assert monitor.faults() == []
    monitor.click("#message .primary")

    monitor.see("h1 .status", "ok")
    monitor.wait(lambda: not monitor.browser.find_elements(By.CSS_SELECTOR, "#active h2"))


def test_failed_step_is_shown_on_the_diagram_and_completed_by_a_retry(
    monitor: Monitor, api: Api, correlation_id: str, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    api.start("probe", {"do": "fail-until", "until": str(mended)}, correlation_id, prefer="respond-async")
    monitor.open(f"/{correlation_id}")
    monitor.see("h1 .status", "incident")
    monitor.see("#diagram .is-failed")
    monitor.see(".badge.failed", "attempts")
    monitor.see(".banner", "told to fail for now")
    monitor.click(".timeline .failed summary")
    monitor.see(".timeline .failed pre", "RuntimeError: told to fail for now")
    assert monitor.faults() == []

    mended.touch()
    monitor.click("button[data-opens=retry]")
    monitor.see("dialog h2", "Retry")
    assert monitor.faults() == []
    monitor.click("#retry .primary")

    monitor.see("h1 .status", "ok")
    monitor.see(".timeline .ops summary", "retry")
    monitor.wait(lambda: not monitor.browser.find_elements(By.CSS_SELECTOR, "#diagram .is-failed"))
    # With one step chosen on the diagram, only its events are shown.
    monitor.click("[data-element-id=respond]")
    monitor.see("#chosen", "respond")
    assert [item.get_attribute("data-step") for item in monitor.shown(".timeline li")] == ["respond"]
    # the same with the keyboard
    monitor.see("#steps button", "work").send_keys(Keys.ENTER)
    monitor.see("#chosen", "work")
    assert {item.get_attribute("data-step") for item in monitor.shown(".timeline li")} == {"work"}
    assert [button.text.partition(",")[0] for button in monitor.shown("#steps [aria-pressed=true]")] == ["work"]
    # Elements without events are listed too, since they were visited.
    monitor.click("#steps button", "process-start")
    monitor.see("#chosen", "has no events")
    assert monitor.shown(".timeline li") == []
    assert monitor.faults() == []
    monitor.click("#steps [aria-pressed=true]")
    monitor.wait(lambda: len(monitor.shown(".timeline li")) > 1)


def test_page_shows_when_the_connection_is_lost_and_continues_when_it_is_back(
    monitor: Monitor, stack: Stack, api: Api, correlation_id: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    api.start("probe", {"do": "hold", "until": str(go), "seconds": 60}, correlation_id, prefer="respond-async")
    monitor.open(f"/{correlation_id}")
    monitor.see("#diagram .is-running")

    stack["web"].kill()
    monitor.see("#connection", "Connection lost")
    stack["web"].start()
    stack["web"].wait_ready(PATIENCE_S)
    go.touch()

    monitor.see("h1 .status", "ok")
    monitor.wait(lambda: not monitor.shown("#connection"))
    monitor.browser.get_log("browser")


def test_charts_are_shown_as_numbers_too(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("probe", {"do": "nothing"}, correlation_id)
    monitor.open("/insight?span=15min")
    monitor.see(".u-legend")
    for summary in monitor.shown("#charts summary"):
        summary.click()

    monitor.see("#waits-numbers th", "in time")
    columns = [head.text for head in monitor.shown("#outcomes-numbers thead th")]
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "td")]
        for row in monitor.shown("#outcomes-numbers tbody tr")
    ]
    assert columns == ["From", "ok", "pending", "error", "cancelled", "open incident"]
    assert len(rows) == 15
    assert sum(int(row[0].replace(",", "")) for row in rows) > 0
    assert monitor.faults() == []


def test_phone_and_dark_scheme_show_everything(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("probe", {"do": "nothing"}, correlation_id)
    size = monitor.browser.get_window_size()
    monitor.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    monitor.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        for path in ("", f"/{correlation_id}", "/insight"):
            monitor.open(path)
            monitor.see("h1")
            assert monitor.browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
            assert monitor.faults() == []
    finally:
        monitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        monitor.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        monitor.browser.set_window_size(size["width"], size["height"])


def test_first_view_is_small(monitor: Monitor) -> None:
    """The list loads less than 200 KB in all."""
    monitor.open()
    monitor.see("h1")
    sizes = monitor.browser.execute_script(
        "return [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
        ".map(({name, decodedBodySize}) => [name, decodedBodySize])"
    )
    assert any("monitor.css" in name for name, _ in sizes)
    assert sum(size for _, size in sizes) < 200_000


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web server with a store of a hundred thousand processes, without workers."""
    settings = {"CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest", "PROCESSES": "processes,bench.processes"}
    stack = Stack(tmp_path_factory.mktemp("full"), settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", ["python", "-m", "store.migrate"])
        database = Database(stack.environment.get("DATABASE_URL"), pool_size=1, timeout_ms=30_000)
        fill(database, ROWS)
        database.dispose()
        stack.start_parts(["web"])
        yield stack
    finally:
        stack.stop()


def test_filters_and_pages_of_a_hundred_thousand_processes(browser: webdriver.Chrome, full: Stack) -> None:
    browser.get_log("browser")
    monitor = Monitor(browser, full.url)

    def ids() -> list[str]:
        return [link.text for link in monitor.shown("tbody td a")]

    monitor.open()
    monitor.see(".counters .ok", "1,000+")
    newest = ids()
    assert newest[0] == f"seed-{ROWS - 1}"
    monitor.click("a[rel=next]")
    monitor.wait(lambda: bool(ids()) and ids()[0] != newest[0])
    assert not set(ids()) & set(newest)

    monitor.click(".counters .error")
    monitor.see(".counters [aria-current]", "error")
    assert {status.text for status in monitor.shown("tbody .status")} == {"error"}
    assert "status=error" in browser.current_url
    Select(monitor.see("[name=processKey]")).select_by_visible_text("bench-five")
    monitor.click("#filters button")
    monitor.wait(lambda: "processKey=bench-five" in browser.current_url)
    assert "status=error" in browser.current_url
    shared = browser.current_url
    errors = ids()
    monitor.open("?text=seed-777")
    # Ids are found by their beginning at any age.
    monitor.see("tbody td a", "seed-7770")
    browser.get(shared)
    assert ids() == errors
    assert monitor.faults() == []
