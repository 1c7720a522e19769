"""Calls to partner services: repeated only if that is safe, limited in time, with the status code in the event."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from camunda_bridge.context import recording_calls
from camunda_bridge.errors import PartnerError
from camunda_bridge.partner import PartnerClient
from dev.partner_stub import PartnerStub
from tests.support.scripted_server import ScriptedServer, hangs_up, in_turn, says, stays_silent


@pytest.fixture
def stub() -> Iterator[PartnerStub]:
    stub = PartnerStub(0)
    thread = threading.Thread(target=stub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield stub
    stub.shutdown()
    stub.server_close()
    thread.join(10)


@pytest.fixture
def client(stub: PartnerStub) -> PartnerClient:
    return PartnerClient(f"http://127.0.0.1:{stub.server_port}/", timeout_ms=5_000)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def calls_of(stub: PartnerStub, endpoint: str = "/background-checks") -> int:
    return int(stub.effects.stats().get(endpoint, {}).get("calls", 0))


def check(client: PartnerClient, user_id: str, key: str | None = None) -> Any:
    return client.post("/background-checks", {"userId": user_id}, idempotency_key=key)


def refused(client: PartnerClient, user_id: str, key: str | None = None) -> PartnerError:
    with pytest.raises(PartnerError) as caught:
        check(client, user_id, key)
    return caught.value


def test_answer_is_the_partners_json(client: PartnerClient) -> None:
    assert check(client, "üser-1") == {"decision": "approved", "riskLevel": "low", "checkId": "chk-üser-1"}
    assert client.get("/health") == {"status": "ok"}
    assert client.get("/effects", params={"userId": "nobody"}) == {"userId": "nobody", "effects": []}


def test_call_with_an_idempotency_key_is_repeated_until_it_is_answered(
    stub: PartnerStub, client: PartnerClient
) -> None:
    assert check(client, "flaky-1", "key-1")["decision"] == "approved"
    assert calls_of(stub) == 3
    (effect,) = stub.effects.of_user("flaky-1")
    assert effect["idempotencyKey"] == "key-1"


def test_call_without_an_idempotency_key_is_never_repeated(stub: PartnerStub, client: PartnerClient) -> None:
    assert refused(client, "flaky-1").status == 503
    assert calls_of(stub) == 1


def test_repeats_have_an_end(stub: PartnerStub, client: PartnerClient) -> None:
    begun = time.monotonic()
    assert refused(client, "fail-1", "key-1").status == 503
    assert calls_of(stub) == 3
    assert time.monotonic() - begun < 5


def test_refusal_is_not_repeated(stub: PartnerStub, client: PartnerClient) -> None:
    error = refused(client, "teapot-1", "key-1")
    assert error.status == 418
    assert "teapot" in error.body
    assert calls_of(stub) == 1


def test_answer_without_json_is_an_error_with_its_status(client: PartnerClient) -> None:
    error = refused(client, "garbage-1", "key-1")
    assert error.status == 200
    assert "html" in error.body
    assert "without JSON" in str(error)


def test_slow_call_ends_in_time(stub: PartnerStub) -> None:
    client = PartnerClient(f"http://127.0.0.1:{stub.server_port}", timeout_ms=150)
    begun = time.monotonic()
    error = refused(client, "slow-1")
    assert time.monotonic() - begun < 1.5
    assert error.status is None
    assert calls_of(stub) == 1


def test_slow_call_with_an_idempotency_key_gets_the_answer_of_its_one_effect(stub: PartnerStub) -> None:
    client = PartnerClient(f"http://127.0.0.1:{stub.server_port}", timeout_ms=150)
    answer = client.post("/onboarding", {"userId": "slow-400ms-1"}, idempotency_key="key-1")
    assert answer["customerId"] == "cus-slow-400ms-1"
    assert len(stub.effects.of_user("slow-400ms-1")) == 1
    assert calls_of(stub, "/onboarding") >= 2


def test_unreachable_partner_is_an_error_without_status() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = PartnerClient(f"http://127.0.0.1:{closed.getsockname()[1]}", timeout_ms=500)
        begun = time.monotonic()
        assert refused(client, "u", "key-1").status is None
        assert time.monotonic() - begun < 5


def test_broken_connection_is_repeated_only_with_a_key(server: ScriptedServer) -> None:
    client = PartnerClient(server.url, timeout_ms=2_000)
    server.answer = in_turn(hangs_up, says(200, b"{}"))
    assert check(client, "u", "key-1") == {}
    server.answer = in_turn(hangs_up, says(200, b"{}"))
    assert refused(client, "u").status is None


def test_silent_partner_is_repeated_only_with_a_key(server: ScriptedServer) -> None:
    client = PartnerClient(server.url, timeout_ms=200)
    server.answer = in_turn(stays_silent, says(200, b"{}"))
    assert check(client, "u", "key-1") == {}
    server.answer = in_turn(stays_silent, says(200, b"{}"))
    assert refused(client, "u").status is None


def test_partner_cannot_make_a_handler_sleep(server: ScriptedServer) -> None:
    server.answer = in_turn(says(503, b"", Retry_After="3600"), says(200, b"{}"))
    begun = time.monotonic()
    assert check(PartnerClient(server.url), "u", "key-1") == {}
    assert time.monotonic() - begun < 5


def test_redirect_is_not_followed(server: ScriptedServer) -> None:
    server.answer = says(302, b"", Location="/elsewhere")
    with pytest.raises(PartnerError):
        PartnerClient(server.url).get("/here")
    assert [seen.path for seen in server.seen] == ["/here"]


def test_call_carries_key_and_json(server: ScriptedServer) -> None:
    check(PartnerClient(server.url), "ü", "key-1")
    (seen,) = server.seen
    assert seen.headers["Idempotency-Key"] == "key-1"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Accept"] == "application/json"
    assert seen.body == '{"userId": "ü"}'.encode()


def test_connection_is_kept_between_calls(server: ScriptedServer) -> None:
    client = PartnerClient(server.url)
    for _ in range(3):
        client.get("/x")
    assert len({seen.connection for seen in server.seen}) == 1


def test_status_code_of_the_last_answer_is_recorded(client: PartnerClient) -> None:
    with recording_calls() as record:
        check(client, "u")
        assert record.http_status_code == 200
        client.post("/onboarding", {"userId": "u"})
        assert record.http_status_code == 201
        refused(client, "teapot-1")
        assert record.http_status_code == 418
        check(client, "flaky-1", "key-1")
        assert record.http_status_code == 200


def test_call_outside_of_an_attempt_records_nothing(client: PartnerClient) -> None:
    with recording_calls() as record:
        pass
    check(client, "u")
    assert record.http_status_code is None


def test_trace_is_sent_on_beside_the_callers_own_headers(server: ScriptedServer) -> None:
    server.answer = says(200, b"{}")
    client = PartnerClient(server.url, timeout_ms=2_000)
    with recording_calls("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        check(client, "u", "key-1")
    check(client, "u", "key-2")
    traced, untraced = (seen.headers for seen in server.seen)
    assert traced["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert untraced["traceparent"] is None
    assert set(traced) == {*untraced, "traceparent"}
