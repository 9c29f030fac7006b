"""The body of a send as it comes in: up to 2,000,000 numbers, never held or parsed as a whole.

The array `msisdns`, wherever it stands in the object, is taken out piece by piece and given on;
everything around it (at most 64 kB) is kept and parsed at the end, with an empty array in its
place.  Both halves are read by `json.loads`, so together they accept exactly what it accepts of the
whole, but for our own rules: the body is UTF-8 without a byte order mark, a name stands only once
in an object, NaN and infinities are no JSON, and the bounds below hold.

Knows neither HTTP nor the loop; each piece of its work takes well below a millisecond or two.
"""

import json
import math
import re
from collections.abc import Generator
from enum import Enum, auto

from gateway.domain.sms_text import is_storable
from protocols.mesms.contract import MAX_RECIPIENTS, InvalidParameters, too_many_recipients

ARRAY_KEY = "msisdns"
MAX_REST_OCTETS = 65_536  # outside of the array
MAX_MARKS = 4_096  # brackets, braces, commas, colons and quotes outside of the array
MAX_NUMBER_LENGTH = 256  # characters of one element
MOST_TOGETHER = 1_000  # elements in a list given on
MAX_SMALL_OCTETS = 4_096  # of a body that is parsed as a whole

_MAX_NUMBER_OCTETS = 12 * MAX_NUMBER_LENGTH + 2  # all of it escaped surrogate pairs
_SPACE = b" \t\n\r"
# Possessive throughout: whatever comes, nothing is tried twice.
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_ELEMENTS = re.compile(
    rb"(?:[ \t\n\r]*+%b[ \t\n\r]*+,){1,%d}+" % (_STRING, MOST_TOGETHER), re.DOTALL
)
_LAST_ELEMENT = re.compile(rb"[ \t\n\r]*+(%b)?+[ \t\n\r]*+\]" % _STRING, re.DOTALL)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
_TO_MARK = re.compile(rb'[^"{}\[\],:]*+')
_TO_QUOTE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)

_MALFORMED = "The request body is not a JSON object."
_NOT_STRINGS = f"{ARRAY_KEY} must be an array of strings."


class _Place(Enum):
    """Where in the body the next octet stands."""

    OUTSIDE = auto()
    IN_STRING = auto()  # outside of the array
    IN_ARRAY = auto()


class SendBody:
    """Reads one body.  Its methods raise InvalidParameters for what cannot be accepted.

    `fields_before_array`: what stood before the array, once that has begun.
    """

    __slots__ = (
        "_awaits_key", "_awaits_value", "_buffer", "_depth", "_is_after_comma", "_key", "_marks",
        "_place", "_rest", "_scanned", "_string_start", "fields_before_array", "number_count",
    )  # fmt: skip

    def __init__(self) -> None:
        self.number_count = 0
        self.fields_before_array: dict[str, object] | None = None
        self._place = _Place.OUTSIDE
        self._rest = bytearray()  # the body without the elements of the array
        self._scanned = 0  # octets of it that have been looked at
        self._buffer = b""  # the beginning of an element
        self._is_after_comma = False  # in the array
        self._depth = 0
        self._marks = 0
        self._awaits_key = False  # the next string is a key of the object itself
        self._awaits_value = False  # the next mark begins the value of `_key`
        self._key = b""  # as written, with its quotes
        self._string_start = 0

    def feed(self, octets: bytes) -> Generator[list[str], None, None]:
        """Takes the next octets, any number of them; gives the elements that are complete."""
        while octets:
            if self._place is _Place.IN_ARRAY:
                octets = yield from self._read_elements(self._buffer + octets)
            else:
                octets = self._read_rest(octets)

    def finish(self) -> dict[str, object]:
        """The fields of the body, which has ended; [] stands for the array."""
        if self._place is _Place.IN_ARRAY:
            raise InvalidParameters(_MALFORMED)
        return _parse_object(bytes(self._rest))

    # -- the array -------------------------------------------------------------------------------

    def _read_elements(self, octets: bytes) -> Generator[list[str], None, bytes]:
        """Reads on in the array; returns what follows it."""
        position = 0
        while (found := _ELEMENTS.match(octets, position)) is not None:
            yield self._parse_elements(octets[position : found.end() - 1])
            position = found.end()
            self._is_after_comma = True
        last = _LAST_ELEMENT.match(octets, position)
        if last is None:
            self._buffer = _unfinished_element(octets[position:])
            return b""
        if last[1] is not None:
            yield self._parse_elements(last[1])
        elif self._is_after_comma:
            raise InvalidParameters(_MALFORMED)
        self._place = _Place.OUTSIDE
        self._rest += b"]"
        self._scanned = len(self._rest)
        return octets[last.end() :]

    def _parse_elements(self, octets: bytes) -> list[str]:
        """The elements of a piece of the array, which is strings with commas between them."""
        try:
            elements: list[str] = json.loads(f"[{octets.decode()}]")
        except ValueError:
            raise InvalidParameters(_MALFORMED) from None
        self.number_count += len(elements)
        if self.number_count > MAX_RECIPIENTS:
            raise too_many_recipients()
        _check_elements(elements, octets)
        return elements

    # -- around it -------------------------------------------------------------------------------

    def _read_rest(self, octets: bytes) -> bytes:
        """Reads up to the array, or to the end; returns what follows the array's bracket."""
        start = len(self._rest)
        self._rest += octets[: MAX_REST_OCTETS + 1 - start]
        end = len(self._rest)
        while self._scanned < end:
            if self._place is _Place.IN_STRING:
                if not self._read_string(end):
                    break
            elif self._read_mark(end):
                following = octets[self._scanned - start :]
                del self._rest[self._scanned :]
                self._enter_array()
                return following
        if end > MAX_REST_OCTETS:
            raise InvalidParameters(
                f"The request body has more than {MAX_REST_OCTETS} octets beside {ARRAY_KEY}."
            )
        return b""

    def _read_string(self, end: int) -> bool:
        """Reads on in a string; False when its end has not come."""
        run = _TO_QUOTE.match(self._rest, self._scanned)
        self._scanned = run.end() if run else self._scanned
        if self._scanned == end or self._rest[self._scanned] == _BACKSLASH:
            return False
        self._scanned += 1
        self._place = _Place.OUTSIDE
        self._count_mark()
        if self._awaits_key and self._depth == 1:
            self._awaits_key = False
            self._key = bytes(self._rest[self._string_start : self._scanned])
        return True

    def _read_mark(self, end: int) -> bool:
        """Reads to the next mark and past it; True when it begins the array."""
        run = _TO_MARK.match(self._rest, self._scanned)
        self._scanned = run.end() if run else self._scanned
        if self._scanned == end:
            return False
        mark = self._rest[self._scanned]
        self._scanned += 1
        self._count_mark()
        if mark == _QUOTE:
            self._place = _Place.IN_STRING
            self._string_start = self._scanned - 1
        elif mark in _OPENING:
            if mark == _BRACKET and self._awaits_value and _names_array(self._key):
                return True
            self._depth += 1
            self._awaits_key = mark == _BRACE and self._depth == 1
        elif mark in _CLOSING:
            self._depth -= 1
        elif self._depth == 1:
            self._awaits_key = mark == _COMMA
        self._awaits_value = mark == _COLON and self._depth == 1
        return False

    def _count_mark(self) -> None:
        self._marks += 1
        if self._marks > MAX_MARKS:
            raise InvalidParameters("The request body has too many values.")

    def _enter_array(self) -> None:
        """What stands before the array must be sound: else its numbers are not worth taking."""
        self.fields_before_array = _parse_object(bytes(self._rest) + b"]}")
        self._place = _Place.IN_ARRAY
        self._awaits_value = False


