"""The system that `make run` starts, in a copy of the checkout: for pages that write a process and then start it."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from dev.environment import LOCAL_PARTS, StackEnvironment, isolated

#: what `make run` prints last, when everything serves
SERVES = "stop .*Ctrl-C"

#: the block `make run` of a page: stop what runs, start it with the files as they are now, go on when it serves
_FUNCTIONS = """\
stop_serving() {{
  [ -n "${{SERVING:-}}" ] || return 0
  kill -TERM "$SERVING"
  wait "$SERVING"
  SERVING=
}}
serve() {{
  stop_serving
  : > {output}  # here, because the lines of the last start must be gone before the loop looks
  env {unset} {ports} python -m dev.run --quiet --folder {folder} > {output} 2>&1 &
  SERVING=$!
  until grep -q '{serves}' {output}; do
    kill -0 "$SERVING" || {{ cat {output}; return 1; }}
    sleep 0.2
  done
}}
"""


class Serving:
    """A `make run` with ports and data of its own.

    Args:
        folder: the folder of its data.
        engine_url: root of the REST API of an engine that no other system uses. It goes on when the system is stopped,
            because its start takes longer than that of all other parts.
    """

    def __init__(self, folder: Path, engine_url: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.environment: StackEnvironment = isolated(folder, {"CAMUNDA_BASE_URL": engine_url})

    @property
    def addresses(self) -> dict[str, str]:
        """Address on the pages -> address of this system."""
        return addresses(self.environment)

    def functions(self) -> str:
        """The shell functions `serve` and `stop_serving`, for a shell in the copy of the checkout."""
        local = self.environment.local
        ports = {"LOCAL_REDIS_PORT": local["broker"], "LOCAL_PARTNER_PORT": local["partner"]}
        return _FUNCTIONS.format(
            # It starts these parts itself only if their addresses are not set.
            unset=" ".join(f"-u {LOCAL_PARTS[part]}" for part in local),
            ports=" ".join(f"{name}={port}" for name, port in ports.items()),
            folder=shlex.quote(str(self._folder)),
            output=shlex.quote(str(self._folder / "run.txt")),
            serves=SERVES,
        )


def addresses(environment: StackEnvironment) -> dict[str, str]:
    """Address of `make run` on the pages, such as `127.0.0.1:8000` -> address of a stack."""
    served = {
        "8000": environment.web_url,
        "5555": environment.flower_url,
        "8080": environment.get("CAMUNDA_BASE_URL"),
        "8090": environment.get("PARTNER_BASE_URL"),
        "6379": environment.get("REDIS_URL"),
    }
    return {
        f"{host}:{port}": urlsplit(url).netloc for port, url in served.items() for host in ("127.0.0.1", "localhost")
    }
