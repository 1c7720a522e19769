"""The child process of isolated handlers. It reads the step's definition and the variables of the task for itself."""

from __future__ import annotations

import os
import resource
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from camunda_bridge.contents import task_values
from camunda_bridge.context import CONTEXT_VARIABLE, StepContext
from camunda_bridge.errors import EngineUnavailable
from camunda_bridge.executor import Execution, execute
from settings import get_settings
from tasks.broker.step_message import StepMessage
from tasks.processes import registry
from tasks.runtime import runtime
from telemetry import log_context, tracing
from telemetry.logs.configuring import configure_logging
from telemetry.logs.redaction import values_at_hand


def serve(pipe: Connection) -> None:
    """Run handlers, one after the other, until the worker ends."""
    _prepare()
    pipe.send("ready")
    while True:
        try:
            body, context = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            result: Execution | EngineUnavailable = _run(body, context)
        except EngineUnavailable as error:
            result = error
        pipe.send(result)
        tracing.flush()


def _prepare() -> None:
    # A terminal's Ctrl-C goes to the worker alone, which stops its steps itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    settings = get_settings()
    configure_logging(settings)
    tracing.configure(settings)
    if settings.step_max_memory_mb:
        limit = settings.step_max_memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_with_worker() -> None:
    """End this process when the worker has ended, whatever the handler does: its lock is not extended any more."""
    worker = parent_process()
    if worker is not None:
        wait([worker.sentinel])
        os._exit(1)


def _run(body: dict[str, Any], context: StepContext) -> Execution:
    message = StepMessage.load(body)
    log_context.begin(task="run_step", correlation_id=context.correlation_id, traceability_id=context.traceability_id)
    log_context.bind_step(body)
    found = registry.find(message.task.topic)
    if found is None:
        raise LookupError(f"no handler for {message.task.topic!r}")
    _, step = found
    values = task_values(runtime().engine, message.task)
    values.pop(CONTEXT_VARIABLE, None)
    with values_at_hand(values), tracing.span(f"isolated {step.topic}", parent=context.traceparent, kind="INTERNAL"):
        return execute(step, values, context)
