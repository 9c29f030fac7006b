"""An SMSC that outlives the daemon and keeps a record of every part and every receipt.

It decides by `crash_plan`.  A receipt that was not acknowledged is delivered again, on the next
bind if need be, as real SMSCs do.
"""

import asyncio
import time
from collections import deque
from functools import partial
from itertools import count

from protocols.smpp.charset import decode
from protocols.smpp.codec import (
    decode_sm,
    encode_bind_resp,
    encode_deliver_sm,
    encode_header,
    encode_submit_sm_resp,
)
from protocols.smpp.constants import ESM_RECEIPT, ESM_UDHI, RESP, CommandId, CommandStatus
from protocols.smpp.mapping import POSTPONING
from protocols.smpp.receipt_text import render
from protocols.smpp.session import BIND_STATES
from protocols.smpp.udh import concatenation, split_header
from tests.faults.crash_plan import Fate, ReceiptTime, Sms, sms_to
from tests.faults.crash_wire import Wire

DELIVERY_WINDOW = 20  # unanswered deliver_sm per bind
POSTPONE_S = 0.1


class Sighting:
    """One submit_sm; times are `time.monotonic()`, `answered` is 0 when nobody was there to hear."""

    __slots__ = ("answered", "message_id", "seen", "text")

    def __init__(self, seen: float, message_id: str, text: str) -> None:
        self.seen = seen
        self.message_id = message_id
        self.text = text
        self.answered = 0.0


class Receipt:
    """What one deliver_sm says."""

    __slots__ = ("message_id", "sms")

    def __init__(self, message_id: str, sms: Sms) -> None:
        self.message_id = message_id
        self.sms = sms


class Carrier:
    """One provider's SMSC."""

    def __init__(self, name: str) -> None:
        self.name = name
        # By recipient and number of the part, from 1.
        self.sightings: dict[tuple[str, int], list[Sighting]] = {}
        self.acknowledged: dict[str, Sms] = {}  # receipts by message_id
        self.refused_receipts: dict[str, int] = {}  # message_id -> command_status
        self._owed: deque[Receipt] = deque()
        self._scheduled = 0  # receipts and answers whose time has not come
        self._numbers = count(1)
        self._links: list[CarrierLink] = []
        self._listener: asyncio.Server | None = None

    async def start(self, port: int) -> None:
        """Listens on the loopback."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: CarrierLink(self), "127.0.0.1", port)

    async def stop(self) -> None:
        """Hangs up."""
        if self._listener is not None:
            self._listener.close()
        for link in list(self._links):
            link.close()
        await asyncio.sleep(0)

    @property
    def is_settled(self) -> bool:
        """Whether every receipt was acknowledged and every answer given."""
        return (
            not self._owed and not self._scheduled and not any(link.offered for link in self._links)
        )

    @property
    def parts_seen(self) -> int:
        """submit_sm, repeated ones included."""
        return sum(len(sightings) for sightings in self.sightings.values())

    # -- messages --------------------------------------------------------------------------------

    def submitted(self, link: "CarrierLink", sequence_number: int, body: bytes) -> None:
        """Records one submit_sm and plans its answer and receipt."""
        sm = decode_sm(body)
        octets, part = sm.short_message, 1
        if sm.esm_class & ESM_UDHI:
            place = concatenation(octets)
            assert place is not None, octets
            part, octets = place.number, split_header(octets)[1]
        text = decode(octets, sm.data_coding, "gsm") or ""
        sms = sms_to(sm.destination_addr)
        message_id = f"{self.name[0]}{next(self._numbers):x}"
        sighting = Sighting(time.monotonic(), message_id, text)
        self.sightings.setdefault((sms.recipient, part), []).append(sighting)
        if sms.fate is not Fate.REFUSED:
            self._plan_receipt(Receipt(message_id, sms))
        self._later(sms.answer_delay_s, partial(self._answer, link, sequence_number, sms, sighting))

    def _answer(
        self, link: "CarrierLink", sequence_number: int, sms: Sms, sighting: Sighting
    ) -> None:
        refused = sms.fate is Fate.REFUSED
        status = CommandStatus.RINVDSTADR if refused else CommandStatus.ROK
        message_id = sighting.message_id.encode()
        if link.send(encode_submit_sm_resp(sequence_number, status, message_id)):
            sighting.answered = time.monotonic()

    def _plan_receipt(self, receipt: Receipt) -> None:
        sms = receipt.sms
        if sms.receipt_time is ReceiptTime.BEFORE_ANSWER:
            self._owe(receipt)
        else:
            delay_s = sms.answer_delay_s + sms.receipt_time.value
            self._later(delay_s, partial(self._owe, receipt))

    def _later(self, delay_s: float, action: "partial[None]") -> None:
        self._scheduled += 1

        def act() -> None:
            self._scheduled -= 1
            action()

        asyncio.get_running_loop().call_later(delay_s, act)

    # -- receipts --------------------------------------------------------------------------------

    def _owe(self, receipt: Receipt) -> None:
        self._owed.append(receipt)
        self.deliver()

    def deliver(self) -> None:
        """Sends what is owed over whatever bind has room."""
        for link in self._links:
            while self._owed and link.is_bound and len(link.offered) < DELIVERY_WINDOW:
                link.deliver(self._owed.popleft())

    def answered(self, receipt: Receipt, command_status: int) -> None:
        """The gateway's deliver_sm_resp."""
        if command_status in POSTPONING:
            self._later(POSTPONE_S, partial(self._owe, receipt))
        elif command_status:
            self.refused_receipts[receipt.message_id] = command_status
        else:
            self.acknowledged[receipt.message_id] = receipt.sms
        self.deliver()

    # -- binds -----------------------------------------------------------------------------------

    def joined(self, link: "CarrierLink") -> None:
        """A connection."""
        self._links.append(link)

    def left(self, link: "CarrierLink") -> None:
        """Its end: what it had not acknowledged is owed again."""
        self._links.remove(link)
        self._owed.extendleft(reversed(link.offered.values()))
        link.offered.clear()
        self.deliver()


