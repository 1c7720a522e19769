"""What surrounds every attempt and every handler: one concern a module, in the order of the two lists below.

A middleware is a function of an attempt and of `call_next`, which runs what is inside of it. It may run code before and
after, or return a result without calling `call_next`: then the attempt ends there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from camunda_bridge.executor import Execution
from tasks.steps.attempt import Attempt
from tasks.steps.middleware.concurrency_lease import hold_lease
from tasks.steps.middleware.event_row import write_begin
from tasks.steps.middleware.expiry import discard_expired
from tasks.steps.middleware.lock import hold_lock
from tasks.steps.middleware.logging import bind_log_context
from tasks.steps.middleware.metrics import count_result, measure_handler, measure_queue_time
from tasks.steps.middleware.process import find_process
from tasks.steps.middleware.time_limit import limit_time
from tasks.steps.middleware.tracing import open_span
from tasks.steps.result import Result

T = TypeVar("T")
Middleware = Callable[[Attempt, Callable[[], T]], T]

#: around an attempt, from the outside in
ATTEMPT: tuple[Middleware[Result], ...] = (
    hold_lease,  # outermost: however the attempt ends, its lease is released
    count_result,  # outside of everything that decides the result
    discard_expired,  # before anything is written: another worker may have the task
    find_process,  # before everything that names the process
    bind_log_context,  # before the first line about the process
    open_span,  # before the first request to the store or the engine
    write_begin,  # the row comes first: nothing has an effect that the event log does not show
    measure_queue_time,  # only attempts that have begun are measured
    hold_lock,  # innermost: the lock is extended while the handler runs and its outcome is reported
)

#: around the handler alone, from the outside in
HANDLER: tuple[Middleware[Execution], ...] = (
    measure_handler,  # outside of the time limit, which may cost a little itself
    limit_time,  # innermost: counts the handler's time and nothing else
)


def run_through(middleware: Sequence[Middleware[T]], attempt: Attempt, core: Callable[[Attempt], T]) -> T:
    """Run `core` inside of `middleware`."""
    if not middleware:
        return core(attempt)
    return middleware[0](attempt, lambda: run_through(middleware[1:], attempt, core))
