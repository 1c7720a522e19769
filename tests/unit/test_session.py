"""The session to the engine, with a real HTTP server: kept connections, time-outs, and the meaning of each answer."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from camunda_bridge.errors import (
    BridgeError,
    EngineRefused,
    EngineUnavailable,
    NotFound,
    PermissionMissing,
    Unauthorized,
)
from camunda_bridge.session import EngineSession, authorization_header
from tests.support.scripted_server import (
    Handler,
    ScriptedServer,
    breaks_off,
    hangs_up,
    in_turn,
    says,
    stays_silent,
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def session(server: ScriptedServer) -> Iterator[EngineSession]:
    session = EngineSession(f"{server.url}/engine-rest/", timeout_ms=5_000)
    yield session
    session.close()


def away(session: EngineSession, path: str = "/version") -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as caught:
        session.get(path)
    return caught.value


# -- requests


def test_get_asks_below_the_root_with_its_parameters(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = says(200, b'{"version": "7.24.0"}')
    assert session.get("/version", key="a b&c", many=["1", "ü"]) == {"version": "7.24.0"}
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("GET", "/engine-rest/version?key=a+b%26c&many=1&many=%C3%BC")
    assert seen.headers["Accept"] == "application/json"


def test_post_sends_json_in_utf_8(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = in_turn(says(200, '{"ä": "👍"}'.encode()), says(204))
    assert session.post("/message", {"ä": "👍"}) == {"ä": "👍"}
    assert session.post("/message", {}) is None
    seen = server.seen[0]
    assert seen.headers["Content-Type"] == "application/json"
    assert json.loads(seen.body) == {"ä": "👍"}
    assert "👍".encode() in seen.body


def test_files_are_sent_as_a_form(server: ScriptedServer, session: EngineSession) -> None:
    files = {"deployment-name": "x", "a.bpmn": ("a.bpmn", b"<xml/>")}
    session.request("POST", f"{session.base_url}/deployment/create", files=files)  # type: ignore[arg-type]
    (seen,) = server.seen
    assert seen.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="a.bpmn"; filename="a.bpmn"' in seen.body
    assert b"<xml/>" in seen.body


def test_url_of_another_server_is_refused(session: EngineSession) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        session.request("GET", "http://elsewhere/engine-rest/version")


@pytest.mark.parametrize("url", ["ftp://host/x", "engine:8080", "http://"])
def test_root_that_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="CAMUNDA_BASE_URL"):
        EngineSession(url)


@pytest.mark.parametrize(
    ("kind", "header"), [("none", None), ("basic", "Basic dXNlcjpwOsOk"), ("bearer", "Bearer t0ken")]
)
def test_every_request_authenticates(server: ScriptedServer, kind: str, header: str | None) -> None:
    value = authorization_header(kind, username="user", password="p:ä", token="t0ken")
    # RFC 7617 leaves the charset of `basic` to the server; servers use UTF-8 today.
    session = EngineSession(server.url, authorization=value)
    session.get("/a")
    EngineSession.like(session, timeout_ms=100).get("/b")
    assert [seen.headers["Authorization"] for seen in server.seen] == [header, header]


# -- connections


def test_connection_is_kept(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = in_turn(says(200, b"{}"), says(404, b"{}"), says(500, b"{}"), says(204), says(200, b"{}"))
    for _ in range(5):
        try:
            session.post("/x", {})
        except BridgeError:
            continue
    assert len(server.seen) == 5
    assert len({seen.connection for seen in server.seen}) == 1
    assert session.requests_sent == 5


def test_each_thread_has_a_connection_of_its_own(server: ScriptedServer, session: EngineSession) -> None:
    threads = [threading.Thread(target=lambda: [session.get("/x") for _ in range(3)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(server.seen) == 12
    assert len({seen.connection for seen in server.seen}) == 4


def test_connection_that_the_engine_announces_to_close_is_not_used_again(
    server: ScriptedServer, session: EngineSession
) -> None:
    server.answer = says(200, b"{}", Connection="close")
    assert [session.get("/x"), session.get("/x")] == [{}, {}]
    assert len({seen.connection for seen in server.seen}) == 2


def test_connection_that_the_engine_has_closed_is_not_used(server: ScriptedServer, session: EngineSession) -> None:
    def answer_and_close(handler: Handler) -> None:
        handler.send(200, b"{}")
        hangs_up(handler)

    server.answer = answer_and_close
    for _ in range(3):
        assert session.get("/x") == {}
        wait_until_readable(session)
    assert len(server.seen) == 3


def test_connection_with_a_high_file_number_is_used(server: ScriptedServer) -> None:
    # A web process with a thousand waiting requests has more open files than select() supports.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1_300:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1_300, hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        session = EngineSession(server.url)
        assert [session.get("/x"), session.get("/x")] == [{}, {}]
        assert len({seen.connection for seen in server.seen}) == 1
        session.close()
    finally:
        for number in held:
            os.close(number)


def wait_until_readable(session: EngineSession) -> None:
    """Wait until the end of the kept connection has arrived from the engine."""
    kept: socket.socket = session._local.connection.sock
    deadline = time.monotonic() + 5
    kept.setblocking(False)
    while time.monotonic() < deadline:
        try:
            kept.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            time.sleep(0.005)
            continue
        break
    kept.settimeout(5)


# -- an unavailable engine


def test_refused_connection_has_surely_done_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        session = EngineSession(f"http://127.0.0.1:{probe.getsockname()[1]}")
        assert away(session).maybe_done is False


def test_unknown_host_has_surely_done_nothing() -> None:
    assert away(EngineSession("http://no-such-host.invalid")).maybe_done is False


def test_connection_that_is_not_taken_in_time_has_surely_done_nothing() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        begun = time.monotonic()
        error = away(EngineSession(f"http://127.0.0.1:{address[1]}", connect_timeout_ms=200, timeout_ms=5_000))
        assert time.monotonic() - begun < 3
        assert error.maybe_done is False
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("answer", [stays_silent, hangs_up, breaks_off], ids=lambda answer: answer.__name__)
def test_request_without_an_answer_may_be_done(server: ScriptedServer, answer: object) -> None:
    server.answer = in_turn(answer, says(200, b"{}"))  # type: ignore[arg-type]
    session = EngineSession(server.url, timeout_ms=300)
    begun = time.monotonic()
    error = away(session, "/start?secret=1")
    assert time.monotonic() - begun < 3
    assert error.maybe_done is True
    assert "/start" in str(error)
    assert "secret" not in str(error)
    # The broken connection is not used again.
    assert session.get("/x") == {}


def test_answer_that_is_no_http_means_unavailable(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = lambda handler: (handler.wfile.write(b"hello\r\n\r\n"), hangs_up(handler))[0]  # type: ignore[func-returns-value]
    assert away(session).maybe_done is True


@pytest.mark.parametrize(
    ("body", "maybe_done"),
    [
        (b'{"type": "OptimisticLockingException", "message": "m"}', False),
        (b'{"timestamp": 1, "error": "Internal Server Error"}', True),
        (b"<html>Bad Gateway</html>", True),
        (b"[1]", True),
        (b"", True),
    ],
)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_fault_means_unavailable_and_only_an_explained_one_has_surely_done_nothing(
    server: ScriptedServer, session: EngineSession, status: int, body: bytes, maybe_done: bool
) -> None:
    server.answer = says(status, body)
    error = away(session)
    assert error.maybe_done is maybe_done
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [408, 429])
def test_answer_to_try_later_means_unavailable_and_has_surely_done_nothing(
    server: ScriptedServer, session: EngineSession, status: int
) -> None:
    server.answer = says(status, b"slow down", "text/plain")
    assert away(session).maybe_done is False


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>login</html>", "text/html"),
        (b"OK", "text/plain"),
        (b"<html>login</html>", "application/json"),
        (b'{"half": ', "application/json"),
        (b"\xff\xfe", "application/json"),
    ],
)
def test_success_without_json_means_unavailable(
    server: ScriptedServer, session: EngineSession, body: bytes, content_type: str
) -> None:
    server.answer = says(200, body, content_type)
    away(session)


@pytest.mark.parametrize("status", [200, 204])
def test_call_without_an_expected_answer_is_not_done_by_a_page_of_someone_else(
    server: ScriptedServer, session: EngineSession, status: int
) -> None:
    url = f"{session.base_url}/external-task/1/complete"
    server.answer = says(200, b"<html>This is the hotel's network</html>", "text/html")
    with pytest.raises(EngineUnavailable):
        session.request("POST", url, json={})
    server.answer = says(status)
    assert session.request("POST", url, json={}).status_code == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_means_unavailable(server: ScriptedServer, session: EngineSession, status: int) -> None:
    server.answer = says(status, Location="https://login.example.org/")
    with pytest.raises(EngineUnavailable):
        session.request("POST", f"{session.base_url}/external-task/1/complete", json={})


# -- an engine that refuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, EngineRefused), (404, NotFound), (401, Unauthorized), (403, Unauthorized), (409, EngineRefused)],
)
def test_refusal_has_the_engines_message(
    server: ScriptedServer, session: EngineSession, status: int, kind: type[EngineRefused]
) -> None:
    server.answer = says(status, b'{"type": "RestException", "message": "no such thing"}')
    with pytest.raises(EngineRefused) as caught:
        session.get("/x")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.type) == (status, "RestException")
    assert "no such thing" in str(caught.value)


def test_403_for_a_permission_is_no_refused_login(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = says(403, b'{"type": "AuthorizationException", "message": "no \'READ\' permission on resource"}')
    with pytest.raises(PermissionMissing, match="no 'READ' permission") as caught:
        session.get("/x")
    assert not isinstance(caught.value, Unauthorized)
    assert not caught.value.is_final


@pytest.mark.parametrize(
    "body",
    [
        b"<!doctype html><title>HTTP Status 404</title>",
        b"",
        b"[]",
        b'{"error": "no route"}',
        b'{"type": null, "message": "m"}',
        b'{"type": {"a": 1}}',
        b"x" * 10_000,
    ],
    ids=["html", "empty", "list", "gateway", "null", "object", "long"],
)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 410, 422])
def test_error_without_the_engines_own_document_is_not_the_engines(
    server: ScriptedServer, session: EngineSession, status: int, body: bytes
) -> None:
    server.answer = says(status, body, "text/html")
    error = away(session)
    assert str(status) in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("document", "path", "transient"),
    [
        ({"type": "OptimisticLockingException", "message": "m", "code": 1}, "/x", True),
        ({"type": "RestException", "message": "Cannot instantiate: ENGINE-03005", "code": 0}, "/x", True),
        ({"type": "RestException", "message": "Cannot instantiate", "code": 1}, "/x", True),
        ({"type": "ProcessEngineException", "message": "m", "code": 10_000}, "/x", True),
        ({"type": "CannotCreateTransactionException", "message": "Could not open JDBC Connection"}, "/x", True),
        ({"type": "NullPointerException", "message": None}, "/external-task/fetchAndLock", True),
        ({"type": "NullPointerException", "message": None}, "/external-task/1/complete", False),
        ({"type": "ProcessEngineException", "message": "Unknown property used in expression"}, "/x", False),
        ({"type": "ProcessEnginePersistenceException", "message": "too long", "code": 10_002}, "/x", False),
        ({"type": "ScriptCompilationException", "message": "Unable to find a script engine"}, "/x", False),
    ],
)
def test_fault_that_the_engine_explains_is_transient_or_a_refusal(
    server: ScriptedServer, session: EngineSession, document: dict[str, Any], path: str, transient: bool
) -> None:
    server.answer = says(500, json.dumps(document).encode())
    with pytest.raises(EngineUnavailable if transient else EngineRefused) as caught:
        session.get(path)
    assert getattr(caught.value, "maybe_done", False) is False
    assert str(document["message"] or "") in str(caught.value)


# -- log lines


def test_absence_and_return_are_logged_once(
    server: ScriptedServer, session: EngineSession, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = in_turn(hangs_up, hangs_up, hangs_up, says(200, b"{}"), says(200, b"{}"))
    with caplog.at_level(logging.INFO, "camunda_bridge.session"):
        for _ in range(3):
            away(session)
        session.get("/x")
        session.get("/x")
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "engine unavailable",
        "engine available again",
    ]


# -- contents


@pytest.mark.parametrize("head", [{"Content_Disposition": 'attachment; filename="a"'}, {}])
def test_content_is_returned_unchanged(server: ScriptedServer, session: EngineSession, head: dict[str, str]) -> None:
    kind = "text/html" if head else "application/octet-stream"
    server.answer = lambda handler: handler.send(200, b"<html>", kind, **head)
    assert session.download("/variable-instance/1/data") == b"<html>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, b"<html>log in</html>", "text/html"), (200, b"{}", "application/json"), (502, b"oops", "text/html")],
)
def test_answer_without_content_is_not_the_engines(
    server: ScriptedServer, session: EngineSession, status: int, body: bytes, kind: str
) -> None:
    server.answer = lambda handler: handler.send(status, body, kind)
    with pytest.raises(EngineUnavailable):
        session.download("/variable-instance/1/data")


def test_content_that_is_gone_is_not_found(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = says(404, b'{"type": "InvalidRequestException", "message": "no such variable"}')
    with pytest.raises(NotFound):
        session.download("/variable-instance/1/data")


def test_answer_with_a_content_instead_of_json_is_not_the_engines(
    server: ScriptedServer, session: EngineSession
) -> None:
    server.answer = lambda handler: handler.send(200, b"abc", "application/octet-stream")
    away(session)


def test_half_characters_become_whole_ones(server: ScriptedServer, session: EngineSession) -> None:
    server.answer = says(200, rb'{"a": "\ud800", "b": "\ud83d\ude00", "c": "\\ud800"}')
    assert session.get("/x") == {"a": "\ufffd", "b": "\U0001f600", "c": r"\ud800"}
