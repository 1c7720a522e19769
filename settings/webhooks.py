"""Settings of webhooks."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from ipaddress import ip_network

from settings.reading import setting

#: one entry of CALLBACK_HOSTS: a host (`.example.com`: all its subdomains), with a port or `*` for any port
CALLBACK_HOST = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9A-Fa-f:.]+\]|\.?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}|\*))?\Z"
)

#: one entry of CALLBACK_SECRETS, in the form of Standard Webhooks: 24 to 64 bytes in base64
CALLBACK_SECRET = re.compile(r"whsec_(?P<key>[A-Za-z0-9+/]{32,86}={0,2})\Z")


@dataclass(frozen=True)
class Webhooks:
    """Webhooks."""

    callback_hosts: list[str] = setting(
        "list",
        (),
        "Hosts that a `callbackUrl` may name, comma separated: `hooks.example.com`, `.example.com` for all its "
        "subdomains, `host:8443` for another port (`*` for any), `http://host` for a host without TLS. Empty: no "
        "webhooks.",
    )
    callback_networks: list[str] = setting(
        "list",
        (),
        "Networks that are not public and in which such a host may have its address, comma separated: `10.1.0.0/16`.",
    )
    callback_secrets: list[str] = setting(
        "list",
        (),
        "Secrets that sign webhooks, comma separated: `whsec_` and 24 to 64 bytes in base64. With several, each adds a "
        "signature, so that a secret can be replaced.",
        secret=True,
    )
    callback_source: str = setting("str", "celery-camunda", "`source` of the CloudEvents in webhooks.")
    callback_timeout_ms: int = setting(
        "int",
        10_000,
        "Longest wait for the connection to a receiver, and for its answer, in milliseconds.",
        least=100,
        most=60_000,
    )
    callback_max_attempts: int = setting("int", 10, "Most attempts to deliver a webhook.", least=1, most=50)
    callback_retry_base_ms: int = setting(
        "int",
        10_000,
        "Pause before the second attempt to deliver a webhook, in milliseconds; before each further attempt it is four "
        "times as long, at most 6 hours.",
        least=100,
        most=3_600_000,
    )
    callback_interval_ms: int = setting(
        "int", 5_000, "How often beat searches for due webhook deliveries, in milliseconds.", least=200, most=60_000
    )


def faults(settings: Webhooks) -> list[str]:
    """The contradictions among these settings, each as a sentence that names them."""
    found = []
    for entry in settings.callback_hosts:
        named = CALLBACK_HOST.match(entry)
        if named is None or int((named["port"] or "443").replace("*", "443")) not in range(1, 65_536):
            found.append(f"CALLBACK_HOSTS: {entry!r} must be [scheme://]host[:port]")
    for entry in settings.callback_networks:
        try:
            ip_network(entry)
        except ValueError:
            found.append(f"CALLBACK_NETWORKS: {entry!r} must be a network such as 10.1.0.0/16")
    for place, entry in enumerate(settings.callback_secrets, 1):
        match = CALLBACK_SECRET.match(entry)
        if not match or not _is_base64_of(match["key"], range(24, 65)):
            found.append(f"CALLBACK_SECRETS: entry {place} must be whsec_ and 24 to 64 bytes in base64")
    if settings.callback_hosts and not settings.callback_secrets:
        found.append("CALLBACK_HOSTS needs CALLBACK_SECRETS: receivers check the signature to detect forged webhooks")
    if settings.callback_hosts and not settings.callback_source.strip():
        found.append("CALLBACK_SOURCE must not be empty")
    return found


def _is_base64_of(text: str, lengths: range) -> bool:
    try:
        return len(b64decode(text, validate=True)) in lengths
    except ValueError:
        return False
