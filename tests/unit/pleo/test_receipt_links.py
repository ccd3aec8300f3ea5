"""Which hosts and which addresses are allowed."""

from ipaddress import ip_address

import pytest

from tallybook.errors import SettingsError
from tallybook.pleo.errors import ReceiptLinkRefused
from tallybook.pleo.receipt_links import LinkRules, is_public


@pytest.mark.parametrize(
    ("allowed", "link"),
    [
        ("files.pleo.io", "https://files.pleo.io/a"),
        ("Files.Pleo.IO", "https://FILES.pleo.io:443/a"),
        ("files.pleo.io:8443", "https://files.pleo.io:8443/a"),
        ("*.pleo.io", "https://a.b.pleo.io/a"),
        ("*.pleo.io:8443", "https://files.pleo.io:8443/a"),
    ],
)
def test_a_listed_host_is_followed(allowed: str, link: str) -> None:
    """Hosts are compared without regard to case; without a port https's own is meant."""
    assert LinkRules([allowed], []).check(link).where.startswith(("files.pleo.io", "a.b.pleo.io"))


@pytest.mark.parametrize(
    ("allowed", "link"),
    [
        ("files.pleo.io", "https://files.pleo.io:8443/a"),
        ("files.pleo.io", "https://files.pleo.io./a"),
        ("*.pleo.io", "https://pleo.io/a"),
        ("*.pleo.io", "https://evilpleo.io/a"),
        ("pleo.io", "https://files.pleo.io/a"),
        ("files.pleo.io", "http://files.pleo.io/a"),
    ],
)
def test_a_host_not_listed_is_refused(allowed: str, link: str) -> None:
    """Exact means exact, a star means below, and http is never meant."""
    with pytest.raises(ReceiptLinkRefused):
        LinkRules([allowed], []).check(link)


def test_an_insecure_host_may_use_http() -> None:
    """The local sandbox is named with its port, in either version of the internet protocol."""
    rules = LinkRules([], ["127.0.0.1:8089", "[::1]:8089"])
    assert rules.check("http://127.0.0.1:8089/a").where == "127.0.0.1:8089"
    assert rules.check("http://[::1]:8089/a").where == "[::1]:8089"
    with pytest.raises(ReceiptLinkRefused):
        rules.check("http://127.0.0.1:8090/a")


def test_a_signed_query_stays_as_it_is() -> None:
    """A signature covers the query to the letter, so what is encoded stays encoded."""
    link = LinkRules(["s3.pleo.io"], []).check("https://s3.pleo.io/a%2Fb?sig=x%2By%3D&at=2026-03-01T00%3A00Z")
    assert link.url.target == b"/a%2Fb?sig=x%2By%3D&at=2026-03-01T00%3A00Z"


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "https://pleo.io", "pleo.io/", "a b", "pleo.io:x", "::1", "a*.pleo.io", "."]
)
def test_an_entry_that_is_no_host_is_a_settings_error(text: str) -> None:
    """A mistake in the settings is found at the start and not with the first receipt."""
    with pytest.raises(SettingsError, match="receipt_hosts"):
        LinkRules([text], [])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address to refuse
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_are_seen_through(address: str) -> None:
    """Loopback, private, link-local, shared and multicast, also wrapped in IPv6, are not public."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    """The internet stays reachable, through address translation too."""
    assert is_public(ip_address(address))
