"""Processes with mixed inputs under random kills and stops, each compared with the end that its input determines.

The input of a process alone determines its status, its error code and its result. Each answer to a client must agree
with them, and the effects of handlers must agree with the event log. tests/chaos/test_mixed_load.py and `python -m
bench.chaos` use it.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests

from bench.json_client import JsonClient
from dev.children import ChildError
from dev.stack import Stack

#: kinds of processes (see tests/processes/mixed), and the weight of each in the draw
KINDS = {
    "answers": 6,
    "fails-once": 2,
    "slow": 1,
    "answers-error": 3,
    "refuses": 2,
    "plain": 3,
    "goes-on": 2,
    "beside": 2,
    "calls": 2,
    "fails": 1,
}
#: kind -> the steps that must succeed, each exactly once
STEPS = {
    "answers": ("work", "respond"),
    "fails-once": ("work", "respond"),
    "slow": ("work", "respond"),
    "answers-error": ("work", "reject"),
    "refuses": ("work",),
    "plain": ("work",),
    "goes-on": ("work", "respond-early", "after"),
    "beside": ("work", "respond-beside", "beside"),
    "calls": ("work", "inner", "respond-caller"),
    "fails": ("work",),
}
#: settings of the stack: short times, and so many lost attempts that kills open no incident
SETTINGS: dict[str, object] = {
    "PROCESSES": "tests.processes",
    "PARTNER_BASE_URL": "http://127.0.0.1:9",
    "SYNC_TIMEOUT_MS": 8_000,
    "LOCK_DURATION_MS": 3_000,
    "CAMUNDA_TIMEOUT_MS": 2_500,
    "POLL_INTERVAL_MS": 300,
    "RECONCILE_INTERVAL_MS": 1_000,
    "RESEND_AFTER_S": 2,
    "WORKER_CONCURRENCY": 6,
    "WORKER_GRACE_S": 2,
    "WEB_GRACE_S": 4,
    "STEP_MAX_LOST": 1_000,
}
PARTS = ("engine", "broker", "web", "worker", "control", "beat")
#: seconds between two faults, on average
FAULT_EVERY_S = 3.0
#: shortest and longest stop, in seconds
STOP_S = (1.0, 8.0)
#: seconds within which a client must get an answer to its start
PATIENCE_S = 90.0
#: seconds within which all processes must have ended after the last fault
CALM_S = 120.0
#: clients at the same time
CLIENTS = 12


@dataclass
class Case:
    """One process: its input, the end that it must have, and the answers to its client."""

    correlation_id: str
    variables: dict[str, Any]
    waits: bool
    status: str = "ok"
    code: str | None = None
    result: Any = None
    answers: list[tuple[int, Any]] = field(default_factory=list)


@dataclass
class Report:
    """The result of a run. Each mismatch is a line with everything that is needed to find its cause."""

    seed: int
    processes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    wrong_statuses: list[str] = field(default_factory=list)
    wrong_results: list[str] = field(default_factory=list)
    wrong_answers: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    inconsistencies: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mismatches(self) -> list[str]:
        """All mismatches."""
        return [*self.wrong_statuses, *self.wrong_results, *self.wrong_answers, *self.lost, *self.inconsistencies]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.processes} processes, {self.faults.total()} faults, "
            f"{len(self.wrong_statuses)} wrong statuses, {len(self.wrong_results)} wrong results, "
            f"{len(self.wrong_answers)} wrong answers, {len(self.lost)} lost, "
            f"{len(self.inconsistencies)} inconsistencies, {self.seconds:.0f} s"
        )


def cases(number: int, seed: int, notes: Path) -> list[Case]:
    """Draw `number` inputs, each with the end that it must have."""
    chance = random.Random(seed)
    drawn = chance.choices(list(KINDS), weights=list(KINDS.values()), k=number)
    return [
        _case(f"mixed-{seed}-{index}", kind, index, chance.random() < 0.6, notes) for index, kind in enumerate(drawn)
    ]


def _case(correlation_id: str, kind: str, number: int, waits: bool, notes: Path) -> Case:
    variables: dict[str, Any] = {"kind": kind, "n": number, "notes": str(notes)}
    if kind == "slow":
        variables["seconds"] = 4.0
    case = Case(correlation_id, variables, waits)
    step = {"goes-on": "respond-early", "beside": "respond-beside", "calls": "respond-caller"}.get(kind, "respond")
    case.result = {"answer": number * 7, "of": step}
    if kind == "plain":
        case.result = {**variables, "worked": number + 1}
    elif kind in ("answers-error", "refuses", "fails"):
        case.status, case.result = "error", None
        case.code = {"answers-error": f"NO_{number}", "refuses": "REFUSED", "fails": "INCIDENT"}[kind]
    return case


class MixedLoad:
    """One run on a stack whose parts are killed and stopped.

    Args:
        stack: a running stack with the parts of PARTS and an engine on disk.
        processes: how many processes are started.
        seconds: seconds for which processes are started and parts fail.
        seed: seed of the random inputs and faults.
        log: called with a line for each fault that could not be made.
    """

    def __init__(
        self, stack: Stack, *, processes: int, seconds: float, seed: int, log: Callable[[str], object]
    ) -> None:
        self.stack = stack
        self.seconds = seconds
        self.report = Report(seed, processes)
        self.notes = stack.folder / f"notes-{seed}"
        self.cases = cases(processes, seed, self.notes)
        self._log = log
        self._chance = random.Random(seed + 1)
        self._over = threading.Event()
        self._read: tuple[int, dict[str, set[tuple[str, str]]]] = (0, {})

    def run(self) -> Report:
        """Start the processes while parts fail, then compare."""
        begun = time.monotonic()
        breaking = threading.Thread(target=self._break_parts, daemon=True)
        breaking.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            done = []
            for index, case in enumerate(self.cases):
                due = begun + self.seconds * index / len(self.cases)
                time.sleep(max(0.0, due - time.monotonic()))
                done.append(pool.submit(self._start, case))
            self._over.set()
            breaking.join()
            for future in done:
                future.result()
        self._compare()
        self.report.seconds = time.monotonic() - begun
        return self.report

    # -- clients

    def _start(self, case: Case) -> None:
        """Start a process, and try again until an answer shows whether it was accepted."""
        body = {"processKey": "mixed", "correlationId": case.correlation_id, "variables": case.variables}
        prefer = "wait=6" if case.waits else "respond-async"
        deadline = time.monotonic() + PATIENCE_S + self.seconds
        while time.monotonic() < deadline:
            try:
                status, answer = self._ask("POST", "/api/process/start", body, prefer)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.3)
                continue
            case.answers.append((status, answer))
            if status not in (429, 503):
                return
            time.sleep(0.5)

    def _ask(self, method: str, path: str, body: Any = None, prefer: str = "wait=0") -> tuple[int, Any]:
        client = JsonClient(self.stack.url, timeout_s=30)
        try:
            status, content = client.exchange(method, path, body, {"Prefer": prefer})
        finally:
            client.close()
        return status, json.loads(content)

    # -- faults

    def _break_parts(self) -> None:
        while not self._over.wait(self._chance.uniform(0.5, 2 * FAULT_EVERY_S - 0.5)):
            name = self._chance.choice(list(FAULTS))
            try:
                FAULTS[name](self)
                self.report.faults[name] += 1
            except (ChildError, ProcessLookupError) as error:
                self._log(f"{name}: {error}")

    def _stop_for_a_while(self, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(self._chance.uniform(*STOP_S))
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue

    def kill(self, part: str) -> None:
        """Kill a part and all its children, and start it again."""
        self.stack[part].kill()
        time.sleep(self._chance.uniform(0.0, 1.5))
        self.stack.start_parts([part])

    def end(self, part: str) -> None:
        """End a part with SIGTERM, as ops do, and start it again."""
        self.stack[part].terminate(15)
        self.stack.start_parts([part])

    def stop(self, part: str) -> None:
        """Stop a part and all its children with SIGSTOP, and let them continue after a while."""
        self._stop_for_a_while([self.stack[part].pid, *_children(self.stack[part].pid)])

    def kill_child(self) -> None:
        """Kill one process of the worker's pool."""
        if children := _children(self.stack["worker"].pid):
            os.kill(self._chance.choice(children), signal.SIGKILL)

    def stop_children(self) -> None:
        """Stop some processes of the worker's pool with SIGSTOP, and let them continue after a while."""
        children = _children(self.stack["worker"].pid)
        self._stop_for_a_while([pid for pid in children if self._chance.random() < 0.5])

    # -- comparison

    def _compare(self) -> None:
        self.stack.wait_ready(PARTS)
        deadline = time.monotonic() + CALM_S
        rows = {case.correlation_id: self._settled(case, deadline) for case in self.cases}
        for case in self.cases:
            row = rows[case.correlation_id]
            if row is None or row["status"] == "pending":
                self.report.lost.append(self._description(case, row))
                continue
            code = (row["error"] or {}).get("code")
            if (row["status"], code) != (case.status, case.code):
                self.report.wrong_statuses.append(self._description(case, row))
            elif row["data"] != case.result:
                self.report.wrong_results.append(self._description(case, row))
            if not all(_agrees(answer, row) for answer in case.answers):
                self.report.wrong_answers.append(self._description(case, row))
        self._check_events({item: row for item, row in rows.items() if row is not None})
        self._check_left_over()

    def _settled(self, case: Case, deadline: float) -> dict[str, Any] | None:
        path = f"/api/process/status/{case.correlation_id}"
        while True:
            try:
                status, row = self._ask("GET", path, prefer="wait=5")
            except (OSError, http.client.HTTPException, ValueError):
                status, row = 0, None
            if status == 200 or time.monotonic() > deadline:
                return row if status in (200, 202) else None
            time.sleep(0.1)

    def _check_events(self, rows: dict[str, dict[str, Any]]) -> None:
        """Check that each expected step succeeded once, and that events and handlers' effects are of the same tasks."""
        deadline = time.monotonic() + CALM_S
        for case in self.cases:
            row = rows.get(case.correlation_id)
            if row is None:
                continue
            # Steps may still run after the response step that ended the process.
            while (wrong := self._inconsistency(case, row)) and time.monotonic() < deadline:
                time.sleep(0.3)
            if wrong:
                self.report.inconsistencies.append(f"{case.correlation_id}: {wrong}")

    def _inconsistency(self, case: Case, row: dict[str, Any]) -> str:
        """The fault in the events of one process; empty if there is none."""
        events = self._events(row)
        tasks = {(event["stepName"], event["externalTaskId"]) for event in events}
        effects = self._effects().get(case.correlation_id, set())
        good = [event for event in events if event["phase"] in ("completed", "bpmn-error")]
        succeeded = Counter(event["stepName"] for event in good)
        if _is_open(events):
            return f"an attempt is still open: {events}"
        if succeeded != Counter(STEPS[case.variables["kind"]]):
            return f"not each step succeeded once: {events}"
        if unknown := effects - tasks:
            return f"handlers ran without an event: {unknown}, {events}"
        if without_handler := {(event["stepName"], event["externalTaskId"]) for event in good} - effects:
            return f"no handler ran for {without_handler}: {events}"
        return ""

    def _effects(self) -> dict[str, set[tuple[str, str]]]:
        """Step and task id of each note of a handler, by correlation id. Reads the file again only if it has grown."""
        size = self.notes.stat().st_size if self.notes.exists() else 0
        if size != self._read[0]:
            found: dict[str, set[tuple[str, str]]] = {}
            for line in self.notes.read_text().splitlines():
                correlation_id, step, task = line.split(" ")
                found.setdefault(correlation_id, set()).add((step, task))
            self._read = (size, found)
        return self._read[1]

    def _events(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        status, answer = self._ask("GET", f"/api/process/event-log/{row['traceabilityId']}")
        return answer["eventLog"] if status == 200 else []

    def _check_left_over(self) -> None:
        """Check that only instances with an incident run, and that all queues are empty."""
        engine = self.stack.environment.get("CAMUNDA_BASE_URL")
        incidents = {case.correlation_id for case in self.cases if case.code == "INCIDENT"}
        deadline = time.monotonic() + CALM_S

        def left() -> set[str]:
            found = requests.get(f"{engine}/process-instance", timeout=30).json()
            return {str(item["businessKey"]) for item in found} - incidents

        while (running := left()) and time.monotonic() < deadline:
            time.sleep(0.3)
        self.report.lost += [f"{item}: its instance still runs" for item in running]
        client = redis.Redis.from_url(self.stack.environment.get("REDIS_URL") or "", decode_responses=True)
        queues = ["starts", "settling", "steps.mixed", "steps.mixed-called"]
        while any(client.llen(queue) for queue in queues) and time.monotonic() < deadline:
            time.sleep(0.3)
        self.report.inconsistencies += [f"queue {queue} is not empty" for queue in queues if client.llen(queue)]
        client.close()

    def _description(self, case: Case, row: dict[str, Any] | None) -> str:
        found = [] if row is None else self._events(row)
        events = [(item["stepName"], item["phase"], item["result"], item["createdAt"]) for item in found]
        wanted = (case.status, case.code, case.result)
        kind = case.variables["kind"]
        return f"{case.correlation_id} {kind}: wanted {wanted}, row {row}, answers {case.answers}, events {events}"


def _agrees(answer: tuple[int, Any], row: dict[str, Any]) -> bool:
    """True if an answer to a client agrees with the row of the ended process."""
    status, body = answer
    if status in (202, 429, 503):
        return True
    if status == 200:
        return bool(row["status"] == "ok" and row["data"] == body["result"])
    if status in (422, 500):
        code = (row["error"] or {}).get("code")
        wanted = 500 if code == "INCIDENT" else 422
        return bool(row["status"] == "error" and body["error"]["code"] == code and status == wanted)
    return False


def _is_open(events: list[dict[str, Any]]) -> bool:
    return any(event["phase"] in ("started", "completing") for event in events)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _fault(work: Callable[..., None], *arguments: str) -> Callable[[MixedLoad], None]:
    return lambda load: work(load, *arguments)


def _faults() -> Iterator[tuple[str, Callable[[MixedLoad], None]]]:
    for part in ("web", "worker", "control", "beat", "broker"):
        yield f"kill {part}", _fault(MixedLoad.kill, part)
        yield f"stop {part}", _fault(MixedLoad.stop, part)
    for part in ("web", "worker", "control"):
        yield f"end {part}", _fault(MixedLoad.end, part)
    for number in range(3):
        # More often, because these faults hit the moments between a write and its report.
        yield f"stop children {number}", _fault(MixedLoad.stop_children)
        yield f"kill child {number}", _fault(MixedLoad.kill_child)
        yield f"stop engine {number}", _fault(MixedLoad.stop, "engine")
    yield "kill engine", _fault(MixedLoad.kill, "engine")


FAULTS = dict(_faults())
