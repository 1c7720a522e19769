"""Where the processes of one server or worker keep their counts together: small files that all of them map into memory.

A web server and a worker are a parent and its children, and whoever is asked for metrics must answer for all of them.
prometheus_client has each process keep its counts in files named after its process id. Here is the rest: a folder for
each such family, made by its parent before it forks, and the counts of dead processes added up, so that children that
are replaced leave neither a gap in the counts nor a file each.
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
#: names of the folder's lock, and of the process id that stands for all dead ones
LOCK, DEAD = "lock", "dead"
#: seconds after which a folder that nobody holds is a leftover, and not one that is just being made
LEFTOVER_AFTER_S = 60.0
#: where prometheus_client looks for the folder
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Shared:
    """The counts of one family of processes.

    The folder is this family's own for as long as one of its processes lives: each of them holds its lock, which the
    kernel takes back from the dead, however they died.
    """

    def __init__(self, parent: Path, component: str) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(parent)
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{component}-", dir=parent))
        self._owner = os.getpid()
        # Never closed: its children inherit it.
        self._held = _lock(self.path / LOCK, fcntl.LOCK_SH)

    def registry(self) -> CollectorRegistry:
        """What all processes of the family have counted."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.path))
        return registry

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """The counts of the dead are added up, and nobody moves them inside the block."""
        turn = _lock(self.path / "turn", fcntl.LOCK_EX)
        try:
            self._retire_dead()
            yield
        finally:
            # Said, and not left to the closing: a child that was forked meanwhile has the file open too.
            fcntl.flock(turn, fcntl.LOCK_UN)
            os.close(turn)

    def remove(self) -> None:
        """The end of the family: called in every process, done by the one that made it."""
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
    """Keep this process's counts, and those of its children, in a folder of their own below `parent`.

    Called by the parent before it forks, and before anything is counted: what was counted before is forgotten.

    Raises:
        OSError: the folder cannot be made.
    """
    shared = Shared(parent or Path(tempfile.gettempdir()), component)
    metrics = [item for item in vars(declared).values() if isinstance(item, MetricWrapperBase)]
    for metric in metrics:
        metric.clear()
    declared.forget_series()
    os.environ[VARIABLE] = str(shared.path)
    # The library chooses by the environment when it is imported, which may have been long ago.
    values.ValueClass = values.get_value_class()
    for metric in metrics:
        if metric._is_observable():
            metric._metric_init()
    atexit.register(shared.remove)
    return shared


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of families that have died without a word."""
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
    """Add the counts of one file to another's."""
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
