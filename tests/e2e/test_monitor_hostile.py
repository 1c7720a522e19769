"""The monitor with hostile texts and a narrow window: no text runs as script, layout and accessibility stay good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By

from tests.support.api import Api
from tests.support.monitor_page import Monitor

HTML = "<img src=x onerror=\"document.title='broken'\"></pre></script><script>document.title='broken'</script>"
TEXTS = {
    "html": HTML * 3,
    "long": "W" * 10_000,
    "right-to-left": "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 " * 20,
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈" * 200,
}
# axe-core checks every letter, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(300)

#: width of a small phone, in pixels
NARROW = 360


@pytest.fixture
def narrow(monitor: Monitor) -> Iterator[Monitor]:
    """The monitor in a window of a small phone's size."""
    size = monitor.browser.get_window_size()
    override = {"width": NARROW, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    monitor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", override)
    try:
        yield monitor
    finally:
        monitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        monitor.browser.set_window_size(size["width"], size["height"])


def is_whole(monitor: Monitor) -> bool:
    """Check that no text ran as script, nothing is wider than the window, and axe-core finds no fault."""
    assert monitor.browser.execute_script("return innerWidth") == NARROW
    assert monitor.browser.execute_script("return document.documentElement.scrollWidth") <= NARROW
    assert "celery-camunda" in monitor.browser.title
    assert monitor.browser.find_elements(By.CSS_SELECTOR, "img, main script") == []
    assert monitor.faults() == []
    return True


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_a_process_stay_texts(narrow: Monitor, api: Api, correlation_id: str, text: str) -> None:
    variables = {"do": "nothing", "customerId": text, "userId": text, text[:50]: text, "gives": {"said": text}}
    api.start("probe", variables, correlation_id)

    narrow.open(f"?text={correlation_id}")
    narrow.see("tbody td", correlation_id)
    assert is_whole(narrow)
    narrow.open(f"/{correlation_id}")
    narrow.see("#diagram .is-taken")
    for summary in narrow.shown("summary"):
        narrow.browser.execute_script("arguments[0].click()", summary)
    narrow.see(".timeline pre")
    narrow.see("#state pre")
    assert is_whole(narrow)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_people_stay_texts(narrow: Monitor, api: Api, correlation_id: str, text: str) -> None:
    some = text[:300]
    api.start("awaits-message", {}, correlation_id, prefer="respond-async")
    narrow.open(f"/{correlation_id}")
    narrow.click("button[data-opens=message]")
    fill(narrow, "[name=messageName]", some[:200])
    assert is_whole(narrow)
    narrow.click("#message .primary")
    narrow.see("[role=alert]")
    assert is_whole_after_a_refusal(narrow)
    narrow.click("button[data-opens=cancel]")
    fill(narrow, "[name=reason]", some)
    assert is_whole(narrow)
    narrow.click("#cancel .danger")
    narrow.see("h1 .status", "cancelled")
    narrow.see("#state .banner", some[:20].strip("\u202e "))
    assert is_whole(narrow)

    narrow.open("?text=nobody")
    # a text that no other process has
    fill(narrow, "[name=text]", some[:150] + correlation_id)
    narrow.click("#filters button")
    narrow.see(".empty")
    assert is_whole(narrow)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_texts_in_a_start_form_stay_texts(narrow: Monitor, text: str) -> None:
    narrow.open("/new/process/onboard-user")
    narrow.see("#start")
    for field in narrow.shown("#start input"):
        # without the browser's own validation
        narrow.browser.execute_script(
            "for (const name of ['pattern', 'maxlength', 'type']) arguments[0].removeAttribute(name);"
            "arguments[0].value = arguments[1]",
            field,
            text,
        )
    assert is_whole(narrow)
    narrow.click("#start .primary")

    narrow.see("[role=alert]")
    narrow.see("#start .fault")
    assert narrow.see("[name='v.firstName']").get_property("value") == text
    assert is_whole_after_a_refusal(narrow)


def test_message_and_cancel_are_done_in_the_browser(monitor: Monitor, api: Api, correlation_id: str) -> None:
    api.start("awaits-message", {}, f"{correlation_id}-1", prefer="respond-async")
    monitor.open(f"/{correlation_id}-1")
    # Its file has no drawing, so only the list of visited elements is shown.
    monitor.see("#diagram-note", "cannot be shown")
    monitor.see("#steps button", "waiting")
    monitor.click("button[data-opens=message]")
    monitor.type("[name=messageName]", "payment")
    monitor.type("[name=variables]", '{"paid": 12}')
    assert monitor.faults() == []
    monitor.click("#message .primary")
    monitor.see("h1 .status", "ok")
    monitor.see(".timeline .ops", "message")
    assert api.status(f"{correlation_id}-1").body["data"]["paid"] == 12

    api.start("awaits-message", {}, f"{correlation_id}-2", prefer="respond-async")
    monitor.open(f"/{correlation_id}-2")
    monitor.click("button[data-opens=cancel]")
    monitor.type("[name=reason]", "asked for by phone")
    assert monitor.faults() == []
    monitor.click("#cancel .danger")
    monitor.see("h1 .status", "cancelled")
    monitor.see("#state .banner", "asked for by phone")
    monitor.see(".timeline .ops", "cancel")
    assert api.status(f"{correlation_id}-2").body["status"] == "cancelled"


def fill(monitor: Monitor, selector: str, text: str) -> None:
    """Put a text into a field that no keyboard of the driver can type."""
    monitor.browser.execute_script("arguments[0].value = arguments[1]", monitor.see(selector), text)


def is_whole_after_a_refusal(monitor: Monitor) -> bool:
    """Like :func:`is_whole`, but the browser reports the refused request as an error."""
    refusals = ("409", "422")
    said = [entry["message"] for entry in monitor.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert all(any(status in message for status in refusals) for message in said), said
    return is_whole(monitor)


def test_search_field_finds_a_process_from_each_page_of_a_narrow_window(
    narrow: Monitor, api: Api, correlation_id: str
) -> None:
    api.start("probe", {"do": "nothing", "customerId": f"c-{correlation_id}"}, correlation_id)
    for path in ("", f"/{correlation_id}", "/insight", "/new/process"):
        narrow.open(path)
        assert is_whole(narrow)
        narrow.type(".find input", f"customerId:c-{correlation_id}")
        narrow.click(".find button")
        narrow.see("h1", correlation_id)

    narrow.type(".find input", "no-such-customer")
    narrow.click(".find button")
    narrow.see(".empty", "No process matches")
    narrow.click("summary", "More filters")
    narrow.see("input[name=errorCode]")
    assert is_whole(narrow)
