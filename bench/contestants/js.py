"""The JavaScript client, camunda-external-task-client-js, in one Node process that also answers the start call."""

from __future__ import annotations

import json
import os

from bench.contestants.base import Contestant
from bench.tools import node_folder
from dev.children import Child
from dev.ports import LOOPBACK, free_port
from dev.probes import answers


class JsDefaults(Contestant):
    """The client with its defaults: interval 300 ms, maxTasks 10, no long polling."""

    name = "js"
    about = "camunda-external-task-client-js 3.1.0 with its defaults, waiting clients in memory"
    least_rate = 4.0

    #: options of the client, in addition to baseUrl
    options: tuple[tuple[str, int | bool], ...] = ()

    def start(self) -> None:
        """Start Node."""
        port = free_port()
        self._url = f"http://{LOOPBACK}:{port}"
        environment = {
            **os.environ,
            "PORT": str(port),
            "ENGINE_URL": self.engine_url,
            "PROCESS_KEY": self.process,
            "SLOW_URL": self.slow_url,
            "CLIENT_OPTIONS": json.dumps({**dict(self.options), **self._limit}),
        }
        self._child = Child(
            self.name,
            ["node", str(node_folder() / "server.mjs")],
            log=self.folder / "logs" / f"{self.name}.log",
            env=environment,
            ready=lambda child: answers(f"{self._url}/health"),
        )
        self._child.start()
        self._child.wait_ready(20)

    def stop(self) -> None:
        """Stop Node, which first stops its polling."""
        self._child.terminate(5)

    def pids(self) -> dict[str, list[int]]:
        """The Node process."""
        return {"node": [self._child.pid]}

    @property
    def _limit(self) -> dict[str, int]:
        return {"maxParallelExecutions": self.slots} if self.slots else {}

    @property
    def face_url(self) -> str:
        """Address of its start call."""
        return f"{self._url}/start"


class JsTuned(JsDefaults):
    """The client tuned: no pause between polls, long polling, 100 tasks a fetch."""

    name = "js-tuned"
    about = "the same client with interval 0, long polling, maxTasks 100"
    least_rate = 20.0
    # A long poll ends after asyncResponseTimeout, in milliseconds, even if its client is gone: it must have ended
    # before the next contestant starts.
    options = (("interval", 0), ("maxTasks", 100), ("asyncResponseTimeout", 1500), ("usePriority", False))
