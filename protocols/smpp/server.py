"""North: the SMSC that customers bind to.

A connection is a ServerLink; all bound links of one system_id are a Customer, which spreads
receipts over its receiving binds.  Beyond a credential's `window` of unanswered submit_sm we stop
reading; beyond its rate admission answers RTHROTTLED.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.domain.account import Credential
from gateway.domain.errors import Refusal
from gateway.domain.keys import PublicIds
from gateway.domain.message import Batch, Message
from gateway.ports import Clock, Directory, NotificationSink, Submitter
from protocols.smpp import mapping
from protocols.smpp.codec import (
    PduError,
    decode_bind,
    decode_sm,
    encode_bind_resp,
    encode_header,
    encode_submit_sm_resp,
)
from protocols.smpp.constants import INTERFACE_VERSION, RESP, CommandId, CommandStatus
from protocols.smpp.link import Link
from protocols.smpp.session import BOUND_STATES, Role, State, Timers
from protocols.smpp.window import Window

log = logging.getLogger("postern.smpp.server")

_SUBMIT_SM = int(CommandId.SUBMIT_SM)
_UNBIND_RESP = int(CommandId.UNBIND_RESP)
_BINDS = frozenset(
    {CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER}
)
_RECEIVING = frozenset({State.BOUND_RX, State.BOUND_TRX})
MOST_BIND_TRIES = 3
_ID_FORMS = {"hex": b"%016x", "decimal": b"%d"}
# Two bits of the door note, above those of `mapping`, keep the form of the id that the customer was
# told: receipts repeat it, whatever the credential says by then.  0: from before this was kept.
_NOTE_SHIFT = 33
_NOTED_FORMATS = ("", "hex", "decimal", "uuid")
_FORMAT_NOTES = {name: n << _NOTE_SHIFT for n, name in enumerate(_NOTED_FORMATS)}
POSTPONE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Settings of the listener; times in seconds."""

    system_id: str = "postern"
    default_charset: str = "gsm"
    timers: Timers = field(default_factory=Timers)
    delivery_window: int = 100  # unanswered deliver_sm per bind
    delivery_timeout_s: float = 30.0
    max_connections: int = 1000


class Customer:
    """The bound links of one credential; receipts go to its receiving links in turn."""

    __slots__ = ("_turn", "credential", "links", "receivers")

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.links: list[ServerLink] = []
        self.receivers: list[ServerLink] = []
        self._turn = 0

    def next_receiver(self) -> "ServerLink | None":
        """The next receiving link with room, or None when none has any."""
        receivers = self.receivers
        turn = self._turn
        for _ in receivers:
            turn += 1
            if turn >= len(receivers):
                turn = 0
            link = receivers[turn]
            window = link.window
            if link.can_write and len(window.pending) < window.limit:
                self._turn = turn
                return link
        return None


class SmppServer:
    """Accepts connections; `ports.Notifier`."""

    def __init__(
        self,
        options: ServerOptions,
        *,
        submitter: Submitter,
        directory: Directory,
        notifications: NotificationSink,
        public_ids: PublicIds,
        clock: Clock,
        spawn: Callable[..., object],
    ) -> None:
        self.options = options
        self.submitter = submitter
        self.directory = directory
        self.notifications = notifications
        self.clock = clock
        self.spawn = spawn
        self._public_ids = public_ids
        self._listener: asyncio.Server | None = None
        self._customers: dict[int, Customer] = {}
        self.links: set[ServerLink] = set()

    # -- life ------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on once started."""
        if self._listener is None:
            raise RuntimeError("the SMPP server does not listen")
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: ServerLink(self), host, port, backlog=512)

    def stop_listening(self) -> None:
        """No new connections; the bound ones stay."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def stop(self, deadline_s: float) -> None:
        """Unbinds every link and waits up to `deadline_s` for the peers to agree."""
        self.stop_listening()
        for link in list(self.links):
            link.unbind()
        end = self.clock.monotonic() + deadline_s
        while self.links and self.clock.monotonic() < end:
            await self.clock.sleep(0.02)
        for link in list(self.links):
            link.abort("the gateway stops")

    def drop(self, credential: Credential) -> None:
        """The credential was disabled: its links unbind, once what is outstanding is answered."""
        customer = self._customers.get(credential.id)
        if customer is not None:
            for link in list(customer.links):
                link.unbind()

    # -- binds -----------------------------------------------------------------------------------

    def admit(self, link: "ServerLink", credential: Credential) -> bool:
        """Counts the link against `max_binds`; False when there is no place."""
        customer = self._customers.get(credential.id)
        if customer is None:
            customer = self._customers[credential.id] = Customer(credential)
        if len(customer.links) >= credential.max_binds:
            return False
        customer.links.append(link)
        return True

    def bound(self, link: "ServerLink", credential: Credential) -> None:
        """The link's bind succeeded: a receiving one takes what is owed."""
        if link.session.state in _RECEIVING:
            self._customers[credential.id].receivers.append(link)
            self.notifications.room_changed(credential)

    def left(self, link: "ServerLink", credential: Credential) -> None:
        """The link is gone or leaving."""
        customer = self._customers[credential.id]
        if link in customer.links:
            customer.links.remove(link)
        if link in customer.receivers:
            customer.receivers.remove(link)

    # -- ports.Notifier --------------------------------------------------------------------------

    def notify(self, message: Message) -> bool:
        """Sends a receipt to a receiving bind of the system_id that submitted the message."""
        credential = message.credential
        customer = None if credential is None else self._customers.get(credential.id)
        link = None if customer is None else customer.next_receiver()
        if link is None:
            return False
        link.deliver(message)
        return True

    # -- what links ask --------------------------------------------------------------------------

    def message_id(self, message: Message, credential: Credential) -> bytes:
        """The id a customer sees: hex, decimal or UUID, as the credential had it at the submit."""
        noted = _NOTED_FORMATS[message.door_note >> _NOTE_SHIFT & 3]
        form = _ID_FORMS.get(noted or credential.message_id_format)
        key = message.key
        return self._public_ids.encode("message", key).encode() if form is None else form % key

    def connections(self) -> list[dict[str, object]]:
        """Bound links, for the operator."""
        return [
            {
                "peer": link.peer,
                "system_id": link.credential.name if link.credential else "",
                "state": link.session.state.name.lower(),
                "unanswered": link.unanswered,
                "deliveries": len(link.window),
            }
            for link in self.links
        ]


