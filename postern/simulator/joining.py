"""Parts of long messages put together again, as a handset would.

A part says its place by UDH (8-bit or 16-bit reference) or by SAR TLVs; its octets stand in
short_message or message_payload.
"""

from itertools import groupby
from typing import NamedTuple

from gateway.ports import Clock
from protocols.smpp.charset import decode
from protocols.smpp.codec import ShortMessage
from protocols.smpp.constants import ESM_UDHI
from protocols.smpp.mapping import payload_of
from protocols.smpp.udh import Concatenation, concatenation, sar, split_header

MOST_INCOMPLETE = 10_000  # messages; above it the oldest is dropped
INCOMPLETE_KEPT_S = 300.0

_BINARY_MARK = "hex:"

Key = tuple[str, str, str, bool, int, int]
Segment = tuple[int, bytes]  # data_coding, octets without their header


class JoinedMessage(NamedTuple):
    """A whole message; octets that are no text are "hex:" and their hexadecimal digits."""

    text: str
    part_count: int


class _Incomplete:
    """What has come of one message, by part number."""

    __slots__ = ("first_at", "segments")

    def __init__(self, first_at: float) -> None:
        self.first_at = first_at
        self.segments: dict[int, Segment] = {}


class Joiner:
    """Joins the parts that come to one SMSC.  `dropped` counts messages that stayed incomplete."""

    __slots__ = ("_clock", "_default_charset", "_incomplete", "dropped")

    def __init__(self, clock: Clock, default_charset: str) -> None:
        self._clock = clock
        self._default_charset = default_charset
        self._incomplete: dict[Key, _Incomplete] = {}  # in the order of their first parts
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._incomplete)

    def add(self, system_id: str, sm: ShortMessage) -> JoinedMessage | None:
        """The message that this part completes, or None while parts are missing.

        Parts belong together when system_id, both addresses, kind, reference and total are equal; a
        repeated part replaces its first copy.
        """
        octets = payload_of(sm)
        place = is_udh = None
        if sm.esm_class & ESM_UDHI:
            place = is_udh = concatenation(octets)
            octets = split_header(octets)[1]
        place = place or sar(sm.tlvs)
        segment = (sm.data_coding, octets)
        if place is None:
            return JoinedMessage(self._text([segment]), 1)
        key = (
            system_id, sm.source_addr, sm.destination_addr, is_udh is not None, place.reference,
            place.total,
        )  # fmt: skip
        return self._add_part(key, place, segment)

    def _add_part(self, key: Key, place: Concatenation, segment: Segment) -> JoinedMessage | None:
        now = self._clock.monotonic()
        self._drop_old(now)
        incomplete = self._incomplete.get(key)
        if incomplete is None:
            if len(self._incomplete) >= MOST_INCOMPLETE:
                self._drop_oldest()
            incomplete = self._incomplete[key] = _Incomplete(now)
        segments = incomplete.segments
        segments[place.number] = segment
        if len(segments) < place.total:
            return None
        del self._incomplete[key]
        in_order = [segments[number] for number in sorted(segments)]
        return JoinedMessage(self._text(in_order), place.total)

    def _drop_old(self, now: float) -> None:
        waiting = self._incomplete
        while waiting and waiting[next(iter(waiting))].first_at + INCOMPLETE_KEPT_S <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        del self._incomplete[next(iter(self._incomplete))]
        self.dropped += 1

    def _text(self, segments: list[Segment]) -> str:
        """Octets are joined before they are read: a careless ESME cuts characters in two."""
        return "".join(
            self._read(data_coding, b"".join(octets for _, octets in run))
            for data_coding, run in groupby(segments, key=lambda segment: segment[0])
        )

    def _read(self, data_coding: int, octets: bytes) -> str:
        try:
            text = decode(octets, data_coding, self._default_charset)
        except ValueError:
            text = None
        return _BINARY_MARK + octets.hex() if text is None else text
