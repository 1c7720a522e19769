"""JWT bearer tokens (RFC 7519, RFC 8725) checked with the public keys of their issuer (JWKS, RFC 7517)."""

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

#: signatures that are taken: asymmetric ones. A shared secret would let this service make tokens itself; `none`, and a
#: public key used as a secret, are the classic forgeries.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
#: those of them that any RSA key can make
RSA_ALGORITHMS = ALGORITHMS[:6]
#: age at which keys are fetched again, in seconds: how long a withdrawn key still works
KEYS_LIFETIME_S = 300.0
#: least time between two fetches, in seconds: tokens with made-up key ids cannot flood the issuer
REFETCH_INTERVAL_S = 10.0
#: longest wait for the key server, in seconds
FETCH_TIMEOUT_S = 2.0
#: largest key set that is read, in bytes
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key of the issuer, and the signatures that it may be used for."""

    material: Any
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """What a good token says."""

    subject: str
    scopes: frozenset[str]


class KeyRing:
    """The public keys of one JWKS address; those that were fetched last stay good while its server is away.

    PyJWT's own client forgets its keys when their time is over and the server is away, and asks a server that is away
    for every request.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._pool = urllib3.PoolManager(maxsize=1, timeout=urllib3.Timeout(total=FETCH_TIMEOUT_S))
        self._keys: dict[str | None, PublicKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._guard = threading.Lock()

    def key(self, kid: str | None) -> PublicKey:
        """The key of this id; without an id the only key there is.

        Raises:
            KeysUnavailable: no keys are known.
            TokenRefused: the issuer has no such key.
        """
        found = self._find(kid)
        if found is None or self._clock() - self._fetched_at > KEYS_LIFETIME_S:
            # Who has a key goes on with it while another thread fetches.
            self._refresh(wait=found is None)
            found = self._find(kid)
        if not self._keys:
            raise KeysUnavailable(self._url)
        if found is None:
            raise TokenRefused("its issuer has no such key")
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
            log.warning("keys of tokens not fetched, %s known: %s", len(self._keys), type(error).__name__)
        finally:
            self._guard.release()

    def _fetch(self) -> dict[str | None, PublicKey]:
        answer = self._pool.request("GET", self._url, redirect=False, retries=False, preload_content=False)
        try:
            content = answer.read(MOST_BYTES + 1)
            if answer.status != 200 or len(content) > MOST_BYTES:
                raise ValueError(f"answer {answer.status} of {len(content)} bytes")
        finally:
            # What was not read must not stand before the next answer: the next fetch is minutes away anyway.
            answer.close()
        document = json.loads(content)
        found = dict(_public_keys(document if isinstance(document, dict) else {}))
        if not found:
            raise ValueError("no public key for signatures")
        return found


def _public_keys(document: dict[str, Any]) -> Iterator[tuple[str | None, PublicKey]]:
    entries = document.get("keys")
    for entry in entries if isinstance(entries, list) else []:
        try:
            key = jwt.PyJWK(entry if isinstance(entry, dict) else {})
        except (jwt.PyJWTError, ValueError, TypeError):
            # One that this service cannot use stands beside others that it can (RFC 7517, 5).
            continue
        if key.key_type == "oct" or key.public_key_use not in ("sig", None):
            continue
        names_none = key.key_type == "RSA" and not entry.get("alg")
        # `alg` is optional (RFC 7517, 4.4). A curve has one kind of signature, an RSA key serves for all of RSA's.
        yield key.key_id, PublicKey(key.key, RSA_ALGORITHMS if names_none else (key.algorithm_name,))


class TokenChecker:
    """Checks the tokens of one issuer for one audience."""

    def __init__(self, settings: Settings, ring: KeyRing | None = None) -> None:
        self._settings = settings
        self._ring = ring or KeyRing(settings.jwt_jwks_url)

    def check(self, token: str) -> Token:
        """Who the token speaks for.

        Raises:
            TokenRefused: says why, in words that hold nothing of the token.
            KeysUnavailable: it cannot be checked now.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise TokenRefused("its signature is of a kind that is not taken")
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
            # A header may be nested deeper than the JSON parser follows.
            raise TokenRefused(_reason(error)) from None
        if not claims["sub"]:
            raise TokenRefused("its subject is empty")
        return Token(str(claims["sub"]), _scopes(claims.get(self._settings.jwt_scope_claim)))


def _reason(error: Exception) -> str:
    reasons: dict[type[Exception], str] = {
        jwt.InvalidAudienceError: "it is meant for another audience",
        jwt.InvalidIssuerError: "it comes from another issuer",
        jwt.ImmatureSignatureError: "it is not valid yet",
        jwt.MissingRequiredClaimError: "it lacks a claim (exp, iss, aud and sub are needed)",
        jwt.InvalidSignatureError: "its signature is wrong",
    }
    return reasons.get(type(error), "it is no valid token")


def _scopes(claim: Any) -> frozenset[str]:
    if isinstance(claim, str):
        return frozenset(claim.split())
    return frozenset(item for item in claim if isinstance(item, str)) if isinstance(claim, list) else frozenset()
