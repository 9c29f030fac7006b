"""Customers that outlive the daemon: they send all the time, bind again, and forget nothing."""

import asyncio

from protocols.smpp.codec import (
    decode_message_id,
    decode_sm,
    encode_bind,
    encode_deliver_sm_resp,
    encode_header,
    encode_submit_sm,
    encode_tlv,
)
from protocols.smpp.constants import RESP, CommandId, Tag
from protocols.smpp.receipt_text import parse
from tests.faults.crash_plan import Sms, sms
from tests.faults.crash_wire import Wire

WINDOW = 20  # unanswered submit_sm per bind
PAUSE_S = 0.02
BURST = 2  # messages per pause and bind
FORGOTTEN = 7  # one receipt in so many
_RECONNECT_S = 0.02
_UCS2 = 8


class Traffic:
    """Numbers and providers of new messages, shared by all customers; `flows` is the tap."""

    def __init__(self, providers: tuple[str, ...]) -> None:
        self._providers = providers
        self._next = 0
        self.flows = True
        self.sent: dict[str, Sms] = {}  # by recipient

    def next(self) -> Sms:
        """A message nobody has sent before."""
        self._next += 1
        # Seven in a row: no provider may have all of those that are special in some way.
        provider = self._providers[self._next // 7 % len(self._providers)]
        message = sms(self._next, provider)
        self.sent[message.recipient] = message
        return message


class Customer:
    """One system_id with several transceivers.

    While it `forgets`, it loses some receipts before it has written them down or answered them.
    """

    def __init__(self, system_id: str, port: int, traffic: Traffic, binds: int) -> None:
        self.system_id = system_id
        self.traffic = traffic
        self.accepted: dict[str, Sms] = {}  # by message_id
        self.refused: dict[str, int] = {}  # command_status by recipient
        self.receipts: dict[str, list[str]] = {}  # stats by message_id
        self.forgets = False
        self._port = port
        self._links: set[CustomerLink] = set()
        self._binds = binds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to bind and to send."""
        self._tasks = [asyncio.create_task(self._keep_bound()) for _ in range(self._binds)]

    async def stop(self) -> None:
        """Hangs up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in list(self._links):
            link.close()
        await asyncio.sleep(0)

    @property
    def is_settled(self) -> bool:
        """Whether no submit_sm waits for its answer."""
        return not any(link.unanswered for link in self._links)

    async def _keep_bound(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, link = await loop.create_connection(
                    lambda: CustomerLink(self), "127.0.0.1", self._port
                )
            except OSError:
                await asyncio.sleep(_RECONNECT_S)
                continue
            self._links.add(link)
            while link.is_open:
                await asyncio.sleep(PAUSE_S)
                link.submit_some()
            self._links.discard(link)


class CustomerLink(Wire):
    """One bind."""

    def __init__(self, customer: Customer) -> None:
        super().__init__()
        self._customer = customer
        self._is_bound = False
        self.unanswered: dict[int, Sms] = {}

    def opened(self) -> None:
        system_id = self._customer.system_id
        self.send(
            encode_bind(
                CommandId.BIND_TRANSCEIVER, self.next_sequence(), system_id, "secret", "", 0x34
            )
        )

    def lost(self) -> None:
        self._is_bound = False
        self.unanswered.clear()

    def submit_some(self) -> None:
        """Some new messages, while the tap is open."""
        traffic = self._customer.traffic
        for _ in range(BURST):
            if traffic.flows and self._is_bound and len(self.unanswered) < WINDOW:
                self._submit(traffic.next())

    def _submit(self, message: Sms) -> None:
        sequence_number = self.next_sequence()
        self.unanswered[sequence_number] = message
        data_coding, octets, tlvs = 0, message.text.encode("latin-1", "replace"), b""
        if not message.text.isascii():
            data_coding, octets = _UCS2, message.text.encode("utf-16-be")
        if message.part_count > 1:
            octets, tlvs = b"", encode_tlv(Tag.MESSAGE_PAYLOAD, octets)
        self.send(
            encode_submit_sm(
                sequence_number, 5, 0, b"ACME", 1, 1, message.recipient.encode(), 0, 0, b"", b"",
                1, data_coding, octets, tlvs,
            )
        )  # fmt: skip

    def pdu_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        customer = self._customer
        if command_id == CommandId.SUBMIT_SM_RESP:
            message = self.unanswered.pop(sequence_number)
            if command_status:
                customer.refused[message.recipient] = command_status
            else:
                customer.accepted[decode_message_id(body)] = message
        elif command_id == CommandId.DELIVER_SM:
            if customer.forgets and sequence_number % FORGOTTEN == 0:
                return
            receipt = parse(decode_sm(body).short_message)
            assert receipt is not None, body
            customer.receipts.setdefault(receipt.id, []).append(receipt.stat)
            self.send(encode_deliver_sm_resp(sequence_number, 0))
        elif command_id == CommandId.BIND_TRANSCEIVER | RESP:
            assert command_status == 0, f"bind of {customer.system_id}: 0x{command_status:x}"
            self._is_bound = True
        elif command_id == CommandId.UNBIND:
            self._is_bound = False
            self.send(encode_header(CommandId.UNBIND_RESP, 0, sequence_number))
            self.close()
        else:
            raise AssertionError(f"the gateway sent 0x{command_id:08x}")
