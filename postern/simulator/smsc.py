"""A simulated SMSC: takes submit_sm on any kind of bind, sends receipts, misbehaves on request.

A connection is a SmscLink; the receipts of one system_id wait in a Mailbox, whichever of its links
submitted the message.  What is decided about a message is `behaviour`'s.
"""

import asyncio
from itertools import count

from gateway.ports import Clock
from postern.simulator.behaviour import Answer, Behaviour, Fate, Judge, Plan
from postern.simulator.garbage import Garbage, smpp_garbage
from postern.simulator.inbox import Inbox
from postern.simulator.joining import Joiner
from postern.simulator.mailbox import Mailbox, PendingReceipt
from postern.simulator.tally import Tally
from protocols.smpp.codec import (
    PduError,
    ShortMessage,
    decode_bind,
    decode_sm,
    encode_bind_resp,
    encode_header,
    encode_submit_sm_resp,
    tlv,
)
from protocols.smpp.constants import (
    INTERFACE_VERSION,
    REGISTERED_RECEIPT_MASK,
    RESP,
    CommandId,
    CommandStatus,
    Tag,
)
from protocols.smpp.link import Link
from protocols.smpp.mapping import POSTPONING
from protocols.smpp.session import BIND_STATES, Role, State, Timers
from protocols.smpp.window import Window

SYSTEM_ID = "simulator"
MOST_CONNECTIONS = 1000
MOST_MAILBOXES = 1000  # system_ids that are bound or owed receipts; a bind above it is refused
MOST_OWED = 50_000  # receipts per system_id; above it submit_sm is answered with RMSGQFUL
DELIVERY_WINDOW = 100  # unanswered deliver_sm per link
DELIVERY_TIMEOUT_S = 30.0
POSTPONE_S = 1.0

_SUBMIT_SM = int(CommandId.SUBMIT_SM)
_RECEIVING = frozenset({State.BOUND_RX, State.BOUND_TRX})
# registered_delivery bits 0-1 (5.2.17) and the fates that they ask to be told.
_WANTED = (
    frozenset[Fate](),
    frozenset(Fate),
    frozenset({Fate.FAILED, Fate.EXPIRED}),
    frozenset({Fate.DELIVERED}),
)


