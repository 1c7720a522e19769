"""The Python client, camunda-external-task-client-python3: one worker a topic, as its README shows, and tuned."""

from __future__ import annotations

import json
import os
from pathlib import Path

from bench.contestants.base import Contestant
from bench.tools import python_program
from dev.children import Child, stop_all
from dev.ports import LOOPBACK, free_port
from dev.probes import answers

SERVER = Path(__file__).parents[1] / "python" / "server.py"


class Python(Contestant):
    """The configuration of the README: one task a fetch, long polling for 5 s."""

    name = "python"
    about = "camunda-external-task-client-python3 4.5.0 as its README shows, one worker a topic, waiting in memory"
    #: a little more than `asyncResponseTimeout` of the README
    pause_s = 5.5
    least_rate = 15.0

    #: configuration of the client
    config: tuple[tuple[str, int], ...] = (
        ("maxTasks", 1),
        ("lockDuration", 10000),
        ("asyncResponseTimeout", 5000),
        ("retries", 3),
        ("retryTimeout", 5000),
        ("sleepSeconds", 30),
    )
    workers_per_topic = 1
    #: steps whose workers run in a second process; the first one answers the start call
    helper_steps: tuple[str, ...] = ()

    def start(self) -> None:
        """Start the processes."""
        port = free_port()
        self._url = f"http://{LOOPBACK}:{port}"
        own_steps = tuple(step for step in ("s1", "s2", "s3", "s4", "s5") if step not in self.helper_steps)
        self._child = self._process("face", own_steps, {"PORT": str(port)})
        self._helper = self._process("helper", self.helper_steps, {"HELPER": "1"}) if self.helper_steps else None
        for child in self._children:
            child.start()
        self._child.wait_ready(20)

    def stop(self) -> None:
        """Stop the processes."""
        stop_all(self._children, 3)

    def pids(self) -> dict[str, list[int]]:
        """All processes, as one component."""
        return {"python": [child.pid for child in self._children]}

    @property
    def face_url(self) -> str:
        """Address of its start call."""
        return f"{self._url}/start"

    @property
    def _children(self) -> list[Child]:
        return [child for child in (self._child, self._helper) if child is not None]

    def _process(self, role: str, steps: tuple[str, ...], variables: dict[str, str]) -> Child:
        environment = {
            **os.environ,
            "ENGINE_URL": self.engine_url,
            "PROCESS_KEY": self.process,
            "SLOW_URL": self.slow_url,
            "CLIENT_CONFIG": json.dumps(dict(self.config)),
            "WORKERS_PER_TOPIC": str(self.workers_per_topic),
            "STEPS": ",".join(steps),
            **variables,
        }
        return Child(
            f"{self.name}-{role}",
            # -P: do not import the modules in the script's folder
            [str(python_program()), "-P", str(SERVER)],
            log=self.folder / "logs" / f"{role}.log",
            env=environment,
            ready=lambda child: "PORT" not in variables or answers(f"{self._url}/health"),
        )


class PythonTuned(Python):
    """The client tuned: two processes for two cores, several workers a topic, no long sleep after an engine error."""

    name = "python-tuned"
    about = "the same client in two processes, three workers a topic, up to 5 tasks a fetch"
    pause_s = 2.0
    least_rate = 20.0
    config = (("maxTasks", 5), ("lockDuration", 60000), ("asyncResponseTimeout", 1500), ("sleepSeconds", 0))
    workers_per_topic = 3
    helper_steps = ("s1", "s2", "s3")
