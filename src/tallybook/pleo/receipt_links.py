"""Where receipts may be fetched from: hosts named in the settings, by https, at public addresses.

A link comes from outside and could point at this machine's own network, so the address a name stands for is checked,
and the connection is made to the very address that was checked.

Source: docs/decisions.md 29.
"""

import asyncio
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urljoin

import httpcore
import httpx

from tallybook.errors import SettingsError
from tallybook.pleo.errors import ReceiptLinkRefused, printable

_HOST = re.compile(
    r"(?:(?P<name>(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)|\[(?P<six>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORT = {"https": 443, "http": 80}
_NAT64 = ip_network("64:ff9b::/96")  # carries an IPv4 address in its last 32 bits. Source: RFC 6052.


@dataclass(frozen=True, slots=True)
class Link:
    """A receipt's link that may be followed. `where` is the host for people to read; never the path or query."""

    url: httpcore.URL
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class _Host:
    """One entry of the settings: `host`, `host:port` or `*.domain`. `port` None is the scheme's own."""

    name: str
    port: int | None

    def takes(self, host: str, port: int, default_port: int) -> bool:
        named = host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name
        return named and port == (self.port or default_port)


class LinkRules:
    """Decides which links may be followed. Hosts in `insecure` may also use http and private addresses."""

    def __init__(self, allowed: Iterable[str], insecure: Iterable[str]) -> None:
        self._insecure = tuple(_host(text) for text in insecure)
        self._allowed = tuple(_host(text) for text in allowed) + self._insecure

    def check(self, text: str, *, base: str | None = None) -> Link:
        """Read a link, or a redirect relative to `base`.

        Raises:
            ReceiptLinkRefused: no URL, a credential in it, not https, or a host that is not allowed.
        """
        try:
            url = httpx.URL(urljoin(base, text) if base else text)
            host, scheme, userinfo = url.raw_host.decode("ascii").lower(), url.scheme, url.userinfo
            port = url.port or _DEFAULT_PORT.get(scheme, 0)
            target = url.raw_path
        except (httpx.InvalidURL, ValueError):
            host, scheme, userinfo, port, target = "", "", b"", 0, b""
        # Raised outside the handler: the library's error may quote the link, and its query is a key to the file.
        if not host or not port or userinfo:
            raise ReceiptLinkRefused("a receipt's link is no web address; export the entry again from Pleo")
        default_port = _DEFAULT_PORT.get(scheme, 0)
        bracketed = f"[{host}]" if ":" in host else host
        where = printable(bracketed if port == default_port else f"{bracketed}:{port}")
        if not any(entry.takes(host, port, default_port) for entry in self._allowed):
            raise ReceiptLinkRefused(
                f"a receipt's link leads to {where}, which is not among pleo.receipt_hosts;"
                " add it there if it belongs to Pleo"
            )
        if scheme != "https" and not (scheme == "http" and self.is_insecure(host, port)):
            raise ReceiptLinkRefused(f"a receipt's link to {where} does not use https; ask Pleo's support")
        core = httpcore.URL(scheme=scheme.encode(), host=host.encode(), port=port, target=target)
        return Link(url=core, text=str(url), where=where)

    def is_insecure(self, host: str, port: int) -> bool:
        """Tell whether a host may use http and private addresses."""
        return any(entry.takes(host, port, default) for entry in self._insecure for default in _DEFAULT_PORT.values())


def _host(text: str) -> _Host:
    found = _HOST.fullmatch(text.strip().lower())
    if found is None:
        raise SettingsError([f"pleo.receipt_hosts: {text!r} is neither a host, nor host:port, nor *.domain"])
    return _Host(found["name"] or found["six"], int(found["port"]) if found["port"] else None)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address is out on the internet, seen through every way of wrapping IPv4 in IPv6."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to the addresses a name stands for, after looking at them."""

    def __init__(self, rules: LinkRules) -> None:
        self._rules = rules
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises:
            ReceiptLinkRefused: one of the addresses is private, and the host is not listed as insecure.
            httpcore.ConnectError: the name is unknown, or no address answers.
        """
        addresses = await self._addresses(host, port, timeout)
        if not self._rules.is_insecure(host, port) and not all(is_public(address) for address in addresses):
            raise ReceiptLinkRefused(
                f"a receipt's link leads to {printable(host)}, which stands for a private address; it is not followed"
            )
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait between httpcore's own attempts, of which there are none."""
        await self._network.sleep(seconds)

    @staticmethod
    async def _addresses(host: str, port: int, timeout_s: float | None) -> Sequence[IPv4Address | IPv6Address]:
        try:
            async with asyncio.timeout(timeout_s):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is unknown") from error
        # A scope such as %eth0 belongs to a link-local address, which is not public either way.
        return [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
