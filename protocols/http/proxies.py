"""Who a request really came from: the peer, or what a trusted proxy says of it."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import web

Network = IPv4Network | IPv6Network


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as ``10.0.0.0/8`` or single addresses.

    Raises:
        ValueError: one of them is neither.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether `address` is an IP address inside one of `networks`."""
    parsed = _parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)


class TrustedProxies:
    """The proxies whose X-Forwarded-For is believed; without any, the peer address counts."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = parse_networks(networks)

    def client_address(self, request: web.Request) -> str:
        """The address nearest to us that is not a trusted proxy; "" when the peer has gone.

        X-Forwarded-For is read from its end, because a client may write anything before what the
        proxies append.
        """
        client = request.remote or ""
        if not self._networks or not is_within(client, self._networks):
            return client
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for hop in reversed(hops):
            address = _parse_address(_without_port(hop.strip()))
            if address is None:
                break  # what is further left was not written by a proxy we can follow
            client = str(address)
            if not is_within(client, self._networks):
                break
        return client


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, _ = hop.partition(":")
    return host if colon and hop.count(":") == 1 else hop


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # a dual-stack listener shows IPv4 peers so
    return address
