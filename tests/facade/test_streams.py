"""Server-sent events: their form, their ids, each event once, and the end of a stream."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import sseclient
from jsonschema import Draft202012Validator

from app.streams import stream as stream_module
from app.streams.client_socket import ClientSocket
from app.streams.document import EVENT_SCHEMA
from app.streams.feed import PAGE, Feed, end_event
from app.streams.hub import Hub
from app.streams.sse import Event
from app.streams.stream import Stream
from camunda_bridge.client import Engine
from camunda_bridge.engine.locked_task import LockedTask
from store import events as event_rows
from store.errors import DatabaseUnavailable
from store.event_rows import (
    BPMN_ERROR,
    COMPLETED,
    COMPLETING,
    FAILED,
    OPS,
    STARTED,
    AttemptKey,
    NewEvent,
    PhaseRow,
    Progress,
)
from store.process_rows import CANCELLED, ERROR, OK, PENDING, Ending, ProcessRow
from tasks.broker import notify
from tasks.broker.step_message import StepMessage
from tasks.settling import reconcile
from tasks.steps.killed import report_killed
from tests.support.facade import Facade, problem

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Read = Callable[[int, int], list[PhaseRow]]


def phase_row(seq: int, phase: str, *, task: str = "task-1", at: datetime = NOON, error: Any = None) -> PhaseRow:
    return PhaseRow(
        seq, uuid.UUID(int=seq), task, phase, None, 1, "work", None, None, 5, at, at + timedelta(seconds=1), error
    )


class Log:
    """Rows that a feed reads."""

    def __init__(self, *rows: PhaseRow) -> None:
        self.rows = {row.seq: row for row in rows}
        self.reads: list[int] = []

    def __call__(self, after: int, most: int) -> list[PhaseRow]:
        self.reads.append(after)
        return [row for seq, row in sorted(self.rows.items()) if seq > after][:most]

    def put(self, row: PhaseRow) -> None:
        self.rows[row.seq] = row


def named(events: list[Event]) -> list[tuple[str, int, str]]:
    return [(event.name, event.data["attempt"], event.data["phase"]) for event in events]


def test_event_is_written_as_the_standard_has_it() -> None:
    text = str(Event("7-started", "started", {"text": "a\nb\r\u2028é"}))

    assert text == 'id: 7-started\nevent: started\ndata: {"text":"a\\nb\\r\u2028é"}\n\n'
    (read,) = sseclient.SSEClient(iter([text.encode()])).events()
    assert (read.id, read.event, json.loads(read.data)) == ("7-started", "started", {"text": "a\nb\r\u2028é"})


def test_each_phase_is_sent_once() -> None:
    log = Log(phase_row(1, STARTED))
    feed = Feed(log)

    assert named(feed.new_events()) == [("started", 1, "started")]
    log.put(phase_row(1, COMPLETING))
    assert feed.new_events() == []
    log.put(phase_row(1, COMPLETED))
    log.put(phase_row(2, STARTED, task="task-2"))
    assert named(feed.new_events()) == [("completed", 1, "completed"), ("started", 1, "started")]
    assert feed.new_events() == []


def test_first_read_sends_every_phase_so_far_with_the_same_ids_as_before() -> None:
    log = Log(phase_row(1, FAILED), phase_row(2, BPMN_ERROR), phase_row(3, "lost"), phase_row(4, COMPLETED))

    first, again = Feed(log).new_events(), Feed(log).new_events()

    assert first == again
    assert named(first) == [
        ("started", 1, "started"),
        ("failed", 1, "failed"),
        ("started", 2, "started"),
        ("failed", 2, "bpmn-error"),
        ("started", 3, "started"),
        ("failed", 3, "lost"),
        ("started", 4, "started"),
        ("completed", 4, "completed"),
    ]
    assert len({event.id for event in first}) == len(first)
    assert first[1].id == f"{uuid.UUID(int=1)}-failed"


def test_row_that_becomes_visible_late_is_sent() -> None:
    log = Log(phase_row(5, COMPLETED))
    feed = Feed(log)
    feed.new_events()

    log.put(phase_row(4, COMPLETED, task="task-of-another-branch"))

    assert named(feed.new_events()) == [("started", 1, "started"), ("completed", 1, "completed")]


def test_rows_that_ended_long_ago_are_not_read_again() -> None:
    rows = [phase_row(seq, COMPLETED, at=NOON + timedelta(seconds=seq)) for seq in range(1, PAGE + 101)]
    log = Log(*rows, phase_row(PAGE + 101, STARTED, at=NOON + timedelta(seconds=PAGE + 101)))
    feed = Feed(log)

    assert len(feed.new_events()) == 2 * (PAGE + 100) + 1
    log.reads.clear()
    assert feed.new_events() == []
    assert log.reads == [PAGE + 101 - 30]


def test_acts_of_ops_are_sent() -> None:
    row = replace(phase_row(1, OPS), external_task_id=None, actor="eve", step_name="cancel", result="ended")
    (event,) = Feed(Log(row)).new_events()

    assert (event.name, event.data["actor"], event.data["stepName"]) == ("ops", "eve", "cancel")


# -- one stream


def accept(facade: Facade) -> ProcessRow:
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    row = facade.runtime.processes.by_correlation_id("order-1")
    assert row is not None
    return row


def begin(facade: Facade, task: str = "task-1") -> AttemptKey:
    event = NewEvent("trace", "work", correlation_id="order-1", external_task_id=task, lock_token=f"token-{task}")
    facade.runtime.events.begin(event)
    return AttemptKey(task, f"token-{task}")


class Running:
    """A stream that a thread of the test reads."""

    def __init__(self, facade: Facade, row: ProcessRow, *, for_s: float = 20, limit: int = 5) -> None:
        self.hub = Hub(lambda: facade.runtime.redis, lambda: None, limit=limit)
        self.facade, self.row, self.for_s = facade, row, for_s
        self.away = False
        self.found_away = threading.Event()
        self.text = ""
        self.closed = threading.Event()
        watcher = self.hub.open(row.correlation_id, str(row.id))
        assert watcher is not None
        self._thread = threading.Thread(target=self._read, args=(watcher,), daemon=True)
        self._thread.start()

    def _read(self, watcher: Any) -> None:
        phases = self.facade.runtime.events.phases_of
        feed = Feed(lambda after, most: phases("order-1", after_seq=after, limit=most))
        stream = Stream(self._row, feed, {"status": "/s"})
        for text in stream.follow(self.hub, watcher, ClientSocket({}), for_s=self.for_s):
            self.text += text
        self.closed.set()

    def _row(self) -> ProcessRow:
        if self.away:
            self.found_away.set()
            raise DatabaseUnavailable("told so")
        return self.facade.runtime.processes.by_id(self.row.id) or self.row

    def wait_for(self, text: str, within_s: float = 10) -> float:
        begun = time.monotonic()
        while text not in self.text:
            assert time.monotonic() - begun < within_s, self.text
            time.sleep(0.005)
        return time.monotonic() - begun


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the pauses between sweeps, in seconds."""
    return lambda *pauses: monkeypatch.setattr(stream_module, "SWEEPS_S", pauses)


