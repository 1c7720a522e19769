"""The real web server with unknown callers, slow clients and an unavailable broker; only a broker and gunicorn run."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from app.gunicorn import SPARE_THREADS
from app.security import api_keys
from app.security.tokens import REFETCH_INTERVAL_S
from dev.stack import Stack
from tests.support.api import Answer, Api, eventually
from tests.support.issuer import Issuer

#: seconds that a client may take for a request
CLIENT_S = 1
#: seconds after which a slow client gives up, because the server has not kept its limit
GIVE_UP_S = 8.0
#: requests of an unknown caller in an hour
MOST = 5

KEY, ENTRY = api_keys.new_entry("portal", ["process:read", "process:start"])
PATH = "/api/process/status/nobody"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer(names_alg=False)
    issuer.rotate("first")
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Stack]:
    """A web server with AUTH=on, and one with a rate limit; there are no workers."""
    settings: dict[str, object] = {
        "CAMUNDA_BASE_URL": "http://127.0.0.1:9/engine-rest",
        "PARTNER_BASE_URL": "http://127.0.0.1:9",
        "SYNC_TIMEOUT_MS": 0,
        "CLIENT_TIMEOUT_S": CLIENT_S,
        "MAX_WAITING_REQUESTS": 1,
        "MAX_STREAMS": 1,
        "AUTH": "on",
        "API_KEYS": ENTRY,
        "JWT_JWKS_URL": issuer.url,
        "JWT_ISSUER": "us",
        "JWT_AUDIENCE": "it",
    }
    stack = Stack(tmp_path_factory.mktemp("web"), settings=settings, parts=("broker",))
    try:
        stack.start_parts(["broker"])
        stack.run("migrate", ["python", "-m", "store.migrate"])
        stack.add("counting", like="web", settings={"AUTH": "off", "RATE_LIMIT": f"{MOST}/hour"})
        stack.start_parts(["web", "counting"])
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def api(web: Stack) -> Api:
    return Api(web.url)


class Client:
    """A client whose bytes and pauses the test chooses."""

    def __init__(self, url: str, *, receives: int | None = None) -> None:
        parts = urlsplit(url)
        self._socket = socket.socket()
        if receives is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self._socket.settimeout(GIVE_UP_S)
        self._socket.connect((parts.hostname or "", parts.port or 80))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def dribble(self, next_bytes: Callable[[], bytes]) -> float:
        """Send a few bytes at intervals until the server closes or answers. Returns the seconds until then."""
        begun = time.monotonic()
        self._socket.settimeout(0.1)
        while (seconds := time.monotonic() - begun) < GIVE_UP_S:
            try:
                self._socket.sendall(next_bytes())
                self._socket.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            except OSError:
                pass
            break
        self._socket.settimeout(GIVE_UP_S)
        return seconds

    def ask_until_closed(self, request: bytes, reads: int) -> float:
        """Send requests, and read `reads` bytes at intervals. Returns the seconds until the server closes."""
        begun = time.monotonic()
        self._socket.setblocking(False)
        events = select.poll()
        events.register(self._socket, 0)
        while not events.poll(50) and time.monotonic() - begun < GIVE_UP_S:
            # both sides' buffers are full, or it is closed
            with contextlib.suppress(OSError):
                self._socket.send(request)
            if reads:
                with contextlib.suppress(OSError):
                    self._socket.recv(reads)
        return time.monotonic() - begun

    def answer(self) -> tuple[int, bytes]:
        """Read one answer. Returns its status and its body."""
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        return response.status, response.read()

    def text_until(self, is_enough: Callable[[bytes], bool]) -> bytes:
        """Read until the text is complete; `answer` would read beyond the end of the first of two answers."""
        found = b""
        deadline = time.monotonic() + GIVE_UP_S
        while not is_enough(found):
            assert time.monotonic() < deadline, found
            chunk = self._socket.recv(65_536)
            assert chunk, found
            found += chunk
        return found

    def rest(self) -> bytes:
        """Read until the server closes."""
        found = b""
        try:
            while chunk := self._socket.recv(65_536):
                found += chunk
        except ConnectionResetError:
            pass
        return found


def _head(length: int) -> bytes:
    return (
        f"POST /api/process/start HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_headers_that_dribble_in_close_the_connection(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
        seconds = client.dribble(lambda: b"a")
        assert CLIENT_S * 0.5 < seconds < CLIENT_S * 4
        assert client.rest() == b""


def test_body_that_dribbles_in_is_answered_408(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(_head(10_000))
        seconds = client.dribble(lambda: b" ")
        assert CLIENT_S * 0.5 < seconds < CLIENT_S * 4
        status, body = client.answer()
        assert (status, json.loads(body)["type"]) == (408, "/problems/request-timeout")
        assert client.rest() == b""


def test_body_that_stops_is_answered_408(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(_head(10_000) + b"{")
        assert client.answer()[0] == 408


def test_chunks_that_dribble_in_are_answered_408(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(_head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        client.dribble(lambda: b"1\r\n \r\n")
        assert client.answer()[0] == 408


def test_stranger_whose_body_dribbles_in_gets_one_answer(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(_head(10_000).replace(KEY.encode(), b"nobody"))
        assert client.answer()[0] == 401
        # The app does not read this body: gunicorn discards it for a while, and closes.
        client.dribble(lambda: b" ")
        assert client.rest() == b""


def test_client_that_sends_a_body_beyond_the_limit_to_its_end_reads_the_413(web: Stack) -> None:
    # More than the buffers of both sockets hold: the client can write it only if the server reads it.
    size = 12_000_000
    with Client(web.url) as client:
        client.send(_head(size) + b" " * size)
        status, body = client.answer()
        assert (status, json.loads(body)["type"]) == (413, "/problems/body-too-large")


def test_slow_but_steady_request_is_answered(web: Stack) -> None:
    body = b'{"processKey": "nobody"}'
    with Client(web.url) as client:
        for part in (_head(len(body))[:40], _head(len(body))[40:], body[:9], body[9:]):
            client.send(part)
            time.sleep(CLIENT_S * 0.3)
        assert client.answer()[0] == 404


def test_pause_between_two_requests_counts_for_neither(web: Stack) -> None:
    with Client(web.url) as client:
        for _ in range(3):
            client.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.answer()[0] == 200
            time.sleep(CLIENT_S * 1.2)


def test_pipelined_requests_are_each_answered(web: Stack) -> None:
    body = b'{"processKey": "nobody"}'
    with Client(web.url) as client:
        client.send((_head(len(body)) + body) * 2)
        assert client.text_until(lambda text: text.count(b"HTTP/1.1 404") == 2)


def test_more_slow_clients_than_threads_delay_others_no_longer_than_their_time_limit(web: Stack, api: Api) -> None:
    clients = [Client(web.url) for _ in range(SPARE_THREADS + 11)]
    try:
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nX-Slow: a")
        answer = api.get("/health/live")
        assert (answer.status, answer.seconds < CLIENT_S * 4) == (200, True)
    finally:
        for client in clients:
            client.__exit__()


@pytest.mark.parametrize("reads", [0, 256], ids=["never", "in drips"])
def test_client_that_does_not_read_its_answers_is_disconnected(web: Stack, reads: int) -> None:
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    with Client(web.url, receives=4_096) as client:
        seconds = client.ask_until_closed(asked, reads)
    # the buffers of both sides fill first
    assert CLIENT_S * 0.5 < seconds < CLIENT_S * 5


def test_clients_that_leave_their_connection_open_do_not_delay_others(web: Stack, api: Api) -> None:
    clients = [Client(web.url) for _ in range(10)]
    try:
        for client in clients:
            client.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.answer()[0] == 200
        # Each of them could make the server wait for two seconds before it accepts another connection.
        assert api.get("/health/live").seconds < 2
    finally:
        for client in clients:
            client.__exit__()


def test_large_answer_comes_compressed(web: Stack) -> None:
    with Client(web.url) as client:
        client.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        status, body = client.answer()
    assert status == 200
    assert json.loads(gzip.decompress(body))["openapi"]


def test_answers_name_no_version_of_the_server(api: Api) -> None:
    assert api.get("/health/live").headers["server"] == "celery-camunda"


def _with_token(api: Api, token: str) -> Answer:
    return api.get(PATH, Authorization=f"Bearer {token}")


def test_keys_and_unknown_callers(api: Api) -> None:
    assert api.get(PATH).status == 401
    assert api.get(PATH, Authorization=f"Bearer {KEY}").status == 404
    assert _with_token(api, "a.b.c").status == 401


def test_tokens_are_accepted_after_the_issuer_rotates_its_key(api: Api, issuer: Issuer) -> None:
    old = issuer.token()
    assert _with_token(api, old).status == 404
    issuer.rotate("second")
    eventually(lambda: _with_token(api, issuer.token()).status == 404, REFETCH_INTERVAL_S * 2, "the new key is known")
    assert _with_token(api, old).status == 401
    assert _with_token(api, issuer.token()).status == 404


def test_requests_are_answered_while_redis_is_unavailable(web: Stack) -> None:
    counting = Api(web.url_of("counting"))
    left = [counting.get(PATH).headers["ratelimit"].partition(";t=")[0] for _ in range(2)]
    assert left == [f'"default";r={MOST - 1}', f'"default";r={MOST - 2}']

    # first silent, then gone
    web["broker"].signal(signal.SIGSTOP)
    answer = counting.get(PATH)
    assert (answer.status, answer.seconds < 3) == (404, True)

    web["broker"].kill()
    for _ in range(MOST - 1):
        answer = counting.get(PATH)
        assert (answer.status, answer.seconds < 3) == (404, True)
    assert counting.get(PATH).status == 429

    web["counting"].kill()
    web.start_parts(["counting"])
    assert counting.get(PATH).status == 404
