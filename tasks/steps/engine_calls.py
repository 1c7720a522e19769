"""Requests to the engine about a locked task: repeated until the engine answers or the lock expires.

A request whose answer is lost is sent again. Where the engine then refuses it, since the task is gone or another's, the
engine's log shows whether it had accepted the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from camunda_bridge.errors import EngineUnavailable, LockLost
from camunda_bridge.task_fate import TaskEnd, fate_of
from store.event_rows import AttemptKey
from tasks.runtime import runtime

T = TypeVar("T")

#: longest first pause, and longest pause of all, between two requests, in seconds
PAUSE_S, MAX_PAUSE_S = 0.1, 3.0


def report_outcome(call: Callable[[], object], *, was_accepted: Callable[[TaskEnd], bool], attempt: AttemptKey) -> None:
    """Report the outcome of an attempt: `call` until the engine answers, as long as a lock lasts.

    Args:
        was_accepted: whether the engine has accepted an earlier request of these, by how the task ended.

    Raises:
        LockLost: the engine did not accept it: another worker has the task, or it is gone.
        EngineUnavailable: the engine did not answer in time; it may have accepted the request.
        EngineRefused: it refused the request for its content.
    """
    may_be_accepted = False

    def once() -> None:
        nonlocal may_be_accepted
        try:
            call()
        except EngineUnavailable as error:
            may_be_accepted = may_be_accepted or error.maybe_done
            raise
        except LockLost:
            task_id, token = attempt.external_task_id, attempt.lock_token
            if not (may_be_accepted and was_accepted(fate_of(runtime().engine, task_id, token))):
                raise

    call_with_retry(once)


def call_with_retry(call: Callable[[], T]) -> T:
    """Make a request until the engine answers, as long as a lock lasts, with exponential back-off and jitter.

    Raises:
        EngineUnavailable: it did not answer in time.
    """
    again = Retrying(
        retry=retry_if_exception_type(EngineUnavailable),
        stop=stop_before_delay(runtime().settings.lock_duration_ms / 1000),
        wait=wait_random_exponential(multiplier=PAUSE_S, max=MAX_PAUSE_S),
        reraise=True,
    )
    return again(call)
