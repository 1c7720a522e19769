"""The commands of the Procfile, as programs with arguments."""

from __future__ import annotations

import shlex
from pathlib import Path

from honcho.environ import parse_procfile

ROOT = Path(__file__).resolve().parent.parent


def commands(path: Path = ROOT / "Procfile") -> dict[str, list[str]]:
    """Name to program and arguments, in the file's order. There is no shell: a process's id is the program's own."""
    return {name: shlex.split(line) for name, line in parse_procfile(path.read_text()).processes.items()}
