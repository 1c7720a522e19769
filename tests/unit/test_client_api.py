"""The commands' HTTP client with slow answers: its time-outs limit connecting and silence, not the whole answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest

from app.client import api
from app.client.api import ApiClient
from app.client.errors import ApiUnreachable, StreamLost
from tests.support.scripted_server import Answer, Handler, ScriptedServer, says, stays_silent

#: a wait in seconds, longer than the time-out of connecting and shorter than that of silence
SLOW_S = 0.6


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.close()


@pytest.fixture
def client(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setattr(api, "CONNECT_S", 0.2)
    monkeypatch.setattr(api, "ANSWER_S", 1.5)
    monkeypatch.setattr(api, "SILENCE_S", 0.5)
    return ApiClient(server.url)


def after(seconds: float, answer: Answer) -> Answer:
    def late(handler: Handler) -> None:
        time.sleep(seconds)
        answer(handler)

    return late


def dripping(handler: Handler) -> None:
    """An answer in pieces: each comes before the time-out of silence, and all together take longer."""
    body = b'{"status": "ok"}'
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for byte in body:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(0.12)


def streaming(handler: Handler) -> None:
    """Comments that keep a stream alive, then an event."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    for piece in [*itertools.repeat(b": still here\n\n", 8), b'id: 1\nevent: ended\ndata: {"n": 1}\n\n']:
        handler.wfile.write(piece)
        handler.wfile.flush()
        time.sleep(0.15)
    handler.close_connection = True


def test_answer_may_take_longer_than_connecting(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = after(SLOW_S, says(200, b'{"done": 12}'))
    assert client.post("bulk", "retry", body={}).body == {"done": 12}
    assert client.get("status", "x").status == 200
    assert len(server.seen) == 2, "neither request was sent again"


def test_requested_wait_is_added_to_the_time_out(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = after(2.0, says(200, b'{"status": "ok"}'))
    assert client.get("status", "x", wait_s=1).body == {"status": "ok"}
    assert server.seen[0].headers["Prefer"] == "wait=1"


def test_work_of_the_server_is_added_to_the_time_out(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = after(2.0, says(200, b'{"done": 12}'))
    assert client.post("bulk", "retry", body={}, work_s=1.0).body == {"done": 12}
    assert len(server.seen) == 1, "the request was not sent again"
    assert server.seen[0].headers["Prefer"] == "respond-async"


def test_answer_that_comes_in_pieces_is_read_to_its_end(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = dripping
    assert client.get("status", "x").body == {"status": "ok"}


def test_stream_lives_as_long_as_the_server_says_something(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = streaming
    (event,) = client.events("x", None)
    assert (event.id, event.name, event.data) == ("1", "ended", {"n": 1})


def test_stream_on_which_nothing_comes_is_lost(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = stays_silent
    with pytest.raises(StreamLost):
        list(client.events("x", None))


def test_server_that_never_answers_is_unreachable(server: ScriptedServer, client: ApiClient) -> None:
    server.answer = stays_silent
    with pytest.raises(ApiUnreachable):
        client.get("status", "x")
