"""A person looks at processes in a real browser, watches one, and mends one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from dev.stack import Stack
from tests.e2e.test_docs_page import PATIENCE_S, browser
from tests.support.api import Api

__all__ = ["browser"]

AXE = (Path(__file__).parent.parent / "support" / "vendor" / "axe-core" / "axe.min.js").read_text("utf-8")


class Monitor:
    """The monitor, with the eyes and hands of a person."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self._url = url

    def open(self, path: str = "") -> None:
        """Load a page."""
        self.browser.get(f"{self._url}/monitor{path}")

    def see(self, selector: str, text: str = "") -> WebElement:
        """The first visible element of a selector that contains a text, as soon as there is one."""

        def found(_: object) -> WebElement | None:
            try:
                for element in self.browser.find_elements(By.CSS_SELECTOR, selector):
                    if element.is_displayed() and text in element.text:
                        return element
            except StaleElementReferenceException:
                pass
            return None

        wait = WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.1)
        element: WebElement = wait.until(found, f"nothing at {selector} says {text!r}")
        return element

    def click(self, selector: str, text: str = "") -> None:
        """Click it, when it is there."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.see(selector, text).click()
                return
            except StaleElementReferenceException:
                if time.monotonic() > deadline:
                    raise

    def faults(self) -> list[str]:
        """What the browser complained of, such as a refused script; what axe-core finds wrong for people."""
        said = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        # Inserted by the test, which may do so whatever the page's policy is.
        self.browser.execute_script(AXE)
        found = self.browser.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then("
            "  ({violations}) => done(JSON.stringify(violations.map(({id, nodes}) => [id, nodes.map(n => n.html)]))))"
        )
        return said + [f"{name}: {nodes}" for name, nodes in json.loads(found)]


@pytest.fixture
def monitor(browser: webdriver.Chrome, stack: Stack) -> Monitor:
    """The monitor of the stack; the browser's complaints of earlier tests are gone."""
    browser.get_log("browser")
    return Monitor(browser, stack.url)


def test_list_follows_what_happens_without_a_reload(monitor: Monitor, api: Api, correlation_id: str) -> None:
    monitor.open(f"?text={correlation_id}")
    monitor.see(".empty", "No process matches")

    api.start("probe", {"do": "sleep", "seconds": 0.5}, correlation_id)

    monitor.see("tbody .status", "ok")
    monitor.see("tbody td a", correlation_id)
    assert monitor.faults() == []


def test_process_is_watched_on_its_diagram_to_the_end(
    monitor: Monitor, api: Api, correlation_id: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    api.start("probe", {"do": "hold", "until": str(go), "seconds": 20}, correlation_id, prefer="respond-async")
    monitor.open(f"/{correlation_id}")
    monitor.see("h1 .status", "pending")
    monitor.see("#diagram .is-running")
    assert monitor.faults() == []

    go.touch()

    monitor.see("h1 .status", "ok")
    monitor.see("#diagram .is-taken")
    monitor.see(".timeline .completed summary")
    WebDriverWait(monitor.browser, PATIENCE_S).until(
        lambda browser: not browser.find_elements(By.CSS_SELECTOR, "#diagram .is-running")
    )
    assert monitor.faults() == []
