"""What a carrier that has lost its mind sends: octets that are no answer.  Pure."""

from enum import StrEnum
from typing import NamedTuple

from protocols.smpp.codec import encode_header, encode_submit_sm_resp
from protocols.smpp.constants import CommandId

_NO_COMMAND = 0x00000099
_NO_LENGTH = b"\xff\xff\xff\xff"
_NOBODYS_SEQUENCE_NUMBER = 0x7FFF_FFFF
_NOISE = b"\xff" * 60_000
_HUGE = b"[" * (4 << 20)
_OTHER_PROTOCOL = b"SSH-2.0-simulator\r\n"
_HALF_OF_AN_ANSWER = (
    b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{"id":'
)


class Garbage(StrEnum):
    """Kinds of it.  `COMMAND` and `STRAY` come before the right answer, the others instead."""

    COMMAND = "command"  # a request with a command_id of nobody
    STRAY = "stray"  # a response that nobody asked for
    SEQUENCE = "sequence"  # the answer with a sequence_number of nobody
    LENGTH = "length"  # an impossible command_length
    HALF = "half"  # half of the answer
    TEXT = "text"  # the greeting of another protocol
    BODY = "body"  # the answer with noise in its body
    HUGE = "huge"  # an answer without an end in sight
    REDIRECT = "redirect"  # somewhere else


HARMLESS = frozenset({Garbage.COMMAND, Garbage.STRAY})
SMPP_KINDS = tuple(kind for kind in Garbage if kind not in (Garbage.HUGE, Garbage.REDIRECT))
HTTP_KINDS = (Garbage.TEXT, Garbage.BODY, Garbage.HALF, Garbage.HUGE, Garbage.REDIRECT)


def smpp_garbage(kind: Garbage, sequence_number: int, message_id: bytes) -> bytes:
    """What is sent beside, or instead of, the submit_sm_resp with these fields."""
    match kind:
        case Garbage.COMMAND:
            return encode_header(_NO_COMMAND, 0, sequence_number)
        case Garbage.STRAY:
            return encode_submit_sm_resp(_NOBODYS_SEQUENCE_NUMBER, 0, message_id)
        case Garbage.SEQUENCE:
            return encode_submit_sm_resp(_NOBODYS_SEQUENCE_NUMBER, 0, message_id)
        case Garbage.LENGTH:
            return _NO_LENGTH + encode_header(CommandId.SUBMIT_SM_RESP, 0, sequence_number)[4:]
        case Garbage.HALF:
            answer = encode_submit_sm_resp(sequence_number, 0, message_id)
            return answer[: len(answer) // 2]
        case Garbage.TEXT:
            return _OTHER_PROTOCOL
        case Garbage.BODY:
            length = 16 + len(_NOISE)
            header = encode_header(CommandId.SUBMIT_SM_RESP, 0, sequence_number)
            return length.to_bytes(4, "big") + header[4:] + _NOISE
        case _:
            raise ValueError(f"{kind} is no garbage of SMPP")


class HttpGarbage(NamedTuple):
    """An answer: `raw` octets after which the connection ends, or else a status and a body."""

    raw: bytes = b""
    status: int = 202
    body: bytes = b""
    location: str = ""


def http_garbage(kind: Garbage) -> HttpGarbage:
    """What is sent instead of the answer to a request."""
    match kind:
        case Garbage.TEXT:
            return HttpGarbage(raw=_OTHER_PROTOCOL)
        case Garbage.HALF:
            return HttpGarbage(raw=_HALF_OF_AN_ANSWER)
        case Garbage.BODY:
            return HttpGarbage(body=b"<html><title>Welcome to the hotel's network</title></html>")
        case Garbage.HUGE:
            return HttpGarbage(body=_HUGE)
        case Garbage.REDIRECT:
            return HttpGarbage(status=302, location="/elsewhere")
        case _:
            raise ValueError(f"{kind} is no garbage of HTTP")