class SimulatedSmsc:
    """Listens for ESMEs.  `name` is what the inbox shows as the provider.

    An empty `system_id` lets anybody bind; an empty `password` takes any.  `default_charset` is
    what data_coding 0 means, one of `charset.DEFAULT_CHARSETS`.
    """

    def __init__(
        self,
        name: str,
        *,
        inbox: Inbox,
        clock: Clock,
        behaviour: Behaviour | None = None,
        system_id: str = "",
        password: str = "",
        default_charset: str = "gsm",
        timers: Timers | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.behaviour = behaviour or Behaviour()
        self.timers = timers or Timers()
        self.tally = Tally()
        self.links: set[SmscLink] = set()
        self._inbox = inbox
        self._system_id = system_id
        self._password = password
        self._judge = Judge(self.behaviour)
        self._joiner = Joiner(clock, default_charset)
        self._mailboxes: dict[str, Mailbox] = {}
        self._binds = 0
        # Ids of an earlier run must not come again: its receipts may still be awaited.
        self._numbers = count(clock.now_ms() * 1000)
        self._listener: asyncio.Server | None = None
        self._port = 0

    # -- life ------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on once started."""
        return self._port

    async def start(self, host: str, port: int) -> None:
        """Listens; `port` 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: SmscLink(self), host, port, backlog=512)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def stop(self, deadline_s: float = 1.0) -> None:
        """Stops listening, unbinds every link and waits up to `deadline_s`.  Idempotent."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for link in list(self.links):
            link.unbind()
        end = self.clock.monotonic() + deadline_s
        while self.links and self.clock.monotonic() < end:
            await self.clock.sleep(0.02)
        for link in list(self.links):
            link.abort("the simulator stops")

    # -- binds -----------------------------------------------------------------------------------

    def admit(self, system_id: str, password: str) -> Mailbox:
        """The mailbox of an ESME that may bind.

        Raises:
            PduError: RINVSYSID, RINVPASWD, or RBINDFAIL when too many mailboxes are in use.
        """
        if self._system_id and system_id != self._system_id:
            raise PduError(CommandStatus.RINVSYSID, "unknown system_id")
        if self._password and password != self._password:
            raise PduError(CommandStatus.RINVPASWD, "wrong password")
        mailbox = self._mailboxes.get(system_id)
        if mailbox is None:
            if len(self._mailboxes) >= MOST_MAILBOXES:
                raise PduError(CommandStatus.RBINDFAIL, "too many mailboxes")
            mailbox = self._mailboxes[system_id] = Mailbox()
        return mailbox

    def bind_refusal(self) -> int | None:
        """command_status of a scripted refusal, 0 for none; None: the bind is not answered."""
        self._binds += 1
        nth = self._binds - self.behaviour.ignore_binds
        if nth <= 0:
            return None
        return self.behaviour.bind_status if nth <= self.behaviour.refuse_binds else 0

    def tidy(self, system_id: str) -> None:
        """Forgets a mailbox that nobody uses."""
        if self._mailboxes[system_id].is_idle:
            del self._mailboxes[system_id]

    # -- messages --------------------------------------------------------------------------------

    def submitted(self, link: "SmscLink", sequence_number: int, sm: ShortMessage) -> None:
        """Decides on one submit_sm and answers it, now or later."""
        self.tally.submits += 1
        if link.mailbox.owed >= MOST_OWED:
            self.tally.throttled += 1
            link.answer(sequence_number, CommandStatus.RMSGQFUL)
            return
        plan = self._judge.judge(sm.destination_addr, self.clock.monotonic())
        status = self._refusal_status(plan)
        if status:
            link.answer(sequence_number, status)
            return
        text = self._reached(link.system_id, sm)
        link.taken += 1
        if link.taken == self.behaviour.drop_after:
            link.cut()
            self.tally.unanswered += 1
        elif plan.answer is Answer.ACCEPT:
            self._accept(link, sequence_number, sm, text, plan)
        else:
            self.tally.unanswered += 1
            if plan.garbage is not None:
                message_id = self.behaviour.response_ids.render(next(self._numbers))
                link.babble(plan.garbage, sequence_number, message_id)
        if link.taken == self.behaviour.unbind_after:
            link.unbind()
        if link.taken == self.behaviour.stop_reading_after:
            link.hold()

    def _refusal_status(self, plan: Plan) -> int:
        if plan.answer is Answer.THROTTLE:
            self.tally.throttled += 1
            return CommandStatus.RTHROTTLED
        if plan.answer is Answer.REJECT:
            self.tally.rejected += 1
            return self.behaviour.reject_status
        return 0

    def _accept(
        self, link: "SmscLink", sequence_number: int, sm: ShortMessage, text: str, plan: Plan
    ) -> None:
        """Answers with an id and sends the receipt, in the scripted order."""
        behaviour = self.behaviour
        self.tally.accepted += 1
        number = next(self._numbers)
        message_id = behaviour.response_ids.render(number)
        if behaviour.receipt_first:
            self._send_receipt(link, sm, text, number, plan, 0.0)
        if plan.garbage is not None:
            link.babble(plan.garbage, sequence_number, message_id)
        link.answer(sequence_number, 0, message_id)
        if not behaviour.receipt_first:
            delay_s = behaviour.answer_delay_s + plan.receipt_delay_s
            self._send_receipt(link, sm, text, number, plan, delay_s)

    def _reached(self, system_id: str, sm: ShortMessage) -> str:
        """Puts a message into the inbox once it is whole; the text of a single part, or ""."""
        joined = self._joiner.add(system_id, sm)
        if joined is None:
            return ""
        self._inbox.add(
            provider=self.name,
            sender=sm.source_addr,
            recipient=sm.destination_addr,
            text=joined.text,
            parts=joined.part_count,
        )
        return joined.text if joined.part_count == 1 else ""

    def _send_receipt(
        self,
        link: "SmscLink",
        sm: ShortMessage,
        text: str,
        number: int,
        plan: Plan,
        delay_s: float,
    ) -> None:
        """Sends the receipt, if there will be one and it was asked for."""
        fate = plan.fate
        if fate is None or fate not in _WANTED[sm.registered_delivery & REGISTERED_RECEIPT_MASK]:
            return
        now_ms = self.clock.now_ms()
        done_at_ms = now_ms + round(delay_s * 1000)
        # Nobody was told of the numbers of strays.
        strays = [next(self._numbers) for _ in range(self.behaviour.stray_receipts)]
        for receipted in (*strays, *[number] * (1 + self.behaviour.duplicate_receipts)):
            message_id = self.behaviour.receipt_ids.render(receipted).encode()
            receipt = PendingReceipt(link, sm, text, message_id, fate, now_ms, done_at_ms)
            link.mailbox.owed += 1
            if delay_s > 0:
                self.clock.call_later(delay_s, link.mailbox.put, receipt)
            else:
                link.mailbox.put(receipt)


class SmscLink(Link):
    """One ESME's connection."""

    mailbox: Mailbox  # from its bind on

    def __init__(self, smsc: SimulatedSmsc) -> None:
        super().__init__(Role.SMSC, smsc.timers, smsc.clock)
        self._smsc = smsc
        self._with_tlvs = True
        self._window: Window[PendingReceipt] = Window(DELIVERY_WINDOW)
        self._was_bound = False
        self.system_id = ""
        self.taken = 0  # messages accepted on this link

    # -- life ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """An ESME connected."""
        super().connection_made(transport)
        self._smsc.links.add(self)
        if len(self._smsc.links) > MOST_CONNECTIONS:
            self.abort("too many connections")

    def link_lost(self) -> None:
        """Unacknowledged receipts go to another link of the system_id, or wait for one."""
        self._smsc.links.discard(self)
        if self._was_bound:
            self.mailbox.links -= 1
            self.mailbox.leave(self)
            self.mailbox.put_back(self._window.drain())
            self._smsc.tidy(self.system_id)

    def next_enquire_sequence(self) -> int:
        """Our requests share the numbers of deliver_sm."""
        return self._window.next_sequence()

    # -- requests --------------------------------------------------------------------------------

    def request_received(self, command_id: int, sequence_number: int, body: bytes) -> None:
        """submit_sm, binds, unbind; what is not served is answered with RINVCMDID."""
        if command_id == _SUBMIT_SM:
            self._submit_sm(sequence_number, body)
        elif command_id in BIND_STATES:
            self._bind(command_id, sequence_number, body)
        elif command_id == CommandId.UNBIND:
            self.session.unbinding(self._clock.monotonic())
            self.mailbox.leave(self)
            self.send(encode_header(CommandId.UNBIND_RESP, 0, sequence_number))
            self.close("unbind")
        else:
            self.send(encode_header(command_id | RESP, CommandStatus.RINVCMDID, sequence_number))

    def _bind(self, command_id: int, sequence_number: int, body: bytes) -> None:
        refusal = self._smsc.bind_refusal()
        if refusal is None:
            return
        if refusal:
            self.send(encode_header(command_id | RESP, refusal, sequence_number))
            return
        try:
            bind = decode_bind(body)
            mailbox = self._smsc.admit(bind.system_id, bind.password)
        except PduError as error:
            self.send(encode_header(command_id | RESP, error.command_status, sequence_number))
            return
        self.session.bound(command_id)
        self._with_tlvs = bind.interface_version >= INTERFACE_VERSION
        version = INTERFACE_VERSION if self._with_tlvs else None
        self.send(encode_bind_resp(command_id | RESP, sequence_number, 0, SYSTEM_ID, version))
        self._was_bound = True
        self.system_id = bind.system_id
        self.mailbox = mailbox
        mailbox.links += 1
        if self.session.state in _RECEIVING:
            mailbox.join(self)

    def _submit_sm(self, sequence_number: int, body: bytes) -> None:
        try:
            sm = decode_sm(body)
            _check(sm)
        except PduError as error:
            self._smsc.tally.submits += 1
            self._smsc.tally.rejected += 1
            self.answer(sequence_number, error.command_status)
            return
        self._smsc.submitted(self, sequence_number, sm)

    def answer(self, sequence_number: int, command_status: int, message_id: str = "") -> None:
        """submit_sm_resp, after the scripted delay."""
        response = encode_submit_sm_resp(sequence_number, command_status, message_id.encode())
        delay_s = self._smsc.behaviour.answer_delay_s
        if delay_s:
            self._clock.call_later(delay_s, self.send, response)
        else:
            self.send(response)

    def babble(self, kind: Garbage, sequence_number: int, message_id: str) -> None:
        """Sends garbage with, or instead of, the answer; at once."""
        self.send(smpp_garbage(kind, sequence_number, message_id.encode()))

    def cut(self) -> None:
        """Ends the connection once earlier answers are out; what was not handled yet stays so."""
        self.hold()
        self._flush()
        self.abort("dropped as scripted")

    # -- deliver_sm ------------------------------------------------------------------------------

    @property
    def delivery_room(self) -> int:
        """deliver_sm this link can take now."""
        return self._window.room if self.can_write and self.session.state in _RECEIVING else 0

    def deliver(self, receipt: PendingReceipt) -> None:
        """Sends a receipt."""
        sequence_number = self._window.next_sequence()
        deadline = self._clock.monotonic() + DELIVERY_TIMEOUT_S
        self._window.offer(sequence_number, receipt, deadline)
        self._smsc.tally.receipts_sent += 1
        self.send(receipt.encode(sequence_number, with_tlvs=self._with_tlvs))

    def response_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """deliver_sm_resp or a generic_nack in its place; unbind_resp."""
        if command_id == CommandId.UNBIND_RESP:
            self.close("unbind")
            return
        receipt = self._window.complete(sequence_number)
        if receipt is None:
            return
        if command_status in POSTPONING:
            self._clock.call_later(POSTPONE_S, self.mailbox.put, receipt)
        else:
            self.mailbox.owed -= 1
            self._smsc.tally.receipts_taken += command_status == CommandStatus.ROK
        self.mailbox.flush()

    def swept(self, now: float) -> None:
        """deliver_sm without an answer are sent again."""
        for receipt in self._window.expire(now):
            self.mailbox.put(receipt)

    def writable(self) -> None:
        """The ESME reads again."""
        if self._was_bound:
            self.mailbox.flush()


def _check(sm: ShortMessage) -> None:
    """What every SMSC insists on.

    Raises:
        PduError: RINVDSTADR for a recipient that is no number, RINVMSGLEN for both short_message
            and message_payload.
    """
    digits = sm.destination_addr.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        raise PduError(CommandStatus.RINVDSTADR, f"{sm.destination_addr!r} is no number")
    if sm.short_message and tlv(sm.tlvs, Tag.MESSAGE_PAYLOAD) is not None:
        raise PduError(CommandStatus.RINVMSGLEN, "short_message and message_payload together")
