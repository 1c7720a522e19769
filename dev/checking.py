"""The faults that `flask process check` finds, for `make run`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from camunda_bridge.check import check_files
from camunda_bridge.loading import load_processes
from camunda_bridge.registry import Registry


def faults(packages: Iterable[str], languages: Iterable[str]) -> Iterator[str]:
    """One line for each fault of the processes in `packages`. `languages`: the scripting languages of the engine."""
    found = check_files(load_processes(packages, Registry()), languages)
    yield from (str(finding) for finding in found if finding.excuse is None)
