"""CPU time and memory of processes and all their descendants, from `/proc` (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

#: clock ticks a second in `/proc/<pid>/stat`
TICKS = os.sysconf("SC_CLK_TCK")

Components = Mapping[str, Iterable[int]]


def cpu_ms(components: Components) -> dict[str, float]:
    """The CPU time of each component since its processes began, in milliseconds: user and system, with descendants.

    Args:
        components: name of a component -> process ids; the descendants of each belong to it.
    """
    parents, used = _processes()
    return {name: sum(_tree_ms(pid, parents, used) for pid in pids) for name, pids in components.items()}


def rss_mb(pids: Iterable[int]) -> float:
    """Resident memory of processes and their descendants, in MiB; each process counts its shared pages in full."""
    parents, _ = _processes()
    total = 0
    for pid in pids:
        for member in _tree(pid, parents):
            total += _resident_kb(member)
    return total / 1024


def _processes() -> tuple[dict[int, list[int]], dict[int, float]]:
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name in brackets may contain blanks.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        children.setdefault(int(fields[1]), []).append(pid)
        # utime, stime and those of children that have ended
        used[pid] = sum(int(value) for value in fields[11:15]) * 1000 / TICKS
    return children, used


def _tree(pid: int, children: Mapping[int, list[int]]) -> list[int]:
    members = [pid]
    for child in children.get(pid, []):
        members += _tree(child, children)
    return members


def _tree_ms(pid: int, children: Mapping[int, list[int]], used: Mapping[int, float]) -> float:
    return sum(used.get(member, 0.0) for member in _tree(pid, children))


def _resident_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0


def members(pid: int) -> list[int]:
    """A process and its descendants."""
    children, _ = _processes()
    return _tree(pid, children)
