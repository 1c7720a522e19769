"""A process killed at each named moment between two writes: what was accepted ends once, as if nothing had happened."""

from __future__ import annotations

import ast
import base64
import http.client
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from dev.environment import ROOT
from tests.chaos.conftest import SETTINGS
from tests.support.accounting import attempts
from tests.support.api import Answer, Api, eventually
from tests.support.ledger import check_tokens
from tests.support.scripted_server import ScriptedServer
from tests.support.world import World, broken_world

HOOK = ROOT / "tests" / "support" / "crash"
#: scenarios that run at the same time: each has the steps of one process, and kills one worker process
AT_ONCE = 6
#: how often a scenario is played until a process comes to its moment: the crash of another may have led around it
ROUNDS = 3
#: seconds in which a scenario comes to its end: locks of 3 s, claims of 22 s, rounds of 1 s, on a busy machine
END_S = 120.0

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Crashes:
    """Arms moments, and says which of them have killed a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def arm(self, moment: str, correlation_id: str) -> None:
        """Kill the process that comes to this moment while it works for `correlation_id`; `*` for any."""
        draft = self.folder / f"draft-{uuid.uuid4()}"
        draft.write_text(correlation_id)
        draft.rename(self.folder / quote(moment, safe=""))

    def was_hit(self, moment: str) -> bool:
        """True once a process was killed there."""
        return (self.folder / f"hit-{quote(moment, safe='')}").exists()


class PatientApi(Api):
    """A client that sends a request again when its connection breaks, as clients of the API are told to."""

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, or several until one is answered."""
        deadline = time.monotonic() + END_S
        while True:
            try:
                answer = super().call(method, path, body, headers)
            except (OSError, http.client.HTTPException):
                answer = None
            if answer is not None and answer.status not in (500, 502, 503):
                return answer
            assert time.monotonic() < deadline, f"{method} {path}: {answer}"
            time.sleep(0.2)


