"""The URLs that a webhook may go to: those that CALLBACK_HOSTS allows, parsed in one way only.

A URL is parsed here once. The connection, its TLS name and its Host header are made of the parts, so no second parser
can read it differently.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from settings import Settings
from settings.webhooks import CALLBACK_HOST
from tasks.errors import RefusedUrl

#: characters of a URL (RFC 3986); others are refused and not escaped, so that every parser reads the same URL
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+\Z")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)\Z")
#: what some parsers take for a part of an IPv4 address: decimal, octal or hexadecimal
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: longest URL, in characters: the size of the store's column
MAX_LENGTH = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts. `host` is in lower case, without brackets and without the dot of the root."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> Address | None:
        """The address, when the host is one."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def host_header(self) -> str:
        """Value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """A URL in its parts.

    Raises:
        RefusedUrl: it is no URL that a webhook could go to, whatever is allowed.
    """
    if len(url) > MAX_LENGTH:
        raise RefusedUrl(f"Must have at most {MAX_LENGTH} characters.")
    if "#" in url:
        raise RefusedUrl("Must have no fragment.")
    if not _CHARACTERS.match(url):
        raise RefusedUrl("Must be a URL of ASCII characters: write an international host as xn--..., escape the rest.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise RefusedUrl("Must be a URL.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise RefusedUrl("Must be a URL that begins with https:// and names a host.")
    if "[" in parts.netloc and ":" not in parts.hostname:
        raise RefusedUrl("Must hold nothing but an IPv6 address in brackets.")
    if "@" in parts.netloc:
        raise RefusedUrl("Must hold no user name and no password.")
    if port == 0:
        raise RefusedUrl("Must name a port from 1 to 65535.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, _host(parts.hostname), port or _DEFAULT_PORTS[parts.scheme], path)


def check(url: str, settings: Settings) -> Target:
    """A URL that CALLBACK_HOSTS allows, in its parts.

    Raises:
        RefusedUrl: it does not.
    """
    if not settings.callback_hosts:
        raise RefusedUrl("Webhooks are off here: CALLBACK_HOSTS is empty.")
    target = parse(url)
    if not any(_allows(entry, target) for entry in settings.callback_hosts):
        raise RefusedUrl("CALLBACK_HOSTS does not allow this scheme, host and port.")
    return target


def shown(url: str) -> str:
    """A URL for answers and logs: without its query, which may hold a secret."""
    bare, mark, _ = url.partition("?")
    return f"{bare}?..." if mark else bare


def _host(text: str) -> str:
    if ":" in text:
        try:
            found = ipaddress.IPv6Address(text)
        except ValueError:
            raise RefusedUrl("Must name a host.") from None
        if found.scope_id is not None:
            raise RefusedUrl("Must name no network interface.")
        return found.compressed
    host = text.lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise RefusedUrl("Must name a host.")
    if _NUMBER.match(labels[-1]):
        try:
            return ipaddress.IPv4Address(host).compressed
        except ValueError:
            raise RefusedUrl("Must write an IPv4 address as four decimal numbers.") from None
    return host


def _allows(entry: str, target: Target) -> bool:
    match = CALLBACK_HOST.match(entry)
    if match is None or target.scheme != (match["scheme"] or "https"):
        return False
    port = match["port"]
    if port != "*" and target.port != int(port or _DEFAULT_PORTS[target.scheme]):
        return False
    listed = match["host"].lower().strip("[]")
    if target.address is not None:
        try:
            return ipaddress.ip_address(listed) == target.address
        except ValueError:
            return False
    return target.host == listed or (listed.startswith(".") and target.host.endswith(listed))
