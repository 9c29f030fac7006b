import ipaddress
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from protocols.http.guard import URL_LIMIT, UrlGuard, UrlRefused, is_public
from protocols.http.outgoing import NotSent, OutgoingSession
from tests.support.raw_http import raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "127.0.0.1", "127.255.0.1", "100.64.0.1", "169.254.169.254",
    "172.16.0.1", "192.168.1.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001::1", "2001:db8::1",
    "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "100::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
    "64:ff9b::808:808", "2002:808:808::",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_not_public(text: str):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text: str):
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url",
    ["https://hooks.example/a?b=c#d", "http://hooks.example:8080", "https://1.1.1.1/",
     "https://[2606:4700::1111]:443/x", "https://bücher.example/ä", "https://localhost/"],
)  # fmt: skip
def test_a_url_that_may_be_called(url: str):
    assert UrlGuard().check_url(url).host


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin"),
        ("/hook", "must begin"),
        ("//hooks.example/", "must begin"),
        ("ftp://hooks.example/", "must begin"),
        ("file:///etc/passwd", "must begin"),
        ("https://", "must begin"),
        ("https:///hook", "must begin"),
        ("http://hooks.example:0/", "must begin"),
        ("http://hooks.example:99999/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("https://user@hooks.example/", "user name"),
        ("https://user:pass@hooks.example/", "user name"),
        ("https://:pass@hooks.example/", "user name"),
        ("https://hooks.example\\@evil.example/", "backslash"),
        ("https://hooks.example/a b", "space"),
        ("https://hooks.example/\r\nX: y", "control character"),
        ("https://hooks.example/" + "a" * URL_LIMIT, "longer"),
        ("http://127.0.0.1/", "not a public"),
        ("http://[::1]:8080/", "not a public"),
        ("http://[fe80::1%25eth0]/", "not a public"),
        ("http://[::ffff:169.254.169.254]/latest", "not a public"),
    ],
)
def test_a_url_that_may_not(url: str, reason: str):
    with pytest.raises(UrlRefused, match=reason):
        UrlGuard().check_url(url)


def test_private_addresses_when_they_are_allowed():
    guard = UrlGuard(allow_private=True)
    assert str(guard.check_url("http://127.0.0.1:8080/x")) == "http://127.0.0.1:8080/x"
    with pytest.raises(UrlRefused):
        guard.check_url("gopher://127.0.0.1/")


# --- where the socket is made -------------------------------------------------------------------


class FakeNames(AbstractResolver):
    """Resolves every name to one list of addresses after another."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        addresses = self.answers.pop(0)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        pass


def guarded_session(guard: UrlGuard, names: FakeNames | None = None) -> OutgoingSession:
    connector = guard.connector(keepalive_s=1.0, resolver=names)
    return OutgoingSession("Postern/1.2", timeout_s=5.0, connector=connector)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0"])
async def test_no_spelling_of_loopback_is_connected_to(host: str):
    session = guarded_session(UrlGuard())
    async with raw_server(OK) as server:
        with pytest.raises(NotSent):
            await session.exchange("POST", f"http://{host}:{server.port}/", {}, b"{}")
        assert server.connections == 0
    await session.close()


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["127.0.0.1", "::1"]])
async def test_a_name_that_leads_inside_is_not_connected_to(addresses: list[str]):
    names = FakeNames(addresses)
    session = guarded_session(UrlGuard(), names)
    async with raw_server(OK) as server:
        with pytest.raises(NotSent, match="not a public one"):
            await session.exchange("POST", f"http://evil.example:{server.port}/", {}, b"{}")
        assert server.connections == 0
        assert names.answers == []
    await session.close()


async def test_the_address_is_judged_anew_for_each_connection(monkeypatch: pytest.MonkeyPatch):
    """DNS rebinding: the second answer for the same name leads inside."""
    judged: list[str] = []

    def is_allowed(guard: UrlGuard, address: object) -> bool:
        judged.append(str(address))
        return len(judged) == 1

    monkeypatch.setattr(UrlGuard, "allows", is_allowed)
    session = guarded_session(UrlGuard(), FakeNames(["127.0.0.1"], ["127.0.0.1"]))
    async with raw_server(OK) as server:
        url = f"http://rebind.example:{server.port}/"
        assert (await session.exchange("POST", url, {}, b"{}")).status == 200
        with pytest.raises(NotSent):
            await session.exchange("POST", url, {}, b"{}")
    assert judged == ["127.0.0.1", "127.0.0.1"]
    await session.close()


async def test_loopback_when_private_addresses_are_allowed():
    session = guarded_session(UrlGuard(allow_private=True))
    async with raw_server(OK) as server:
        assert (await session.exchange("POST", server.url, {}, b"{}")).status == 200
    await session.close()
