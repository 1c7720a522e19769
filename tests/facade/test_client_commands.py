"""`flask process ...` with the real facade behind a real socket: the output and all exit codes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from werkzeug.serving import make_server

from app.client import api as api_module
from app.client import following
from app.client.api import ApiClient, StreamedEvent
from app.client.errors import ApiUnreachable, DeadlineExceeded, StreamLost
from app.client.exit_codes import ExitCode, of_problem, of_process
from app.client.following import follow
from app.security import api_keys
from dev.ports import free_port
from store.event_rows import COMPLETED, AttemptKey, NewEvent
from store.process_rows import CANCELLED, ERROR, OK, Ending
from tests.support.facade import USER, Facade
from tests.support.scripted_server import Handler, ScriptedServer, in_turn, says

BUSINESS = {"code": "USER_TOO_YOUNG", "message": "too young"}
INCIDENT = {"code": "INCIDENT", "message": "broke", "type": "incident"}


@pytest.fixture
def flask(facade: Facade) -> Iterator[Callable[..., Result]]:
    """Run a `flask process` command with the facade."""

    def serve(environ: Any, start_response: Any) -> Any:
        # `facade.change` creates another app.
        return facade.app(environ, start_response)

    server = make_server("127.0.0.1", 0, serve, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def run(*arguments: str, url: str = f"http://127.0.0.1:{server.port}", **given: Any) -> Result:
        return facade.app.test_cli_runner().invoke(args=["process", *arguments, "--url", url], **given)

    yield run
    server.shutdown()
    server.server_close()
    thread.join(5)


def accept(facade: Facade, ending: Ending | None = None) -> None:
    assert facade.start("order-1", Prefer="respond-async").status_code == 202
    if ending is not None:
        row = facade.runtime.processes.by_correlation_id("order-1")
        assert row is not None
        assert facade.runtime.processes.settle(row.id, ending)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (None, ExitCode.PENDING),
        (Ending(OK, result={"n": 1}), ExitCode.OK),
        (Ending(ERROR, error=BUSINESS), ExitCode.BUSINESS_ERROR),
        (Ending(ERROR, error=INCIDENT, incident_id="i"), ExitCode.TECHNICAL_ERROR),
        (Ending(CANCELLED, error={"code": "CANCELLED", "message": "gone"}), ExitCode.CANCELLED),
    ],
)
def test_exit_code_of_status_start_and_watch_tells_how_a_process_stands(
    facade: Facade, flask: Callable[..., Result], ending: Ending | None, code: ExitCode
) -> None:
    accept(facade, ending)
    variables = json.dumps(USER)

    status = flask("status", "order-1", "--json")
    start = flask("start", "onboard-user", "--variables", variables, "--correlation-id", "order-1", "--wait", "0")

    assert status.exit_code == code, status.output
    assert json.loads(status.stdout)["correlationId"] == "order-1"
    assert start.exit_code == code, start.output
    if ending is not None:
        watch = flask("watch", "order-1", "--json")
        assert watch.exit_code == code, watch.output
        assert json.loads(watch.stdout)["event"] == "end"


def test_start_has_the_priority_of_its_option(facade: Facade, flask: Callable[..., Result]) -> None:
    given = ("--variables", json.dumps(USER), "--wait", "0", "--json")
    assert flask("start", "onboard-user", *given, "--priority", "-5").exit_code == ExitCode.PENDING
    assert flask("start", "onboard-user", *given).exit_code == ExitCode.PENDING
    assert [row.priority for row in facade.rows()] == [0, -5]
    wrong = flask("start", "onboard-user", *given, "--priority", "6")
    assert wrong.exit_code == ExitCode.USAGE
    assert "priority" in wrong.stderr


def test_each_kind_of_error_is_printed_and_has_its_own_exit_code(facade: Facade, flask: Callable[..., Result]) -> None:
    wrong = flask("start", "onboard-user", "--variables", '{"userId": 1}')
    assert wrong.exit_code == ExitCode.USAGE
    assert "email" in wrong.stderr

    for call in (("status", "nobody"), ("watch", "nobody"), ("cancel", "nobody"), ("retry", "nobody")):
        assert flask(*call).exit_code == ExitCode.NOT_FOUND, call
    assert flask("start", "no-such-process").exit_code == ExitCode.NOT_FOUND

    accept(facade)
    other = flask(
        "start", "onboard-user", "--variables", json.dumps({**USER, "firstName": "Eve"}), "--correlation-id", "order-1"
    )
    assert other.exit_code == ExitCode.REFUSED
    watched = flask(
        "start", "onboard-user", "--variables", json.dumps({**USER, "firstName": "Eve"}), "--correlation-id", "order-1",
        "--watch",
    )  # fmt: skip
    assert watched.exit_code == ExitCode.REFUSED
    assert "another start" in watched.stderr, watched.stderr
    refused = flask("retry", "nobody", "--json")
    assert json.loads(refused.stdout)["type"] == "/problems/unknown-correlation-id"


@pytest.mark.parametrize("variables", ["{", "[1]", "@/no/such/file"])
def test_variables_that_cannot_be_read_are_wrong_usage(flask: Callable[..., Result], variables: str) -> None:
    found = flask("start", "onboard-user", "--variables", variables)

    assert found.exit_code == ExitCode.USAGE
    assert "--variables" in found.stderr


def test_variables_come_from_a_file_or_standard_input(
    facade: Facade, flask: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "user.json"
    path.write_text(json.dumps(USER))

    assert flask("start", "onboard-user", "--variables", f"@{path}", "--wait", "0").exit_code == ExitCode.PENDING
    piped = flask("start", "onboard-user", "--variables", "@-", "--wait", "0", input=json.dumps(USER))
    assert piped.exit_code == ExitCode.PENDING
    assert [row.variables["userId"] for row in facade.rows()] == ["user-1", "user-1"]


def test_idempotency_key_is_another_name_of_the_correlation_id(facade: Facade, flask: Callable[..., Result]) -> None:
    call = ("start", "onboard-user", "--variables", json.dumps(USER), "--wait", "0")

    for option in ("--idempotency-key", "--correlation-id"):
        assert flask(*call, option, "order-1").exit_code == ExitCode.PENDING
    assert [row.correlation_id for row in facade.rows()] == ["order-1"]
    wrong = flask(*call, "--idempotency-key", "no good key")
    assert wrong.exit_code == ExitCode.USAGE
    assert "correlationId" in wrong.stderr


def test_wait_may_be_longer_than_the_server_waits(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade)
    row = facade.rows()[0]
    later = threading.Timer(0.6, lambda: facade.runtime.processes.settle(row.id, Ending(OK, result={"n": 1})))
    later.start()

    found = flask("status", "order-1", "--wait", "8")

    assert found.exit_code == ExitCode.OK, found.output
    assert '"n": 1' in found.stdout


def test_key_is_sent_and_a_stranger_is_refused(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade, Ending(OK))
    key, entry = api_keys.new_entry("reader", ["process:read"])
    facade.change(auth="on", api_keys=[entry])

    assert flask("status", "order-1", "--api-key", key).exit_code == ExitCode.OK
    assert flask("watch", "order-1", "--api-key", key).exit_code == ExitCode.OK
    assert flask("status", "order-1", "--api-key", "").exit_code == ExitCode.REFUSED
    assert flask("cancel", "order-1", "--api-key", key).exit_code == ExitCode.REFUSED


def test_server_that_is_away_is_unavailable(flask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.01)
    nowhere = f"http://127.0.0.1:{free_port()}"

    found = flask("status", "order-1", url=nowhere)

    assert found.exit_code == ExitCode.UNAVAILABLE
    assert nowhere in found.stderr
    with pytest.raises(ApiUnreachable):
        list(follow(ApiClient(nowhere), "order-1", patience_s=0.05))


def test_answer_of_something_else_is_unavailable(flask: Callable[..., Result]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:

        def serve() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        threading.Thread(target=serve, daemon=True).start()
        found = flask("status", "order-1", url=f"http://127.0.0.1:{other.getsockname()[1]}")

    assert found.exit_code == ExitCode.UNAVAILABLE
    assert "not from this API" in found.stderr


def test_cancel_ends_well_when_the_process_is_cancelled(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade)

    found = flask("cancel", "order-1", "--reason", "withdrawn")

    assert found.exit_code == ExitCode.OK, found.output
    assert "withdrawn" in found.stdout
    assert facade.rows()[0].status == CANCELLED


def test_list_shows_and_filters(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade, Ending(OK))
    facade.start("order-2", Prefer="respond-async")

    shown = flask("list", "--limit", "1")
    assert shown.exit_code == ExitCode.OK
    assert "order-2" in shown.stdout
    assert "order-1" not in shown.stdout
    cursor = shown.stderr.split()[-1]
    assert "order-1" in flask("list", "--cursor", cursor).stdout
    found = json.loads(flask("list", "--status", "ok", "--process", "onboard-user", "--json").stdout)
    assert [row["correlationId"] for row in found["processes"]] == ["order-1"]
    assert flask("list", "--since", "yesterday").exit_code == ExitCode.USAGE
    assert flask("list", "--status", "fine").exit_code == ExitCode.USAGE


def test_watch_prints_each_step_and_the_result(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade)
    facade.runtime.events.begin(NewEvent("t", "work", correlation_id="order-1", external_task_id="e", lock_token="l"))
    facade.runtime.events.close(AttemptKey("e", "l"), COMPLETED)
    facade.runtime.processes.settle(facade.rows()[0].id, Ending(OK, result={"n": 1}))

    found = flask("watch", "order-1")

    assert found.exit_code == ExitCode.OK
    assert [line.split("  ")[1:] for line in found.stdout.splitlines()[:3]] == [
        ["work", "started"],
        ["work", "completed"],
        ["ok"],
    ]
    assert '"n": 1' in found.stdout


@pytest.mark.parametrize(
    ("ending", "code"),
    [(Ending(OK), ExitCode.OK), (Ending(ERROR, error=BUSINESS), ExitCode.BUSINESS_ERROR)],
)
def test_start_that_joins_a_process_that_has_ended_is_watched_to_its_end(
    facade: Facade, flask: Callable[..., Result], ending: Ending, code: ExitCode
) -> None:
    accept(facade, ending)

    found = flask(
        "start", "onboard-user", "--variables", json.dumps(USER), "--correlation-id", "order-1", "--watch", "--json"
    )

    assert found.exit_code == code, found.output
    assert json.loads(found.stdout)["event"] == "end"


# -- following


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A server whose answers the test sets."""
    monkeypatch.setattr(following, "PAUSE_S", 0.01)
    monkeypatch.setattr(following, "MOST_PAUSE_S", 0.01)
    server = ScriptedServer()
    yield server
    server.close()


