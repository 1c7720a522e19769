"""The faults that `flask process check` finds, for `make run`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from camunda_bridge.check import check
from camunda_bridge.errors import DefinitionError
from camunda_bridge.registry import Registry, load_processes


def faults(packages: Iterable[str]) -> Iterator[str]:
    """One line for each fault of the processes in `packages`, or one line why they cannot be loaded."""
    try:
        registry = load_processes(packages, Registry())
    except DefinitionError as error:
        yield str(error)
        return
    yield from (str(finding) for finding in check(registry, registry.shared) if finding.excuse is None)
