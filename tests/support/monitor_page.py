"""The monitor in a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from dev.browser import PATIENCE_S

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text("utf-8")


def is_stale(error: WebDriverException) -> bool:
    """True if an element is gone with its page. The driver reports that by two different exceptions."""
    return isinstance(error, StaleElementReferenceException) or "does not belong to the document" in (error.msg or "")


class Monitor:
    """The pages of the monitor, used as a person uses them."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self._url = url

    def open(self, path: str = "") -> None:
        """Load a page."""
        self.browser.get(f"{self._url}/monitor{path}")

    def see(self, selector: str, text: str = "") -> WebElement:
        """Wait for a visible element of a selector that contains a text, and return the first one."""

        def found(_: object) -> WebElement | None:
            try:
                for element in self.browser.find_elements(By.CSS_SELECTOR, selector):
                    if element.is_displayed() and text in element.text:
                        return element
            except WebDriverException as error:
                if not is_stale(error):
                    raise
            return None

        wait = WebDriverWait(self.browser, PATIENCE_S, poll_frequency=0.1)
        element: WebElement = wait.until(found, f"nothing at {selector} says {text!r}")
        return element

    def click(self, selector: str, text: str = "") -> None:
        """Wait for an element and click it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.see(selector, text).click()
                return
            except WebDriverException as error:
                if not is_stale(error) or time.monotonic() > deadline:
                    raise

    def type(self, selector: str, text: str) -> None:
        """Type a text into a field."""
        field = self.see(selector)
        field.clear()
        field.send_keys(text)

    def shown(self, selector: str) -> list[WebElement]:
        """The visible elements of a selector."""
        return [found for found in self.browser.find_elements(By.CSS_SELECTOR, selector) if found.is_displayed()]

    def wait(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until the condition is true."""
        WebDriverWait(self.browser, timeout_s, poll_frequency=0.1).until(lambda _: condition())

    def faults(self) -> list[str]:
        """The browser's errors, such as a refused script, and the faults in accessibility that axe-core finds."""
        said = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        # The driver inserts axe-core, which the page's content security policy does not prevent.
        self.browser.execute_script(AXE)
        found = self.browser.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then("
            "  ({violations}) => done(JSON.stringify(violations.map(({id, nodes}) => [id, nodes.map(n => n.html)]))))"
        )
        return said + [f"{name}: {nodes}" for name, nodes in json.loads(found)]