def streams(handler: Handler, *parts: bytes, every_s: float = 0.0) -> None:
    """Send an event stream, then close the connection."""
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    for part in parts:
        handler.wfile.write(part)
        time.sleep(every_s)


END = b'id: end\nevent: end\ndata: {"status": "ok", "error": null}\n\n'
UNAVAILABLE = says(502, b"<html>Bad Gateway</html>", "text/html")


def test_answer_of_a_proxy_while_the_server_is_unavailable_does_not_end_the_watch(
    server: ScriptedServer, flask: Callable[..., Result]
) -> None:
    server.answer = in_turn(UNAVAILABLE, UNAVAILABLE, lambda handler: streams(handler, END))

    found = flask("watch", "order-1", "--json", url=server.url)

    assert found.exit_code == ExitCode.OK, found.output
    assert "502" in found.stderr
    assert len(server.seen) == 3


def test_watch_of_a_proxy_without_a_server_ends_after_a_while(server: ScriptedServer) -> None:
    server.answer = UNAVAILABLE

    with pytest.raises(ApiUnreachable, match="no stream"):
        list(follow(ApiClient(server.url), "order-1", patience_s=0.1))
    assert len(server.seen) > 1


def test_watch_of_a_server_that_is_no_api_ends_at_once(server: ScriptedServer) -> None:
    server.answer = says(404, b"<html>", "text/html")

    with pytest.raises(ApiUnreachable, match="not from this API"):
        list(follow(ApiClient(server.url), "order-1"))
    assert len(server.seen) == 1


