import logging
from collections.abc import Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from protocols.http.app import build_app


class EchoDoor:
    """A door that shows which of its hooks answered."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(self.prefix + "/echo", self._echo),
            web.get(self.prefix + "/broken", self._broken),
            web.get(self.prefix + "/slow", self._slow),
            web.get(self.prefix + "/moved", self._moved),
        ]

    def preflight(self, request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Door": self.prefix})

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        return web.Response(status=status, text=f"{self.prefix} {status} {','.join(allow)}".strip())

    async def _echo(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def _broken(self, request: web.Request) -> web.Response:
        raise RuntimeError("secret detail")

    async def _slow(self, request: web.Request) -> web.Response:
        raise TimeoutError

    async def _moved(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")


def client() -> TestClient[web.Request, web.Application]:
    doors = [EchoDoor("/api"), EchoDoor("/api/v1"), EchoDoor("/v1/Accounts")]
    return TestClient(TestServer(build_app(doors, client_max_size=1000)))


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/api/v1/nothing", 404, "/api/v1 404"),
        ("GET", "/api/v1", 404, "/api/v1 404"),
        ("GET", "/api/v10", 404, "/api 404"),
        ("GET", "/v1/Accounts/x", 404, "/v1/Accounts 404"),
        ("DELETE", "/api/v1/echo", 405, "/api/v1 405 POST"),
        ("POST", "/api/v1/broken", 405, "/api/v1 405 GET,HEAD"),
        ("GET", "/api/v1/broken", 500, "/api/v1 500"),
        ("GET", "/api/v1/slow", 408, "/api/v1 408"),
        ("GET", "/elsewhere", 404, "Not Found"),
        ("GET", "/", 404, "Not Found"),
    ],
)
async def test_faults_are_answered_by_the_door_of_the_path(
    method: str, path: str, status: int, text: str
) -> None:
    async with client() as http:
        response = await http.request(method, path)
        assert (response.status, await response.text()) == (status, text)


async def test_a_fault_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async with client() as http:
        response = await http.get("/api/v1/broken")
        assert "secret detail" not in await response.text()
    (record,) = [r for r in caplog.records if r.name == "postern.http"]
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "http.fault")


async def test_a_slow_client_loses_its_connection() -> None:
    async with client() as http:
        response = await http.get("/api/v1/slow")
        assert response.headers["Connection"] == "close"


async def test_a_body_over_the_limit() -> None:
    async with client() as http:
        assert (await http.post("/api/v1/echo", data=b"x" * 1000)).status == 200
        response = await http.post("/api/v1/echo", data=b"x" * 1001)
        assert (response.status, await response.text()) == (413, "/api/v1 413")


async def test_a_body_with_broken_compression() -> None:
    async with client() as http:
        response = await http.post(
            "/api/v1/echo", data=b"not gzip", headers={"Content-Encoding": "gzip"}
        )
        assert (response.status, await response.text()) == (400, "/api/v1 400")


async def test_any_options_request_is_a_preflight() -> None:
    async with client() as http:
        for path in ("/api/v1/echo", "/api/v1/nothing"):
            response = await http.options(path)
            assert (response.status, response.headers["X-Door"]) == (204, "/api/v1")
        assert (await http.options("/elsewhere")).status == 404


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/nothing", 404), ("/api/v1/broken", 500), ("/elsewhere", 404)]
)
async def test_every_answer_is_the_last_of_its_connection_once_it_stops(
    path: str, status: int
) -> None:
    is_stopping = False
    app = build_app([EchoDoor("/api/v1")], is_stopping=lambda: is_stopping)
    async with TestClient(TestServer(app)) as http:
        before = await http.get(path)
        assert "Connection" not in before.headers
        is_stopping = True
        after = await http.get(path)
        assert (after.status, after.headers["Connection"]) == (status, "close")


async def test_a_redirect_passes() -> None:
    async with client() as http:
        response = await http.get("/api/v1/moved", allow_redirects=False)
        assert response.status == 302


async def test_routes_that_belong_to_no_door() -> None:
    async def callback(request: web.Request) -> web.Response:
        return web.Response(text="called")

    app = build_app([EchoDoor("/api/v1")], [web.post("/callbacks/{provider}", callback)])
    async with TestClient(TestServer(app)) as http:
        assert await (await http.post("/callbacks/x")).text() == "called"
        response = await http.get("/callbacks/x")
        assert (response.status, response.headers["Allow"]) == (405, "POST")
