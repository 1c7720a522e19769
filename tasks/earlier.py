"""What the earlier attempts of a step say to the next: whether its outcome is known, and whether to try again."""

from __future__ import annotations

from camunda_bridge.executor import BusinessError, Completed, Execution
from store.events import FAILED, LOST, OPEN_PHASES, EarlierAttempt

#: phases of an earlier attempt that the engine never heard of: the task was given out again
OPEN_OR_LOST = (*OPEN_PHASES, LOST)


def stored_outcome(earlier: list[EarlierAttempt]) -> Execution | None:
    """What an earlier attempt had come to before it could tell the engine."""
    for attempt in reversed(earlier):
        response = attempt.business_action_response
        if attempt.phase not in OPEN_OR_LOST or response is None:
            continue
        kept = {**(attempt.metadata or {}), **(attempt.kept_outcome or {})}
        response = kept.get("response", response)
        if "bpmnError" in kept:
            error = BusinessError(response["code"], response["message"], kept["bpmnError"], response["details"])
            return Execution(error, 0)
        if "variables" in kept:
            return Execution(Completed(kept["variables"], response, exact=False), 0)
        return Execution(Completed.of(response), 0)
    return None


def count_undelivered(earlier: list[EarlierAttempt]) -> int:
    """How many came to an outcome that the engine never took."""
    return sum(attempt.business_action_response is not None for attempt in _never_heard_of(earlier))


def count_lost(earlier: list[EarlierAttempt]) -> int:
    """How many never came to an end."""
    return sum(attempt.business_action_response is None for attempt in _never_heard_of(earlier))


def _never_heard_of(earlier: list[EarlierAttempt]) -> list[EarlierAttempt]:
    """The attempts that the engine never heard of, since the last one that failed: a retry by ops begins anew."""
    found = []
    for attempt in reversed(earlier):
        if attempt.phase == FAILED:
            break
        if attempt.phase in OPEN_OR_LOST:
            found.append(attempt)
    return found
