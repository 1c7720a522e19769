"""The reference page names every call, and has a curl example for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.openapi.spec import operations
from dev.environment import ROOT
from tests.support.facade import Facade

PAGE = Path(ROOT) / "docs" / "reference" / "api-endpoints.md"


@pytest.fixture
def page() -> str:
    return PAGE.read_text()


def test_every_operation_is_named(facade: Facade, page: str) -> None:
    missing = [
        f"{method.upper()} {path}"
        for path, method, _ in operations(facade.http.get("/openapi.json").json or {})
        if f"`{method.upper()} {path}`" not in page
    ]

    assert missing == []


def test_every_named_call_has_a_curl(page: str) -> None:
    sections = page.split("\n## ")[2:]

    assert sections
    for section in sections:
        assert "\ncurl " in section, section.splitlines()[0]


def test_every_documented_status_is_explained(facade: Facade, page: str) -> None:
    for path, method, operation in operations(facade.http.get("/openapi.json").json or {}):
        named = page.index(f"`{method.upper()} {path}`")
        section = page[page.rindex("\n## ", 0, named) : page.find("\n## ", named)]
        general = page.split("\n## ")[1]
        for status in operation["responses"]:
            assert status in section or status in general, f"{method.upper()} {path}: {status}"
