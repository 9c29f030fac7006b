import json

import pytest

from benchmarks.rest_client import (
    RestLink,
    RestLoad,
    RestOptions,
    parse_answer,
)
from tests.support.written import WrittenTransport

OPTIONS = RestOptions(
    port=80, token="t", connections=1, per_request=2, count=5, offset=10, timeout_s=1.0
)


def split(request):
    head, _, body = request.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), json.loads(body), len(body)


def answer(status, body):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_an_answer_is_whole_with_its_last_octet():
    octets = b"HTTP/1.1 201 Created\r\nX: y\r\ncontent-length: 4\r\n\r\nbody"
    assert all(parse_answer(octets[:end]) is None for end in range(len(octets)))
    assert parse_answer(octets) == (201, b"body")


def test_an_answer_without_a_length_is_an_error():
    with pytest.raises(ValueError, match="Content-Length"):
        parse_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_a_load_sends_every_recipient_once_and_counts_what_was_accepted():
    load = RestLoad(OPTIONS)
    link, transport = RestLink(load), WrittenTransport()
    link.connection_made(transport)
    link.send_next()
    sent = []
    for reply in (
        answer(201, b'{"total_messages":2}'),
        answer(429, b"{}"),
        answer(201, b'{"data":{"message_id":"x"}}'),
    ):
        sent.append(split(transport.taken())[1])
        link.data_received(reply[:9])
        link.data_received(reply[9:])
    recipients = [n for body in sent for n in body.get("recipients", [body.get("recipient")])]
    assert recipients == [f"+467000000{n}" for n in range(10, 15)]
    assert (load.accepted, dict(load.statuses)) == (3, {201: 2, 429: 1})
    assert load.done.is_set()
    assert transport.taken() == b""
