"""Is this worker alive? `python -m tasks.alive --hostname worker@%h`: exit code 0 if so, 1 if it should be restarted.

Each second a worker writes a file of its own, from the loop that does its work; a loop that hangs writes nothing. The
probe reads the age of that file. While Redis is unavailable no worker has a running loop, and a restart would not help:
so a worker with an old file counts as dead only if Redis answers. `celery inspect ping`, by contrast, takes seconds and
reports each worker as dead that the broker cannot reach.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import redis
from celery.utils.nodenames import default_nodename, host_format

from settings import get_settings

#: seconds without a beat after which a worker counts as dead; one that waits for Redis tries every 30 s at the latest
SILENCE_S = 60.0
#: seconds between two tries
PAUSE_S = 10.0
#: longest wait for Redis, in seconds
REDIS_TIMEOUT_S = 2.0


def beat_file(node: str) -> Path:
    """The file of the worker with this node name, such as ``worker@host``."""
    folder = get_settings().worker_alive_dir or tempfile.gettempdir()
    return Path(folder) / f"celery-camunda-{quote(node, safe='@')}.alive"


def beat(node: str) -> None:
    """Write the file of this worker: it is alive.

    Raises:
        OSError: the file cannot be written.
    """
    # Other users may write to the folder: a symbolic link there is not followed.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(beat_file(node), flags, 0o600)
    try:
        os.write(descriptor, f"{os.getpid()}\n".encode())
    finally:
        os.close(descriptor)


def stop_beating(node: str) -> None:
    """Delete the file of this worker, which stops."""
    with suppress(OSError):
        beat_file(node).unlink()


def verdict(node: str, *, silence_s: float = SILENCE_S) -> tuple[bool, str]:
    """Whether the worker is alive, and a line about it."""
    try:
        silent_s = time.time() - beat_file(node).stat().st_mtime
    except OSError as error:
        return False, f"{node}: no worker of this name has begun here: {error}"
    if silent_s <= silence_s:
        return True, f"{node}: alive {max(0.0, silent_s):.0f} s ago"
    if not _redis_answers():
        return True, f"{node}: silent for {silent_s:.0f} s, it waits for Redis"
    return False, f"{node}: silent for {silent_s:.0f} s"


def _redis_answers() -> bool:
    client = redis.Redis.from_url(
        get_settings().redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tasks.alive", description="Exit code 0 if this worker is alive.")
    parser.add_argument("--hostname", "-n", help="what the worker was given (celery@%%h without it)")
    parser.add_argument("--silence", type=float, default=SILENCE_S, help="seconds that it may be silent (60)")
    parser.add_argument(
        "--tries", type=int, default=1, help="how often to ask, ten seconds apart, before it is dead (1)"
    )
    given = parser.parse_args(arguments)
    node = host_format(default_nodename(given.hostname))
    for tries_left in range(given.tries - 1, -1, -1):
        is_alive, said = verdict(node, silence_s=given.silence)
        sys.stdout.write(f"{said}\n")
        if is_alive:
            return 0
        # A worker that was just started has written no file yet.
        time.sleep(PAUSE_S if tries_left else 0)
    return 1


if __name__ == "__main__":
    sys.exit(main())
