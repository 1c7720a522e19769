"""Loads the packages that `PROCESSES` names. A package that cannot be loaded does not keep the others from running."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable
from pathlib import Path

from camunda_bridge.errors import DefinitionError
from camunda_bridge.registry import PackageFault, Registry
from camunda_bridge.steps import StepOwner


def load_processes(packages: Iterable[str], into: Registry) -> Registry:
    """Import every sub-package of `packages`, and register the processes and workers of their ``steps`` modules.

    What cannot be loaded is added to :attr:`Registry.faults`.
    """
    for name in packages:
        try:
            package = importlib.import_module(name)
        except Exception as error:
            into.faults.append(_fault(name, None, error, f"PROCESSES names {name!r}, which cannot be imported: "))
            continue
        if not hasattr(package, "__path__"):
            reason = f"PROCESSES names {name!r}, which is a module; it must be a package"
            into.faults.append(PackageFault(name, Path(package.__file__) if package.__file__ else None, None, reason))
            continue
        for folder in map(Path, package.__path__):
            for item in pkgutil.iter_modules([str(folder)]):
                if item.ispkg:
                    _load(f"{name}.{item.name}.steps", folder / item.name, into)
    return into


def _load(name: str, folder: Path, into: Registry) -> None:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        into.faults.append(_fault(name, folder, error))
        return
    owners = [value for value in vars(module).values() if isinstance(value, StepOwner)]
    if not owners:
        reason = "declares no process and no worker; call define_process or define_worker in it"
        into.faults.append(_fault(name, folder, DefinitionError(reason)))
    for owner in owners:
        try:
            into.add(owner, name)
        except DefinitionError as error:
            into.faults.append(_fault(name, folder, error))


def _fault(module: str, folder: Path | None, error: Exception, before: str = "") -> PackageFault:
    """The fault of an exception. Its place is the line of the package, in `folder`, that was reached last."""
    text = str(error) if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return PackageFault(module, Path(error.filename or ""), error.lineno, f"{before}SyntaxError: {error.msg}")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if folder is not None and Path(frame.filename).is_relative_to(folder):
            return PackageFault(module, Path(frame.filename), frame.lineno, before + text)
    return PackageFault(module, folder and folder / "steps.py", None, before + text)
