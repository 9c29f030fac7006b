import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from protocols.http.auth import SCOPE_READ, SCOPE_SEND, BearerAuth, has_scope
from protocols.http.proxies import TrustedProxies
from tests.support.clock import FakeClock
from tests.support.doors import FakeDirectory, make_account


@pytest.fixture
def directory() -> FakeDirectory:
    directory = FakeDirectory()
    directory.add_token("1|s3cret", make_account())
    directory.add_token("schlüssel", make_account())  # no token of ours: they are ASCII
    return directory


def auth_of(directory: FakeDirectory, proxies: tuple[str, ...] = ()) -> BearerAuth:
    return BearerAuth(directory, "exosend", TrustedProxies(proxies), FakeClock())


def request_with(authorization: str | None, **headers: str) -> web.Request:
    if authorization is not None:
        headers["Authorization"] = authorization
    return make_mocked_request("GET", "/", headers=headers).clone(remote="192.0.2.1")


@pytest.mark.parametrize(
    "authorization", ["Bearer 1|s3cret", "bearer  1|s3cret ", "BEARER 1|s3cret"]
)
def test_a_known_token_opens(directory: FakeDirectory, authorization: str) -> None:
    credential = auth_of(directory).credential(request_with(authorization))
    assert credential is directory.tokens["1|s3cret"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic 1|s3cret",
        "1|s3cret",
        "Bearer schlüssel",
    ],
)
def test_anything_else_does_not(directory: FakeDirectory, authorization: str | None) -> None:
    assert auth_of(directory).credential(request_with(authorization)) is None


def test_a_suspended_account_is_told_from_an_unknown_token_when_asked_for(
    directory: FakeDirectory,
) -> None:
    credential = directory.tokens["1|s3cret"]
    telling = BearerAuth(directory, "exosend", TrustedProxies(), FakeClock(), with_suspended=True)
    credential.account.enabled = False
    assert auth_of(directory).credential(request_with("Bearer 1|s3cret")) is None
    assert telling.credential(request_with("Bearer 1|s3cret")) is credential
    assert telling.credential(request_with("Bearer wrong")) is None
    credential.enabled = False  # revoked: unknown from now on
    assert telling.credential(request_with("Bearer 1|s3cret")) is None


def test_a_token_for_other_doors_does_not_open_this_one(directory: FakeDirectory) -> None:
    credential = directory.tokens["1|s3cret"]
    credential.door_names = frozenset({"mesms"})
    assert auth_of(directory).credential(request_with("Bearer 1|s3cret")) is None
    credential.door_names = frozenset({"mesms", "exosend"})
    assert auth_of(directory).credential(request_with("Bearer 1|s3cret")) is credential


def test_a_token_with_networks_opens_from_them_only(directory: FakeDirectory) -> None:
    credential = directory.tokens["1|s3cret"]
    credential.ip_allow = ("198.51.100.0/24",)
    request = request_with("Bearer 1|s3cret", **{"X-Forwarded-For": "198.51.100.9"})
    assert auth_of(directory).credential(request) is None
    assert auth_of(directory, ("192.0.2.0/24",)).credential(request) is credential


def test_scopes(directory: FakeDirectory) -> None:
    credential = directory.tokens["1|s3cret"]
    assert has_scope(credential, SCOPE_SEND)
    credential.scopes = frozenset({SCOPE_READ})
    assert has_scope(credential, SCOPE_READ)
    assert not has_scope(credential, SCOPE_SEND)


def test_refused_tokens_are_logged_with_the_client_and_counted_once_a_second(
    directory: FakeDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    auth = BearerAuth(directory, "exosend", TrustedProxies(("192.0.2.1",)), clock)
    request = request_with("Bearer guess", **{"X-Forwarded-For": "198.51.100.7"})
    for _ in range(3):
        auth.credential(request)
    auth.credential(request_with("Bearer 1|s3cret"))
    clock.advance(1)
    auth.credential(request)
    assert [record.fields for record in caplog.records] == [  # type: ignore[attr-defined]
        {"door": "exosend", "client": "198.51.100.7", "refused": 1},
        {"door": "exosend", "client": "198.51.100.7", "refused": 3},
    ]
    assert "guess" not in caplog.text
