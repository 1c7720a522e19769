"""Tell the engine what an attempt came to, until it answers or the lock is over; and find out what it took.

A call whose answer is lost is made again. Where the engine then refuses it, since the task is gone or another's, the
engine's log tells whether it had taken the first one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from camunda_bridge.errors import EngineAway, LockLost
from camunda_bridge.task_fate import TaskEnd, fate_of
from store.events import AttemptKey
from tasks.runtime import runtime

T = TypeVar("T")

#: first and longest pause between two calls, in seconds
PAUSE_S, MAX_PAUSE_S = 0.1, 3.0


def tell(call: Callable[[], object], *, was_taken: Callable[[TaskEnd], bool], attempt: AttemptKey) -> None:
    """Make a call about a locked task until the engine answers, as long as a lock lasts, with back-off and jitter.

    Args:
        was_taken: whether the engine has taken this call, by what became of the task.

    Raises:
        LockLost: the engine has not taken it: the task is another's by now, or gone.
        EngineAway: it did not answer in time; it may have taken the call.
        EngineRefused: it refused the call for what it says.
    """
    may_be_taken = False

    def once() -> None:
        nonlocal may_be_taken
        try:
            call()
        except EngineAway as error:
            may_be_taken = may_be_taken or error.maybe_done
            raise
        except LockLost:
            task_id, token = attempt.external_task_id, attempt.lock_token
            if not (may_be_taken and was_taken(fate_of(runtime().engine, task_id, token))):
                raise

    until_answered(once)


def until_answered(call: Callable[[], T]) -> T:
    """Make a call until the engine answers, as long as a lock lasts, with back-off and jitter.

    Raises:
        EngineAway: it did not answer in time.
    """
    deadline = time.monotonic() + runtime().settings.lock_duration_ms / 1000
    pause = PAUSE_S
    while True:
        try:
            return call()
        except EngineAway:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, MAX_PAUSE_S)
