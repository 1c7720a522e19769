"""A contestant of the benchmark: camunda-external-task-client-python3 as its README shows, and a start call.

One process with threads. Each thread runs an `ExternalTaskWorker` for one topic, whose `subscribe` never returns. A
dict in memory has the waiting clients by business key. A helper process (`HELPER=1`) runs only workers.
"""

from __future__ import annotations

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from camunda.client.engine_client import EngineClient
from camunda.external_task.external_task import ExternalTask, TaskResult
from camunda.external_task.external_task_worker import ExternalTaskWorker

ENGINE_URL = os.environ["ENGINE_URL"]
PROCESS_KEY = os.environ["PROCESS_KEY"]
CONFIG = json.loads(os.environ["CLIENT_CONFIG"])
WORKERS_PER_TOPIC = int(os.environ["WORKERS_PER_TOPIC"])
STEPS = os.environ["STEPS"].split(",")
LAST_STEP = "s5"

waiting: dict[str, threading.Event] = {}


class Worker(ExternalTaskWorker):
    """A worker that wakes the waiting client when the engine has accepted the last step."""

    def _execute_task(self, task: ExternalTask, action: Any) -> None:
        super()._execute_task(task, action)
        if task.get_activity_id() == LAST_STEP and (event := waiting.get(task.get_business_key())):
            event.set()


def handle(task: ExternalTask) -> TaskResult:
    """Complete the task; with `bench-wait`, first wait for the slow server."""
    if PROCESS_KEY == "bench-wait":
        with urllib.request.urlopen(f"{os.environ['SLOW_URL']}/wait", data=b"{}", timeout=30) as answer:
            answer.read()
    if task.get_activity_id() == LAST_STEP:
        return task.complete({"done": True})
    return task.complete()


def work(step: str, number: int) -> None:
    """Run one worker for ever."""
    worker = Worker(worker_id=f"bench-python-{os.getpid()}-{step}-{number}", base_url=ENGINE_URL, config=CONFIG)
    worker.subscribe(f"{PROCESS_KEY}.{step}", handle)


class Face(BaseHTTPRequestHandler):
    """The start call: POST /start starts a process and answers when it has ended."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer the readiness check."""
        self._answer(200, {})

    def do_POST(self) -> None:
        """Start a process and wait for its end."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        business_key = body["correlationId"]
        event = waiting[business_key] = threading.Event()
        try:
            EngineClient(ENGINE_URL).start_process(
                process_key=PROCESS_KEY, variables=body["variables"], business_key=business_key
            )
            event.wait()
        except Exception as error:
            self._answer(500, {"error": str(error)})
        else:
            self._answer(200, {"status": "ok", "correlationId": business_key, "result": {"done": True}})
        finally:
            del waiting[business_key]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """A server with a long backlog, for a burst of connections."""

    daemon_threads = True
    request_queue_size = 512


def main() -> None:
    """Run the workers, and the start call unless this is a helper."""
    for step in STEPS:
        for number in range(WORKERS_PER_TOPIC):
            threading.Thread(target=work, args=(step, number), daemon=True).start()
    if os.environ.get("HELPER"):
        threading.Event().wait()
    Server(("127.0.0.1", int(os.environ["PORT"])), Face).serve_forever()


if __name__ == "__main__":
    main()
