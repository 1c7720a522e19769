"""What the commands print about a failure."""

from __future__ import annotations

import click

from app.client import shown
from app.client.api import StreamedEvent

WHERE = "processes/order/steps.py:42"


def test_status_of_an_incident_names_step_attempt_exception_and_place() -> None:
    error = {"code": "INCIDENT", "message": "ValueError: no", "step": "charge", "attempt": 4, "where": WHERE}
    text = shown.process({"correlationId": "c", "status": "error", "error": error})
    assert f"INCIDENT: step charge, attempt 4: ValueError: no ({WHERE})" in text


def test_failed_event_names_its_attempt_and_place() -> None:
    data = {"at": "", "stepName": "charge", "attempt": 1, "error": {"message": "ValueError: no", "where": WHERE}}
    assert f"charge  failed, attempt 1: ValueError: no ({WHERE})" in click.unstyle(
        shown.event(StreamedEvent("1", "failed", data))
    )


def test_error_without_a_place_is_told_as_it_is() -> None:
    text = shown.process({"correlationId": "c", "status": "error", "error": {"code": "NO_MONEY", "message": "poor"}})
    assert text.endswith("NO_MONEY: poor")
