"""What the exit code of a command says: one number for each thing that a script would do differently."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from app.starts.start import is_technical
from store.process_rows import CANCELLED, OK, PENDING


class ExitCode(IntEnum):
    """The exit codes; 1 is left to faults of the command itself, 2 is click's own for wrong usage."""

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


def tells_of_process(kind: str | None) -> bool:
    """True for a problem that is how a process stands, not a call that was refused."""
    return kind in _BY_PROBLEM


def of_process(document: dict[str, Any]) -> ExitCode:
    """From the status of a process."""
    status = document.get("status")
    if status in (OK, PENDING, CANCELLED):
        return {OK: ExitCode.OK, PENDING: ExitCode.PENDING, CANCELLED: ExitCode.CANCELLED}[status]
    return ExitCode.TECHNICAL_ERROR if is_technical(document.get("error")) else ExitCode.BUSINESS_ERROR


def of_problem(status: int, kind: str | None) -> ExitCode:
    """From an error answer: its HTTP status and the type of its problem."""
    if kind in _BY_PROBLEM:
        return _BY_PROBLEM[kind]
    return _BY_STATUS.get(status, ExitCode.UNAVAILABLE if status >= 500 else ExitCode.REFUSED)
