"""`/` leads a browser to the monitor, and other clients to the API by links."""

from __future__ import annotations

import pytest

from tests.support.facade import Facade

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(("monitor", "page"), [("on", "/monitor"), ("off", "/docs")])
def test_a_browser_is_led_to_the_monitor_or_else_to_the_docs(facade: Facade, monitor: str, page: str) -> None:
    facade.change(monitor=monitor)

    response = facade.http.get("/", headers={"Accept": BROWSER})

    assert (response.status_code, response.headers["Location"]) == (302, page)
    assert "Accept" in response.headers["Vary"]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_others_get_links_that_answer(facade: Facade, accept: str | None) -> None:
    response = facade.http.get("/", headers={} if accept is None else {"Accept": accept})

    assert response.status_code == 200
    assert "Accept" in response.headers["Vary"]
    links = response.json["links"]
    assert links["start"] == "/api/process/start"
    assert links["monitor"] == "/monitor"
    for name, link in links.items():
        # A start is a POST.
        assert facade.http.get(link).status_code == (405 if name == "start" else 200), name


def test_pages_without_an_icon_of_their_own_have_one(facade: Facade) -> None:
    response = facade.http.get("/favicon.ico")

    assert (response.status_code, response.mimetype) == (200, "image/svg+xml")
    assert "<svg" in response.text
