"""This project: facade, Celery, bridge and database, all processes of the Procfile, with default settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType

from bench.contestants.base import Contestant
from dev import roles
from dev.stack import Stack

#: parts that the benchmark starts itself
GIVEN = ("engine", "partner")


class Ours(Contestant):
    """The product as `make run` starts it, with the benchmark's engine."""

    name = "ours"
    about = "facade + Celery + bridge + SQLite, every process of the Procfile, settings as shipped"

    #: settings that differ from the defaults; the workloads that have any report it
    settings: Mapping[str, object] = MappingProxyType({})
    #: parts that are not started
    without: tuple[str, ...] = ()

    def start(self) -> None:
        """Start the stack."""
        self._make_stack()
        try:
            self.stack.start()
        except BaseException:
            self.stack.stop()
            raise

    def start_web(self) -> None:
        """Start only broker and web, which need no engine."""
        self._make_stack()
        self.stack.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.stack.run("migrate", [sys.executable, "-m", "store.migrate"])
            self.stack.start_parts(["broker", "web"])
        except BaseException:
            self.stack.stop()
            raise

    def _make_stack(self) -> None:
        self.stack = Stack(
            self.folder,
            settings={
                "CAMUNDA_BASE_URL": self.engine_url,
                "PARTNER_BASE_URL": self.slow_url,
                "PROCESSES": "bench.processes",
                **({"WORKER_CONCURRENCY": self.slots} if self.slots else {}),
                **self.settings,
            },
            parts=[part for part in roles.ALL if part not in (*GIVEN, *self.without)],
        )

    def stop(self) -> None:
        """Stop the stack."""
        self.stack.stop()

    def pids(self) -> dict[str, list[int]]:
        """The processes of the Procfile, and the broker as `redis`."""
        return {
            "redis" if name == "broker" else name: [child.pid]
            for name, child in self.stack.parts.items()
            if child.is_running
        }

    @property
    def face_url(self) -> str:
        """Address of the facade's start call."""
        return f"{self.stack.url}/api/process/start"


class InlineSteps(Ours):
    """Ours with inline steps: the next step runs in the slot of the one before it."""

    name = "ours-in-place"
    about = "ours with STEPS_IN_PLACE_MS=1000: no message between two steps of a process"
    settings = MappingProxyType({"STEPS_IN_PLACE_MS": 1000})
