"""The page `/docs` in a real browser: a person starts a process from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import Select, WebDriverWait

from dev.browser import PATIENCE_S
from dev.stack import Stack
from tests.support.api import Api


class DocsPage:
    """The page `/docs`, used as a person uses it."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self._browser = browser
        browser.get(f"{url}/docs")

    def open_start(self) -> None:
        """Unfold the start call, and click on "Try it out"."""
        self._click("#operations-process-postProcessStart .opblock-summary-control")
        self._click("#operations-process-postProcessStart .try-out__btn")

    def choose_example(self, name: str) -> dict[str, Any]:
        """Fill the body with an example. Returns the text of the field."""
        chooser = self._see(
            "#operations-process-postProcessStart .opblock-section-request-body .examples-select select"
        )
        Select(chooser).select_by_value(name)
        area = "#operations-process-postProcessStart textarea.body-param__text"
        WebDriverWait(self._browser, PATIENCE_S).until(lambda _: name in str(self._see(area).get_property("value")))
        body: dict[str, Any] = json.loads(str(self._see(area).get_property("value")))
        return body

    def execute(self) -> tuple[int, dict[str, Any]]:
        """Send the request. Returns the status and the body that the page shows."""
        self._click("#operations-process-postProcessStart .btn.execute")
        answer = "#operations-process-postProcessStart .live-responses-table .response"
        status = self._see(f"{answer} .response-col_status").text
        body = self._see(f"{answer} .highlight-code").text
        return int(status.split()[0]), json.loads(body[body.index("{") : body.rindex("}") + 1])

    def faults(self) -> list[str]:
        """The browser's errors."""
        return [entry["message"] for entry in self._browser.get_log("browser") if entry["level"] == "SEVERE"]

    def _see(self, selector: str) -> WebElement:
        found = expected_conditions.visibility_of_element_located((By.CSS_SELECTOR, selector))
        return WebDriverWait(self._browser, PATIENCE_S).until(found)

    def _click(self, selector: str) -> None:
        found = expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector))
        element = WebDriverWait(self._browser, PATIENCE_S).until(found)
        self._browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()


@pytest.mark.timeout(240)
def test_process_is_started_from_the_page(browser: webdriver.Chrome, stack: Stack, api: Api, tmp_path: Path) -> None:
    page = DocsPage(browser, stack.url)
    page.open_start()
    body = page.choose_example("onboard-user")
    assert body["processKey"] == "onboard-user"

    status, answer = page.execute()

    assert status in (200, 202), answer
    ended = api.wait_until_ended(answer["correlationId"])
    assert ended.body["status"] == "ok"
    assert ended.body["data"]["userId"] == body["variables"]["userId"]
    assert page.faults() == []
