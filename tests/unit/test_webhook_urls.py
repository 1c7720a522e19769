"""The allowed addresses of webhooks: one reading of a URL, an allow-list of hosts, public addresses only."""

from __future__ import annotations

import ipaddress

import pytest

from settings import Settings
from tasks.errors import RefusedAddress, RefusedUrl
from tasks.webhooks.addresses import checked_addresses, is_public
from tasks.webhooks.urls import check, parse, shown

ALLOWED = Settings(
    callback_hosts=[
        "hooks.example.com", ".partner.example", "other.example:8443", "http://plain.example", "any.example:*",
        "http://127.0.0.1:9000", "[2001:db8::1]", "xn--bcher-kva.example",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "host_header", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("https://HOOKS.example.COM./a?b=c%20d", "hooks.example.com", "/a?b=c%20d"),
        ("https://hooks.example.com:443/a", "hooks.example.com", "/a"),
        ("https://a.b.partner.example/", "a.b.partner.example", "/"),
        ("https://other.example:8443/", "other.example:8443", "/"),
        ("http://plain.example/", "plain.example", "/"),
        ("https://any.example:12345/", "any.example:12345", "/"),
        ("http://127.0.0.1:9000/", "127.0.0.1:9000", "/"),
        ("https://[2001:DB8:0::1]/", "[2001:db8::1]", "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
    ],
)
def test_listed_host_is_allowed(url: str, host_header: str, path: str) -> None:
    target = check(url, ALLOWED)
    assert (target.host_header, target.path) == (host_header, path)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "https://hooks.example.com:8443/", "https://partner.example/",
        "https://evilpartner.example/", "https://hooks.example.com.evil.test/", "https://other.example/",
        "https://plain.example/", "http://127.0.0.1/", "https://127.0.0.1:9000/", "https://[2001:db8::2]/",
        "http://127.0.0.2:9000/", "http://localhost:9000/", "https://bcher.example/",
    ],
)  # fmt: skip
def test_host_that_is_not_listed_is_refused(url: str) -> None:
    with pytest.raises(RefusedUrl, match="CALLBACK_HOSTS does not allow"):
        check(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/a", "ftp://hooks.example.com/", "file:///etc/passwd", "https://", "https:///a", "https://:443/",
        "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/", "http://0x7f000001/",
        "http://127.0.0.1.:9000x/", "http://256.1.1.1/", "http://1.2.3.4.5/", "http://a.0x7f/",
        "https://user@hooks.example.com/", "https://user:secret@hooks.example.com/", "https://@hooks.example.com/",
        "https://hooks.example.com/#part", "https://hooks.example.com#@evil.test/", "https://hooks.example.com\\@evil.test/",
        "https://hooks.example.com /", "https://hooks.example.com/\r\nX: y", "https://hooks.example.com\t/", "https://b\u00fccher.example/",
        "https://hooks\u3002example.com/", "https://\uff11\uff12\uff17.0.0.1/", "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/", "https://hooks.example.com:x/", "https://[::1", "https://[fe80::1%25eth0]/",
        "https://[v1.x]/", "http://[127.0.0.1]/", "https://[hooks.example.com]/", "https://hooks..example.com/", "https://-a.example/", "https://a_b.example/", "https://hooks%2eexample.com/",
        "https://hooks.example.com/" + "x" * 2000,
    ],
)  # fmt: skip
def test_url_that_readers_may_understand_differently_is_refused(url: str) -> None:
    with pytest.raises(RefusedUrl):
        parse(url)


def test_no_host_is_allowed_while_webhooks_are_off() -> None:
    with pytest.raises(RefusedUrl, match="CALLBACK_HOSTS is empty"):
        check("https://hooks.example.com/", Settings())


def test_message_and_log_show_no_query() -> None:
    assert shown("https://h.example/a?token=secret") == "https://h.example/a?..."
    with pytest.raises(RefusedUrl) as refused:
        check("https://h.example/a?token=secret", ALLOWED)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.0.1", "192.168.1.1", "192.0.0.1",
        "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "::1", "::ffff:8.8.8.8",
        "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1",
        "2001::1", "2001:db8::1", "2002:7f00:1::1", "100::1", "fec0::1",
    ],
)  # fmt: skip
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_every_address_of_a_name_is_checked() -> None:
    target = parse("https://hooks.example.com/")
    assert checked_addresses(target, ALLOWED, lambda *_: ["8.8.8.8"]) == ["8.8.8.8"]
    with pytest.raises(RefusedAddress):
        checked_addresses(target, ALLOWED, lambda *_: ["8.8.8.8", "127.0.0.1"])


def test_listed_network_is_allowed_and_no_other() -> None:
    settings = Settings(callback_hosts=["hooks.example.com"], callback_networks=["10.1.0.0/16", "fd00::/8"])
    target = parse("https://hooks.example.com/")
    assert checked_addresses(target, settings, lambda *_: ["10.1.2.3", "fd00::1"]) == ["10.1.2.3", "fd00::1"]
    with pytest.raises(RefusedAddress):
        checked_addresses(target, settings, lambda *_: ["10.2.0.1"])


def test_listed_address_does_not_open_it_for_names() -> None:
    with pytest.raises(RefusedAddress):
        checked_addresses(parse("http://plain.example/"), ALLOWED, lambda *_: ["127.0.0.1"])
