"""What the earlier attempts of a step say to the next: whether its outcome is known, and whether to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from camunda_bridge.executor import BusinessError, Completed, Execution, Failed
from store.event_rows import FAILED, LOST, OPEN_PHASES, RELEASED, EarlierAttempt

#: phases of an earlier attempt that the engine never heard of: the task was given out again
OPEN_OR_LOST = (*OPEN_PHASES, LOST)


def with_reported_failures(earlier: list[EarlierAttempt], was_reported: Callable[[str], bool]) -> list[EarlierAttempt]:
    """The attempts, where one whose failure the engine took, while its answer was lost, counts as failed.

    `was_reported`: whether the engine took the failure that was reported with this lock token.
    """
    return [
        replace(attempt, phase=FAILED)
        if attempt.phase in OPEN_OR_LOST and _failure_of(attempt) is not None and was_reported(attempt.lock_token)
        else attempt
        for attempt in earlier
    ]


def stored_outcome(earlier: list[EarlierAttempt]) -> Execution | None:
    """What an earlier attempt had come to before it could tell the engine."""
    for attempt in _never_heard_of(earlier):
        response = attempt.business_action_response
        if response is None:
            continue
        if (failure := _failure_of(attempt)) is not None:
            return Execution(failure, 0)
        kept = _kept(attempt)
        response = kept.get("response", response)
        if "bpmnError" in kept:
            error = BusinessError(response["code"], response["message"], kept["bpmnError"], response["details"])
            return Execution(error, 0)
        if "variables" in kept:
            return Execution(Completed(kept["variables"], response, exact=False), 0)
        return Execution(Completed.of(response), 0)
    return None


def _failure_of(attempt: EarlierAttempt) -> Failed | None:
    failure = _kept(attempt).get("failure")
    if failure is None:
        return None
    document = attempt.business_action_response
    return Failed(
        document["message"],
        attempt.error_details or "",
        failure["final"],
        where=document.get("where", ""),
        errors=document.get("errors"),
    )


def _kept(attempt: EarlierAttempt) -> dict[str, Any]:
    return {**(attempt.metadata or {}), **(attempt.kept_outcome or {})}


def count_undelivered(earlier: list[EarlierAttempt]) -> int:
    """How many came to an outcome that the engine never took."""
    return sum(attempt.business_action_response is not None for attempt in _never_heard_of(earlier))


def count_lost(earlier: list[EarlierAttempt]) -> int:
    """How many never came to an end, without those that their worker stopped and unlocked at its own end."""
    return sum(map(_was_lost, _never_heard_of(earlier)))


def was_ever_lost(earlier: list[EarlierAttempt]) -> bool:
    """True if one of all earlier attempts never came to an end: its handler may have ended its worker."""
    return any(attempt.phase in OPEN_OR_LOST and _was_lost(attempt) for attempt in earlier)


def _was_lost(attempt: EarlierAttempt) -> bool:
    return attempt.business_action_response is None and RELEASED not in (attempt.metadata or {})


def _never_heard_of(earlier: list[EarlierAttempt]) -> list[EarlierAttempt]:
    """The attempts that the engine never heard of, since the last one that failed: a retry by ops begins anew."""
    found = []
    for attempt in reversed(earlier):
        if attempt.phase == FAILED:
            break
        if attempt.phase in OPEN_OR_LOST:
            found.append(attempt)
    return found
