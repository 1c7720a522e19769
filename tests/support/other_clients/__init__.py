"""Clients of other projects, each as a process of its own that runs external tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.tools import client_python, node_folder
from dev.children import Child

HERE = Path(__file__).parent
#: seconds until a client polls
READY_S = 30.0


@dataclass(frozen=True)
class Kind:
    """A client.

    Attributes:
        command: program and arguments; installs the client if necessary.
        holds: how many tasks it works on at once.
    """

    command: Callable[[], list[str]]
    holds: int


KINDS = {
    "js": Kind(lambda: ["node", str(HERE / "worker.mjs")], holds=5),
    # -P: do not import the modules in the script's folder
    "python": Kind(lambda: [str(client_python()), "-P", str(HERE / "worker.py")], holds=1),
}


class OtherClient:
    """One client that polls topics of an engine. It ends what it took from `release` on.

    Args:
        kind: a key of `KINDS`.
        folder: for its log.
    """

    def __init__(self, kind: str, engine_url: str, topics: list[str], folder: Path) -> None:
        self.worker_id = f"other-{kind}"
        self.holds = KINDS[kind].holds
        self._go = folder / "go"
        client = node_folder() / "node_modules/camunda-external-task-client-js/index.js" if kind == "js" else None
        environment = {
            "ENGINE_URL": engine_url,
            "WORKER_ID": self.worker_id,
            "TOPICS": ",".join(topics),
            "HOLDS": str(self.holds),
            "GO": str(self._go),
            "CLIENT": client.as_uri() if client else "",
        }
        self._child = Child(
            kind,
            KINDS[kind].command(),
            log=folder / f"{kind}.log",
            env={**os.environ, **environment},
            ready=lambda child: "polls" in child.log_text(),
        )

    def start(self) -> None:
        """Start it, and wait until it polls."""
        self._child.start()
        self._child.wait_ready(READY_S)

    def release(self) -> None:
        """Let it end the tasks that it took, and those that it takes."""
        self._go.touch()

    def stop(self) -> None:
        """Stop it."""
        self._child.terminate(5)

    @property
    def taken(self) -> list[str]:
        """The business keys of the tasks that it took."""
        return self._said("took")

    @property
    def ended(self) -> list[str]:
        """The business keys of the tasks whose outcome the engine accepted."""
        return self._said("ended")

    @property
    def errors(self) -> list[str]:
        """The lines of its log that are about an error."""
        return [line for line in self.log.splitlines() if "error" in line.lower()]

    @property
    def log(self) -> str:
        """What it printed."""
        return self._child.log_text()

    def _said(self, word: str) -> list[str]:
        return re.findall(rf"^{word} (\S+)$", self.log, re.MULTILINE)
