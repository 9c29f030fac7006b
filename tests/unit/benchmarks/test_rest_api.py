import base64
import json
from urllib.parse import parse_qsl

import pytest

from benchmarks.esme import SENDER, TEXT
from benchmarks.rest_api import Api, accepted, render_request

ONE, TWO = ["46700000007"], ["46700000007", "46700000008"]


def parts(api, numbers):
    """Request line, headers and body of a request."""
    head, _, body = render_request(api, 8080, "secret", numbers, SENDER).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert int(headers["Content-Length"]) == len(body)
    return line, headers, body.decode()


def test_exosend():
    line, headers, body = parts(Api.EXOSEND, ONE)
    assert line == "POST /api/v1/sms/send HTTP/1.1"
    assert headers["Authorization"] == "Bearer secret"
    assert json.loads(body) == {
        "recipient": "+46700000007", "message": TEXT, "sender_id": SENDER,
    }  # fmt: skip
    line, _, body = parts(Api.EXOSEND, TWO)
    assert line == "POST /api/v1/sms/send-bulk HTTP/1.1"
    assert json.loads(body)["recipients"] == ["+46700000007", "+46700000008"]


def test_exotel():
    line, headers, body = parts(Api.EXOTEL, TWO)
    assert line == "POST /v1/Accounts/bench/Sms/send.json HTTP/1.1"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"bench:secret"
    assert parse_qsl(body) == [
        ("From", SENDER), ("Body", TEXT), ("To[]", "+46700000007"), ("To[]", "+46700000008"),
    ]  # fmt: skip
    assert parse_qsl(parts(Api.EXOTEL, ONE)[2])[-1] == ("To", "+46700000007")


def test_mesms():
    line, headers, body = parts(Api.MESMS, TWO)
    assert line == "POST /api/v2/sms/send HTTP/1.1"
    assert headers["x-api-key"] == "secret"
    assert json.loads(body) == {"sender": SENDER, "content": TEXT, "msisdns": TWO}


def test_easysendsms():
    line, headers, body = parts(Api.EASYSENDSMS, TWO)
    assert line == "POST /v1/rest/sms/send HTTP/1.1"
    assert headers["apikey"] == "secret"
    assert json.loads(body) == {"from": SENDER, "to": ",".join(TWO), "text": TEXT, "type": "0"}


@pytest.mark.parametrize(
    ("api", "status", "body", "count"),
    [
        (Api.EXOSEND, 201, b'{"data":{"message_id":"x"}}', 1),
        (Api.EXOSEND, 201, b'{"data":{"total_messages":7,"message_ids":["x"]}}', 7),
        (Api.EXOSEND, 200, b'{"data":{"message_id":"x"}}', 0),
        (Api.EXOTEL, 200, b'[{"SMSMessage":{"Sid":"a"}},{"SMSMessage":{"Sid":"b"}}]', 2),
        (Api.EXOTEL, 429, b'{"RestException":{"Status":429}}', 0),
        (Api.MESMS, 200, b'{"uuid":"x","recipients":1000}', 1000),
        (Api.EASYSENDSMS, 200, b'{"messageIds":["OK: a","ERR: 4012","OK: b"]}', 2),
    ],
)
def test_what_was_accepted_is_counted(api, status, body, count):
    assert accepted(api, status, body) == count
