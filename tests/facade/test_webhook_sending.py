"""How a webhook is sent: signature, schedule, only to the checked address, TLS with the name of the host."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from settings import Settings
from store.webhooks import DELIVERED, FAILED, PENDING
from tasks.webhooks.posting import Answer, post
from tasks.webhooks.receivers import Receivers
from tasks.webhooks.schedule import MAX_PAUSE_S, outcome_of
from tasks.webhooks.signing import signed_headers
from tasks.webhooks.urls import Target, parse
from tests.support.guide import verifier
from tests.support.scripted_server import ScriptedServer, breaks_off, hangs_up, says, stays_silent

SECRET, OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 32
MOMENT = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
INSIDE = Settings(callback_networks=["127.0.0.0/8"], callback_timeout_ms=400)


@pytest.fixture
def receiver() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.close()


def named(server: ScriptedServer) -> Target:
    return parse(f"http://hooks.example.com:{server.server_port}/hook?a=b")


def to_loopback(*_: object) -> list[str]:
    return ["127.0.0.1"]


def test_signature_is_that_of_the_standards_own_example() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', secrets=[SECRET], timestamp=1614265330
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_guide_verifies_what_is_signed_with_any_of_the_secrets() -> None:
    body = json.dumps({"id": "1"}).encode()
    stamp = int(datetime.now(UTC).timestamp())
    headers = signed_headers("1", body, secrets=[SECRET, OTHER], timestamp=stamp)
    verify = verifier()
    assert verify([SECRET], headers, body) == verify([OTHER], headers, body) == {"id": "1"}
    for secrets, given, content in (
        (["whsec_" + "B" * 32], headers, body),
        ([SECRET], headers, body + b" "),
        ([SECRET], {**headers, "webhook-id": "2"}, body),
        ([SECRET], {**headers, "webhook-timestamp": str(stamp - 1)}, body),
        ([SECRET], signed_headers("1", body, secrets=[SECRET], timestamp=stamp - 600), body),
    ):
        with pytest.raises(ValueError, match=r"no signature|too old"):
            verify(secrets, given, content)


def test_pauses_grow_up_to_six_hours_and_attempts_end_after_a_day() -> None:
    settings = Settings()
    failed = Answer(500, "the answer 500 is no success")
    outcomes = [outcome_of(failed, attempt, settings, MOMENT) for attempt in range(1, 11)]
    pauses = [(one.next_at - MOMENT).total_seconds() for one in outcomes if one.next_at is not None]
    for pause, expected in zip(pauses, [10, 40, 160, 640, 2560, 10240, 21600, 21600, 21600], strict=True):
        assert expected * 0.8 <= pause <= expected * 1.2
    assert [one.status for one in outcomes] == [PENDING] * 9 + [FAILED]
    assert 12 * 3600 < sum(pauses) < 30 * 3600


def test_retry_after_of_the_receiver_is_used_within_limits() -> None:
    def next_in(asked_s: float) -> float:
        outcome = outcome_of(Answer(503, "e", asked_s), 1, Settings(), MOMENT)
        assert outcome.next_at is not None
        return (outcome.next_at - MOMENT).total_seconds()

    assert next_in(100) == 100
    assert next_in(0) >= 8
    assert next_in(1e9) == MAX_PAUSE_S


def test_success_and_gone_end_it() -> None:
    assert outcome_of(Answer(204), 1, Settings(), MOMENT).status == DELIVERED
    assert outcome_of(Answer(410, "e"), 1, Settings(), MOMENT).status == FAILED


def test_name_is_resolved_once_and_the_checked_address_is_used(receiver: ScriptedServer) -> None:
    asked = []

    def resolver(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    answer = post(named(receiver), b"{}", {"webhook-id": "1"}, INSIDE, resolver=resolver)

    assert answer == Answer(200)
    assert asked == ["hooks.example.com"]
    (seen,) = receiver.seen
    assert (seen.path, seen.body) == ("/hook?a=b", b"{}")
    assert seen.headers["Host"] == f"hooks.example.com:{receiver.server_port}"


def test_name_with_a_public_address_first_and_an_inside_one_later_is_refused(receiver: ScriptedServer) -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]
    settings = Settings(callback_timeout_ms=200)

    def resolver(*_: object) -> list[str]:
        return answers.pop(0)

    first = post(named(receiver), b"{}", {}, settings, resolver=resolver)
    second = post(named(receiver), b"{}", {}, settings, resolver=resolver)

    assert first.status_code is None
    assert second == Answer(error="the host has an address that is not allowed")
    assert receiver.seen == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["::ffff:127.0.0.1"],
        ["0.0.0.0"],
        ["::1"],
        ["::"],
        ["::127.0.0.1"],
        ["fe80::1"],
        ["fd00::1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["2606:4700::1111", "127.0.0.1"],
        ["127.0.0.1", "2606:4700::1111"],
    ],
)
def test_no_address_of_a_name_with_an_inside_address_is_connected_to(
    receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    connected: list[object] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: object) -> None:
        connected.append(address)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", noted)
    # the name server of the name's owner
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(0, socket.SOCK_STREAM, 6, "", (one, 80)) for one in addresses]
    )

    answer = post(named(receiver), b"{}", {}, Settings(callback_timeout_ms=200))

    assert answer == Answer(error="the host has an address that is not allowed")
    assert connected == []
    assert receiver.seen == []


def test_proxy_of_the_environment_is_not_used(receiver: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(named(receiver), b"{}", {}, INSIDE, resolver=to_loopback) == Answer(200)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (says(200, b"x" * 1_000_000), Answer(200)),
        (breaks_off, Answer(200)),
        (says(302, Location="/inner"), Answer(302, "the answer 302 is a redirect, which is not followed")),
        (says(404), Answer(404, "the answer 404 is no success")),
        (says(429, Retry_After="7"), Answer(429, "the answer 429 is no success", 7.0)),
        (says(503, Retry_After="soon"), Answer(503, "the answer 503 is no success")),
        (says(503, Retry_After="9" * 30), Answer(503, "the answer 503 is no success")),
        (hangs_up, Answer(error="the connection broke off")),
        (stays_silent, Answer(error="no answer within 400 ms")),
    ],
)
def test_only_the_status_of_an_answer_is_read(receiver: ScriptedServer, answer: object, expected: Answer) -> None:
    receiver.answer = answer  # type: ignore[assignment]
    assert post(named(receiver), b"{}", {}, INSIDE, resolver=to_loopback) == expected
    assert len(receiver.seen) == 1


def test_date_is_read_as_retry_after(receiver: ScriptedServer) -> None:
    receiver.answer = says(503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    answer = post(named(receiver), b"{}", {}, INSIDE, resolver=to_loopback)
    assert answer.retry_after_s is not None
    assert 50 < answer.retry_after_s <= 60


def test_name_without_an_address_is_an_error_like_others() -> None:
    def resolver(*_: object) -> list[str]:
        raise OSError("no such name")

    answer = post(parse("https://hooks.example.com/"), b"{}", {}, INSIDE, resolver=resolver)
    assert answer.error == "the host's name cannot be resolved"


def certify(folder: Path, name: str) -> Path:
    """Make a self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.mark.parametrize(("trusted", "host", "taken"), [
    (True, "hooks.example.com", True), (True, "other.example.com", False), (False, "hooks.example.com", False),
])  # fmt: skip
def test_certificate_must_be_trusted_and_of_the_name_that_was_given(
    receiver: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool, host: str, taken: bool
) -> None:
    certificate = certify(tmp_path, "hooks.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    answer = post(parse(f"https://{host}:{receiver.server_port}/"), b"{}", {}, INSIDE, resolver=to_loopback)

    assert names == [host]
    assert (answer == Answer(200)) is taken
    if not taken:
        assert "TLS" in (answer.error or "")
        assert receiver.seen == []


def test_slow_receiver_gets_one_attempt_at_a_time(client: redis.Redis) -> None:
    receivers, target = Receivers(client), parse("https://hooks.example.com/")
    other = parse("https://other.example.com/")
    assert all(receivers.may_call(target, for_s=10) for _ in range(3))
    receivers.note(target, took_s=5)
    assert [receivers.may_call(target, for_s=10) for _ in range(3)] == [True, False, False]
    assert receivers.may_call(other, for_s=10)
    receivers.note(target, took_s=5)
    assert [receivers.may_call(target, for_s=10) for _ in range(2)] == [True, False]
    receivers.note(target, took_s=0.1)
    assert all(receivers.may_call(target, for_s=10) for _ in range(3))


def test_receivers_are_called_while_redis_is_unavailable() -> None:
    away = Receivers(redis.Redis(port=9, socket_connect_timeout=0.2))
    target = parse("https://hooks.example.com/")
    away.note(target, took_s=5)
    assert away.may_call(target, for_s=10)
