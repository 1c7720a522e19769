"""Which addresses a webhook may be sent to: public ones, those of CALLBACK_NETWORKS, and an address listed as a host.

The list follows IANA's registries of special-purpose addresses (RFC 6890), which Python's own properties follow only in
part and not alike in every version.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from settings import Settings
from tasks.errors import RefusedAddress
from tasks.webhooks.urls import Address, Target

_NOT_PUBLIC_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
#: All others are loopback, link-local, unique local, multicast, mapped or translated (NAT64) IPv4, or unassigned.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
#: protocol assignments and Teredo, documentation, 6to4, which holds an IPv4 address
_NOT_PUBLIC_V6 = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]

#: name and port -> addresses; raises OSError
Resolver = Callable[[str, int], list[str]]


def is_public(address: Address) -> bool:
    """True for an address of the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def resolve(name: str, port: int) -> list[str]:
    """The addresses of a name, in the system's order of preference.

    Raises:
        OSError: it has none, or nobody can tell now.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def checked_addresses(target: Target, settings: Settings, resolver: Resolver = resolve) -> list[str]:
    """The addresses to connect to. All of them are checked, since any of them may be chosen for the connection.

    Raises:
        RefusedAddress: one is not allowed.
        OSError: the name cannot be resolved.
    """
    if target.address is not None:
        # CALLBACK_HOSTS lists this very address.
        return [target.host]
    networks = [ipaddress.ip_network(text) for text in settings.callback_networks]
    addresses = resolver(target.host, target.port)
    for text in addresses:
        address = ipaddress.ip_address(text)
        if not is_public(address) and not any(address in network for network in networks):
            raise RefusedAddress(f"{target.host} has the address {text}")
    return addresses
