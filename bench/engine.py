"""The engine under test: the local engine on H2 in memory or another database, and the benchmark's requests to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from bench.json_client import JsonClient
from bench.loading import Load, run_load
from dev.local_engine import LocalEngine
from dev.ports import free_port

PROCESSES = Path(__file__).with_name("processes")

#: Java heap of the engine, in MiB; it contains the database, in which every finished process stays
HEAP_MB = 3072
#: seconds within which the long polls of a stopped contestant must end
SETTLE_S = 40.0
#: processes that are deleted with one call
BATCH = 500


class BenchEngine:
    """A fresh engine with the benchmark's processes.

    Args:
        folder: the folder of its log.
        environment: variables for the Java process, for example SPRING_DATASOURCE_URL.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.local = LocalEngine(free_port(), heap_mb=HEAP_MB, log=folder / "logs" / "engine.log")
        if environment:
            self.local.process.env = {**(self.local.process.env or {}), **environment}
        self.rest = JsonClient(self.local.base_url)

    @property
    def url(self) -> str:
        """Root of the REST API."""
        return self.local.base_url

    @property
    def pid(self) -> int:
        """Process id of the Java process."""
        return self.local.process.pid

    def start(self) -> None:
        """Build the engine if necessary, start it, and deploy the processes."""
        self.local.build()
        self.local.start()
        self.local.wait_ready()
        for path in sorted(PROCESSES.glob("*/*.bpmn")):
            deploy(self.rest, path.name, path.read_text())

    def warm(self, processes: int) -> None:
        """Run processes with the bare loop. The JVM compiles its code, and a process costs a tenth of the CPU time."""
        if not processes:
            return
        run_load(Load(runner="bare", url=self.url, clients=8, count=processes)).require_good()

    def finished(self, process_key: str = "bench-five") -> int:
        """How many instances of a process have completed."""
        query = {"processDefinitionKey": process_key, "completed": "true"}
        return self._count("/history/process-instance/count", query)

    def waiting_tasks(self) -> int:
        """External tasks that exist now, locked ones too."""
        return self._count("/external-task/count", {})

    def delete_leftovers(self) -> int:
        """Delete every running instance. Returns how many there were."""
        deleted = 0
        while ids := [found["id"] for found in self.rest.get(f"/process-instance?maxResults={BATCH}")]:
            for instance in ids:
                status, _ = self.rest.exchange("DELETE", f"/process-instance/{instance}?skipCustomListeners=true")
                deleted += status == 204
        return deleted

    def settle(self, pause_s: float) -> int:
        """Wait until nothing of the last contestant is left: wait, delete its instances, wait for its long polls.

        A long poll survives its client and locks the next task. So a canary instance is started again and again until
        its task stays unlocked.

        Args:
            pause_s: seconds to wait first.

        Returns:
            The number of instances that were deleted.

        Raises:
            TimeoutError: after :data:`SETTLE_S` seconds the canary's task is still locked.
        """
        time.sleep(pause_s)
        deleted = self.delete_leftovers()
        deadline = time.monotonic() + SETTLE_S
        while not self._canary_lives():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{SETTLE_S:.0f} s after the contestant was stopped its tasks are still fetched")
        return deleted

    def running(self, process_key: str) -> int:
        """How many instances of a process run."""
        return self._count("/process-instance/count", {"processDefinitionKey": process_key})

    def stop(self) -> None:
        """Stop the engine; a database in memory is lost."""
        self.local.stop()

    def _canary_lives(self) -> bool:
        key = f"canary-{uuid.uuid4().hex}"
        started = self.rest.post("/process-definition/key/bench-five/start", {"businessKey": key})
        time.sleep(0.3)
        tasks = self.rest.get(f"/external-task?processInstanceId={started['id']}")
        self.rest.exchange("DELETE", f"/process-instance/{started['id']}")
        return len(tasks) == 1 and tasks[0]["workerId"] is None

    def _count(self, path: str, query: Mapping[str, str]) -> int:
        return int(self.rest.get(f"{path}?{urlencode(query)}")["count"])


def deploy(rest: JsonClient, name: str, bpmn: str) -> None:
    """Deploy one BPMN file."""
    boundary = uuid.uuid4().hex
    parts = [
        ("deployment-name", "", name),
        ("enable-duplicate-filtering", "", "true"),
        ("file", f'; filename="{name}"', bpmn),
    ]
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{extra}\r\n\r\n{value}\r\n'
        for field, extra, value in parts
    )
    rest.send_text("/deployment/create", f"{body}--{boundary}--\r\n", f"multipart/form-data; boundary={boundary}")
