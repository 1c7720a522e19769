"""One strict writer makes all JSON answers."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from flask import Flask

from app import create_app
from app.responses.answers import answer
from settings import Settings


@pytest.fixture
def app() -> Flask:
    return create_app(Settings())


def test_number_that_json_does_not_have_is_in_no_answer(app: Flask) -> None:
    with app.app_context(), pytest.raises(ValueError, match="not JSON compliant"):
        answer({"rate": math.inf})
    with pytest.raises(ValueError, match="not JSON compliant"):
        app.json.response(rate=math.nan)


def test_time_has_the_form_of_all_others(app: Flask) -> None:
    with app.app_context():
        assert (
            answer({"ü": datetime(2026, 1, 2, tzinfo=UTC)}).get_data(as_text=True)
            == '{"ü":"2026-01-02T00:00:00.000Z"}\n'
        )
