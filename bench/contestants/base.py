"""The base class of the contestants: start it, run processes with it, measure it, stop it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.loading import Load, LoadResult, run_load

#: clients that warm a contestant up
WARM_CLIENTS = 8


class Contestant(ABC):
    """One way to run processes.

    Args:
        engine_url: root of the engine's REST API.
        folder: the folder of its files and logs.
        process: key of the process that it runs.
        slow_url: root of the server that the steps of `bench-wait` call.
        slots: most steps at the same time; None for its own setting.
    """

    #: name in tables and on the command line
    name = ""
    #: one sentence for the report
    about = ""
    #: seconds until its last long poll has ended in the engine, after it was stopped
    pause_s = 2.0
    #: processes a second that it surely reaches; the length of a measurement depends on it
    least_rate = 20.0

    def __init__(
        self,
        engine_url: str,
        folder: Path,
        *,
        process: str = "bench-five",
        slow_url: str = "http://127.0.0.1:9",
        slots: int | None = None,
    ) -> None:
        self.engine_url = engine_url
        self.folder = folder
        self.process = process
        self.slow_url = slow_url
        self.slots = slots

    @abstractmethod
    def start(self) -> None:
        """Start it and wait until it serves."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it."""

    @abstractmethod
    def pids(self) -> dict[str, list[int]]:
        """Name of a component -> its process ids; their descendants belong to it."""

    @property
    @abstractmethod
    def face_url(self) -> str:
        """Address of the call that starts a process and answers when it has ended."""

    def run_load(
        self,
        *,
        clients: int = 1,
        seconds: float = 0.0,
        count: int = 0,
        rate: float = 0.0,
        at_begin: Callable[[], Any] = lambda: None,
    ) -> LoadResult:
        """Run processes with the load generator; the arguments are its options."""
        load = Load(
            runner=self.runner,
            url=self.face_url,
            process=self.process,
            clients=clients,
            seconds=seconds,
            count=count,
            rate=rate,
        )
        return run_load(load, at_begin)

    def run_one(self) -> float:
        """Run one process. Returns its latency in milliseconds."""
        return self.run_load(count=1).require_good().percentile(50)

    def warm(self, processes: int, clients: int = WARM_CLIENTS) -> None:
        """Run processes without measuring them, so that connections are open and code is loaded."""
        self.run_load(clients=clients, count=processes).require_good()

    @property
    def runner(self) -> str:
        """Name of the load generator's runner for this contestant."""
        return "http"

    @property
    def load_is_contestant(self) -> bool:
        """True if the load generator does the contestant's work, so that its CPU time is the contestant's."""
        return False
