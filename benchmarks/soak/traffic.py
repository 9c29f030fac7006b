"""What the customers send: kinds of message, and how each customer mixes them."""

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from benchmarks.soak.configuration import POOR, SENDER
from benchmarks.soak.numbers import Area
from protocols.smpp.codec import encode_submit_sm, encode_tlv
from protocols.smpp.constants import Tag
from protocols.smpp.times import encode_relative

AREAS, AREA_WEIGHTS = (Area.SMSC, Area.HTTP, Area.EITHER), (6, 1, 2)

SHORT_TEXT = "Your one-time code is 493817. It is valid for ten minutes."
_LONG_TEXT = ("This goes in three parts, each with a header that says which one it is. " * 6)[:400]
_UCS2_TEXT = (
    "Дзякуй! Ваш код 493817. Ён дзейнічае дзесяць хвілін. Нікому яго не паказвайце, калі ласка."
)
_UCS2 = 8  # data_coding
_BAD_NUMBER, _BAD_SENDER = "12", "STRANGER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of submit_sm.  `is_good`: it must be accepted, else it must be refused."""

    name: str
    text: bytes
    parts: int = 1
    data_coding: int = 0
    wants_receipt: bool = True
    is_scheduled: bool = False
    sender: str = SENDER
    recipient: str = ""
    is_good: bool = True

    def encode(self, sequence_number: int, recipient: str, schedule_s: int) -> bytes:
        """The PDU; a text over 254 octets goes as message_payload."""
        is_short = len(self.text) <= 254
        return encode_submit_sm(
            sequence_number,
            source_ton=5,
            source_npi=0,
            source_addr=self.sender.encode(),
            dest_ton=1,
            dest_npi=1,
            destination_addr=(self.recipient or recipient).encode(),
            esm_class=0,
            priority_flag=0,
            schedule_delivery_time=encode_relative(schedule_s) if schedule_s else b"",
            validity_period=b"",
            registered_delivery=int(self.wants_receipt),
            data_coding=self.data_coding,
            short_message=self.text if is_short else b"",
            tlvs=b"" if is_short else encode_tlv(Tag.MESSAGE_PAYLOAD, self.text),
        )


SHORT = Kind(name="short", text=SHORT_TEXT.encode())
LONG = Kind(name="long", text=_LONG_TEXT.encode(), parts=3)
UCS2 = Kind(name="ucs2", text=_UCS2_TEXT.encode("utf-16-be"), parts=2, data_coding=_UCS2)
QUIET = Kind(name="quiet", text=SHORT_TEXT.encode(), wants_receipt=False)
LATER = Kind(name="later", text=SHORT_TEXT.encode(), is_scheduled=True)
WRONG_SENDER = Kind(name="sender", text=b"x", sender=_BAD_SENDER, is_good=False)
WRONG_NUMBER = Kind(name="number", text=b"x", recipient=_BAD_NUMBER, is_good=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An ESME: its binds, what part of all traffic it sends, and of what kinds.

    `binds`: `trx`, or `tx` and `rx`.  `away_s`: it unbinds for so long after each `here_s`.
    """

    system_id: str
    binds: tuple[str, ...]
    share: float
    mix: tuple[tuple[Kind, int], ...]
    window: int = 50
    here_s: float = 0.0
    away_s: float = 0.0


CUSTOMERS = (
    Customer(
        system_id="steady",
        binds=("trx", "trx"),
        share=0.34,
        mix=((SHORT, 88), (QUIET, 5), (LATER, 4), (WRONG_SENDER, 1), (WRONG_NUMBER, 2)),
    ),
    Customer(system_id="pair", binds=("tx", "rx"), share=0.22, mix=((SHORT, 1),)),
    Customer(system_id="long", binds=("trx",), share=0.10, mix=((LONG, 1), (UCS2, 1))),
    Customer(
        system_id="absent", binds=("trx",), share=0.10, mix=((SHORT, 1),), here_s=20, away_s=25
    ),
    Customer(system_id=POOR, binds=("trx",), share=0.04, mix=((SHORT, 1),)),
)
REST_SINGLE_SHARE, REST_BULK_SHARE = 0.04, 0.16


class Mixer:
    """Draws kinds, areas and schedules; the same seed draws the same."""

    def __init__(
        self, mix: tuple[tuple[Kind, int], ...], draw: Random, schedules_s: tuple[int, ...] = ()
    ) -> None:
        self._kinds = [kind for kind, _ in mix]
        self._weights = list(accumulate(weight for _, weight in mix))
        self._draw = draw
        self._schedules_s = schedules_s

    def kind(self) -> Kind:
        """The next message's."""
        return self._draw.choices(self._kinds, cum_weights=self._weights)[0]

    def area(self) -> Area:
        """Where it goes."""
        return self._draw.choices(AREAS, AREA_WEIGHTS)[0]

    def schedule_s(self, kind: Kind) -> int:
        """How far ahead it is to leave; 0 = now."""
        return self._draw.choice(self._schedules_s) if kind.is_scheduled else 0
