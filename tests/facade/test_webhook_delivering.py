"""One attempt to deliver a webhook and one tick, with a real database and a real broker, without a worker."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from structlog.contextvars import clear_contextvars, get_contextvars

from dev.environment import ROOT
from store import webhooks as rows
from store.process_rows import OK, Ending
from store.webhooks import DELIVERED, FAILED, PENDING, Claim, Delivery
from tasks.broker import publish
from tasks.errors import BrokerUnavailable
from tasks.settling.settle import settle
from tasks.webhooks import delivering
from tasks.webhooks.delivering import deliver_webhook, enqueue_due, webhooks
from tasks.webhooks.receivers import Receivers
from tasks.webhooks.urls import parse
from tests.support.facade import USER, Facade
from tests.support.scripted_server import ScriptedServer, says

SECRET = "whsec_" + "A" * 32


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


@pytest.fixture
def hooks(facade: Facade) -> Facade:
    facade.change(callback_hosts=["http://127.0.0.1:*"], callback_secrets=[SECRET], callback_max_attempts=3)
    return facade


def end(facade: Facade, url: str) -> None:
    """End a process that has a callback."""
    body = {"processKey": "onboard-user", "variables": USER, "callbackUrl": url}
    assert facade.post("/api/process/start", body, Prefer="respond-async").status_code == 202
    assert settle(facade.rows()[0], Ending(OK, result={"n": 1}))


def message(client: redis.Redis) -> list[str]:
    """The arguments of the one message in the queue."""
    (text,) = client.lrange("webhooks", 0, -1)
    client.delete("webhooks")
    envelope = json.loads(text)
    assert "countdown" not in envelope["headers"]
    assert envelope["headers"]["eta"] is None
    found: list[str] = json.loads(base64.b64decode(envelope["body"]))[0]
    return found


def latest(facade: Facade) -> Delivery:
    found = facade.runtime.webhooks.latest(facade.rows()[0].id)
    assert found is not None
    return found


def later(monkeypatch: pytest.MonkeyPatch, **span: float) -> None:
    monkeypatch.setattr(rows, "now", lambda: datetime.now(UTC) + timedelta(**span))


def test_message_is_sent_with_the_end_and_begins_one_attempt(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer
) -> None:
    end(hooks, receiver.url)
    given = message(client)
    deliver_webhook(*given)
    deliver_webhook(*given)
    assert latest(hooks).status == DELIVERED
    assert len(receiver.seen) == 1


def test_tick_enqueues_what_is_due_at_once(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answer = says(500)
    end(hooks, receiver.url)
    deliver_webhook(*message(client))
    assert (latest(hooks).status, latest(hooks).last_status_code) == (PENDING, 500)
    assert enqueue_due() == 0
    later(monkeypatch, minutes=1)
    receiver.answer = says(200)
    webhooks()
    webhooks()
    deliver_webhook(*message(client))
    assert (latest(hooks).status, latest(hooks).attempt) == (DELIVERED, 2)


def test_message_and_lines_of_an_attempt_have_the_id_of_its_process(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answer = says(500)
    end(hooks, receiver.url)
    correlation_id = hooks.rows()[0].correlation_id
    for _ in range(2):
        (text,) = client.lrange("webhooks", 0, -1)
        headers = json.loads(text)["headers"]
        assert (headers["shadow"], headers["argsrepr"]) == ("deliver webhook", f"({correlation_id})")
        given = message(client)
        clear_contextvars()
        deliver_webhook(*given)
        assert get_contextvars()["correlationId"] == correlation_id
        # A delivery whose claim another worker has is logged too.
        clear_contextvars()
        deliver_webhook(*given)
        assert get_contextvars()["correlationId"] == correlation_id
        # Beat's tick sends the second one.
        later(monkeypatch, hours=1)
        webhooks()
    clear_contextvars()


def test_message_of_an_older_version_is_delivered_too(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer
) -> None:
    end(hooks, receiver.url)
    deliver_webhook(*message(client)[:2])
    assert latest(hooks).status == DELIVERED


def test_attempts_end(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answer = says(500)
    end(hooks, receiver.url)
    deliver_webhook(*message(client))
    for hours in (1, 10):
        later(monkeypatch, hours=hours)
        assert enqueue_due() == 1
        deliver_webhook(*message(client))
    assert (latest(hooks).status, latest(hooks).attempt, len(receiver.seen)) == (FAILED, 3, 3)


def test_attempts_that_kill_their_worker_end_too(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(hooks, receiver.url)
    given = message(client)
    for hours in (1, 10, 20):
        hooks.runtime.webhooks.begin(Claim(latest(hooks).id, given[1]), for_s=1)
        later(monkeypatch, hours=hours)
        assert enqueue_due() == 1
        given = message(client)
    deliver_webhook(*given)
    assert (latest(hooks).status, receiver.seen) == (FAILED, [])
    assert latest(hooks).last_error == "the result of the last attempt is unknown"


def test_nothing_is_sent_to_a_host_that_is_not_allowed_any_more(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer
) -> None:
    end(hooks, receiver.url)
    given = message(client)
    hooks.change(callback_hosts=["hooks.example.com"])
    deliver_webhook(*given)
    assert (latest(hooks).status, receiver.seen) == (FAILED, [])


def test_name_with_an_inside_address_at_the_second_attempt_is_not_connected_to(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"], ["::ffff:127.0.0.1"]]
    asked: list[str] = []
    name_server = socket.getaddrinfo

    def rebinding(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if host != "hooks.example.com":
            return name_server(host, port, *rest, **options)
        asked.append(host)
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    # No server listens at the one allowed address.
    hooks.change(callback_hosts=["http://hooks.example.com:*"], callback_networks=["127.0.0.2/32"])
    end(hooks, f"http://hooks.example.com:{receiver.server_port}/hook")
    errors = []
    for hours in (0, 1, 10):
        if hours:
            later(monkeypatch, hours=hours)
            assert enqueue_due() == 1
        deliver_webhook(*message(client))
        errors.append(latest(hooks).last_error)
    assert errors == ["no connection can be made", *["the host has an address that is not allowed"] * 2]
    # once an attempt, because the checked address is the one that is connected to
    assert (len(asked), receiver.seen) == (3, [])


def test_attempt_at_a_slow_receiver_is_postponed_and_does_not_count(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer
) -> None:
    end(hooks, receiver.url)
    given = message(client)
    receivers, target = Receivers(client), parse(receiver.url)
    receivers.note(target, took_s=10)
    assert receivers.may_call(target, for_s=10)
    deliver_webhook(*given)
    found = latest(hooks)
    assert (found.status, found.attempt, receiver.seen) == (PENDING, 0, [])
    assert found.next_at is not None
    assert found.next_at > datetime.now(UTC)


def test_unavailable_broker_loses_no_webhook(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(publish, "_send", away)
        body = {"processKey": "onboard-user", "variables": USER, "callbackUrl": receiver.url}
        hooks.post("/api/process/start", body, Prefer="respond-async")
        assert settle(hooks.rows()[0], Ending(OK))
        later(patch, minutes=1)
        with pytest.raises(BrokerUnavailable):
            enqueue_due()
    later(monkeypatch, minutes=1)
    assert enqueue_due() == 1


def test_no_delivery_is_claimed_while_the_queue_is_full(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(hooks, receiver.url)
    later(monkeypatch, minutes=1)
    monkeypatch.setattr(delivering, "MAX_QUEUED", 1)
    assert enqueue_due() == 0
    client.delete("webhooks")
    assert enqueue_due() == 1


def test_no_query_is_logged(
    hooks: Facade, client: redis.Redis, receiver: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = says(500)
    end(hooks, f"{receiver.url}/?token=very-secret")
    deliver_webhook(*message(client))
    assert "attempt 1: the answer 500 is no success" in caplog.text
    assert "very-secret" not in caplog.text


def test_beat_sends_the_tick_only_if_webhooks_are_on() -> None:
    program = "import celeryconfig; print('webhooks' in celeryconfig.beat_schedule)"
    for hosts, expected in (("a.example", "True"), ("", "False")):
        environment = {**os.environ, "CALLBACK_HOSTS": hosts, "CALLBACK_SECRETS": SECRET}
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout.strip() == expected