class ServerLink(Link):
    """One customer connection."""

    def __init__(self, server: SmppServer) -> None:
        super().__init__(Role.SMSC, server.options.timers, server.clock)
        self._server = server
        self._submitter = server.submitter
        self._charset = server.options.default_charset
        self._with_tlvs = True
        self._bind_tries = 0
        self.window: Window[Message] = Window(server.options.delivery_window)
        self.credential: Credential | None = None
        self.unanswered = 0  # submit_sm without their response

    # -- life ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A customer connected; the session_init timer runs."""
        super().connection_made(transport)
        server = self._server
        server.links.add(self)
        if len(server.links) > server.options.max_connections:
            self.abort("too many connections")

    def link_lost(self) -> None:
        """Gives back what was being delivered."""
        self._server.links.discard(self)
        self.leaving()
        credential = self.credential
        if credential is None:
            return
        self.credential = None
        for message in reversed(self.window.drain()):
            self._server.notifications.postponed(message, 0.0)
        log.info(
            "bind.ended",
            extra={"fields": {"system_id": credential.name, "reason": self.close_reason}},
        )
        self._server.notifications.room_changed(credential)

    def leaving(self) -> None:
        """No more receipts over this link, and its place is free for another bind."""
        if self.credential is not None:
            self._server.left(self, self.credential)

    def is_settled(self) -> bool:
        """Whether every submit_sm has its response; when we leave, every deliver_sm as well.

        A customer that unbinds may not answer ours any more.
        """
        return not self.unanswered and (bool(self._unbind_resp) or not self.window)

    def next_enquire_sequence(self) -> int:
        """Our requests share the numbers of deliver_sm."""
        return self.window.next_sequence()

    # -- requests --------------------------------------------------------------------------------

    def request_received(self, command_id: int, sequence_number: int, body: bytes) -> None:
        """submit_sm, binds, unbind; what we do not serve is answered with RINVCMDID."""
        if command_id == _SUBMIT_SM:
            self._submit_sm(sequence_number, body)
        elif command_id in _BINDS:
            self._bind(command_id, sequence_number, body)
        elif command_id == CommandId.UNBIND:
            self.unbind_asked(sequence_number)
        else:
            self.send(encode_header(command_id | RESP, CommandStatus.RINVCMDID, sequence_number))

    def _submit_sm(self, sequence_number: int, body: bytes) -> None:
        credential = self.credential
        if credential is None:
            raise RuntimeError("a bound session has a credential")
        answer = self._answer
        usual = mapping.usual_submission(body, credential, answer, sequence_number)
        if usual is not None:
            submission, destination = usual
        else:
            try:
                sm = decode_sm(body)
                submission = mapping.submission(
                    sm, credential, self._charset, self._clock.now_ms, answer, sequence_number
                )
            except PduError as error:
                self.send(encode_submit_sm_resp(sequence_number, error.command_status, b""))
                return
            destination = mapping.recipient(sm.destination_addr, sm.dest_addr_ton, credential)
        submission.door_note |= _FORMAT_NOTES[credential.message_id_format]
        result = self._submitter.submit(submission, destination)
        if type(result) is Refusal:
            status = mapping.REFUSAL_STATUS[result.code]
            self.send(encode_submit_sm_resp(sequence_number, status, b""))
            return
        self.unanswered += 1
        if self.unanswered > credential.window:  # who keeps to it is always heard
            self.hold()

    def _answer(self, token: object, result: Message | Batch | Refusal) -> None:
        """The commit group of a submit_sm is on disk, or could not be put there."""
        sequence_number: int = token  # type: ignore[assignment]  # our own, from _submit_sm
        self.unanswered -= 1
        credential = self.credential
        if credential is None:
            return  # the connection is gone; the message is kept and will go its way
        if isinstance(result, Refusal):
            status = mapping.REFUSAL_STATUS[result.code]
            self.send(encode_submit_sm_resp(sequence_number, status, b""))
        elif isinstance(result, Message):
            message_id = self._server.message_id(result, credential)
            self.send(encode_submit_sm_resp(sequence_number, 0, message_id))
        if self._is_holding and self.unanswered <= credential.window:
            self.release()
        if self._unbind_resp is not None:
            self.finish_unbind()

    # -- bind ------------------------------------------------------------------------------------

    def _bind(self, command_id: int, sequence_number: int, body: bytes) -> None:
        self._bind_tries += 1
        try:
            bind = decode_bind(body)
        except PduError as error:
            self._refuse_bind(command_id, sequence_number, error.command_status, "unreadable")
            return
        self.session.binding()
        self.hold()  # pipelined submit_sm wait for the password check
        self._with_tlvs = bind.interface_version >= INTERFACE_VERSION
        self._server.spawn(
            self._check_bind(command_id, sequence_number, bind.system_id, bind.password),
            name=f"bind-{self.peer}",
        )

    async def _check_bind(
        self, command_id: int, sequence_number: int, system_id: str, password: str
    ) -> None:
        server = self._server
        credential = server.directory.smpp(system_id)
        status, reason = CommandStatus.ROK, ""
        if credential is None:
            status, reason = CommandStatus.RINVSYSID, "unknown system_id"
        elif not _address_allowed(self.peer, credential.ip_allow):
            status, reason = CommandStatus.RBINDFAIL, "address not allowed"
        elif not await server.directory.check_password(credential, password):
            status, reason = CommandStatus.RINVPASWD, "wrong password"
        elif server.directory.smpp(system_id) is not credential:
            status, reason = CommandStatus.RINVSYSID, "disabled meanwhile"
        if self.session.state is not State.BINDING:
            return  # the connection ended meanwhile
        if credential is not None and not status and not server.admit(self, credential):
            status, reason = CommandStatus.RBINDFAIL, f"more than {credential.max_binds} binds"
        if credential is None or status:
            self.session.bind_refused()
            self._refuse_bind(command_id, sequence_number, status, reason)
            self.release()
            return
        self.credential = credential
        self.session.bound(command_id)
        version = INTERFACE_VERSION if self._with_tlvs else None
        self.send(
            encode_bind_resp(
                command_id | RESP, sequence_number, 0, server.options.system_id, version
            )
        )
        log.info(
            "bind.accepted",
            extra={
                "fields": {
                    "system_id": credential.name,
                    "peer": self.peer,
                    "state": self.session.state.name.lower(),
                }
            },
        )
        self.release()
        server.bound(self, credential)

    def _refuse_bind(self, command_id: int, sequence_number: int, status: int, reason: str) -> None:
        log.warning("bind.refused", extra={"fields": {"peer": self.peer, "reason": reason}})
        self.send(encode_bind_resp(command_id | RESP, sequence_number, status, "", None))
        if self._bind_tries >= MOST_BIND_TRIES:
            self.close("too many refused binds")

    # -- deliver_sm ------------------------------------------------------------------------------

    def deliver(self, message: Message) -> None:
        """Sends the receipt of a final fate."""
        credential = self.credential
        if credential is None:
            raise RuntimeError("a receiving link has a credential")
        window = self.window
        sequence_number = window.next_sequence()
        pdu = mapping.encode_receipt(
            message,
            self._server.message_id(message, credential),
            sequence_number,
            with_tlvs=self._with_tlvs,
        )
        deadline = self._clock.monotonic() + self._server.options.delivery_timeout_s
        window.offer(sequence_number, message, deadline)
        self.send(pdu)

    def response_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """deliver_sm_resp or a generic_nack in its place, unbind_resp."""
        if command_id == _UNBIND_RESP:
            self.unbind_answered()
            return
        window = self.window
        was_full = len(window.pending) >= window.limit
        message = window.complete(sequence_number)
        if message is None:
            message = self.window.late(sequence_number)
            if message is None or command_status:
                return
        sink = self._server.notifications
        if command_status and command_status in mapping.POSTPONING:
            sink.postponed(message, POSTPONE_S)
        else:
            # Any other status: the customer has seen it and does not want it.
            sink.notified(message)
        if was_full and self.credential is not None and self.session.state in BOUND_STATES:
            sink.room_changed(self.credential)
        if self._unbind_resp is not None:
            self.finish_unbind()

    def swept(self, now: float) -> None:
        """deliver_sm without an answer are offered again, on any bind."""
        for message in reversed(self.window.expire(now)):
            self._server.notifications.postponed(message, 1.0)
        self.finish_unbind()

    def writable(self) -> None:
        """The customer reads again."""
        if self.credential is not None:
            self._server.notifications.room_changed(self.credential)


def _address_allowed(peer: str, networks: tuple[str, ...]) -> bool:
    """Whether the peer's address is in one of the networks; no networks means any address."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(peer.rsplit(":", 1)[0])
    except ValueError:
        return False  # the peer was gone before it could be asked for
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)
