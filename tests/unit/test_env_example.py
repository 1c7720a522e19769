"""`.env.example` shows every setting with its default."""

from __future__ import annotations

from dotenv import dotenv_values

from dev import env_example
from dev.environment import ROOT, defaults


def test_example_is_up_to_date_with_the_settings() -> None:
    assert (ROOT / ".env.example").read_text() == env_example.text(), "run: python -m dev.env_example"


def test_example_sets_nothing_until_a_line_is_uncommented() -> None:
    assert dotenv_values(ROOT / ".env.example") == {}


def test_every_setting_is_in_the_example() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for name, default in defaults().items():
        assert f"#{name}={default}" in lines
