"""The commands of the Procfile, as programs with arguments."""

from __future__ import annotations

import shlex
from pathlib import Path

from honcho.environ import parse_procfile

ROOT = Path(__file__).resolve().parent.parent


def commands(path: Path = ROOT / "Procfile") -> dict[str, list[str]]:
    """Program and arguments by name, in the file's order. No shell runs them: the process id is that of the program."""
    return {name: shlex.split(line) for name, line in parse_procfile(path.read_text()).processes.items()}
