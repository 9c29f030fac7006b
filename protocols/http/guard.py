"""The SSRF guard: customer-given URLs must not reach into our own network.

A URL is checked twice.  `check_url` reads it (with the parser the client connects by) and refuses
what can be seen in it.  The decisive check stands where the socket is made: it sees the address
about to be connected to, so a name that resolves differently the second time, a numeric form of an
address, or a private address among public ones gives no way around it.  Redirects are not
followed at all (`protocols.http.outgoing`).
"""

import errno
import ipaddress
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

URL_LIMIT = 2048  # characters

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 2.1: IPv4 in the last 32 bits


class UrlRefused(ValueError):
    """A URL that may not be called; the text says why, in words for the customer."""


class AddressRefused(OSError):
    """The host resolved to an address that may not be connected to."""


class UrlGuard:
    """Decides which URLs and addresses may be called.

    `allow_private` lets every address pass (for the demo and for closed networks); the form of the
    URL is checked all the same.
    """

    __slots__ = ("_allow_private",)

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private

    def check_url(self, url: str) -> URL:
        """`url`, parsed.  Looks nothing up: a host name may still turn out to be refused.

        Raises:
            UrlRefused: not an absolute http or https URL, one with a user name or a control
                character, one that is too long, or one with a refused address as its host.
        """
        if len(url) > URL_LIMIT:
            raise UrlRefused(f"the URL is longer than {URL_LIMIT} characters")
        if not url.isprintable() or " " in url or "\\" in url:
            raise UrlRefused("the URL holds a space, a backslash or a control character")
        try:
            parsed = URL(url)
            host, port = parsed.host, parsed.port
        except ValueError:
            raise UrlRefused("the URL cannot be read") from None
        if parsed.scheme not in ("http", "https") or not host or not port:
            raise UrlRefused("the URL must begin with http:// or https:// and name a host")
        if parsed.user is not None or parsed.password is not None:
            raise UrlRefused("the URL must not hold a user name or password")
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return parsed  # a name: judged by the address it resolves to
        if not self.allows(address):
            raise UrlRefused("the URL's address is not a public one")
        return parsed

    def allows(self, address: Address) -> bool:
        """Whether `address` may be connected to."""
        return self._allow_private or is_public(address)

    def connector(
        self, keepalive_s: float, resolver: AbstractResolver | None = None
    ) -> aiohttp.TCPConnector:
        """A connector that makes no socket for a refused address.  Needs a running loop."""
        return aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=keepalive_s,
            resolver=resolver,
            use_dns_cache=False,  # customers move; a stale address would only be refused or lost
            socket_factory=self._make_socket,
        )

    def _make_socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Called by aiohttp with the very address it connects to next.

        Raises:
            AddressRefused: it is not a public one.
        """
        family, kind, protocol, _, target = info
        if not self.allows(ipaddress.ip_address(target[0].partition("%")[0])):
            raise AddressRefused(errno.EACCES, "the host's address is not a public one")
        return socket.socket(family, kind, protocol)


def is_public(address: Address) -> bool:
    """Whether `address` is a global unicast one, judged by the IPv4 address it carries if any.

    Not public: private, loopback, link-local, shared (CGNAT), multicast, reserved, documentation
    and unspecified addresses, and IPv4-mapped, 6to4 and NAT64 ones around any of these; Teredo.
    """
    if isinstance(address, ipaddress.IPv6Address):
        carried = _carried_ipv4(address)
        if carried is not None:
            return is_public(carried)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _carried_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