def test_status_is_asked_again_when_a_proxy_answers(server: ScriptedServer, flask: Callable[..., Result]) -> None:
    server.answer = in_turn(UNAVAILABLE, says(200, b'{"status": "ok"}'))

    assert flask("status", "order-1", "--json", url=server.url).exit_code == ExitCode.OK
    assert len(server.seen) == 2


def test_temporary_refusal_is_printed_with_its_reason(server: ScriptedServer, flask: Callable[..., Result]) -> None:
    server.answer = says(503, b'{"type": "/problems/x", "status": 503, "detail": "full"}', Retry_After="60")

    found = flask("status", "order-1", url=server.url)

    assert found.exit_code == ExitCode.UNAVAILABLE
    assert "full" in found.stderr
    assert len(server.seen) == 1


def test_time_to_watch_is_kept_on_a_stream_where_nothing_happens(
    server: ScriptedServer, flask: Callable[..., Result]
) -> None:
    server.answer = lambda handler: streams(handler, *[b": keep-alive\n\n"] * 30, every_s=0.2)
    begun = time.monotonic()

    found = flask("watch", "order-1", "--timeout", "1", url=server.url)

    assert found.exit_code == ExitCode.PENDING, found.output
    assert 0.9 < time.monotonic() - begun < 3
    assert found.stderr == "the process did not end within the given time\n"


