# ruff: noqa: ASYNC240 - small files of the test itself

import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from admin_api.app import AdminServer
from gateway.runtime.metrics import Counters
from tests.support.operations import FakeOperations

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
async def server(operations: FakeOperations, control: Path) -> AsyncIterator[AdminServer]:
    server = AdminServer(operations, Counters(), control)
    await server.start(LOOPBACK)
    server.listening = True
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def url(server: AdminServer, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


async def command(control: Path, operation: str, **arguments: object) -> dict[str, object]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(control))) as session,
        session.post(f"http://localhost/control/{operation}", json=arguments) as response,
    ):
        facts: dict[str, object] = await response.json()
        return facts


async def test_healthz(server: AdminServer, http: aiohttp.ClientSession) -> None:
    async with http.get(url(server, "/healthz")) as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_readyz_follows_the_store_and_the_listeners(
    server: AdminServer, operations: FakeOperations, http: aiohttp.ClientSession
) -> None:
    async with http.get(url(server, "/readyz")) as response:
        assert (response.status, (await response.json())["ready"]) == (200, True)
    server.listening = False
    async with http.get(url(server, "/readyz")) as response:
        assert (response.status, (await response.json())["ready"]) == (503, False)
    server.listening = True
    operations.is_writable = False
    async with http.get(url(server, "/readyz")) as response:
        assert response.status == 503


async def test_metrics(server: AdminServer, http: aiohttp.ClientSession) -> None:
    async with http.get(url(server, "/metrics")) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert 'postern_provider_queued{provider="carrier"} 3.0' in await response.text()


async def test_tcp_takes_no_commands(
    server: AdminServer, operations: FakeOperations, http: aiohttp.ClientSession
) -> None:
    for path in ("/control/status", "/control/provider.pause", "/"):
        async with http.post(url(server, path), json={"provider": "p"}) as response:
            assert response.status == 404
    assert operations.calls == []


async def test_socket_takes_commands_from_its_owner_only(
    server: AdminServer, control: Path
) -> None:
    assert stat.S_IMODE(control.stat().st_mode) == 0o600
    assert await command(control, "provider.pause", provider="p") == {"did": ["pause", "p"]}


async def test_socket_is_gone_after_stop(server: AdminServer, control: Path) -> None:
    await server.stop()
    assert not control.exists()
    await server.stop()


async def test_start_is_idempotent(server: AdminServer, http: aiohttp.ClientSession) -> None:
    port = server.port
    await server.start(LOOPBACK)
    assert server.port == port


async def test_either_listener_alone(
    operations: FakeOperations, control: Path, http: aiohttp.ClientSession
) -> None:
    only_tcp = AdminServer(operations, Counters(), None)
    await only_tcp.start(LOOPBACK)
    async with http.get(url(only_tcp, "/healthz")) as response:
        assert response.status == 200
    await only_tcp.stop()
    only_socket = AdminServer(operations, Counters(), control)
    await only_socket.start(None)
    assert control.is_socket()
    assert only_socket.port == 0
    await only_socket.stop()


async def test_stale_socket_is_replaced(operations: FakeOperations, control: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control))
    server = AdminServer(operations, Counters(), control)
    await server.start(None)
    assert await command(control, "status") == {"did": ["status"]}
    await server.stop()


async def test_live_socket_is_left_alone(
    server: AdminServer, operations: FakeOperations, control: Path
) -> None:
    second = AdminServer(operations, Counters(), control)
    with pytest.raises(OSError, match=r"control\.sock: another daemon answers there"):
        await second.start(LOOPBACK)
    assert second.port == 0
    assert await command(control, "status") == {"did": ["status"]}


async def test_a_file_that_is_no_socket_is_left_alone(
    operations: FakeOperations, control: Path
) -> None:
    control.write_text("precious")
    server = AdminServer(operations, Counters(), control)
    with pytest.raises(OSError, match="no socket"):
        await server.start(None)
    assert control.read_text() == "precious"


async def test_a_path_that_cannot_be_bound_is_named(
    operations: FakeOperations, tmp_path: Path
) -> None:
    server = AdminServer(operations, Counters(), tmp_path / "missing" / "control.sock")
    with pytest.raises(OSError, match=r"missing/control\.sock"):
        await server.start(None)


async def test_a_taken_port_leaves_nothing_open(
    server: AdminServer, operations: FakeOperations, tmp_path: Path
) -> None:
    control = tmp_path / "other.sock"
    second = AdminServer(operations, Counters(), control)
    with pytest.raises(OSError, match="address already in use"):
        await second.start(("127.0.0.1", server.port))
    assert not control.exists()
