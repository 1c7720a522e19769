"""The whole stack on this machine: broker, engine, partner stub, and the Procfile's processes.

    with Stack(folder=tmp_path, settings={"SYNC_TIMEOUT_MS": 2000}) as stack:
        requests.post(f"{stack.url}/api/process/start", json=...)
        stack["worker"].kill()
        stack["worker"].start()

`make run`, the end-to-end tests and the benchmark use it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from dev import environment, procfile, roles
from dev.broker import Broker
from dev.children import REPORT_EVERY_S, Child, stop_all
from dev.environment import LOCAL_PARTS, ROOT
from dev.local_engine import LocalEngine
from dev.ports import free_port
from dev.probes import answers

#: seconds that a part may take until it serves
READY_S = 120.0
#: seconds that migration and deployment may take
COMMAND_S = 120.0
#: seconds that the parts of a wave have to end by themselves
STOP_S = 10.0

#: called with the progress of a part: its name, its state, seconds since it was started
Report = Callable[[str, str, float], None]


class Stack:
    """The parts and their handles: `stack["worker"]` is a :class:`~dev.children.Child`.

    Args:
        folder: the folder of databases and logs, created if missing.
        settings: variables of `settings/`. If one names a part's address (`REDIS_URL`, `CAMUNDA_BASE_URL`,
            `PARTNER_BASE_URL`), the local part is not started.
        parts: the parts that `start` starts; the others can be started later.
        isolated: with free ports and without the user's environment, for tests; otherwise with the user's own.
        engine_on_disk: the engine's data survive its process.
        broker_on_disk: the broker's data survive its process.
        lenient: go on if a package or a BPMN file is invalid; the report says what was left out.
        report: called with the progress.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, object] | None = None,
        parts: Iterable[str] = roles.ALL,
        isolated: bool = True,
        engine_on_disk: bool = False,
        broker_on_disk: bool = False,
        lenient: bool = False,
        report: Report = lambda name, state, seconds: None,
    ) -> None:
        self.folder = folder.absolute()
        self.environment = (
            environment.isolated(self.folder, settings or {}) if isolated else environment.of_user(settings or {})
        )
        self._wanted = set(parts)
        self._isolated = isolated
        self._lenient = lenient
        self._report = report
        self._started_at: dict[str, float] = {}
        self._parts: dict[str, Child] = {}
        self.broker: Broker | None = None
        self.engine: LocalEngine | None = None
        self._make_local_parts(engine_on_disk, broker_on_disk)
        for name in procfile.commands():
            self.add(name)

    @property
    def url(self) -> str:
        """Root of the HTTP API."""
        return self.environment.web_url

    @property
    def parts(self) -> Mapping[str, Child]:
        """The handle of each part, in starting order."""
        return self._parts

    def __getitem__(self, name: str) -> Child:
        return self._parts[name]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the wanted parts, migrate the database, deploy the processes, and wait until all parts serve.

        Raises:
            ChildError: a part ended or was not ready in time; the message has its last log lines.
            PortError: a port is in use; the message has the port and the setting that chooses it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = [name for name in self._parts if name in self._wanted]
        if not self._isolated:
            roles.require_ports(self.environment, wanted)
        if self.engine is not None and "engine" in wanted:
            if self.engine.needs_build():
                self._report("engine", "building (the first time takes about a minute)", 0.0)
            self.engine.build(lambda state, seconds: self._report("engine", state, seconds))
        local = [name for name in wanted if name in LOCAL_PARTS]
        self.start_parts(local, wait=False)
        self.run("migrate", [sys.executable, "-m", "store.migrate"])
        self.wait_ready(local)
        # Only when the engine serves: until then each of the others would log that it is unavailable.
        others = [name for name in wanted if name not in LOCAL_PARTS]
        self.start_parts(others, wait=False)
        if "engine" in wanted or "engine" not in self.environment.local:
            self._deploy()
        self.wait_ready(others)

    def _deploy(self) -> None:
        # With exit code 1 it has left out what is invalid, and deployed all the rest.
        text = self.run("deploy", ["flask", "process", "deploy"], good_codes=(0, 1) if self._lenient else (0,))
        for line in text.splitlines():
            if line.startswith("Error: "):
                self._report("deploy", line, 0.0)

    def start_parts(self, names: Iterable[str], *, wait: bool = True) -> None:
        """Start parts, and wait until they serve."""
        names = list(names)
        for name in names:
            self._started_at[name] = time.monotonic()
            self._report(name, "starting", 0.0)
            self._parts[name].start()
        if wait:
            self.wait_ready(names)

    def wait_ready(self, names: Iterable[str], timeout_s: float = READY_S) -> None:
        """Wait until the parts serve.

        Raises:
            ChildError: one ended, or was not ready within `timeout_s` seconds.
        """
        waiting = list(names)
        deadline = time.monotonic() + timeout_s
        said_at = time.monotonic()
        while waiting:
            for name in [name for name in waiting if self._parts[name].is_ready()]:
                waiting.remove(name)
                self._report(name, "ready", self._age(name))
            for name in waiting:
                if time.monotonic() > deadline:
                    raise self._parts[name].failure(f"was not ready within {timeout_s:.0f} s")
                if time.monotonic() - said_at > REPORT_EVERY_S:
                    self._report(name, "waiting", self._age(name))
            if time.monotonic() - said_at > REPORT_EVERY_S:
                said_at = time.monotonic()
            time.sleep(0.05)

    def run(
        self,
        name: str,
        command: Sequence[str],
        timeout_s: float = COMMAND_S,
        *,
        good_codes: Container[int | None] = (0,),
    ) -> str:
        """Run a command in the stack's environment to its good end; what it printed.

        Raises:
            ChildError: it ended with another code or took longer than `timeout_s` seconds.
        """
        begun = time.monotonic()
        self._report(name, "running", 0.0)
        child = self._child(name, command)
        child.finish(timeout_s, good_codes=good_codes, waiting=lambda seconds: self._report(name, "running", seconds))
        self._report(name, "done", time.monotonic() - begun)
        return child.log_text()

    def add(
        self,
        name: str,
        like: str | None = None,
        *,
        arguments: Sequence[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> Child:
        """Make one more part from the Procfile's entry `like`; it is not started.

        A further worker gets a node name of its own. A further web or flower gets a free port, unless `settings` have
        one.
        """
        kind = like or name
        command = [*procfile.commands()[kind], *arguments]
        variables = {**self.environment.variables, **{key: str(value) for key, value in (settings or {}).items()}}
        if like is not None:
            if kind in roles.WORKERS:
                command += ["--hostname", f"{name}@%h"]
            for part, setting in (("web", "WEB_PORT"), ("flower", "FLOWER_PORT")):
                if kind == part and setting not in (settings or {}):
                    variables[setting] = str(free_port())
        own = replace(self.environment, variables=variables)
        self._parts[name] = self._child(name, command, variables, roles.readiness(kind, own, self._wanted))
        return self._parts[name]

    def url_of(self, name: str) -> str:
        """Root of the HTTP API of one web part."""
        variables = self._parts[name].env or {}
        return replace(self.environment, variables=variables).web_url

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop every part, in the order of the waves; the parts of a wave are killed after `timeout_s` seconds."""
        waves = [*roles.STOP_WAVES]
        known = {name for wave in waves for name in wave}
        added = tuple(name for name in self._parts if name not in known)
        for wave in [added, *waves]:
            children = [self._parts[name] for name in wave if name in self._parts]
            running = [child for child in children if child.is_running]
            for child in running:
                self._report(child.name, "stopping", 0.0)
            # Parts that have ended may have left children of their own.
            stop_all(children, timeout_s)

    def kill(self) -> None:
        """Send SIGKILL to all parts without a wait, for signal handlers; `stop` must follow."""
        for child in self._parts.values():
            child.kill_groups()

    def _make_local_parts(self, engine_on_disk: bool, broker_on_disk: bool) -> None:
        ports = self.environment.local
        logs = self.folder / "logs"
        if "broker" in ports:
            self.broker = Broker(
                ports["broker"], self.folder / "broker", on_disk=broker_on_disk, log=logs / "broker.log"
            )
            self._parts["broker"] = self.broker.process
        if "engine" in ports:
            kind = self.environment.engine
            self.engine = LocalEngine(
                ports["engine"],
                # Each engine has a schema of its own.
                self.folder / ("engine" if kind == "camunda" else f"engine-{kind}") if engine_on_disk else None,
                self.environment.engine_heap_mb,
                kind=kind,
                log=logs / "engine.log",
            )
            self._parts["engine"] = self.engine.process
        if "partner" in ports:
            url = self.environment.get("PARTNER_BASE_URL")
            command = [sys.executable, "-m", "dev.partner_stub", "--port", str(ports["partner"])]
            self._parts["partner"] = self._child("partner", command, ready=lambda child: answers(f"{url}/health"))

    def _child(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        ready: Callable[[Child], bool] = lambda child: True,
    ) -> Child:
        log = self.folder / "logs" / f"{name}.log"
        return Child(name, command, log=log, cwd=ROOT, env=variables or self.environment.variables, ready=ready)

    def _age(self, name: str) -> float:
        return time.monotonic() - self._started_at.get(name, time.monotonic())
