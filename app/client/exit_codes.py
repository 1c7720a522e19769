"""The exit codes of the commands: one for each result that a script handles differently."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from app.starts.start import is_technical
from store.process_rows import CANCELLED, OK, PENDING


class ExitCode(IntEnum):
    """The exit codes. 1 means a fault of the command itself; 2 is click's code for wrong usage."""

    OK = 0
    USAGE = 2
    BUSINESS_ERROR = 3
    TECHNICAL_ERROR = 4
    PENDING = 5
    NOT_FOUND = 6
    UNAVAILABLE = 7
    REFUSED = 8
    CANCELLED = 9


_BY_PROBLEM = {
    "/problems/process-failed": ExitCode.BUSINESS_ERROR,
    "/problems/process-error": ExitCode.TECHNICAL_ERROR,
    "/problems/process-cancelled": ExitCode.CANCELLED,
}
_BY_STATUS = {
    400: ExitCode.USAGE,
    404: ExitCode.NOT_FOUND,
    413: ExitCode.USAGE,
    415: ExitCode.USAGE,
    422: ExitCode.USAGE,
    429: ExitCode.UNAVAILABLE,
}


def reports_end(kind: str | None) -> bool:
    """True for a problem type that reports the end of a process, not a refused request."""
    return kind in _BY_PROBLEM


def of_process(document: dict[str, Any]) -> ExitCode:
    """The exit code for the status of a process."""
    status = document.get("status")
    if status in (OK, PENDING, CANCELLED):
        return {OK: ExitCode.OK, PENDING: ExitCode.PENDING, CANCELLED: ExitCode.CANCELLED}[status]
    return ExitCode.TECHNICAL_ERROR if is_technical(document.get("error")) else ExitCode.BUSINESS_ERROR


def of_problem(status: int, kind: str | None) -> ExitCode:
    """The exit code for an error answer, by its HTTP status and problem type."""
    if kind in _BY_PROBLEM:
        return _BY_PROBLEM[kind]
    return _BY_STATUS.get(status, ExitCode.UNAVAILABLE if status >= 500 else ExitCode.REFUSED)