class CarrierLink(Wire):
    """One bind of the gateway."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__()
        self._carrier = carrier
        self.is_bound = False
        self.offered: dict[int, Receipt] = {}

    def opened(self) -> None:
        self._carrier.joined(self)

    def lost(self) -> None:
        self.is_bound = False
        self._carrier.left(self)

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        if command_id == CommandId.SUBMIT_SM:
            self._carrier.submitted(self, sequence_number, body)
        elif command_id == CommandId.DELIVER_SM_RESP:
            self._carrier.answered(self.offered.pop(sequence_number), command_status)
        elif command_id in BIND_STATES:
            self.send(encode_bind_resp(command_id | RESP, sequence_number, 0, "carrier", 0x34))
            self.is_bound = True
            self._carrier.deliver()
        elif command_id == CommandId.UNBIND:
            self.is_bound = False
            self.send(encode_header(CommandId.UNBIND_RESP, 0, sequence_number))
            self.close()
        else:
            raise AssertionError(f"the gateway sent 0x{command_id:08x}")

    def deliver(self, receipt: Receipt) -> None:
        """deliver_sm with one receipt."""
        sequence_number = self.next_sequence()
        self.offered[sequence_number] = receipt
        now_ms = int(time.time() * 1000)
        sms = receipt.sms
        delivered = sms.fate is Fate.DELIVERED
        text = render(
            receipt.message_id.encode(), 1, int(delivered), now_ms, now_ms, sms.fate.stat.encode(),
            b"000" if delivered else b"051", "",
        )  # fmt: skip
        self.send(
            encode_deliver_sm(
                sequence_number, 1, 1, sms.recipient.encode(), 5, 0, b"ACME", ESM_RECEIPT, 0, text
            )
        )
