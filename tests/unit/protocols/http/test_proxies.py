import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from protocols.http.proxies import TrustedProxies, is_within, parse_networks


def client_address(peer: str, forwarded: list[str], trusted: list[str]) -> str:
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    return TrustedProxies(trusted).client_address(request)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        ("9.9.9.9", ["1.2.3.4"], [], "9.9.9.9"),
        ("9.9.9.9", ["1.2.3.4"], ["10.0.0.0/8"], "9.9.9.9"),
        ("10.0.0.1", ["1.2.3.4"], ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", [], ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.0.0.2"], ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.0.0.2"], ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], ["10.0.0.0/8"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense, 10.0.0.3"], ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], ["10.0.0.0/8"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4:5678"], ["10.0.0.0/8"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db8::1]:5678"], ["10.0.0.1"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], ["10.0.0.1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["1.2.3.4"], ["10.0.0.0/8"], "1.2.3.4"),
    ],
)
def test_client_address(peer: str, forwarded: list[str], trusted: list[str], client: str) -> None:
    assert client_address(peer, forwarded, trusted) == client


def test_is_within() -> None:
    networks = parse_networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
    assert is_within("10.1.2.3", networks)
    assert is_within("2001:db8::1", networks)
    assert is_within("192.0.2.7", networks)
    assert not is_within("192.0.2.8", networks)
    assert not is_within("", networks)


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="example"):
        TrustedProxies(["example.com"])