def test_wake_up_is_followed_by_a_read_and_the_end_closes_the_stream(
    facade: Facade, sweeps: Callable[..., None]
) -> None:
    sweeps(15)
    row = accept(facade)
    running = Running(facade, row)
    running.wait_for("retry: 2000\n\n")

    attempt = begin(facade)
    running.hub.changed("order-2")
    assert "started" not in running.text
    running.hub.changed("order-1")
    assert running.wait_for("event: started") < 2
    facade.runtime.events.close(attempt, COMPLETED)
    facade.runtime.processes.settle(row.id, Ending(OK, result={"n": 1}))
    running.hub.ended(str(row.id))

    assert running.closed.wait(2)
    assert [part.split("\n")[1] for part in running.text.split("\n\n")[1:-1]] == [
        "event: started",
        "event: completed",
        "event: end",
    ]


def test_sweep_finds_events_without_a_wake_up(facade: Facade, sweeps: Callable[..., None]) -> None:
    sweeps(0.05)
    running = Running(facade, accept(facade))

    begin(facade)

    running.wait_for("event: started")


@pytest.fixture
def live(facade: Facade, sweeps: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A stream of `order-1` that reads the rows again only after a wake-up through Redis."""
    sweeps(60)
    monkeypatch.setattr(notify, "_notifier", notify.Notifier(lambda: facade.runtime.redis))
    row = accept(facade)
    assert facade.runtime.processes.claim(row.id, "token", for_s=30)[1]
    assert facade.runtime.processes.record_instance(row.id, "pi-1")
    begin(facade)
    with redis.Redis.from_url(facade.settings.redis_url, decode_responses=True) as client:
        heard = client.pubsub(ignore_subscribe_messages=True)
        running = Running(facade, row)
        heard.psubscribe(**{f"{notify.CHANNEL_PREFIX}*": lambda message: running.hub.changed(told_of(message))})
        listener = heard.run_in_thread(sleep_time=0.01, daemon=True)
        running.wait_for("event: started")
        eventually(lambda: client.zscore(notify.WATCHED_KEY, "order-1"))
        yield running
        listener.stop()
        listener.join(5)


def told_of(message: dict[str, str]) -> str:
    return message["channel"].removeprefix(notify.CHANNEL_PREFIX)


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.005)


def test_acts_of_ops_are_sent_as_they_happen(facade: Facade, live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "correlate", lambda *_, **__: True)

    assert facade.post("/api/process/order-1/message", {"messageName": "payment"}).status_code == 200

    live.wait_for("event: ops")
    assert '"stepName":"message"' in live.text


def test_killed_attempt_is_sent_as_it_happens(facade: Facade, live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "failure", lambda *_, **__: None)
    task = LockedTask(
        "task-1",
        "onboard-user.validate-user-information",
        "a",
        "onboard-user:1:x",
        "onboard-user",
        "pi-1",
        "order-1",
        1,
        {},
    )

    report_killed(StepMessage(task, "token-task-1", time.time(), 20).dump(), "killed by signal 9")

    live.wait_for("event: failed")
    assert "killed by signal 9" in live.text


def test_attempt_that_the_reconciler_closes_is_sent_as_it_happens(
    facade: Facade, live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "external_task", lambda *_: None)
    entry = {"successLog": True, "failureLog": False, "deletionLog": False, "workerId": "token-task-1"}
    entry |= {"timestamp": "2026-11-24T10:30:15.000+0000", "activityInstanceId": "a:1"}
    monkeypatch.setattr(Engine, "task_log", lambda *_: [entry])
    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(event_rows, "now", lambda: later)

    reconcile.resolve_attempts()

    live.wait_for("event: completed")


def test_unavailable_database_delays_the_stream_and_does_not_end_it(
    facade: Facade, sweeps: Callable[..., None]
) -> None:
    sweeps(0.05)
    running = Running(facade, accept(facade))
    running.wait_for("retry")
    running.away = True
    assert running.found_away.wait(5)
    begin(facade)
    assert not running.closed.wait(0.3)
    assert "started" not in running.text

    running.away = False

    running.wait_for("event: started")


def test_quiet_stream_is_kept_alive_by_comments(
    facade: Facade, sweeps: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweeps(0.02)
    monkeypatch.setattr(stream_module, "KEEP_ALIVE_S", 0.1)

    Running(facade, accept(facade)).wait_for(": keep-alive\n\n: keep-alive\n\n")


def test_stream_ends_after_its_longest_time_and_at_once_when_the_server_stops(
    facade: Facade, sweeps: Callable[..., None]
) -> None:
    row = accept(facade)
    assert Running(facade, row, for_s=0.2).closed.wait(5)

    sweeps(15)
    stopped = Running(facade, row)
    stopped.wait_for("retry")
    stopped.hub.stop()

    assert stopped.closed.wait(2)
    assert "event: end" not in stopped.text
    assert stopped.hub.open("order-1", str(row.id)) is None


def test_client_that_is_gone_is_noticed_and_one_that_does_not_read_is_disconnected() -> None:
    ours, theirs = socket.socketpair()
    client = ClientSocket({"gunicorn.socket": ours})
    with client.reads_within(1):
        begun = time.monotonic()
        assert not client.is_gone
        assert time.monotonic() - begun < 0.7, "a read does not wait"
        with pytest.raises(TimeoutError):
            ours.sendall(b" " * 10_000_000)
    assert ours.gettimeout() is None

    theirs.close()

    assert client.is_gone
    ours.close()


# -- the hub


def test_watched_processes_are_published_to_workers(facade: Facade, client: redis.Redis) -> None:
    hub = Hub(lambda: facade.runtime.redis, lambda: None, limit=2)
    first = hub.open("order-1", "p-1")
    assert first is not None
    assert hub.open("order-2", "p-2") is not None
    assert hub.open("order-3", "p-3") is None

    hub.close(first)
    hub.close(first)

    assert hub.count == 1
    assert hub.open("order-4", "p-4") is not None
    deadline = time.monotonic() + 5
    while not {"order-2", "order-4"} <= set(client.zrange("celery-camunda:watched", 0, -1)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- the call


def get(facade: Facade, **headers: str) -> Any:
    return facade.http.get("/api/process/order-1/events", headers=headers)


def read(text: str) -> list[Any]:
    return list(sseclient.SSEClient(iter([text.encode()])).events())


def test_stream_of_an_ended_process_is_sent_at_once_and_whole(facade: Facade) -> None:
    row = accept(facade)
    attempt = begin(facade)
    facade.runtime.events.progress(attempt, Progress(FAILED, {"message": "told to"}, execution_time=7))
    error = {"code": "INCIDENT", "message": "told to"}
    facade.runtime.processes.settle(row.id, Ending(ERROR, error=error, incident_id="inc-1"))

    answer = get(facade)

    assert answer.status_code == 200
    assert answer.mimetype == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    started, failed, end = read(answer.text)
    assert (started.event, failed.event, end.event) == ("started", "failed", "end")
    told = json.loads(failed.data)
    assert (told["stepName"], told["attempt"], told["error"]) == ("work", 1, {"message": "told to"})
    assert told["executionTime"] == 7
    told = json.loads(end.data)
    assert (told["status"], told["incidentId"], told["error"]) == ("error", "inc-1", error)
    assert told["links"]["status"] == "/api/process/status/order-1"


def test_every_event_is_as_documented(facade: Facade) -> None:
    row = accept(facade)
    facade.runtime.events.close(begin(facade), COMPLETED)
    facade.runtime.events.progress(begin(facade, "task-2"), Progress(FAILED, {"message": "told to"}))
    assert facade.post("/api/process/order-1/cancel", {}).status_code == 200

    events = read(get(facade).text)

    assert {event.event for event in events} == {"started", "completed", "failed", "ops", "end"}
    documented = {each["properties"].get("event", {}).get("const"): each for each in EVENT_SCHEMA["anyOf"]}
    for event in events:
        schema = documented[event.event]["properties"]["data"]["contentSchema"]
        Draft202012Validator(schema).validate(json.loads(event.data))
    assert row.correlation_id == json.loads(events[-1].data)["correlationId"]


def test_large_stream_of_an_ended_process_is_not_compressed(facade: Facade) -> None:
    row = accept(facade)
    for number in range(20):
        begin(facade, f"task-{number}")
    facade.runtime.processes.settle(row.id, Ending(OK))

    answer = get(facade, **{"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in answer.headers
    assert len(read(answer.text)) == 21


def test_client_that_has_seen_the_end_need_not_come_back_until_there_is_another(
    facade: Facade, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accept(facade)
    facade.runtime.processes.settle(row.id, Ending(ERROR, error={}, incident_id="inc-1"))
    end = read(get(facade).text)[-1]

    assert get(facade, **{"Last-Event-ID": end.id}).status_code == 204

    another_end = datetime.now(UTC) + timedelta(seconds=1)
    monkeypatch.setattr("store.processes.now", lambda: another_end)
    facade.runtime.processes.reopen(row.id)
    facade.runtime.processes.settle(row.id, Ending(CANCELLED))
    again = get(facade, **{"Last-Event-ID": end.id})
    assert again.status_code == 200
    assert json.loads(read(again.text)[-1].data)["status"] == "cancelled"


@pytest.mark.parametrize("text", ["", "x", "end-", "end-ok-1", "é" * 300, "a-started"])
def test_unknown_last_event_id_is_ignored(facade: Facade, text: str) -> None:
    row = accept(facade)
    facade.runtime.processes.settle(row.id, Ending(OK))

    assert get(facade, **{"Last-Event-ID": text}).text == get(facade).text


def test_one_stream_too_many_is_answered_503(facade: Facade) -> None:
    facade.change(max_streams=1)
    row = accept(facade)
    watcher = facade.services.streams.open("order-2", "p-2")
    assert watcher is not None

    answer = get(facade)

    assert problem(answer, 503, "too-many-streams")["correlationId"] == "order-1"
    assert int(answer.headers["Retry-After"]) >= 1
    facade.services.streams.close(watcher)
    facade.change(stream_max_s=1)
    answer = get(facade)
    assert answer.status_code == 200
    assert answer.text == "retry: 2000\n\n"
    assert row.status == PENDING
    answer.close()
    assert facade.services.streams.count == 0


def test_unknown_process_has_no_stream(facade: Facade) -> None:
    problem(get(facade), 404, "unknown-correlation-id")


def test_links_lead_to_the_stream(facade: Facade) -> None:
    body = facade.start("order-1", Prefer="respond-async").json or {}

    assert body["links"]["events"] == "/api/process/order-1/events"
    row = facade.runtime.processes.by_correlation_id("order-1")
    assert row is not None
    assert end_event(row, {}).name == "end"
