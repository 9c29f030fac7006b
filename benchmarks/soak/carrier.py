"""One of the project's simulated carriers as a process that keeps a record of what it took.

Each part it took, answered or not, is a line `recipient part` in the record (part 0: the whole
text), written before its answer leaves: kill -9 loses none of them.

    python -m benchmarks.soak.carrier smsc --port 2776 --record FILE --behaviour '{}'
"""

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

import uvloop

from benchmarks import control
from gateway.runtime.clock import LoopClock
from gateway.runtime.log import configure
from gateway.runtime.supervisor import Supervisor
from postern.simulator.behaviour import Behaviour
from postern.simulator.http_carrier import SimulatedHttpCarrier
from postern.simulator.inbox import Inbox
from postern.simulator.smsc import SimulatedSmsc, SmscLink
from protocols.smpp.codec import ShortMessage

_UDHI = 0x40  # esm_class, SMPP v3.4 5.2.12
_CONCATENATION = b"\5\0\3"  # UDH length 5, element 0 of 3 octets: reference, total, number


def part_number(sm: ShortMessage) -> int:
    """The number of a part marked by UDH (3GPP TS 23.040 9.2.3.24.1); 1 without a mark."""
    octets = sm.short_message
    return octets[5] if sm.esm_class & _UDHI and octets.startswith(_CONCATENATION) else 1


class RecordingSmsc(SimulatedSmsc):
    """Records the parts that were accepted or taken in silence."""

    record: BinaryIO

    def submitted(self, link: SmscLink, sequence_number: int, sm: ShortMessage) -> None:
        """As simulated, then recorded: the answer is not written before this returns."""
        tally = self.tally
        taken = tally.accepted + tally.unanswered
        super().submitted(link, sequence_number, sm)
        if tally.accepted + tally.unanswered != taken:
            self.record.write(b"%b %d\n" % (sm.destination_addr.encode(), part_number(sm)))


class RecordingInbox(Inbox):
    """Records whole texts, as an HTTP carrier takes them."""

    __slots__ = ("record",)

    def __init__(self, record: BinaryIO) -> None:
        super().__init__(capacity=1)
        self.record = record

    def add(
        self,
        *,
        provider: str,
        sender: str,
        recipient: str,
        text: str,
        parts: int,
        channel: str = "sms",
    ) -> None:
        """One message that the carrier has taken."""
        self.record.write(b"%b 0\n" % recipient.encode())


async def _serve(kind: str, port: int, record: BinaryIO, behaviour: Behaviour) -> None:
    clock = LoopClock(asyncio.get_running_loop())
    async with AsyncExitStack() as stack:
        carrier: SimulatedSmsc | SimulatedHttpCarrier
        if kind == "smsc":
            carrier = smsc = RecordingSmsc(
                kind, inbox=Inbox(capacity=1), clock=clock, behaviour=behaviour
            )
            smsc.record = record
        else:
            supervisor = Supervisor(lambda *_: None)
            stack.push_async_callback(supervisor.stop)
            carrier = SimulatedHttpCarrier(
                kind,
                inbox=RecordingInbox(record),
                clock=clock,
                supervisor=supervisor,
                behaviour=behaviour,
            )
        await carrier.start("127.0.0.1", port)
        stack.push_async_callback(carrier.stop)
        control.say({"port": carrier.port})
        await control.answer_until_end(lambda: {"accepted": carrier.tally.accepted})


def main() -> None:
    """Runs until stdin ends."""
    parser = argparse.ArgumentParser(description="simulated carrier with a record")
    parser.add_argument("kind", choices=("smsc", "http"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--behaviour", type=json.loads, default={}, help="fields of Behaviour")
    options = parser.parse_args()
    configure("WARNING")
    behaviour = Behaviour(**options.behaviour)
    with options.record.open("ab", buffering=0) as record:
        uvloop.run(_serve(options.kind, options.port, record, behaviour))


if __name__ == "__main__":
    main()
