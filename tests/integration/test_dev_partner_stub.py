"""The partner stub: the user id decides its answer, and an idempotency key has one effect."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from dev.partner_services import nature_of
from dev.partner_stub import PartnerHandler, PartnerStub


class Caller:
    """Calls the stub."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.pool = urllib3.PoolManager(maxsize=8, timeout=10, retries=False)

    def post(self, path: str, user_id: str, key: str | None = None) -> urllib3.BaseHTTPResponse:
        headers = {"Idempotency-Key": key} if key else {}
        return self.pool.request("POST", self.base + path, json={"userId": user_id}, headers=headers)

    def get(self, path: str) -> Any:
        return self.pool.request("GET", self.base + path).json()


@pytest.fixture(scope="module")
def stub() -> Iterator[Caller]:
    with PartnerStub(0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        caller = Caller(server.server_port)
        yield caller
        caller.pool.clear()
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize(
    ("user_id", "decision", "risk"),
    [
        ("user-1", "approved", "low"),
        ("reject-1", "rejected", "low"),
        ("risk-1", "approved", "high"),
        ("slow-20ms-reject-1", "rejected", "low"),
    ],
)
def test_user_id_decides_the_background_check(stub: Caller, user_id: str, decision: str, risk: str) -> None:
    answer = stub.post("/background-checks", user_id)
    assert answer.status == 200
    assert answer.json() == {"decision": decision, "riskLevel": risk, "checkId": f"chk-{user_id}"}


def test_onboarding_creates_customer_and_account(stub: Caller) -> None:
    answer = stub.post("/onboarding", "user-2")
    assert answer.status == 201
    assert answer.json() == {"customerId": "cus-user-2", "accountId": "acc-user-2"}


def test_same_key_gets_the_same_answer_and_has_one_effect(stub: Caller) -> None:
    user, before = f"user-{uuid4()}", stub.get("/stats").get("/onboarding", {"calls": 0, "effects": 0})
    answers = [stub.post("/onboarding", user, key=f"key-{user}").data for _ in range(3)]
    assert len(set(answers)) == 1
    effects = stub.get(f"/effects?userId={user}")["effects"]
    assert [effect["idempotencyKey"] for effect in effects] == [f"key-{user}"]
    after = stub.get("/stats")["/onboarding"]
    assert (after["calls"] - before["calls"], after["effects"] - before["effects"]) == (3, 1)


def test_calls_without_a_key_have_an_effect_each(stub: Caller) -> None:
    for _ in range(2):
        stub.post("/onboarding", "user-without-key")
    assert len(stub.get("/effects?userId=user-without-key")["effects"]) == 2


def test_concurrent_calls_with_one_key_have_one_effect(stub: Caller) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: stub.post("/onboarding", "user-many", key="many").status, range(40)))
    assert set(statuses) == {201}
    assert len(stub.get("/effects?userId=user-many")["effects"]) == 1


def test_flaky_user_is_served_at_the_third_call_of_each_endpoint(stub: Caller) -> None:
    assert [stub.post("/onboarding", "flaky-1", key="f").status for _ in range(4)] == [503, 503, 201, 201]
    assert [stub.post("/background-checks", "flaky-1", key="f").status for _ in range(3)] == [503, 503, 200]
    assert len(stub.get("/effects?userId=flaky-1")["effects"]) == 2


@pytest.mark.parametrize(("user_id", "status"), [("fail-1", 503), ("teapot-1", 418)])
def test_failing_user_is_refused_without_effect(stub: Caller, user_id: str, status: int) -> None:
    assert [stub.post("/onboarding", user_id).status for _ in range(4)] == [status] * 4
    assert stub.get(f"/effects?userId={user_id}")["effects"] == []


def test_garbage_is_no_json(stub: Caller) -> None:
    answer = stub.post("/background-checks", "garbage-1")
    assert answer.status == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


def test_slow_user_waits_as_long_as_the_id_says(stub: Caller) -> None:
    begun = time.monotonic()
    assert stub.post("/onboarding", "slow-300ms-1").status == 201
    assert 0.3 <= time.monotonic() - begun < 1.5


@pytest.mark.parametrize(
    ("user_id", "nature"),
    [("slow-1", (2000, "1")), ("slow-50ms-risk-1", (50, "risk")), ("slow-fail-1", (2000, "fail")), ("x", (0, "x"))],
)
def test_delay_and_behaviour_are_read_from_the_user_id(user_id: str, nature: tuple[int, str]) -> None:
    assert nature_of(user_id) == nature


def test_wrong_calls_are_refused_and_the_connection_lives_on(stub: Caller) -> None:
    def send(path: str, body: bytes) -> int:
        return stub.pool.request("POST", stub.base + path, body=body).status

    assert send("/background-checks", b"not json") == 422
    assert send("/background-checks", b"[1]") == 422
    assert send("/background-checks", b"") == 422
    assert send("/elsewhere", b"{}") == 404
    assert stub.get("/health") == {"status": "ok"}


def test_closing_an_idle_connection_is_not_logged_and_nonsense_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PartnerHandler, "timeout", 0.1)
    with PartnerStub(0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as idle:
            assert idle.recv(1) == b""
        assert capsys.readouterr().err == ""
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as strange:
            strange.sendall(b"no HTTP at all, and more\r\n\r\n")
            assert strange.recv(1)
        server.shutdown()
        thread.join(10)
    assert "Bad request" in capsys.readouterr().err


REQUEST = b"POST /onboarding HTTP/1.1\r\nHost: stub\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"userId": "slow-100ms-gone"}'


@pytest.mark.parametrize(
    ("sent", "is_whole"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(REQUEST[:30], False, id="half a head"),
        pytest.param(REQUEST % 1_000 + BODY, False, id="half a body"),
        pytest.param(REQUEST % len(BODY) + BODY, True, id="a request"),
        pytest.param((REQUEST % len(BODY) + BODY) * 2, True, id="two requests"),
    ],
)
def test_caller_that_hangs_up_at_any_moment_is_not_logged(
    sent: bytes, is_whole: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with PartnerStub(0) as server:
        # The end of the block then waits for the threads of all connections.
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=10)
        connection.sendall(sent)
        # Closing sends a reset, as the end of a killed process with unread data does.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        deadline = time.monotonic() + 10
        while is_whole and not server.effects.stats():
            assert time.monotonic() < deadline, "the stub reads the request"
            time.sleep(0.001)
        connection.close()
        # The next call is answered after the stub has accepted the connection before.
        caller = Caller(server.server_port)
        caller.get("/health")
        caller.pool.clear()
        server.shutdown()
        thread.join(10)
    assert capsys.readouterr().err == ""
