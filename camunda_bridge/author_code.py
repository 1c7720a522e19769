"""Finds the place in the author's code at which an exception came up: not in this project, a library or Python."""

from __future__ import annotations

import inspect
import os
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
#: packages of this project from which code of authors is called, or which it calls
_OURS = tuple(f"{_ROOT / name}{os.sep}" for name in ("camunda_bridge", "tasks", "telemetry", "service", "testkit"))
#: Python's own modules
_PYTHON = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib"))
#: folders of installed packages
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def place_of(error: BaseException, handler: Callable[..., Any]) -> str:
    """`file:line` of the innermost frame of an exception in the author's code; of the handler if there is none."""
    package = _package(getattr(handler, "__module__", None))
    found = ""
    traceback = error.__traceback__
    while traceback is not None:
        if _is_authors(traceback.tb_frame, package):
            found = _shown(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found or place_of_handler(handler)


def place_of_handler(handler: Callable[..., Any]) -> str:
    """`file:line` of the definition of a handler; empty if it has no Python code."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return "" if code is None else _shown(code.co_filename, code.co_firstlineno)


def _is_authors(frame: FrameType, package: str) -> bool:
    path = frame.f_code.co_filename
    if path.startswith(_OURS) or path.startswith("<"):
        return False
    if package and _package(frame.f_globals.get("__name__")) == package:
        # The author's own package may be an installed one.
        return True
    return not path.startswith(_PYTHON) and not any(folder in path for folder in _INSTALLED)


def _package(module: Any) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _shown(path: str, line: int) -> str:
    """Relative to the working directory, where terminals and editors look for it."""
    # An error if the working directory was deleted.
    with suppress(OSError):
        path = path.removeprefix(f"{Path.cwd()}{os.sep}")
    return f"{path}:{line}"
