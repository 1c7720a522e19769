"""The local engine: Camunda 7 or Operaton from `engine/`, built once by Maven and run as one Java process.

    engine = LocalEngine(port=8080, database=Path(".run/engine"))
    engine.build()
    engine.start()
    engine.wait_ready(timeout_s=60)

It takes about 8 seconds to start and uses about 400 MB.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from dev.children import Child, ChildError
from dev.ports import LOOPBACK
from dev.probes import status_of

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "engine"
BUILD_LOCK = ROOT / ".run" / "engine-build.lock"
LOGS = ROOT / ".run" / "logs"

#: the engines that can be built, each with the Maven profile of this name
EngineKind = Literal["camunda", "operaton"]
#: where Maven writes the jar of each
JARS: dict[EngineKind, Path] = {
    "camunda": PROJECT / "target" / "local-engine.jar",
    "operaton": PROJECT / "target" / "operaton" / "local-engine.jar",
}

#: oldest Java that Camunda 7.24 and Operaton 1 on Spring Boot 3 run on
JAVA_VERSION = 17
#: seconds that a build may take; the first downloads about 100 MB
BUILD_S = 900.0

#: H2's options for a database file. Each commit is in the file before it is answered (by default H2 delays it for half
#: a second), so a killed engine restarts with all that it has confirmed. Spring closes the database, not H2.
H2_FILE_OPTIONS = "WRITE_DELAY=0;DB_CLOSE_ON_EXIT=FALSE"


class LocalEngine:
    """One engine on 127.0.0.1.

    Args:
        port: the port on which it listens.
        database: H2 file, without suffix, that survives the process; None keeps all data in memory.
        heap_mb: largest Java heap, in MiB.
        kind: Camunda or Operaton.
        log: its log file; by default below `.run/logs`.
        authorization: it checks authorizations, and its REST API needs HTTP basic authentication; the user `demo` with
            the password `demo` is its administrator.
    """

    def __init__(
        self,
        port: int,
        database: Path | None = None,
        heap_mb: int = 512,
        *,
        kind: EngineKind = "camunda",
        log: Path | None = None,
        authorization: bool = False,
    ) -> None:
        self.port = port
        self.kind = kind
        self.jar = JARS[kind]
        self.database = database
        self.process = Child(
            "engine",
            # The serial collector starts as fast as the others and uses 40 MB less.
            [_java_program("java"), f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-jar", str(self.jar)],
            log=log or LOGS / f"engine-{port}.log",
            env={
                **os.environ,
                "SERVER_PORT": str(port),
                "SPRING_DATASOURCE_URL": self._datasource_url(),
                "LOCAL_ENGINE_AUTHORIZATION": "true" if authorization else "false",
            },
            # Without a login such an engine answers 401.
            ready=lambda child: status_of(f"{self.base_url}/version") == (401 if authorization else 200),
        )

    @property
    def base_url(self) -> str:
        """Root of the REST API: the value for CAMUNDA_BASE_URL."""
        return f"http://{LOOPBACK}:{self.port}/engine-rest"

    @property
    def cockpit_url(self) -> str:
        """The address of Cockpit; the login is demo / demo."""
        return f"http://{LOOPBACK}:{self.port}/{self.kind}/app/cockpit/"

    def needs_build(self) -> bool:
        """True when there is no jar, or its sources are newer."""
        if not self.jar.exists():
            return True
        sources = [PROJECT / "pom.xml", *(path for path in (PROJECT / "src").rglob("*") if path.is_file())]
        return max(path.stat().st_mtime for path in sources) > self.jar.stat().st_mtime

    def build(self, report: Callable[[str, float], None] = lambda state, seconds: None) -> None:
        """Build the jar if it is missing or older than its sources; one process builds, the others wait for it.

        Args:
            report: called with the state of the build and the seconds since it began, every few seconds.

        Raises:
            ChildError: JDK or Maven are missing or too old, or the build failed.
        """
        require_java()
        if not self.needs_build():
            return
        with _build_lock():
            if self.needs_build():
                _build(self.kind, report)

    def start(self) -> None:
        """Start the engine, which serves about 8 seconds later: see `wait_ready`.

        Raises:
            ChildError: it cannot be started.
        """
        self.process.start()

    def wait_ready(self, timeout_s: float = 120.0) -> None:
        """Wait until the REST API answers.

        Raises:
            ChildError: it ended or did not answer within `timeout_s` seconds.
        """
        self.process.wait_ready(timeout_s)

    @contextmanager
    def running(self, timeout_s: float = 120.0) -> Iterator[Self]:
        """Run the engine for the length of a block, which begins when the REST API answers; builds it if necessary.

        Raises:
            ChildError: see :meth:`build` and :meth:`wait_ready`.
        """
        self.build()
        self.start()
        try:
            self.wait_ready(timeout_s)
            yield self
        finally:
            self.stop()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop the engine."""
        self.process.terminate(timeout_s)

    def _datasource_url(self) -> str:
        if self.database is None:
            return "jdbc:h2:mem:engine;DB_CLOSE_DELAY=-1"
        return f"jdbc:h2:file:{self.database.absolute()};{H2_FILE_OPTIONS}"


def require_java() -> None:
    """Check that there is a Java that the engine runs on.

    Raises:
        ChildError: there is none, or it is too old; the message names what to install.
    """
    advice = f"install a JDK {JAVA_VERSION} or newer (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless)"
    try:
        answer = subprocess.run(
            [_java_program("java"), "-version"], capture_output=True, text=True, check=False, timeout=30
        )
    except OSError as error:
        raise ChildError(f"the local engine needs Java: {advice}, or set CAMUNDA_BASE_URL") from error
    version = java_version(answer.stderr + answer.stdout)
    if version < JAVA_VERSION:
        raise ChildError(f"the local engine needs Java {JAVA_VERSION}, not {version}: {advice}, or set JAVA_HOME")


def java_version(text: str) -> int:
    """The major version in the output of `java -version`, 0 if there is none ("1.8.0_412" is 8)."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found.group(1)) if found else 0


def _java_program(name: str) -> str:
    if home := os.environ.get("JAVA_HOME"):
        return str(Path(home) / "bin" / name)
    return name


def _build(kind: EngineKind, report: Callable[[str, float], None]) -> None:
    if shutil.which("mvn") is None:
        raise ChildError("building the local engine needs Maven (Debian, Ubuntu: apt-get install maven)")
    command = ["mvn", "--batch-mode", "--activate-profiles", kind]
    command += ["--file", str(PROJECT / "pom.xml"), "package"]
    child = Child("engine build", command, log=LOGS / "engine-build.log", cwd=PROJECT)

    def waiting(seconds: float) -> None:
        done = downloads(child.log_text())
        report(f"building, {done} files downloaded" if done else "building", seconds)

    child.finish(BUILD_S, waiting=waiting)
    # Maven does not write an unchanged jar. Its time must be newer than that of its sources, or it is built again.
    os.utime(JARS[kind])


def downloads(text: str) -> int:
    """The number of files that Maven has downloaded, from its output."""
    return len(re.findall(r"^(?:\[INFO\] )?Downloaded from ", text, re.MULTILINE))


@contextmanager
def _build_lock() -> Iterator[None]:
    BUILD_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with BUILD_LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
