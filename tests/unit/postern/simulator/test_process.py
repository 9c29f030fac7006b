import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from postern.simulator.process import SimulatorError, SimulatorProcess
from postern.simulator.settings import SimulatorPorts, SimulatorSettings
from tests.support.esme import bound, connect

PROMPT = SimulatorSettings(
    smpp_name="carrier",
    http_name="web",
    system_id="gw",
    password="secret",
    secret="token",
    shortest_receipt_delay_s=0.0,
    longest_receipt_delay_s=0.0,
)


@asynccontextmanager
async def running(
    settings: SimulatorSettings = PROMPT,
) -> AsyncIterator[tuple[SimulatorProcess, SimulatorPorts]]:
    process = SimulatorProcess(settings)
    ports = await process.start()
    try:
        yield process, ports
    finally:
        await process.stop()


async def send_over_http(port: int) -> int:
    body = {"to": "37120000000", "from": "POSTERN", "text": "over HTTP"}
    headers = {"Authorization": "Bearer token"}
    url = f"http://127.0.0.1:{port}/send"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json=body) as response,
    ):
        return response.status


async def inbox_of(port: int) -> list[tuple[str, str]]:
    url = f"http://127.0.0.1:{port}/inbox?after=0"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return [(entry["provider"], entry["text"]) for entry in await response.json()]


async def test_carriers_serve_ignore_signals_and_leave_with_their_owner() -> None:
    async with running() as (process, ports):
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(process.pid, number)
        async with bound(ports.smpp, system_id="gw") as esme:
            assert (await esme.submit("37120000000", b"over SMPP"))[0] == 0
            assert (await esme.receipt()).source_addr == "37120000000"
            assert await send_over_http(ports.http) == 202
            assert await inbox_of(ports.inbox) == [("carrier", "over SMPP"), ("web", "over HTTP")]
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(process.pid, number)
            assert (await esme.submit("37120000000"))[0] == 0
            await process.stop()
            assert await process.wait() == 0
            while await esme.read() is not None:
                pass


async def test_the_child_is_out_of_reach_of_ctrl_c() -> None:
    async with running() as (process, _):
        assert os.getsid(process.pid) == process.pid != os.getsid(0)


async def test_the_settings_reach_the_carriers() -> None:
    async with running() as (_, ports), connect(ports.smpp) as esme:
        assert await esme.bind(system_id="other") != 0


async def test_a_taken_port_is_named() -> None:
    async with running() as (_, ports):
        second = SimulatorProcess(SimulatorSettings(smpp_port=ports.smpp))
        with pytest.raises(SimulatorError, match=rf"cannot start.*{ports.smpp}.*in use"):
            await second.start()
        assert await second.wait() == 1


async def test_a_child_that_does_not_speak_in_time_is_ended() -> None:
    process = SimulatorProcess(PROMPT)
    with pytest.raises(SimulatorError, match="within 0 s"):
        await process.start(timeout_s=0.0)

    assert await process.wait() == -signal.SIGKILL


async def test_a_child_that_does_not_leave_is_killed() -> None:
    async with running() as (process, _):
        os.kill(process.pid, signal.SIGSTOP)
        await process.stop(timeout_s=0.0)

        assert await process.wait() == -signal.SIGKILL


async def test_stop_is_idempotent() -> None:
    process = SimulatorProcess(PROMPT)
    await process.stop()
    assert process.pid == 0
    with pytest.raises(SimulatorError, match="not started"):
        await process.wait()
    await process.start()
    await asyncio.gather(process.stop(), process.stop())
    await process.stop()
    assert await process.wait() == 0
