import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import make_mocked_request

from protocols.exotel.basic_auth import BasicAuth, basic_credentials
from protocols.http.proxies import TrustedProxies
from tests.support.clock import FakeClock
from tests.support.doors import FakeDirectory, make_account


def request_with(authorization: str) -> web.Request:
    headers = {"Authorization": authorization} if authorization else {}
    return make_mocked_request("GET", "/", headers=headers).clone(remote="192.0.2.1")


@pytest.fixture
def directory() -> FakeDirectory:
    directory = FakeDirectory()
    directory.add_key_pair("acme1", "key", "to:ken", make_account())
    return directory


def auth_of(directory: FakeDirectory) -> BasicAuth:
    return BasicAuth(directory, "exotel", TrustedProxies(), FakeClock(), basic_credentials)


@pytest.mark.parametrize("scheme", ["Basic ", "basic ", "BASIC  "])
def test_the_pair_opens(directory: FakeDirectory, scheme: str) -> None:
    """A colon may stand in the password (RFC 7617 2)."""
    encoded = encode_basic_auth("key", "to:ken").removeprefix("Basic ")
    credential = auth_of(directory).credential(request_with(scheme + encoded))
    assert credential is directory.key_pairs["key", "to:ken"]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic a2V5",  # no colon
        encode_basic_auth("key", "token"),
        encode_basic_auth("KEY", "to:ken"),
        encode_basic_auth("", ""),
        "Bearer " + encode_basic_auth("key", "to:ken").removeprefix("Basic "),
    ],
)
def test_anything_else_does_not(directory: FakeDirectory, authorization: str) -> None:
    assert auth_of(directory).credential(request_with(authorization)) is None


def test_octets_outside_of_ascii_are_kept_for_the_door_to_see() -> None:
    assert basic_credentials(request_with("Basic a2n8Og==")) == "ki\xfc:"


def test_a_pair_of_a_disabled_account_opens(directory: FakeDirectory) -> None:
    credential = directory.key_pairs["key", "to:ken"]
    request = request_with(encode_basic_auth("key", "to:ken"))
    credential.enabled = False
    assert auth_of(directory).credential(request) is None
    credential.account.enabled = False
    assert auth_of(directory).credential(request) is credential
