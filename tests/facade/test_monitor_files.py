"""The files of the monitor's pages: browsers keep them by their versioned address, and vendored files are unchanged."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from dev import vendor
from tests.support.facade import Facade


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/monitor/static/[^"]+)"', page)


def test_browser_keeps_a_file_that_its_address_names(facade: Facade) -> None:
    found = addresses(facade.http.get("/monitor/insight").text)

    assert {address.rpartition("/")[2] for address in found} >= {"monitor.css", "insight.js", "uplot.min.js"}
    for address in found:
        answer = facade.http.get(address)
        assert answer.status_code == 200
        assert "max-age=31536000" in answer.headers["Cache-Control"]


def test_browser_does_not_keep_what_another_release_answers(facade: Facade) -> None:
    for address in addresses(facade.http.get("/monitor/insight").text):
        name = address.split("/", 4)[4]
        answer = facade.http.get(f"/monitor/static/{'0' * 12}/{name}")

        assert answer.status_code == 200
        assert "max-age=31536000" not in answer.headers["Cache-Control"]


def test_scripts_find_each_other_below_one_version(facade: Facade) -> None:
    (script,) = [address for address in addresses(facade.http.get("/monitor").text) if "list.js" in address]
    imported = re.findall(r'from "\./([^"]+)"', facade.http.get(script).text)

    assert imported
    for name in imported:
        answer = facade.http.get(f"{script.rpartition('/')[0]}/{name}")
        assert "max-age=31536000" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "name", ["nothing.js", "../__init__.py", "vendor", "vendor/../../session.py", "n" * 300, "%00"]
)
def test_other_files_are_not_served(facade: Facade, name: str) -> None:
    assert facade.http.get(f"/monitor/static/{'0' * 12}/{name}").status_code == 404


@pytest.mark.parametrize("folder", [vendor.PAGES, vendor.TESTS], ids=["pages", "tests"])
def test_files_of_other_projects_are_unchanged(folder: Path) -> None:
    listed = dict(re.findall(r"^- `([^`]+)` sha256 ([0-9a-f]{64})$", (folder / "VENDORED.md").read_text("utf-8"), re.M))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"VENDORED.md"}

    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
