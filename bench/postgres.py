"""A PostgreSQL server for the benchmark, from Debian's package, in a folder that is deleted after the run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.tools import ToolMissing
from dev.children import Child
from dev.ports import LOOPBACK, free_port

#: the user of Debian's package; the server refuses to run as root
USER = "postgres"


@contextmanager
def postgres(log: Path) -> Iterator[dict[str, str]]:
    """Run a server with an empty database; the value is the environment with which the local engine uses it.

    Raises:
        ToolMissing: there is no server program, or no user that may run it.
    """
    programs = _programs()
    port = free_port()
    # Below /tmp: the server's user may not be allowed to read the folder of the checkout.
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    as_user = _as_user(folder)
    data = folder / "data"
    try:
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-U", "sa", "--auth=trust", "--encoding=UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        server = Child(
            "postgres",
            [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)],
            log=log,
            cwd=folder,
            ready=lambda child: _accepts(programs, port),
        )
        server.start()
        try:
            server.wait_ready(30)
            yield {
                "SPRING_DATASOURCE_URL": f"jdbc:postgresql://{LOOPBACK}:{port}/postgres",
                "SPRING_DATASOURCE_USERNAME": "sa",
                "SPRING_DATASOURCE_PASSWORD": "",
            }
        finally:
            server.terminate(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise ToolMissing("there is no PostgreSQL server; on Debian: apt-get install postgresql")
    return found[-1].parent


def _as_user(folder: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        owner = pwd.getpwnam(USER)
    except KeyError:
        raise ToolMissing(f"PostgreSQL does not run as root, and there is no user {USER!r}: create it") from None
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["setpriv", f"--reuid={USER}", f"--regid={owner.pw_gid}", "--clear-groups"]


def _accepts(programs: Path, port: int) -> bool:
    command = [programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(port), "-t", "2"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
