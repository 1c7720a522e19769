"""API keys: callers have the keys, the settings have only their hashes.

A key is 256 random bits, so a plain SHA-256 of it is safe: nobody can guess 256 random bits, however fast the hash is.
Slow, salted hashes are for passwords, which can be guessed. A fast hash keeps requests fast.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from settings.access import API_KEY_ENTRY

#: prefix of our keys: secret scanners find them by it, and it distinguishes keys from tokens
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
    """Make a new key and its entry for `API_KEYS`.

    Raises:
        ValueError: the name or a scope is not allowed in an entry.
    """
    key = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    entry = f"{name}:{_digest(key)}:{'+'.join(dict.fromkeys(scopes))}"
    parse(entry)
    return key, entry


def parse(entry: str) -> ApiKey:
    """Parse an entry of `API_KEYS`.

    Raises:
        ValueError: the text is not an entry.
    """
    found = API_KEY_ENTRY.match(entry)
    if found is None:
        raise ValueError("the name must be 1 to 100 of the characters A-Z a-z 0-9 . _ - and have at least one scope")
    return ApiKey(found["name"], found["digest"], frozenset(found["scopes"].split("+")))


def find(keys: Iterable[ApiKey], key: str) -> ApiKey | None:
    """The entry of this key, or None. Compares every entry in constant time, so the duration reveals nothing."""
    digest = _digest(key)
    found = None
    for entry in keys:
        if hmac.compare_digest(entry.digest, digest):
            found = entry
    return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
