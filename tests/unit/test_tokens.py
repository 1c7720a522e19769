"""Tokens: which are accepted, how keys rotate, and attacks that must fail."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from app.security.errors import KeysUnavailable, TokenRefused
from app.security.tokens import KEYS_LIFETIME_S, REFETCH_INTERVAL_S, RSA_ALGORITHMS, KeyRing, TokenChecker
from settings import Settings
from tests.support.issuer import Issuer


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.rotate("first")
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checker(issuer: Issuer, clock: Clock) -> TokenChecker:
    settings = Settings(jwt_jwks_url=issuer.url, jwt_issuer="us", jwt_audience="it", jwt_leeway_s=5)
    return TokenChecker(settings, KeyRing(issuer.url, clock=clock))


def test_good_token_has_a_caller_and_scopes(issuer: Issuer, checker: TokenChecker) -> None:
    token = checker.check(issuer.token())
    assert (token.subject, token.scopes) == ("ada", {"process:read"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exp": 1}, "expired"),
        ({"aud": "another"}, "audience"),
        ({"iss": "another"}, "issuer"),
        ({"nbf": 99_999_999_999}, "not valid yet"),
    ],
)
def test_token_of_another_time_or_place_is_refused(
    issuer: Issuer, checker: TokenChecker, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(TokenRefused, match=says):
        checker.check(issuer.token(**changes))


def test_unsigned_and_shared_secret_tokens_are_refused(issuer: Issuer, checker: TokenChecker) -> None:
    claims = {"sub": "ada", "iss": "us", "aud": "it", "exp": time.time() + 60}
    for forged in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "s" * 64, algorithm="HS256", headers={"kid": "first"}),
    ):
        with pytest.raises(TokenRefused, match="algorithm"):
            checker.check(forged)
    assert issuer.fetches == 0


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "\x00", "." * 9])
def test_text_that_is_no_token_is_refused(checker: TokenChecker, token: str) -> None:
    with pytest.raises(TokenRefused):
        checker.check(token)


def test_header_nested_without_end_is_refused(checker: TokenChecker) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5_000).decode().rstrip("=")
    with pytest.raises(TokenRefused):
        checker.check(f"{header}.e30.c2ln")


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "sub"])
def test_token_without_a_needed_claim_is_refused(issuer: Issuer, checker: TokenChecker, claim: str) -> None:
    with pytest.raises(TokenRefused):
        checker.check(issuer.token(**{claim: None}))


def test_token_signed_with_another_key_is_refused(issuer: Issuer, checker: TokenChecker) -> None:
    checker.check(issuer.token())
    issuer.rotate("first")
    with pytest.raises(TokenRefused, match="signature"):
        checker.check(issuer.token())


def test_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, checker: TokenChecker, clock: Clock) -> None:
    checker.check(issuer.token())
    issuer.rotate("second")
    clock.now += REFETCH_INTERVAL_S
    assert checker.check(issuer.token()).subject == "ada"


def test_invented_key_ids_cannot_flood_the_key_server(issuer: Issuer, checker: TokenChecker) -> None:
    checker.check(issuer.token())
    issuer.rotate("made-up")
    for _ in range(20):
        with pytest.raises(TokenRefused, match="no key with its key id"):
            checker.check(issuer.token())
    assert issuer.fetches == 1


def test_last_keys_stay_valid_while_the_key_server_is_unavailable(
    issuer: Issuer, checker: TokenChecker, clock: Clock
) -> None:
    checker.check(issuer.token())
    issuer.away = True
    clock.now += KEYS_LIFETIME_S * 3
    assert checker.check(issuer.token()).subject == "ada"
    assert issuer.fetches == 2


@pytest.mark.parametrize("algorithm", RSA_ALGORITHMS)
@pytest.mark.parametrize("names_alg", [True, False], ids=["named", "not named"])
def test_rsa_key_takes_each_of_its_signatures_unless_it_names_one(algorithm: str, names_alg: bool) -> None:
    issuer = Issuer(names_alg=names_alg)
    issuer.rotate("first", algorithm)
    settings = Settings(jwt_jwks_url=issuer.url, jwt_issuer="us", jwt_audience="it")
    try:
        checker = TokenChecker(settings)
        assert checker.check(issuer.token()).subject == "ada"
        issuer.algorithm = "RS256" if algorithm != "RS256" else "PS512"
        if names_alg:
            with pytest.raises(TokenRefused):
                checker.check(issuer.token())
        else:
            assert checker.check(issuer.token()).subject == "ada"
    finally:
        issuer.server.shutdown()
        issuer.server.server_close()


def test_key_of_one_kind_checks_no_signature_of_another(issuer: Issuer, checker: TokenChecker) -> None:
    checker.check(issuer.token())
    issuer.rotate("first", "RS256")
    with pytest.raises(TokenRefused):
        checker.check(issuer.token())


def test_unusable_keys_do_not_prevent_the_use_of_others(
    issuer: Issuer, checker: TokenChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = issuer.public()
    odd: list[Any] = [{"kty": "new", "kid": "n"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "o"}, {}, "x", None]
    monkeypatch.setattr(issuer, "public", lambda: [*odd, *good])
    assert checker.check(issuer.token()).subject == "ada"


def test_without_any_key_a_token_cannot_be_checked(issuer: Issuer, checker: TokenChecker) -> None:
    issuer.away = True
    with pytest.raises(KeysUnavailable):
        checker.check(issuer.token())
