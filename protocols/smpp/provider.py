"""South: a provider reached over a pool of binds, where we are the ESME.

The pool keeps `binds` sessions alive (or pairs of transmitter and receiver), spreads parts over
those that transmit, and takes receipts from any of them: correlation is per provider, never per
socket.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.domain.message import Message
from gateway.domain.outcome import Deferred, Outcome, Refused, Sent, Unknown
from gateway.policy.retry import reconnect_delay_s
from gateway.ports import Clock, ProviderSink
from protocols.smpp import mapping
from protocols.smpp.bind_set import BindSet, Keeper
from protocols.smpp.codec import (
    PduError,
    decode_message_id,
    decode_sm,
    encode_bind,
    encode_deliver_sm_resp,
    encode_header,
)
from protocols.smpp.constants import RESP, CommandId, CommandStatus
from protocols.smpp.link import Link
from protocols.smpp.segments import SegmentEncoder
from protocols.smpp.session import Role, State, Timers
from protocols.smpp.window import Window

# Bound once: reaching a member through its class costs eight times a global.
_ROK = CommandStatus.ROK
_CLOSED = State.CLOSED
_DELIVER_SM = CommandId.DELIVER_SM

log = logging.getLogger("postern.smpp.provider")

_SUBMIT_SM = int(CommandId.SUBMIT_SM)
_SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM_RESP)
_TRANSMITTING = frozenset({State.BOUND_TX, State.BOUND_TRX})
_BIND_COMMANDS = {
    "transceiver": (CommandId.BIND_TRANSCEIVER,),
    "transmitter+receiver": (CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER),
}
# Wrong credentials will not get better in a second: slow retry with an alarm (trap 17).
_CREDENTIAL_ERRORS = frozenset({CommandStatus.RINVPASWD, CommandStatus.RINVSYSID})
CREDENTIAL_RETRY_S = 30.0
# What an SMSC answers that allows no more binds than stand already.
_NO_PLACE = frozenset({CommandStatus.RALYBND, CommandStatus.RBINDFAIL})
CONNECT_TIMEOUT_S = 10.0
MOST_CONNECT_WAIT_S = 5.0  # trying a host that is away costs nobody much; being late back does
STEADY_S = 10.0  # a bind that ends sooner counts as one more failure: it may go on like that
NO_BIND = "no bind"
MOST_UNSTORED = 10_000  # receipts per link that the store has not taken yet

Item = Message | tuple[Message, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppProviderOptions:
    """Settings of one provider; times in seconds, `window` per bind."""

    name: str
    host: str
    port: int
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    binds: int = 1
    bind_mode: str = "transceiver"
    window: int = 10
    response_timeout_s: float = 30.0
    timers: Timers = field(default_factory=Timers)
    charset: str = "gsm"
    concatenation: str = "udh"
    id_mode: str = "as_is"
    receipts: str = "asked"
    source_ton: int | None = None
    source_npi: int | None = None
    dest_ton: int | None = None
    dest_npi: int | None = None


class SmppProvider:
    """`ports.Provider` over SMPP."""

    def __init__(
        self,
        options: SmppProviderOptions,
        sink: ProviderSink,
        *,
        clock: Clock,
        spawn: Callable[..., asyncio.Task[None]],
        draw: Callable[[], float],
    ) -> None:
        self.options = options
        self.sink = sink
        self.clock = clock
        self.encoder = _encoder(options)
        self.whole_text = _is_whole(options)
        self._wanted = options
        self._is_switching = False  # takes nothing until `whole_text` can change
        self._spawn = spawn
        self._draw = draw
        self._binds = BindSet(options.name, keep=self._keep_bound, spawn=spawn)
        self._transmitters: list[ProviderLink] = []
        self._links: set[ProviderLink] = set()
        self._stopping = False
        self._last_error = ""

    # -- ports.Provider --------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins to connect; returns at once."""
        self._binds.want(_BIND_COMMANDS[self.options.bind_mode], self.options.binds)

    async def stop(self, deadline_s: float) -> None:
        """Stops sending, waits for outstanding answers up to `deadline_s`, unbinds, closes."""
        self._stopping = True
        end = self.clock.monotonic() + deadline_s
        while self.outstanding and self.clock.monotonic() < end:
            await self.clock.sleep(0.02)
        for link in list(self._links):
            link.unbind()
        while self._links and self.clock.monotonic() < end + 0.5:
            await self.clock.sleep(0.02)
        for link in list(self._links):
            link.abort("the gateway stops")
        keepers = self._binds.tasks
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    def is_up(self) -> bool:
        """Whether a transmitting bind stands."""
        return bool(self._transmitters) and not self._stopping

    def room(self) -> int:
        """Free window over all transmitting binds."""
        if self._stopping or self._is_switching:
            return 0
        return sum(link.window.room for link in self._transmitters if link.can_write)

    def in_flight(self) -> int:
        """Parts without an answer."""
        return self.outstanding

    def capacity(self) -> int:
        """Window over all transmitting binds."""
        return sum(link.window.limit for link in self._transmitters if link.can_write)

    def submit(self, message: Message, part: int) -> None:
        """Sends part `part` on the bind with the most room."""
        links = self._transmitters
        if not links:
            # The bind went down between room() and here.
            self.clock.call_soon(self.sink.settled, message, part, Deferred(NO_BIND, unsent=True))
            return
        link = links[0] if len(links) == 1 else max(links, key=_room)
        link.submit(message, part)

    @property
    def outstanding(self) -> int:
        """submit_sm without an answer."""
        return sum(len(link.window) for link in self._links)

    def describe(self) -> Mapping[str, object]:
        """Live state for the operator."""
        return {
            "wire": "smpp",
            "address": f"{self.options.host}:{self.options.port}",
            "binds": [
                {
                    "peer": link.peer,
                    "state": link.session.state.name.lower(),
                    "outstanding": len(link.window),
                }
                for link in self._links
            ],
            "last_error": self._last_error,
        }

    # -- reload ----------------------------------------------------------------------------------

    def reconfigure(self, options: SmppProviderOptions) -> None:
        """Works with other options from now on; no bind that still fits them is dropped.

        Another address, credential or bind mode needs new sessions: those of before carry messages
        until the new ones stand, then drain and unbind.  Whether a long text goes as one message is
        changed once nothing is outstanding, because an answer is judged by it.
        """
        self._wanted = options
        if _is_whole(options) == self.whole_text or not self.outstanding:
            self._adopt()
        elif not self._is_switching:
            self._is_switching = True
            self._spawn(self._adopt_when_settled(), name=f"reconfigure-{options.name}")

    async def _adopt_when_settled(self) -> None:
        while self.outstanding:
            await self.clock.sleep(0.02)
        self._adopt()

    def _adopt(self) -> None:
        self._is_switching = False
        if self._stopping:
            return
        before, options = self.options, self._wanted
        self.options = options
        self.encoder = _encoder(options)
        self.whole_text = _is_whole(options)
        for link in self._links:
            link.take_options()
        if _session_settings(before) != _session_settings(options):
            log.info("provider.renewing", extra={"fields": {"provider": options.name}})
            self._binds.renew()
        self._binds.want(_BIND_COMMANDS[options.bind_mode], options.binds)
        self.sink.room_changed()

    def unbind_when_answered(self, link: "ProviderLink") -> None:
        """Ends a session once every submit_sm of it has its response."""
        self._spawn(self._unbind_when_answered(link), name=f"unbind-{self.options.name}")

    async def _unbind_when_answered(self, link: "ProviderLink") -> None:
        while link.window:
            await self.clock.sleep(0.02)
        link.unbind()

    # -- the pool --------------------------------------------------------------------------------

    async def _keep_bound(self, keeper: Keeper) -> None:
        """Keeps one bind alive: connect, bind, wait for its end, back off, again."""
        failures = 0
        while not self._stopping:
            link = await self._connect(keeper)
            was_bound = False
            if link is not None:
                since = self.clock.monotonic()
                was_bound = await link.ended
                if was_bound and self.clock.monotonic() - since >= STEADY_S:
                    failures = 0
                self._last_error = link.close_reason or self._last_error
                if link.bind_status in _NO_PLACE:
                    self._binds.make_place()
            failures += 1
            if self._stopping or keeper.is_retired:
                self._binds.ended(keeper)
                return
            if link is None or was_bound:
                delay_s = reconnect_delay_s(failures, self._draw(), most_s=MOST_CONNECT_WAIT_S)
            else:
                delay_s = reconnect_delay_s(failures, self._draw())
            if link is not None and link.bind_status in _CREDENTIAL_ERRORS:
                delay_s = CREDENTIAL_RETRY_S
            log.warning(
                "provider.bind_down",
                extra={
                    "fields": {
                        "provider": self.options.name,
                        "reason": self._last_error,
                        "retry_s": round(delay_s, 2),
                    }
                },
            )
            await self.clock.sleep(delay_s)

    async def _connect(self, keeper: Keeper) -> "ProviderLink | None":
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, link = await loop.create_connection(
                    lambda: ProviderLink(self, keeper), self.options.host, self.options.port
                )
        except (OSError, TimeoutError) as error:
            self._last_error = f"cannot connect: {error or 'timed out'}"
            return None
        return link

    def link_opened(self, link: "ProviderLink") -> None:
        """The connection stands, not bound yet."""
        self._links.add(link)

    def link_bound(self, link: "ProviderLink") -> None:
        """The bind was accepted."""
        self._last_error = ""
        log.info(
            "provider.bound", extra={"fields": {"provider": self.options.name, "peer": link.peer}}
        )
        if link.session.state in _TRANSMITTING:
            self._transmitters.append(link)
            self.sink.room_changed()
        if self._binds.stands():
            log.info("provider.renewed", extra={"fields": {"provider": self.options.name}})

    def link_down(self, link: "ProviderLink") -> None:
        """No more parts over this link."""
        if link in self._transmitters:
            self._transmitters.remove(link)
            self.sink.room_changed()

    def link_closed(self, link: "ProviderLink") -> None:
        """The connection is gone."""
        self._links.discard(link)
        self.link_down(link)