@dataclass
class Scene:
    """What one scenario works with."""

    world: World
    crashes: Crashes
    receiver: ScriptedServer
    folder: Path
    id: str = field(default_factory=lambda: f"crash-{uuid.uuid4()}")

    @property
    def notes(self) -> Path:
        """The file in which the handlers note their effects."""
        return self.folder / f"{self.id}.notes"

    @property
    def client(self) -> Api:
        """A client of the API."""
        return self.world.api

    def start(self, process: str = "patient", **variables: Any) -> None:
        """Start the process and do not wait for its end."""
        given = {"notes": str(self.notes), **variables} if process in ("patient", "probe") else variables
        hook = {"callbackUrl": f"{self.receiver.url}/{self.id}"} if variables.get("hook") else {}
        headers = {"Prefer": "respond-async"}
        body = {"processKey": process, "variables": given, "correlationId": self.id, **hook}
        assert self.client.call("POST", "/api/process/start", body, headers).status in (200, 202)

    def ended(self, status: str) -> dict[str, Any]:
        """The end of the process."""
        found = self.until(lambda row: row["status"] != "pending")
        assert found["status"] == status, found
        return found

    def until(self, is_true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first answer about the process for which this holds."""

        def look() -> dict[str, Any] | None:
            row: dict[str, Any] = self.client.status(self.id).body
            return row if is_true(row) else None

        found: dict[str, Any] = eventually(look, END_S, f"{self.id}: {self.client.status(self.id).body}")
        return found

    def check_books(self, handlers: int = 1) -> None:
        """One instance, nothing of it left running; the engine's log and ours agree; `work` had one effect."""
        row = self.client.status(self.id).body
        eventually(lambda: not self.world.has_open_instance(self.id), END_S, f"{self.id}: its instance has ended")
        found = requests.get(
            f"{self.world.engine_url}/history/process-instance",
            params={"processInstanceBusinessKey": self.id},
            timeout=20,
        ).json()
        assert [item["id"] for item in found] == [row["processInstanceId"]]
        trace = row["traceabilityId"]
        eventually(
            lambda: not any(event["phase"] in ("started", "completing") for event in self.world.api.events(trace)),
            END_S,
            f"{self.id}: no open attempt",
        )
        check_tokens(self.world, self.id)
        if handlers:
            assert attempts(self.notes, "end")[self.id] == handlers


Scenario = Callable[[Scene], None]


def ends_well(handlers: int = 1, **variables: Any) -> Scenario:
    """The process ends as `ok`, and its handlers had this many effects."""

    def play(scene: Scene) -> None:
        scene.start(**variables)
        scene.ended("ok")
        scene.check_books(handlers)

    return play


def ends_in_an_error(scene: Scene) -> None:
    """The boundary event catches the error of `work`."""
    scene.start(do="refuse")
    assert scene.ended("error")["error"]["code"] == "CAUGHT"
    scene.check_books(handlers=0)


def ends_on_an_incident(scene: Scene) -> None:
    """Nothing catches the error: the process has an open incident, which ops then end."""
    scene.start(do="refuse-uncaught")
    assert scene.ended("error")["error"]["code"] == "INCIDENT"
    assert scene.client.call("POST", f"/api/process/{scene.id}/cancel", {}).status == 200
    scene.check_books(handlers=0)


def is_limited(scene: Scene) -> None:
    """The topic has a limit while the process runs."""
    topic = "/api/process/topics/patient.work/limits"
    assert scene.client.call("POST", topic, {"maxConcurrency": 100}).status == 200
    try:
        ends_well()(scene)
    finally:
        scene.client.call("POST", topic, {"maxConcurrency": None})


def is_cancelled(*, with_webhook: bool = False) -> Scenario:
    """Ops cancel a process that would never end."""

    def play(scene: Scene) -> None:
        scene.start("never-ends", **({"hook": True} if with_webhook else {}))
        scene.until(lambda row: row["processInstanceId"] is not None)
        # The second call finds the row ended, if the first one ended it.
        assert scene.client.call("POST", f"/api/process/{scene.id}/cancel", {}).status in (200, 409)
        scene.ended("cancelled")
        scene.check_books(handlers=0)
        if with_webhook:
            _is_told(scene)

    return play


def is_retried(scene: Scene) -> None:
    """Ops retry a process whose step failed until they repaired something."""
    repaired = scene.folder / f"{scene.id}.repaired"
    scene.start("probe", do="fail-until", until=str(repaired))
    scene.ended("error")
    repaired.touch()
    assert scene.client.call("POST", f"/api/process/{scene.id}/retry").status in (200, 202, 409)
    scene.until(lambda row: row["status"] == "ok")
    scene.check_books()


def gets_a_message(scene: Scene) -> None:
    """A message lets the process go on."""
    scene.start("awaits-message")
    body = {"messageName": "payment", "variables": {}}

    def is_sent() -> bool:
        answer = scene.client.call("POST", f"/api/process/{scene.id}/message", body)
        # Sent again after the crash, the message finds nothing that waits for it.
        return answer.status == 200 or scene.crashes.was_hit("message: correlated, not followed")

    eventually(is_sent, END_S, "a process that waits for the message")
    scene.ended("ok")
    scene.check_books(handlers=0)


def is_erased(scene: Scene) -> None:
    """All data of an ended process are deleted."""
    scene.start()
    scene.ended("ok")
    scene.check_books()
    path = f"/api/process/{scene.id}/data"
    eventually(lambda: scene.client.call("DELETE", path).status in (200, 404), END_S, "the data deleted")
    assert scene.client.call("GET", f"/api/process/status/{scene.id}").status == 404


def is_told(scene: Scene) -> None:
    """The end is posted to the callback."""
    scene.start(hook=True)
    scene.ended("ok")
    scene.check_books()
    _is_told(scene)


def _is_told(scene: Scene) -> None:
    eventually(
        lambda: scene.client.status(scene.id).body["callback"]["status"] == "delivered", END_S, "a delivered webhook"
    )
    told = [seen for seen in list(scene.receiver.seen) if seen.path == f"/{scene.id}"]
    assert len({seen.headers["webhook-id"] for seen in told}) == 1


SCENARIOS: dict[str, Scenario] = {
    "start: row written, not enqueued": ends_well(),
    "start: row claimed, instance not started": ends_well(),
    "start: instance started, not recorded": ends_well(),
    "start: instance recorded, not followed": ends_well(),
    "reconcile: lost start found, not enqueued": ends_well(),
    "reconcile: end of an attempt found, not written": ends_well(),
    "fetch: leases acquired, tasks not locked": is_limited,
    "fetch: tasks locked, not enqueued": ends_well(),
    "step: row written, handler not run": ends_well(),
    # The one moment at which an effect is not written yet: the idempotency key of the step is for it.
    "step: handler done, outcome not written": ends_well(handlers=2),
    "step: outcome written, not reported": ends_well(),
    "step: completion accepted, not followed": ends_well(),
    "step: completion accepted, process not settled": ends_well(),
    "step: process settled, backlog not fetched": ends_well(),
    "step: BPMN error written, not reported": ends_in_an_error,
    "step: BPMN error accepted, attempt not closed": ends_in_an_error,
    "step: BPMN error closed, not followed": ends_in_an_error,
    "step: failure written, not reported": ends_well(do="fail-once"),
    "step: failure accepted, attempt not closed": ends_well(do="fail-once"),
    "step: last failure closed, incident not settled": ends_on_an_incident,
    "killed: failure written, not reported": ends_well(do="crash-once"),
    "inline: next step accepted, not begun": ends_well(),
    "settle: row ended, result not published": ends_well(),
    "settle: webhook written, not enqueued": is_told,
    "settle: row ended from outside, result not published": is_cancelled(),
    "settle: webhook of an end from outside written, not enqueued": is_cancelled(with_webhook=True),
    "webhook: due delivery claimed, not enqueued": is_told,
    "webhook: attempt begun, not posted": is_told,
    "webhook: posted, not recorded": is_told,
    "cancel: row ended, deletion not enqueued": is_cancelled(),
    "cancel: instance deleted, row not closed": is_cancelled(),
    "retry: engine has the retries, row not reopened": is_retried,
    "retry: row reopened, not followed": is_retried,
    "message: correlated, not followed": gets_a_message,
    "erase: history deleted, rows not deleted": is_erased,
}

#: a moment that is reached only after another crash -> the moment of that crash
AFTER = {
    "reconcile: lost start found, not enqueued": "start: row written, not enqueued",
    "reconcile: end of an attempt found, not written": "step: completion accepted, not followed",
    "webhook: due delivery claimed, not enqueued": "settle: webhook written, not enqueued",
}
#: reached in a round, which works for no process alone
OF_ANY = frozenset({"reconcile: lost start found, not enqueued", "webhook: due delivery claimed, not enqueued"})


def moments_of_the_code() -> set[str]:
    """The moment of each call of `crash_point` in the product."""
    found = set()
    for package in ("app", "service", "tasks", "camunda_bridge", "store"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "crash_point":
                    (moment,) = node.args
                    assert isinstance(moment, ast.Constant)
                    assert moment.value not in found, f"{moment.value!r} names two moments"
                    found.add(moment.value)
    return found


def test_every_moment_of_the_code_has_a_scenario() -> None:
    assert set(SCENARIOS) == moments_of_the_code()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, engine_url: str) -> Iterator[dict[str, Future[bool]]]:
    """Every scenario on one stack, some at a time: moment -> whether it was hit, or what went wrong."""
    folder = tmp_path_factory.mktemp("crashes")
    crashes, receiver = Crashes(folder / "moments"), ScriptedServer()
    receiver.answer = lambda handler: handler.send(200)
    settings = {
        **SETTINGS,
        "CRASH_POINTS": str(crashes.folder),
        "PYTHONPATH": os.pathsep.join([str(HOOK), str(ROOT)]),
        "STEPS_IN_PLACE_MS": 2_000,
        # Each moment ends a child alone, so that many processes can be played at once.
        "WORKER_POOL": "prefork",
        "CALLBACK_HOSTS": "http://127.0.0.1:*",
        "CALLBACK_SECRETS": SECRET,
        "CALLBACK_INTERVAL_MS": 300,
        "CALLBACK_RETRY_BASE_MS": 300,
        "CALLBACK_TIMEOUT_MS": 1_000,
    }
    parts = ("web", "worker", "control", "webhooks", "beat")
    with broken_world(folder, engine_url, settings, parts) as world, ThreadPoolExecutor(AT_ONCE) as pool:

        def play(moment: str) -> bool:
            for _ in range(ROUNDS):
                scene = Scene(world, crashes, receiver, folder)
                for armed in filter(None, (moment, AFTER.get(moment))):
                    crashes.arm(armed, "*" if armed in OF_ANY else scene.id)
                SCENARIOS[moment](scene)
                if crashes.was_hit(moment):
                    return True
            return False

        world.api = PatientApi(world.stack.url)
        # One that arms the moment of another comes behind that.
        order = sorted(SCENARIOS, key=lambda moment: moment in AFTER)
        yield {moment: pool.submit(play, moment) for moment in order}
    receiver.close()


@pytest.mark.parametrize("moment", sorted(SCENARIOS))
def test_process_killed_at_this_moment_leaves_books_that_agree(played: dict[str, Future[bool]], moment: str) -> None:
    assert played[moment].result(timeout=600), f"no process came to {moment!r}"
