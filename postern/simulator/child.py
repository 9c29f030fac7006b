"""The process that holds the simulated carriers of the demo.

It reads its settings as one JSON line from standard input, writes one JSON line to standard output
(the ports, or ``{"error": ...}``) and serves until standard input ends: the gateway owns the other
end of that pipe, so the carriers outlive a Ctrl-C that drains the gateway and never its death.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict

import uvloop

from gateway.runtime.clock import LoopClock
from gateway.runtime.log import configure
from gateway.runtime.supervisor import Supervisor
from postern.simulator.behaviour import Behaviour
from postern.simulator.ending import Ending
from postern.simulator.http_carrier import SimulatedHttpCarrier
from postern.simulator.inbox import Inbox, build_inbox_app
from postern.simulator.settings import SimulatorPorts, SimulatorSettings
from postern.simulator.smsc import SimulatedSmsc
from protocols.http.listener import HttpListener

_DRAIN_S = 0.5


def main() -> int:
    """Runs until the pipe is closed; the exit code."""
    configure("WARNING")
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # the gateway ended before it said what it wants
    return uvloop.run(_serve(SimulatorSettings.from_json(line)))


async def _serve(settings: SimulatorSettings) -> int:
    ending = Ending(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        try:
            ports = await _start(settings, ending, stack)
        except OSError as error:
            _tell({"error": str(error)})
            return 1
        _tell(asdict(ports))
        await asyncio.get_running_loop().connect_read_pipe(lambda: _OwnersPipe(ending), sys.stdin)
        return await ending.wait()


class _OwnersPipe(asyncio.Protocol):
    """Standard input: only its end means something."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def connection_lost(self, exc: Exception | None) -> None:
        """The gateway closed its end, or is gone."""
        self._ending.end()


async def _start(
    settings: SimulatorSettings, ending: Ending, stack: AsyncExitStack
) -> SimulatorPorts:
    clock = LoopClock(asyncio.get_running_loop())
    supervisor = Supervisor(ending.died)
    stack.push_async_callback(supervisor.stop)
    behaviour = Behaviour(
        receipt_delay_s=(settings.shortest_receipt_delay_s, settings.longest_receipt_delay_s),
        late_by_s=settings.late_by_s,
    )
    inbox = Inbox()
    smsc = SimulatedSmsc(
        settings.smpp_name,
        inbox=inbox,
        clock=clock,
        behaviour=behaviour,
        system_id=settings.system_id,
        password=settings.password,
    )
    carrier = SimulatedHttpCarrier(
        settings.http_name,
        inbox=inbox,
        clock=clock,
        supervisor=supervisor,
        behaviour=behaviour,
        secret=settings.secret,
        callback_url=settings.callback_url,
    )
    listener = HttpListener(
        build_inbox_app(inbox), settings.host, settings.inbox_port, drain_s=_DRAIN_S
    )
    stack.push_async_callback(smsc.stop, _DRAIN_S)
    stack.push_async_callback(carrier.stop)
    stack.push_async_callback(listener.stop)
    await smsc.start(settings.host, settings.smpp_port)
    await carrier.start(settings.host, settings.http_port)
    await listener.start()
    return SimulatorPorts(smpp=smsc.port, http=carrier.port, inbox=listener.port)


def _tell(fact: dict[str, object]) -> None:
    print(json.dumps(fact), flush=True)