def _encoder(options: SmppProviderOptions) -> SegmentEncoder:
    return SegmentEncoder(
        charset=options.charset,
        concatenation=options.concatenation,
        receipts=options.receipts,
        source_ton=options.source_ton,
        source_npi=options.source_npi,
        dest_ton=options.dest_ton,
        dest_npi=options.dest_npi,
    )


def _is_whole(options: SmppProviderOptions) -> bool:
    return options.concatenation == "payload"


def _session_settings(options: SmppProviderOptions) -> tuple[object, ...]:
    """What a session cannot change once it is bound."""
    return (
        options.host,
        options.port,
        options.system_id,
        options.password,
        options.system_type,
        options.bind_mode,
    )


def _room(link: "ProviderLink") -> int:
    return link.window.limit - len(link.window.pending) if link.can_write else -1


class ProviderLink(Link):
    """One session with the provider's SMSC.

    `ended` resolves when the connection is gone, with whether it had been bound.
    """

    def __init__(self, provider: SmppProvider, keeper: Keeper) -> None:
        super().__init__(Role.ESME, provider.options.timers, provider.clock)
        self._provider = provider
        self._sink = provider.sink
        self._keeper = keeper
        self._command_id = keeper.command_id
        self._timeout_s = provider.options.response_timeout_s
        self._encoder = provider.encoder
        self._id_mode = provider.options.id_mode
        self._was_bound = False
        self._unstored = 0  # receipts that wait for the store
        self.window: Window[Item] = Window(provider.options.window)
        self.bind_status = 0
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    # -- life ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Binds at once."""
        super().connection_made(transport)
        self._keeper.link = self
        self._provider.link_opened(self)
        self.take_options()  # they may have changed while it connected
        options = self._provider.options
        try:
            bind = encode_bind(
                self._command_id,
                self.window.next_sequence(),
                options.system_id,
                options.password,
                options.system_type,
            )
        except ValueError as error:  # never repeats the password, unlike its own text
            self.abort(f"system_id, password or system_type: {type(error).__name__}")
            return
        self.session.binding()
        self.send(bind)

    def link_lost(self) -> None:
        """What was on its way has an unknown outcome; what had not begun to leave has not left."""
        self._keeper.link = None
        self._provider.link_closed(self)
        reason = self.close_reason or "the peer closed the connection"
        for sequence_number in sorted(self.unsent(_SUBMIT_SM)):
            item = self.window.complete(sequence_number)
            if item is not None:
                self._settle(item, Deferred(NO_BIND, unsent=True))
        for item in self.window.drain():
            self._settle(item, Unknown(reason))
        if not self.ended.done():
            self.ended.set_result(self._was_bound)

    @property
    def is_bound(self) -> bool:
        """Whether its session stands."""
        return self.session.is_bound

    def let_go(self) -> None:
        """Takes no more parts, and unbinds once those it carries are answered."""
        self.leaving()
        self._provider.unbind_when_answered(self)

    def take_options(self) -> None:
        """The provider's options of now.

        A shorter timeout counts for what is sent from now on, and behind what is outstanding.
        """
        options = self._provider.options
        self._encoder = self._provider.encoder
        self._id_mode = options.id_mode
        self._timeout_s = options.response_timeout_s
        self._timers = self.session.timers = options.timers
        self.window.limit = options.window

    def next_enquire_sequence(self) -> int:
        """All our requests share one count."""
        return self.window.next_sequence()

    def leaving(self) -> None:
        """No more parts."""
        self._provider.link_down(self)

    def is_settled(self) -> bool:
        """Whether every submit_sm and every receipt has its response."""
        return not self.window and not self._unstored

    # -- sending ---------------------------------------------------------------------------------

    def submit(self, message: Message, part: int) -> None:
        """Encodes and sends one part; what cannot be put on this wire is refused."""
        window = self.window
        sequence_number = window.next_sequence()
        now = self._clock.monotonic()
        try:
            pdu = self._encoder.encode(message, part, sequence_number, self._clock)
        except ValueError as error:
            self._clock.call_soon(self._sink.settled, message, part, Refused(f"encoding: {error}"))
            return
        item: Item = message if part == 0 and message.parts is None else (message, part)
        window.offer(sequence_number, item, now + self._timeout_s)
        self.send(pdu)

    def _settle(self, item: Item, outcome: Outcome) -> None:
        if type(item) is tuple:
            self._sink.settled(item[0], item[1], outcome)
        else:
            self._sink.settled(item, 0, outcome)  # type: ignore[arg-type]  # a Message: not a tuple

    # -- what the SMSC answers -------------------------------------------------------------------

    def response_received(
        self, command_id: int, command_status: int, sequence_number: int, body: bytes
    ) -> None:
        """submit_sm_resp, generic_nack in its place, bind and unbind responses."""
        if command_id == _SUBMIT_SM_RESP:
            item = self.window.complete(sequence_number)
            if item is None:
                self._late(command_status, sequence_number, body)
            elif command_status:
                self._settle(item, mapping.outcome(command_status))
            else:
                self._settle(item, Sent(decode_message_id(body)))
        elif command_id == self._command_id | RESP:
            self._bind_answered(command_status)
        elif command_id == CommandId.UNBIND_RESP:
            self.unbind_answered()
        elif command_id == CommandId.GENERIC_NACK:
            item = self.window.complete(sequence_number)
            if item is not None:
                self._settle(item, mapping.outcome(command_status))
            elif self.session.state is State.BINDING:
                self._bind_answered(command_status or CommandStatus.RBINDFAIL)
        if self._unbind_resp is not None:
            self.finish_unbind()

    def _bind_answered(self, command_status: int) -> None:
        self.bind_status = command_status
        if command_status:
            name = f"0x{command_status:08x}"
            if command_status in set(CommandStatus):
                name = f"ESME_{CommandStatus(command_status).name}"
            self.session.bind_refused()
            self.close(f"bind refused: {name}")
            return
        self._was_bound = True
        self.session.bound(self._command_id)
        self._provider.link_bound(self)

    def _late(self, command_status: int, sequence_number: int, body: bytes) -> None:
        """An answer after the time-out may still settle the Unknown (trap 12)."""
        item = self.window.late(sequence_number)
        if item is None:
            return
        message, part = item if isinstance(item, tuple) else (item, 0)
        late: Outcome = Sent(decode_message_id(body))
        if command_status:
            late = mapping.outcome(command_status)
        self._sink.late(message, part, late)

    # -- what the SMSC asks ----------------------------------------------------------------------

    def request_received(self, command_id: int, sequence_number: int, body: bytes) -> None:
        """deliver_sm and unbind; the rest is not served (alert_notification has no response)."""
        if command_id == _DELIVER_SM:
            self._deliver_sm(sequence_number, body)
        elif command_id == CommandId.UNBIND:
            self.close_reason = "the provider unbound"
            self.unbind_asked(sequence_number)
        elif command_id != CommandId.ALERT_NOTIFICATION:
            self.send(encode_header(command_id | RESP, CommandStatus.RINVCMDID, sequence_number))

    def _deliver_sm(self, sequence_number: int, body: bytes) -> None:
        id_mode = self._id_mode
        receipt = mapping.usual_receipt(body, id_mode)
        if receipt is None:
            try:
                receipt = mapping.receipt(decode_sm(body), id_mode)
            except PduError as error:
                self.send(encode_deliver_sm_resp(sequence_number, error.command_status))
                return
        if receipt is None:
            # Messages from handsets have no owner here yet: say so, do not swallow them.
            self.send(encode_deliver_sm_resp(sequence_number, CommandStatus.RX_R_APPN))
            return
        if self._unstored >= MOST_UNSTORED:
            self.send(encode_deliver_sm_resp(sequence_number, CommandStatus.RX_T_APPN))
            return
        self._unstored += 1
        self._sink.receipt(receipt, self._receipt_stored, sequence_number)

    def _receipt_stored(self, token: object, is_stored: bool) -> None:
        sequence_number: int = token  # type: ignore[assignment]  # our own, from _deliver_sm
        self._unstored -= 1
        status = _ROK if is_stored else CommandStatus.RX_T_APPN
        if self.session.state is not _CLOSED:
            self.send(encode_deliver_sm_resp(sequence_number, status))
            if self._unbind_resp is not None:
                self.finish_unbind()

    # -- time ------------------------------------------------------------------------------------

    def swept(self, now: float) -> None:
        """Requests without an answer: neither sent nor failed."""
        for item in self.window.expire(now):
            self._settle(item, Unknown("no answer in time", silent=True))
        self.finish_unbind()

    def writable(self) -> None:
        """The provider reads again."""
        self._sink.room_changed()
