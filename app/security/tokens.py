"""Checks JWT bearer tokens (RFC 7519, RFC 8725) with the public keys of their issuer (JWKS, RFC 7517)."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import urllib3

from app.security.errors import KeysUnavailable, TokenRefused
from settings import Settings

log = logging.getLogger(__name__)

#: accepted signature algorithms, all asymmetric. With a shared secret this service could make tokens itself; `none`
#: and a public key that is used as a shared secret are the usual forgeries (RFC 8725, 2.1).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: the algorithms that work with every RSA key
RSA_ALGORITHMS = ALGORITHMS[:6]
#: seconds after which the keys are fetched again; a withdrawn key works until then
KEYS_LIFETIME_S = 300.0
#: seconds between two fetches, at least, so that tokens with invented key ids do not flood the issuer
REFETCH_INTERVAL_S = 10.0
#: seconds to wait for the issuer's server, at most
FETCH_TIMEOUT_S = 2.0
#: bytes of a key set, at most
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key of the issuer, and the algorithms that it may be used with."""

    material: Any
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """The claims of a valid token that this service uses."""

    subject: str
    scopes: frozenset[str]


class KeyRing:
    """The public keys of one JWKS URL. While its server is unavailable, the keys that were fetched last stay in use.

    PyJWT's own client drops its keys when they expire while the server is unavailable, and then calls the server for
    every request.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._pool = urllib3.PoolManager(maxsize=1, timeout=urllib3.Timeout(total=FETCH_TIMEOUT_S))
        self._keys: dict[str | None, PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._guard = threading.Lock()

    def key(self, kid: str | None) -> PublicKey:
        """The key with this id; without an id, the issuer's only key.

        Raises:
            KeysUnavailable: no keys were fetched yet.
            TokenRefused: the issuer has no key with this id.
        """
        found = self._find(kid)
        if found is None or self._clock() - self._fetched_at > KEYS_LIFETIME_S:
            # A thread that has found the key does not wait while another thread fetches.
            self._refresh(wait=found is None)
            found = self._find(kid)
        if not self._keys:
            raise KeysUnavailable(self._url)
        if found is None:
            raise TokenRefused("its issuer has no key with its key id")
        return found

    def _find(self, kid: str | None) -> PublicKey | None:
        keys = self._keys
        if kid is None and len(keys) == 1:
            return next(iter(keys.values()))
        return keys.get(kid)

    def _refresh(self, *, wait: bool) -> None:
        if self._clock() - self._tried_at < REFETCH_INTERVAL_S and not self._guard.locked():
            return
        if not self._guard.acquire(blocking=wait, timeout=FETCH_TIMEOUT_S * 2 if wait else -1):
            return
        try:
            # Another thread may have fetched while this one waited.
            if self._clock() - self._tried_at < REFETCH_INTERVAL_S:
                return
            self._tried_at = self._clock()
            self._keys = self._fetch()
            self._fetched_at = self._clock()
        except (urllib3.exceptions.HTTPError, jwt.PyJWTError, ValueError, OSError) as error:
            log.warning(
                "keys of the token issuer not fetched, %s keys stay in use: %s", len(self._keys), type(error).__name__
            )
        finally:
            self._guard.release()

    def _fetch(self) -> dict[str | None, PublicKey]:
        answer = self._pool.request("GET", self._url, redirect=False, retries=False, preload_content=False)
        try:
            content = answer.read(MOST_BYTES + 1)
            if answer.status != 200 or len(content) > MOST_BYTES:
                raise ValueError(f"answer {answer.status} of {len(content)} bytes")
        finally:
            # Close the connection: unread bytes would come before the next answer, and the next fetch is minutes away.
            answer.close()
        document = json.loads(content)
        found = dict(_public_keys(document if isinstance(document, dict) else {}))
        if not found:
            raise ValueError("the key set has no public key for signatures")
        return found


def _public_keys(document: dict[str, Any]) -> Iterator[tuple[str | None, PublicKey]]:
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else []:
        try:
            key = jwt.PyJWK(entry if isinstance(entry, dict) else {})
        except (jwt.PyJWTError, ValueError, TypeError):
            # Ignore a key that this service cannot use; the key set may have others (RFC 7517, 5).
            continue
        if key.key_type == "oct" or key.public_key_use not in ("sig", None):
            continue
        names_none = key.key_type == "RSA" and not entry.get("alg")
        # `alg` is optional (RFC 7517, 4.4). A curve allows one algorithm; an RSA key allows all RSA algorithms.
        yield key.key_id, PublicKey(key.key, RSA_ALGORITHMS if names_none else (key.algorithm_name,))


class TokenChecker:
    """Checks the tokens of one issuer for one audience."""

    def __init__(self, settings: Settings, ring: KeyRing | None = None) -> None:
        self._settings = settings
        self._ring = ring or KeyRing(settings.jwt_jwks_url)

    def check(self, token: str) -> Token:
        """Check a token, and return its subject and scopes.

        Raises:
            TokenRefused: the token is not valid. The message has the reason and no part of the token.
            KeysUnavailable: the token cannot be checked now.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise TokenRefused("its signature algorithm is not accepted")
            kid = header.get("kid")
            key = self._ring.key(kid if isinstance(kid, str) else None)
            claims = jwt.decode(
                token,
                key.material,
                algorithms=[name for name in key.algorithms if name in ALGORITHMS],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                leeway=self._settings.jwt_leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefused("it has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            # RecursionError: the header of a token can be nested too deep for the JSON parser.
            raise TokenRefused(_reason(error)) from None
        if not claims["sub"]:
            raise TokenRefused("its subject is empty")
        return Token(str(claims["sub"]), _scopes(claims.get(self._settings.jwt_scope_claim)))


def _reason(error: Exception) -> str:
    reasons: dict[type[Exception], str] = {
        jwt.InvalidAudienceError: "it is for another audience",
        jwt.InvalidIssuerError: "it is from another issuer",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.MissingRequiredClaimError: "it lacks a claim (exp, iss, aud and sub are required)",
        jwt.InvalidSignatureError: "its signature is wrong",
    }
    return reasons.get(type(error), "it is not a valid token")


def _scopes(claim: Any) -> frozenset[str]:
    if isinstance(claim, str):
        return frozenset(claim.split())
    return frozenset(item for item in claim if isinstance(item, str)) if isinstance(claim, list) else frozenset()
