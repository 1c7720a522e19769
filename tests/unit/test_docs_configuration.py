"""The page of settings, which is made when the documentation is built."""

from __future__ import annotations

from dataclasses import fields

from dev.docs import configuration
from dev.local_settings import LocalSettings
from settings import Settings


def rows() -> dict[str, list[str]]:
    """Name of a setting -> the cells of its row."""
    cells = [line.strip("| ").split(" | ") for line in configuration.page().splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row for row in cells}


def test_every_setting_has_one_row_and_nothing_else_has() -> None:
    expected = [item.name.upper() for item in (*fields(Settings), *fields(LocalSettings))]

    assert sorted(rows()) == sorted(expected)
    assert configuration.page().count("\n| `") == len(expected)


def test_a_row_has_default_range_and_meaning() -> None:
    _, default, allowed, meaning = rows()["SYNC_TIMEOUT_MS"]

    assert (default, allowed) == ("`25000`", "0 to 600,000")
    assert meaning.startswith("How long a start waits")


def test_a_secret_is_marked() -> None:
    assert rows()["DATABASE_URL"][3].endswith(" Secret.")