def parse_small(octets: bytes) -> tuple[dict[str, object], list[str]]:
    """Fields and numbers of a whole body of at most MAX_SMALL_OCTETS: the usual send, at once.

    It is what SendBody makes of the same octets.

    Raises:
        InvalidParameters: it cannot be accepted.
    """
    fields = _parse_object(octets)
    numbers = fields.get(ARRAY_KEY)
    if not isinstance(numbers, list) or not numbers:
        return fields, []
    if not all(isinstance(number, str) for number in numbers):
        raise InvalidParameters(_NOT_STRINGS)
    _check_elements(numbers, octets)
    return {**fields, ARRAY_KEY: []}, numbers


_QUOTE, _BACKSLASH, _BRACE, _BRACKET, _COMMA, _COLON = b'"\\{[,:'
_OPENING, _CLOSING = b"{[", b"}]"


def _check_elements(elements: list[str], octets: bytes) -> None:
    """Bounds of one or more elements, which were read from `octets`."""
    if max(map(len, elements)) > MAX_NUMBER_LENGTH:
        raise _too_long_element()
    if b"\\" in octets and not is_storable("".join(elements)):
        raise InvalidParameters(f"An element of {ARRAY_KEY} cannot be stored as text.")


def _unfinished_element(octets: bytes) -> bytes:
    """What must be kept of the beginning of an element until the rest of it comes."""
    octets = octets.lstrip(_SPACE)
    if octets[:1] not in (b"", b'"'):
        raise InvalidParameters(_MALFORMED if octets[:1] == b"," else _NOT_STRINGS)
    whole = _WHOLE_STRING.match(octets)
    if whole is not None:
        if octets[whole.end() :].strip(_SPACE):
            raise InvalidParameters(_MALFORMED)
        octets = whole[0]
    if len(octets) > _MAX_NUMBER_OCTETS:
        raise _too_long_element()
    return octets


def _names_array(key: bytes) -> bool:
    """Whether `key`, as written, is the array's; it may be written with escapes."""
    try:
        return bool(json.loads(key) == ARRAY_KEY)
    except ValueError:
        return False  # then the whole body is malformed, which its parser will say


def _too_long_element() -> InvalidParameters:
    return InvalidParameters(
        f"An element of {ARRAY_KEY} has more than {MAX_NUMBER_LENGTH} characters."
    )


# --- JSON as a strict reader has it -------------------------------------------------------------


def _parse_object(octets: bytes) -> dict[str, object]:
    try:
        value: object = _DECODER.decode(octets.decode())
    except (ValueError, RecursionError):
        raise InvalidParameters(_MALFORMED) from None
    if not isinstance(value, dict):
        raise InvalidParameters(_MALFORMED)
    return value


def _object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A name that stands twice is refused: nobody can say which of two lists is meant."""
    value = dict(pairs)
    if len(value) < len(pairs):
        raise InvalidParameters("A name stands twice in an object of the request body.")
    return value


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object_of, parse_float=_finite_float, parse_constant=_no_constant
)
