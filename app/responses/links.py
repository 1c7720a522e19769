"""The links of an answer: paths of further requests about the process."""

from __future__ import annotations

from flask import url_for


def status_url(correlation_id: str) -> str:
    """The polling URL."""
    return url_for("process.ProcessStatus", correlation_id=correlation_id)


def links(correlation_id: str, traceability_id: str) -> dict[str, str]:
    """The paths to poll the process, follow its events, read its event log and cancel it."""
    return {
        "status": status_url(correlation_id),
        "events": url_for("events.Events", correlation_id=correlation_id),
        "eventLog": url_for("event-log.EventLog", traceability_id=traceability_id),
        "cancel": url_for("process.Cancel", correlation_id=correlation_id),
    }
