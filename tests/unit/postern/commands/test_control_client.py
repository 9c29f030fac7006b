import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from admin_api.app import AdminServer
from gateway.runtime.metrics import Counters
from postern.commands.control_client import ControlClient
from postern.commands.failure import CommandError, DaemonAbsentError
from tests.support.operations import FakeOperations, refusing


@pytest.fixture
def config(tmp_path: Path) -> Path:
    config = tmp_path / "postern.toml"
    config.write_text("[listen]\n")
    return config


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
async def server(operations: FakeOperations, config: Path) -> AsyncIterator[AdminServer]:
    server = AdminServer(operations, Counters(), config.with_name("postern.sock"))
    await server.start(None)
    yield server
    await server.stop()


async def call(config: Path, operation: str, **arguments: object) -> dict[str, Any]:
    client = ControlClient(config)
    return await asyncio.to_thread(client.call, operation, **arguments)


@pytest.mark.usefixtures("server")
async def test_facts(config: Path) -> None:
    facts = await call(config, "account.topup", account="a", amount="1", note="żółw")
    assert facts == {"did": ["top_up", "a", "1", "żółw"]}


@pytest.mark.usefixtures("server")
async def test_refusal_is_the_daemons_text(config: Path, operations: FakeOperations) -> None:
    operations.refusal = refusing("there is no account 'x'; accounts: a").refusal
    with pytest.raises(CommandError, match="there is no account 'x'; accounts: a") as failure:
        await call(config, "account.list")
    assert failure.value.exit_code == 1


@pytest.mark.usefixtures("server")
async def test_an_operation_the_daemon_does_not_know(config: Path) -> None:
    with pytest.raises(CommandError, match=r"no operation 'account\.delete'"):
        await call(config, "account.delete")


def test_no_daemon(config: Path) -> None:
    expected = rf"no daemon answers on .*postern\.sock: start it with `postern serve -c {config}`"
    with pytest.raises(DaemonAbsentError, match=expected) as failure:
        ControlClient(config).call("status")
    assert failure.value.exit_code == 2


def test_a_daemon_that_died(config: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(config.with_name("postern.sock")))
    with pytest.raises(DaemonAbsentError, match="no daemon answers"):
        ControlClient(config).call("status")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed connection"),
        (b"hello\r\n\r\n", "hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "HTTP 200 without JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "HTTP 200 without JSON"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}", "HTTP 500"),
    ],
)
async def test_something_else_answers(config: Path, answer: bytes, reason: str) -> None:
    async with _answering(config.with_name("postern.sock"), answer):
        with pytest.raises(CommandError, match=reason):
            await call(config, "status")


class _answering:  # noqa: N801 - used as a function
    """A listener on `path` that reads a request and says `answer`."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self._path = path
        self._answer = answer

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(self._answer)
        writer.close()
        await writer.wait_closed()

    async def __aenter__(self) -> None:
        self._server = await asyncio.start_unix_server(self._talk, str(self._path))

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
