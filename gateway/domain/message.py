"""Submissions and messages: the objects that travel the hot path (plain slots classes).

A Submission is what a door asks for; a Message is one recipient with one fate; a Part is one
segment of a long SMS; a Batch is the messages of one submission, whose content is stored once.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from gateway.domain.account import Account, Credential, Door
from gateway.domain.errors import Refusal
from gateway.domain.lifecycle import MessageState, MoneyState, Notified, NotifyWhen
from gateway.domain.route import Route
from gateway.domain.sms_text import Alphabet, split


class Channel(IntEnum):
    """What is sold: a kind of message, or a kind of number query.  Values are stored.

    Only messages have routes.
    """

    SMS = 0
    EMAIL = 1  # reserved
    HLR = 2  # where a number is now, and whether it can be reached
    NV = 3  # what the numbering plans say of a number


CHANNEL_NAMES = {channel.name.lower(): channel for channel in Channel}
PRIORITIES = 4  # classes 0 (bulk) to 3 (urgent), SMPP v3.4 5.2.14
DEFAULT_PRIORITY = 1


class Opaque(NamedTuple):
    """Octets that pass through untouched, with what a wire needs to say about them.

    `octets`: the user data, UDH included, at most 65,535.  `data_coding`: TP-DCS as the customer
    gave it.  `esm_class`: only the UDHI bit (0x40) and the mode bits are kept.  `tlvs`: raw TLVs to
    carry; beside a text they are all there is of it.
    """

    octets: bytes
    data_coding: int
    esm_class: int
    tlvs: bytes


class Changed(IntEnum):
    """Whether the newest state of a message is with the journal."""

    NO = 0
    RIDING = 1  # goes to disk soon
    FORCED = 2  # goes with the next commit group


# Bound once: reaching a member through its class costs eight times a global.
_SMS = Channel.SMS
_QUEUED = MessageState.QUEUED
_NOT_NOTIFIED = Notified.NONE
_UNCHANGED = Changed.NO


class Part:
    """One segment of a long message, numbered from 0."""

    __slots__ = ("changed", "message", "n", "provider_id", "provider_message_id", "state")

    def __init__(self, message: "Message", n: int) -> None:
        self.message = message
        self.n = n
        self.state = MessageState.QUEUED
        self.provider_id: int | None = None
        self.provider_message_id: str | None = None
        self.changed = False


class Message:
    """One recipient, one fate.

    `recipient` is E.164 digits without "+".  `text` is None when `opaque` has the user data.
    `door_note` is a 63-bit number a door keeps with the message for its own answers; the heart
    never reads it, but writes its own below 0: the negated number of the recipient in the bulk
    `batch_key`.  Times are UTC milliseconds; 0 means unset.
    """

    __slots__ = (
        "account", "alphabet", "attempts", "batch_key", "changed", "channel", "charge_micros",
        "credential", "door", "door_note", "due_at_ms", "error", "expires_at_ms", "final_at_ms",
        "in_flight", "key", "money", "notified", "notify_when", "opaque", "part_count", "parts",
        "priority", "provider_id", "provider_message_id", "recipient", "route", "sender",
        "sent_at_ms", "state", "stored_state", "stranded", "text", "tried",
    )  # fmt: skip

    def __init__(
        self,
        key: int,
        account: Account,
        credential: Credential | None,
        door: Door,
        sender: str,
        recipient: str,
        text: str | None,
        opaque: Opaque | None,
        alphabet: Alphabet,
        part_count: int,
        charge_micros: int,
        money: MoneyState,
        notify_when: NotifyWhen,
        priority: int,
        due_at_ms: int,
        expires_at_ms: int,
        door_note: int = 0,
        batch_key: int | None = None,
    ) -> None:
        self.key = key
        self.account = account
        self.credential = credential
        self.door = door
        self.channel = _SMS
        self.sender = sender
        self.recipient = recipient
        self.text = text
        self.opaque = opaque
        self.alphabet = alphabet
        self.part_count = part_count
        self.charge_micros = charge_micros
        self.money = money
        self.notify_when = notify_when
        self.priority = priority
        self.due_at_ms = due_at_ms
        self.expires_at_ms = expires_at_ms
        self.door_note = door_note
        self.batch_key = batch_key
        self.state = _QUEUED
        self.stored_state = _QUEUED  # as last handed to a commit group
        self.provider_id: int | None = None
        self.provider_message_id: str | None = None
        self.attempts = 0
        self.sent_at_ms = 0
        self.final_at_ms = 0
        self.error = ""
        self.notified = _NOT_NOTIFIED
        self.parts: list[Part] | None = None
        self.changed = _UNCHANGED  # not on disk yet: what the journal knows of it
        self.in_flight = 0  # parts handed to a provider and not answered yet
        self.route: Route | None = None  # the Route chosen at admission; None = choose again
        self.tried: set[int] | None = None  # providers that refused it in this round
        self.stranded = False  # waits for a route none of whose providers is open

    def split_parts(self) -> list[Part]:
        """The part rows of a long message, made on first use."""
        parts = self.parts
        if parts is None:
            parts = self.parts = [Part(self, n) for n in range(self.part_count)]
        return parts

    def part_texts(self) -> list[str]:
        """The text cut into `part_count` pieces; only for messages that have text."""
        return split(self.text or "", self.alphabet)

    @property
    def reference(self) -> int:
        """Concatenation reference, 0-255, derived from the key (GSM 03.40 9.2.3.24.1)."""
        key = self.key
        return (key ^ key >> 22) & 0xFF


class IdempotencyKey(NamedTuple):
    """What makes a repeated request the same one: scope account + endpoint, kept 24 h."""

    endpoint: str
    key_digest: bytes
    body_digest: bytes


class StoredAnswer(NamedTuple):
    """The answer of an earlier request with the same idempotency key."""

    body_digest: bytes
    status: int
    body: bytes


Answer = Callable[[object, "Message | Batch | Refusal"], None]


class Submission:
    """What a door asks admission for: one content, one or many recipients.

    `answer(token, result)` is called once after the commit group is on disk (or could not be put
    there: then with a Refusal).  It is not called when `submit` itself returned a Refusal.
    `due_at_ms` 0 = now; `expires_at_ms` 0 = the default validity.  `door_text` is kept with the
    message, or with the batch, for the door alone; empty = nothing is.  `measured` is what
    `measure` says of the text, from a door that knows it already.
    """

    __slots__ = (
        "answer", "credential", "door", "door_note", "door_text", "due_at_ms", "expires_at_ms",
        "idempotency", "measured", "notify_when", "opaque", "priority", "render", "sender", "text",
        "token",
    )  # fmt: skip

    def __init__(
        self,
        credential: Credential,
        door: Door,
        sender: str,
        text: str | None,
        answer: Answer,
        token: object = None,
        opaque: Opaque | None = None,
        notify_when: NotifyWhen = NotifyWhen.ALWAYS,
        priority: int = DEFAULT_PRIORITY,
        due_at_ms: int = 0,
        expires_at_ms: int = 0,
        door_note: int = 0,
    ) -> None:
        self.credential = credential
        self.door = door
        self.sender = sender
        self.text = text
        self.opaque = opaque
        self.answer = answer
        self.token = token
        self.notify_when = notify_when
        self.priority = priority
        self.due_at_ms = due_at_ms
        self.expires_at_ms = expires_at_ms
        self.door_note = door_note
        self.door_text = ""
        self.measured: tuple[Alphabet, int] | None = None
        self.idempotency: IdempotencyKey | None = None
        # Renders the stored answer of an idempotent request, once the decision is made.
        self.render: Callable[[Message | Batch], tuple[int, bytes]] | None = None


class Batch:
    """The messages of one submission.  `refused` lists (index, Refusal) of recipients left out."""

    __slots__ = ("key", "messages", "refused", "total_micros")

    def __init__(self, key: int) -> None:
        self.key = key
        self.messages: list[Message] = []
        self.refused: list[tuple[int, Refusal]] = []
        self.total_micros = 0
