"""Bad input on every door: the wire's own error, nothing charged, nothing secret in the log."""

import socket
from collections.abc import Iterator

import pytest

from protocols.smpp.constants import CommandId, CommandStatus
from tests.support.processes import PosternProcess, until
from tests.support.serving import CARRIER, LISTEN, Serving
from tests.support.smpp_customer import SmppCustomer

CONFIGURATION = (
    LISTEN
    + """
[smpp]
session_init_s = 1
[[account]]
name = "acme"
credit = "10"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-acme"
  [[account.smpp]]
  system_id = "acme"
  password = "secret"
"""
    + CARRIER.replace("[[route]]", '[[route]]\nprefix = "371"')
)
REQUIRED = ["recipient", "message"]
TO = '"recipient":"+37128000007"'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Serving:
    return Serving(tmp_path_factory.mktemp("bad"), CONFIGURATION)


@pytest.fixture(scope="module", autouse=True)
def daemon(gateway: Serving) -> Iterator[PosternProcess]:
    with gateway.serve() as running:
        yield running


@pytest.fixture(autouse=True)
def _unharmed(gateway: Serving, daemon: PosternProcess) -> Iterator[None]:
    """Whatever a test sends: the daemon goes on, has taken no money and shows no traceback."""
    before = gateway.balance("token-acme")
    yield
    assert gateway.balance("token-acme") == before
    assert "Traceback" not in daemon.errors


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", REQUIRED),
        (b"{", REQUIRED),
        (b"[1]", REQUIRED),
        (b"[" * 100_000, REQUIRED),
        (b'{"recipient":NaN,"message":1e999}', REQUIRED),
        (b'{"recipient":"+37128000007","message":"\xff"}', REQUIRED),
        (f'{{{TO},"message":"a\\u0000"}}'.encode(), ["message"]),
        (f'{{{TO},"message":"\\ud800"}}'.encode(), ["message"]),
        (f'{{{TO},"message":5}}'.encode(), ["message"]),
        (f'{{{TO},"message":"{"x" * 1601}"}}'.encode(), ["message"]),
        (b'{"recipient":"\\ud800","message":"x"}', ["recipient"]),
        (b'{"recipient":"37128000007","message":"x"}', ["recipient"]),
        (b'{"recipient":"+999123456","message":"x"}', ["recipient"]),
        (b'{"recipient":"+4915112345678","message":"x"}', ["recipient"]),
        (f'{{{TO},"message":"x","sender_id":"OTHER"}}'.encode(), ["sender_id"]),
        (f'{{{TO},"message":"x","sender_id":"acme"}}'.encode(), ["sender_id"]),
        (f'{{{TO},"message":"x","sender_id":"\\ud800"}}'.encode(), ["sender_id"]),
    ],
)
def test_a_bad_body_names_its_fields(gateway: Serving, body: bytes, fields: list[str]) -> None:
    reply = gateway.rest("token-acme").post("/sms/send", body)
    assert reply.status == 422
    assert list(reply.json["errors"]) == fields


def test_a_body_over_the_limit_is_413(gateway: Serving) -> None:
    reply = gateway.rest("token-acme").post("/sms/send", b"x" * 1_100_000)
    assert reply.status == 413
    assert reply.json == {"message": "The POST data is too large."}


def test_a_client_that_leaves_in_the_middle_is_no_fault_of_ours(gateway: Serving) -> None:
    head = b"POST /api/v1/sms/send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-acme\r\n"
    with socket.create_connection(("127.0.0.1", gateway.ports["http"])) as client:
        client.sendall(head + b"Content-Length: 50\r\n\r\n{")
    assert gateway.rest("token-acme").get("/balance").status == 200


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer private-"
        + b"x" * 20_000
        + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\nprivate-",
        b"private- nonsense\r\n\r\n",
    ],
    ids=["tls", "long-header", "negative-length", "no-http"],
)
def test_what_is_no_http_gets_400_and_is_not_logged(
    gateway: Serving, daemon: PosternProcess, octets: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.ports["http"]), timeout=10) as client:
        client.sendall(octets)
        assert client.recv(100).split()[1] == b"400"
    assert "private-" not in daemon.errors


def test_a_connection_that_never_binds_is_closed(gateway: Serving) -> None:
    with SmppCustomer("127.0.0.1", gateway.ports["smpp"]) as customer:
        assert customer.read() is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", CommandStatus.RINVCMDLEN),
        (b"\0\5\0ACME\0\1\1" + b"3" * 30 + b"\0\0\0\0\0\0\0\0\0\0\1x", CommandStatus.RINVDSTADR),
        (b"\0\5\0" + b"A" * 30 + b"\0", CommandStatus.RINVSRCADR),
        (b"\0\5\0ACME\0\1\00137128000007\0\0\0\0\0\0\0\0\0\0\x09short", CommandStatus.RINVMSGLEN),
        (b"\0\5\0ACME\0\1\00137128000007\0\0\0\x09\0\0\0\0\0\0\1x", CommandStatus.RINVPRTFLG),
        (b"\0\5\0ACME\0\1\0014915112345678\0\0\0\0\0\0\0\0\0\0\1x", CommandStatus.RINVDSTADR),
    ],
    ids=["empty", "long-destination", "long-source", "sm_length", "priority", "no-route"],
)
def test_a_bad_submit_sm_gets_its_status(
    gateway: Serving, body: bytes, status: CommandStatus
) -> None:
    with gateway.esme("acme") as esme:
        sequence = esme.next_sequence()
        header = (16 + len(body)).to_bytes(4, "big") + CommandId.SUBMIT_SM.to_bytes(4, "big")
        answer = esme.request(header + bytes(4) + sequence.to_bytes(4, "big") + body, sequence)
        assert answer.command_status == status
        # The session stays.
        assert esme.submit("", b"x", sender="ACME")[0] == CommandStatus.RINVDSTADR


def test_no_secret_and_no_customer_data_is_in_the_log(
    gateway: Serving, daemon: PosternProcess
) -> None:
    with SmppCustomer("127.0.0.1", gateway.ports["smpp"]) as customer:
        customer.bind("acme", "private-password")
    assert gateway.rest("private-token").get("/balance").status == 401
    body = {"recipient": "+37128000099", "message": "private-text", "sender_id": "PRIVATE"}
    gateway.rest("token-acme").post("/sms/send", body)
    until("the refused bind", lambda: '"bind.refused"' in daemon.errors)
    for private in ("private-", "PRIVATE", "token-acme", "37128000099"):
        assert private not in daemon.errors
