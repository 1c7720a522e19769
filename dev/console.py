"""The output of `make run`: progress while parts start, addresses, and the parts' logs with coloured names."""

from __future__ import annotations

import os
import sys

from dev.children import Child
from dev.stack import Stack

#: ANSI colours of the names, used in turn
COLOURS = (36, 33, 32, 35, 34, 31, 96, 93)
#: characters of a name
WIDTH = 8


class Console:
    """Writes to standard output; in colour only on a terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._offsets: dict[str, int] = {}
        self._colours: dict[str, int] = {}

    def print_line(self, text: str) -> None:
        """Print a line of the runner itself."""
        print(text, flush=True)

    def print_from_signal_handler(self, text: str) -> None:
        """Print a line without a buffer: the signal may have interrupted `print_line` while it wrote to its buffer."""
        os.write(sys.stdout.fileno(), f"{text}\n".encode())

    def failed(self, text: str, code: int) -> int:
        """Print on standard error why the run failed; returns `code`."""
        print(f"\nfailed: {text}", file=sys.stderr, flush=True)
        return code

    def report(self, name: str, state: str, seconds: float) -> None:
        """Print the progress of a part."""
        took = f"  {seconds:.1f} s" if seconds else ""
        self.print_line(f"  {self._label(name)} {state}{took}")

    def print_urls(self, stack: Stack) -> None:
        """Print the address of each part, and the folder of the logs."""
        environment = stack.environment
        lines = [
            ("API", f"{stack.url}/api/process/start"),
            ("docs", f"{stack.url}/docs"),
            ("monitor", f"{stack.url}/monitor"),
            ("Flower", environment.flower_url),
            ("engine", environment.get("CAMUNDA_BASE_URL")),
        ]
        if stack.engine is not None:
            lines.append(("Cockpit", f"{stack.engine.cockpit_url} (demo / demo)"))
        lines += [("logs", str(stack.folder / "logs")), ("stop", "Ctrl-C")]
        self.print_line("\n" + "\n".join(f"  {label:<{WIDTH}} {text}" for label, text in lines) + "\n")

    def skip_logs(self, stack: Stack) -> None:
        """Skip the lines that the logs have now: `print_logs` prints only later ones."""
        for child in stack.parts.values():
            if child.log.exists():
                self._offsets[child.name] = child.log.stat().st_size

    def print_logs(self, stack: Stack) -> None:
        """Print the whole lines that were logged since the last call."""
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
