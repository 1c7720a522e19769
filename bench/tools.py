"""The contestants' tools: Python environments and Node packages, below `.run/bench`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from dev.environment import ROOT

#: folder of all installations and logs
RUN = ROOT / ".run" / "bench"
HERE = Path(__file__).parent

#: seconds that an installation may take
INSTALL_S = 600.0


class ToolMissing(Exception):
    """A contestant's tool is missing and cannot be installed."""


@cache
def node_folder() -> Path:
    """The folder with the JavaScript contestant and its packages, installed if necessary.

    Raises:
        ToolMissing: there is no Node 18 or no npm, or the installation failed.
    """
    folder = node_packages(HERE / "js", "js")
    shutil.copyfile(HERE / "js" / "server.mjs", folder / "server.mjs")
    return folder


def node_packages(source: Path, name: str) -> Path:
    """A folder with the Node packages of a lock file, installed if necessary.

    Args:
        source: the folder with `package.json` and `package-lock.json`.
        name: names the folder.

    Raises:
        ToolMissing: there is no Node 18 or no npm, or the installation failed.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        raise ToolMissing(f"the packages of {source} need Node 18 or newer and npm (apt-get install nodejs npm)")
    folder = RUN / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copyfile(source / file, folder / file)
    _install(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)],
        of=source / "package-lock.json",
        stamp=folder / "installed.sha256",
    )
    return folder


@cache
def python_program() -> Path:
    """The Python of the benchmark's own environment with `bench/requirements.txt`, made if necessary.

    Raises:
        ToolMissing: the installation failed.
    """
    return _environment("venv", HERE / "requirements.txt")


@cache
def client_python() -> Path:
    """The Python of an environment with the Python client alone, made if necessary.

    Raises:
        ToolMissing: the installation failed.
    """
    return _environment("python-client", HERE / "python" / "requirements.txt")


@cache
def deployed_programs() -> Path:
    """The folder of programs of an environment as in a deployment, without the packages of tests and linters.

    Raises:
        ToolMissing: the installation failed.
    """
    return _environment("deployed", ROOT / "requirements.txt").parent


def _environment(name: str, requirements: Path) -> Path:
    folder = RUN / name
    program = folder / "bin" / "python"
    if not program.exists():
        _run([sys.executable, "-m", "venv", str(folder)])
    _install(
        [str(program), "-m", "pip", "install", "--quiet", "--requirement", str(requirements)],
        of=requirements,
        stamp=folder / "installed.sha256",
    )
    return program


def _install(command: Sequence[str], *, of: Path, stamp: Path) -> None:
    wanted = hashlib.sha256(of.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _run(command)
    stamp.write_text(wanted)


def _run(command: Sequence[str]) -> None:
    print(f"  {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=INSTALL_S, cwd=ROOT, env=dict(os.environ)
    )
    if done.returncode != 0:
        raise ToolMissing(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
