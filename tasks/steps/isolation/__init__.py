"""Isolated handlers: each runs in a child process, whose end ends nothing else.

The children come from Python's fork server, which starts from a new interpreter: a process with threads must not fork.
A child serves one handler after the other. It is killed when its handler is interrupted, and ends with its worker.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from camunda_bridge.context import StepContext
from camunda_bridge.executor import Execution, Failed
from tasks.steps.attempt import Attempt
from tasks.steps.isolation import child

Run = Callable[[Attempt, StepContext], Execution]

#: seconds between two looks of a waiting thread: an exception that ends its handler is raised then
LOOK_S = 0.2
#: children that wait for the next handler; one more ends with its handler
KEPT = 4

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([child.__name__])
_starting = threading.Lock()
_idle: list[_Child] = []


@contextmanager
def isolated() -> Iterator[Run]:
    """Have a child process at hand, and give a function that runs the handler of an attempt in it.

    The death of the child is a failure like any other. The start of a child takes no time of the handler.
    """
    process = _take()
    try:
        yield process.run
    except BaseException:
        process.end()
        raise
    _give_back(process)


class _Child:
    """A child process and the pipe to it."""

    def __init__(self) -> None:
        self._pipe: Connection
        self._pipe, other = _context.Pipe()
        self._process: BaseProcess = _context.Process(target=child.serve, args=(other,), daemon=True, name="isolated")
        # The fork server is started with the first child.
        with _starting:
            self._process.start()
        other.close()

        # It says when it is ready.
        self._receive()

    @property
    def is_alive(self) -> bool:
        return not self._pipe.closed and self._process.is_alive()

    def run(self, attempt: Attempt, context: StepContext) -> Execution:
        """Run one handler."""
        begun = time.monotonic()
        try:
            self._pipe.send((attempt.message.dump(), context))
            result = self._receive()
        except (EOFError, OSError):
            text = f"WorkerLostError: the process of the handler ended: {self.end()}"
            return Execution(Failed(text, ""), round((time.monotonic() - begun) * 1000))
        if isinstance(result, BaseException):
            raise result
        execution: Execution = result
        return execution

    def _receive(self) -> Any:
        while not self._pipe.poll(LOOK_S):
            pass
        return self._pipe.recv()

    def end(self) -> str:
        """Kill the child; how it ended, in words."""
        if self._pipe.closed:
            return "killed"
        self._process.join(LOOK_S)
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self._pipe.close()
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _take() -> _Child:
    while True:
        try:
            found = _idle.pop()
        except IndexError:
            return _Child()
        if found.is_alive:
            return found
        found.end()


def _give_back(process: _Child) -> None:
    if len(_idle) < KEPT and process.is_alive:
        _idle.append(process)
    else:
        process.end()
