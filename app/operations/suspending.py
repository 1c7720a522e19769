"""The operations of ops that suspend and resume a process, or a process definition with all its instances."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.operations.ending import already_ended, engine_problem, require_running
from app.responses.problem import Problem
from app.responses.problem_types import ENGINE_REFUSED, NOT_STARTED
from app.security.auth import current_actor
from app.services import services
from app.starts.requested import known_process
from service import suspension
from service.errors import OperationRefused, OperationUnavailable, ProcessNotStarted
from store.process_rows import ProcessRow


def suspend(row: ProcessRow, reason: str | None) -> ProcessRow:
    """Suspend the process of `row` and those that it called, and return its current row.

    Raises:
        Problem: it has ended, has no instance yet, the engine refuses it, or the engine is unavailable.
    """
    return _change(row, suspended=True, reason=reason)


def resume(row: ProcessRow) -> ProcessRow:
    """Resume the process of `row` and those that it called, and return its current row; see :func:`suspend`."""
    return _change(row, suspended=False, reason=None)


def set_definition_suspended(process_key: str, *, suspended: bool, reason: str | None = None) -> int:
    """Suspend or resume all versions of a process with their instances; returns how many versions.

    Raises:
        Problem: no process has this key, it is not deployed, the engine refuses it, or the engine is unavailable.
    """
    known_process(process_key)
    try:
        versions = suspension.set_definition_suspended(
            process_key, suspended=suspended, reason=reason, actor=current_actor()
        )
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error) from None
    if not versions:
        raise Problem(ENGINE_REFUSED, f"{process_key} is not deployed in the engine; nothing was changed")
    return versions


def not_started(row: ProcessRow) -> Problem:
    """The answer to an operation on a process that has no instance yet."""
    return Problem(
        NOT_STARTED,
        "the process has no instance in the engine yet; call again later",
        headers={"Retry-After": str(services().settings.retry_after_s)},
        correlationId=row.correlation_id,
    )


@contextmanager
def engine_asked(row: ProcessRow) -> Iterator[None]:
    """Within the block the engine is asked about the process of `row`, which has an instance.

    Raises:
        Problem: it has no instance yet, the engine refuses it, or the engine is unavailable.
    """
    try:
        yield
    except ProcessNotStarted:
        raise not_started(row) from None
    except (OperationUnavailable, OperationRefused) as error:
        raise engine_problem(error, row.correlation_id) from None


def _change(row: ProcessRow, *, suspended: bool, reason: str | None) -> ProcessRow:
    require_running(row)
    actor = current_actor()
    with engine_asked(row):
        done = suspension.suspend(row, reason, actor=actor) if suspended else suspension.resume(row, actor=actor)
    now = services().processes.by_id(row.id) or row
    if not done:
        # It has ended in the engine. The row says so now, or after the next round of the reconciler.
        raise already_ended(now)
    return now
