import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestClient, TestServer

from tests.support.exotel_bench import ExotelBench

AUTHORIZATION = encode_basic_auth("key-a", "token-a")


class Bench(ExotelBench):
    """With a client of its own."""

    def client(self) -> TestClient[web.Request, web.Application]:
        """A client that sends the credentials of `acme1` unless told otherwise."""
        return TestClient(TestServer(self.app), headers={"Authorization": AUTHORIZATION})


@pytest.fixture
def bench() -> Bench:
    return Bench()
