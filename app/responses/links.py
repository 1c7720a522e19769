"""Where to go on with a process: paths that answers carry."""

from __future__ import annotations

from flask import url_for


def status_url(correlation_id: str) -> str:
    """Where to poll."""
    return url_for("process.ProcessStatus", correlation_id=correlation_id)


def links(correlation_id: str, traceability_id: str) -> dict[str, str]:
    """Where to poll, to follow, to read the event log, and to cancel."""
    return {
        "status": status_url(correlation_id),
        "events": url_for("events.Events", correlation_id=correlation_id),
        "eventLog": url_for("event-log.EventLog", traceability_id=traceability_id),
        "cancel": url_for("process.Cancel", correlation_id=correlation_id),
    }
