"""Pages that refresh themselves: they can be paused, and keep focus, selection and scroll position."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.api import Api
from tests.support.monitor_page import Monitor

#: seconds; longer than two refreshes of the list
LOOKS = "setTimeout(arguments[0], 4500)"


@pytest.fixture
def started(api: Api, correlation_id: str) -> Callable[[int], str]:
    """Start processes with numbered ids that begin with the name of the test."""

    def start(number: int) -> str:
        name = f"{correlation_id}-{number}"
        api.start("probe", {"do": "nothing"}, name)
        return name

    return start


def test_list_is_paused_and_resumed(monitor: Monitor, started: Callable[[int], str], correlation_id: str) -> None:
    started(1)
    monitor.open(f"?text={correlation_id}")
    monitor.click("#pause", "Pause updates")

    started(2)
    monitor.browser.execute_async_script(LOOKS)
    assert len(monitor.shown("tbody tr")) == 1
    # The pause also applies to the next page, which is loaded once.
    monitor.open(f"?text={correlation_id}")
    assert len(monitor.shown("tbody tr")) == 2
    started(3)
    monitor.browser.execute_async_script(LOOKS)
    assert len(monitor.shown("tbody tr")) == 2

    monitor.click("#pause", "Resume updates")
    monitor.wait(lambda: len(monitor.shown("tbody tr")) == 3)
    assert monitor.faults() == []


def test_process_is_paused_and_resumed(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("awaits-message", {}, correlation_id, prefer="respond-async")
    monitor.open(f"/{correlation_id}")
    monitor.see("h1 .status", "pending")
    # An instance that waits from its beginning has no event.
    monitor.wait(lambda: "none yet" not in monitor.see(".facts").text)
    # The first content of a page is shown even when it is paused.
    monitor.see("#process[aria-busy=false]")
    monitor.click("#pause", "Pause updates")

    api.call("POST", f"/api/process/{correlation_id}/cancel", {"reason": "test"})
    monitor.browser.execute_async_script(LOOKS)
    monitor.see("h1 .status", "pending")

    monitor.open(f"/{correlation_id}")
    monitor.see("h1 .status", "cancelled")
    monitor.click("#pause", "Resume updates")
    monitor.see("#pause", "Pause updates")


def test_insight_is_paused_and_resumed(monitor: Monitor) -> None:
    monitor.open("/insight?span=15min")
    monitor.see(".u-legend")
    asked = "return performance.getEntriesByType('resource').filter(({name}) => name.includes('/insight/data')).length"
    monitor.click("#pause", "Pause updates")
    before = monitor.browser.execute_script(asked)
    monitor.browser.execute_async_script("setTimeout(arguments[0], 12_000)")
    assert monitor.browser.execute_script(asked) == before

    monitor.click("#pause", "Resume updates")
    monitor.wait(lambda: monitor.browser.execute_script(asked) > before)


def test_refresh_of_the_list_keeps_focus_selection_and_scroll_position(
    monitor: Monitor, started: Callable[[int], str], correlation_id: str
) -> None:
    first = started(1)
    monitor.open(f"?text={correlation_id}")
    monitor.browser.execute_script(
        "document.getElementById('rows').style.maxWidth = '300px';"
        "document.querySelector('.wide').scrollLeft = 60;"
        "getSelection().selectAllChildren(document.querySelector('tbody td a'));"
        "document.querySelector('tbody td a').focus({preventScroll: true});"
    )
    second = started(2)
    monitor.see("tbody td a", second)
    monitor.browser.execute_async_script(LOOKS)

    assert monitor.browser.switch_to.active_element.text == first
    assert monitor.browser.execute_script("return String(getSelection())") == first
    assert monitor.browser.execute_script("return document.querySelector('.wide').scrollLeft") == 60
    monitor.browser.switch_to.active_element.send_keys(Keys.ENTER)
    monitor.see("h1", first)


def test_refresh_of_a_process_keeps_open_parts_open(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("probe", {"do": "nothing"}, correlation_id)
    monitor.open(f"/{correlation_id}")
    monitor.see("#diagram .is-taken")
    monitor.click(".timeline summary")
    monitor.see(".timeline details[open] dl")
    monitor.browser.execute_script(
        "getSelection().selectAllChildren(document.querySelector('h1'));"
        "window.shown = document.querySelector('.timeline details')"
    )

    # ended processes are refreshed less often
    monitor.browser.execute_async_script("setTimeout(arguments[0], 12_000)")

    assert monitor.browser.execute_script("return window.shown.isConnected && window.shown.open")
    assert correlation_id in monitor.browser.execute_script("return String(getSelection())")
    assert monitor.faults() == []