# -- a server that answers later than a connection may take


#: seconds until each answer: more than a connection may take here
SLOW_S = 0.5
ENDED = b'{"correlationId": "order-1", "status": "ok", "data": {"n": 1}}'
TWELVE = {
    "done": 12, "refused": 0, "processes": [], "nextCursor": None, "stopped": None, "dryRun": False,
}  # fmt: skip


@pytest.fixture
def slow(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server whose every answer comes after :data:`SLOW_S`."""
    monkeypatch.setattr(api_module, "CONNECT_S", SLOW_S / 4)
    monkeypatch.setattr(api_module, "ANSWER_S", 30.0)
    return server


def late(handler: Handler) -> None:
    """Answer each path as the API does, but late."""
    time.sleep(SLOW_S)
    path = handler.path.partition("?")[0]
    if path.endswith("/events"):
        streams(handler, *[b": keep-alive\n\n"] * 6, END, every_s=SLOW_S / 4)
    elif "/bulk/" in path:
        says(200, json.dumps(TWELVE).encode())(handler)
    elif path.endswith("/status/all"):
        says(200, b'{"processes": [], "nextCursor": null}')(handler)
    elif path.endswith("/topics"):
        says(200, b'{"topics": []}')(handler)
    else:
        says(200, ENDED)(handler)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["start", "onboard-user", "--wait", "12"], "ok"),
        (["start", "onboard-user", "--watch"], "ok"),
        (["status", "order-1", "--wait", "20"], "ok"),
        (["status", "order-1"], "ok"),
        (["watch", "order-1"], "ok"),
        (["watch", "order-1", "--timeout", "30"], "ok"),
        (["cancel", "order-1"], "ok"),
        (["retry", "order-1"], "ok"),
        (["list"], ""),
        (["retry-all", "--yes"], "12 done"),
        (["cancel-all", "--yes"], "12 done"),
        (["topics"], ""),
        (["export", "order-1"], "order-1"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_late_answer_is_awaited_by_every_command(
    slow: ScriptedServer, flask: Callable[..., Result], command: list[str], shown: str
) -> None:
    slow.answer = late

    found = flask(*command, url=slow.url)

    assert found.exit_code == ExitCode.OK, found.output
    assert shown in found.output
    assert "stream lost" not in found.stderr
    asked = [(seen.method, seen.path) for seen in slow.seen]
    assert len(asked) == len(set(asked)), "no request was sent twice"


@pytest.mark.parametrize("command", ["retry-all", "cancel-all"])
def test_page_of_many_processes_may_take_longer_than_an_ordinary_answer(
    slow: ScriptedServer, flask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(api_module, "ANSWER_S", SLOW_S / 4)
    slow.answer = late

    found = flask(command, "--yes", url=slow.url)

    assert found.exit_code == ExitCode.OK, found.output
    assert "12 done" in found.stderr
    assert len(slow.seen) == 1


def test_start_polls_on_when_the_server_waits_shorter_than_the_command(
    slow: ScriptedServer, flask: Callable[..., Result]
) -> None:
    pending = says(202, b'{"correlationId": "order-1", "status": "pending"}')

    def pending_late(handler: Handler) -> None:
        time.sleep(SLOW_S)
        pending(handler)

    slow.answer = in_turn(pending_late, pending_late, late)

    found = flask("start", "onboard-user", "--correlation-id", "order-1", "--wait", "12", url=slow.url)

    assert found.exit_code == ExitCode.OK, found.output
    assert [seen.method for seen in slow.seen] == ["POST", "GET", "GET"]


class Scripted(ApiClient):
    """Streams with set events and ends: each is a list of event ids, then an exception or nothing."""

    def __init__(self, *streams: tuple[list[str], Exception | None]) -> None:
        self.streams = list(streams)
        self.asked: list[str | None] = []

    def events(
        self, correlation_id: str, last_id: str | None, *, for_s: float | None = None
    ) -> Iterator[StreamedEvent]:
        self.asked.append(last_id)
        ids, error = self.streams.pop(0)
        for each in ids:
            yield StreamedEvent(each, "end" if each == "end" else "started", {})
        if error is not None:
            raise error


def test_each_event_is_printed_once_however_often_the_stream_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.001)
    api = Scripted(
        (["a", "b"], StreamLost("cut")), ([], StreamLost("away")), (["a", "b", "c"], None), (["a", "d", "end"], None)
    )
    lost: list[str] = []

    found = [event.id for event in follow(api, "order-1", lost=lost.append)]

    assert found == ["a", "b", "c", "d", "end"]
    assert api.asked == [None, "b", "b", "c"]
    assert lost == ["cut", "away"]


def test_watch_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_S", 0.001)

    with pytest.raises(DeadlineExceeded):
        list(follow(Scripted(([], None)), "order-1", timeout_s=0))


def test_find_prints_processes_with_their_identifiers(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade)
    facade.start("order-2", {**USER, "userId": "user-2"}, Prefer="respond-async")

    for text in ("user-1", "userId:user-1", "order-1"):
        found = flask("find", text)
        assert found.exit_code == ExitCode.OK, found.output
        assert found.stdout.split()[-2:] == ["order-1", "userId:user-1"]
    listed = flask("list", "--identifier", "userId:user-*", "--json")
    assert [row["correlationId"] for row in json.loads(listed.stdout)["processes"]] == ["order-2", "order-1"]
    more = flask("find", "user", "--limit", "1")
    assert "order-2" in more.stdout
    (cursor,) = [line.split()[-1] for line in more.stderr.splitlines() if line.startswith("more with --cursor")]
    assert "order-1" in flask("find", "user", "--cursor", cursor).stdout


def test_list_is_narrowed_and_counted(facade: Facade, flask: Callable[..., Result]) -> None:
    accept(facade, Ending(ERROR, error=INCIDENT, incident_id="i"))
    facade.start("order-2", USER, Prefer="respond-async", X_Batch_Id="night")

    both = flask("list", "--status", "error", "--status", "pending", "--count")
    assert ["order-2" in both.stdout, "order-1" in both.stdout] == [True, True]
    assert "2 processes match" in both.stderr
    for options, found in (
        (["--incident"], ["order-1"]),
        (["--status", "error", "--no-incident"], []),
        (["--batch", "night"], ["order-2"]),
        (["--error-code", "INCIDENT"], ["order-1"]),
        (["--failed-step", "charge"], []),
        (["--application", "portal"], []),
        (["--before", "2020-01-01T00:00:00Z"], []),
    ):
        listed = json.loads(flask("list", "--json", *options).stdout)
        assert [row["correlationId"] for row in listed["processes"]] == found, options


def test_find_without_a_match_has_the_exit_code_of_an_unknown_process(
    facade: Facade, flask: Callable[..., Result]
) -> None:
    accept(facade)

    assert flask("find", "4711").exit_code == ExitCode.NOT_FOUND
    assert flask("find", "user-1", "--status", "error", "--json").exit_code == ExitCode.NOT_FOUND
    assert flask("find", " ").exit_code == ExitCode.USAGE
    assert flask("list", "--identifier", "4711").exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, 8), (403, 8), (409, 8), (404, 6), (400, 2), (422, 2), (429, 7), (500, 7), (503, 7)],
)
def test_codes_of_problems_by_status(status: int, code: int) -> None:
    assert of_problem(status, "/problems/x") == code


def test_codes_of_processes() -> None:
    assert of_process({"status": "error", "error": None}) == ExitCode.BUSINESS_ERROR
    assert of_process({"status": "error", "error": {"code": "PROCESS_NOT_DEPLOYED"}}) == ExitCode.TECHNICAL_ERROR
    assert of_problem(422, "/problems/process-failed") == ExitCode.BUSINESS_ERROR
    assert of_problem(500, "/problems/process-error") == ExitCode.TECHNICAL_ERROR
    assert of_problem(409, "/problems/process-cancelled") == ExitCode.CANCELLED
