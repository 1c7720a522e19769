"""API keys: the settings hold their hashes, the callers the keys.

A key is 256 random bits, so a plain SHA-256 of it is enough: slow, salted hashes make guessing a *password* dear, and
nobody guesses 256 random bits, however fast the hash. A fast one keeps each request cheap.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from settings.access import API_KEY_ENTRY

#: marks our keys: for secret scanners, and to tell them from tokens
PREFIX = "ck_"
#: random bytes of a key
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One entry of `API_KEYS`."""

    name: str
    digest: str
    scopes: frozenset[str]


def new_entry(name: str, scopes: Iterable[str]) -> tuple[str, str]:
    """A fresh key, and its entry for `API_KEYS`.

    Raises:
        ValueError: the name or a scope cannot stand in an entry.
    """
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    entry = f"{name}:{_digest(key)}:{'+'.join(dict.fromkeys(scopes))}"
    parse(entry)
    return key, entry


def parse(entry: str) -> ApiKey:
    """An entry of `API_KEYS`.

    Raises:
        ValueError: it is none.
    """
    found = API_KEY_ENTRY.match(entry)
    if found is None:
        raise ValueError("a name is 1 to 100 of A-Z a-z 0-9 . _ - and needs at least one scope")
    return ApiKey(found["name"], found["digest"], frozenset(found["scopes"].split("+")))


def find(keys: Iterable[ApiKey], key: str) -> ApiKey | None:
    """The entry of this key. Every entry is compared, in constant time: how long it takes tells nothing."""
    digest = _digest(key)
    found = None
    for entry in keys:
        if hmac.compare_digest(entry.digest, digest):
            found = entry
    return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
