"""Shares metrics between the processes of one web server or worker, in small files that all of them map into memory.

A web server and a worker consist of a parent and its children, and the process that is scraped must answer for all of
them. prometheus_client writes the counts of each process into files with its process id. This module adds a folder for
each such family of processes, which the parent creates before it forks. It also adds up the counts of dead processes,
so that counts don't drop when a child is replaced and old files don't accumulate.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from telemetry.metrics import declared

PREFIX = "celery-camunda-metrics-"
#: name of the lock file in the folder, and the text in place of the process id for the sum of all dead processes
LOCK, DEAD = "lock", "dead"
#: age from which an unlocked folder counts as a leftover, in seconds; a younger one may be in creation
LEFTOVER_AFTER_S = 60.0
#: environment variable in which prometheus_client expects the folder
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Shared:
    """The counts of one family of processes.

    The folder belongs to this family as long as one of its processes lives. Each of them holds the lock of the folder,
    and the kernel releases the lock of a process when it ends, however it ends.
    """

    def __init__(self, parent: Path, component: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(parent)
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{component}-", dir=parent))
        self._owner = os.getpid()
        # Never closed, so that child processes inherit it.
        self._held = _lock(self.path / LOCK, fcntl.LOCK_SH)

    def registry(self) -> CollectorRegistry:
        """A registry with the counts of all processes of the family."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.path))
        return registry

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Add up the counts of dead processes, and prevent others from doing so inside the block."""
        turn = _lock(self.path / "turn", fcntl.LOCK_EX)
        try:
            self._retire_dead()
            yield
        finally:
            # Unlocked explicitly, because closing isn't enough if a child that was forked inside the block has the file
            # open too.
            fcntl.flock(turn, fcntl.LOCK_UN)
            os.close(turn)

    def remove(self) -> None:
        """Remove the folder at the end of the family; does nothing in processes that didn't create it."""
        if os.getpid() == self._owner:
            shutil.rmtree(self.path, ignore_errors=True)

    def _retire_dead(self) -> None:
        for file in sorted(self.path.glob("*.db")):
            kind, _, pid = file.stem.rpartition("_")
            if pid == DEAD or _is_alive(int(pid)):
                continue
            if not kind.startswith("gauge"):
                _add(file, self.path / f"{kind}_{DEAD}.db")
            file.unlink()


def share(component: str, parent: Path | None = None) -> Shared:
    """Write the counts of this process and its children into a new folder below `parent`.

    The parent calls it before it forks and before it counts anything: earlier counts are lost.

    Args:
        component: a name for the folder, such as `worker`.
        parent: the folder for the new folder; None for the folder for temporary files of the system.

    Raises:
        OSError: the folder can't be created.
    """
    shared = Shared(parent or Path(tempfile.gettempdir()), component)
    metrics = [item for item in vars(declared).values() if isinstance(item, MetricWrapperBase)]
    for metric in metrics:
        metric.clear()
    declared.forget_series()
    os.environ[VARIABLE] = str(shared.path)
    # The library read the environment variable when it was imported, before the variable was set.
    values.ValueClass = values.get_value_class()
    for metric in metrics:
        if metric._is_observable():
            metric._metric_init()
    atexit.register(shared.remove)
    return shared


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of families that ended without removing them."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < LEFTOVER_AFTER_S or folder.stat().st_uid != os.getuid():
                continue
            held = _lock(folder / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _lock(path: Path, how: int) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _add(source: Path, target: Path) -> None:
    """Add the counts in one file to those in another."""
    kept = MmapedDict(str(target))
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(source)):
            kept.write_value(key, kept.read_value(key)[0] + value, timestamp)
    finally:
        kept.close()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
