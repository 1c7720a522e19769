"""What `make run` prints: progress while parts start, addresses, and the parts' logs with coloured names."""

from __future__ import annotations

import os
import sys

from dev.children import Child
from dev.stack import Stack

#: ANSI colours of the names, in turn
COLOURS = (36, 33, 32, 35, 34, 31, 96, 93)
WIDTH = 8


class Console:
    """Writes to standard output; in colour only on a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._offsets: dict[str, int] = {}
        self._colours: dict[str, int] = {}

    def say(self, text: str) -> None:
        """A line of the runner's own."""
        print(text, flush=True)

    def shout(self, text: str) -> None:
        """A line from a signal handler, which may have interrupted `say`: a buffered file is not written twice."""
        os.write(sys.stdout.fileno(), f"{text}\n".encode())

    def failed(self, text: str, code: int) -> int:
        """Say on standard error why the run failed; `code`."""
        print(f"\nfailed: {text}", file=sys.stderr, flush=True)
        return code

    def report(self, name: str, state: str, seconds: float) -> None:
        """A part's progress."""
        took = f"  {seconds:.1f} s" if seconds else ""
        self.say(f"  {self._label(name)} {state}{took}")

    def urls(self, stack: Stack) -> None:
        """Where everything is."""
        told = stack.environment
        lines = [
            ("API", f"{stack.url}/api/process/start"),
            ("docs", f"{stack.url}/docs"),
            ("monitor", f"{stack.url}/monitor"),
            ("Flower", told.flower_url),
            ("engine", told.get("CAMUNDA_BASE_URL")),
        ]
        if stack.engine is not None:
            lines.append(("Cockpit", f"{stack.engine.cockpit_url} (demo / demo)"))
        lines += [("logs", str(stack.folder / "logs")), ("stop", "Ctrl-C")]
        self.say("\n" + "\n".join(f"  {label:<{WIDTH}} {text}" for label, text in lines) + "\n")

    def skip_logs(self, stack: Stack) -> None:
        """Show only what is logged from now on."""
        for child in stack.parts.values():
            if child.log.exists():
                self._offsets[child.name] = child.log.stat().st_size

    def logs(self, stack: Stack) -> None:
        """Show what was logged since the last call, whole lines only."""
        for child in stack.parts.values():
            for line in self._new_lines(child):
                print(f"{self._label(child.name)} | {line}")
        sys.stdout.flush()

    def _new_lines(self, child: Child) -> list[str]:
        if not child.log.exists():
            return []
        with child.log.open("rb") as log:
            log.seek(self._offsets.get(child.name, 0))
            text, newline, _ = log.read().rpartition(b"\n")
        self._offsets[child.name] = self._offsets.get(child.name, 0) + len(text) + len(newline)
        return text.decode("utf-8", "replace").splitlines()

    def _label(self, name: str) -> str:
        label = f"{name:<{WIDTH}}"
        if not self._is_terminal:
            return label
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\033[{colour}m{label}\033[0m"
