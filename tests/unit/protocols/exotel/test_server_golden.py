"""The golden files: one request and its answer each, octet for octet."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.account import Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.keys import PublicIds, first_key_at
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Message
from gateway.domain.money import parse_amount
from gateway.domain.sms_text import measure

VECTORS = Path(__file__).parents[3] / "vectors" / "exotel"
ACCEPTED_AT_MS = 1_777_701_031_000  # 2026-05-02 11:20:31 in India
SENT_AT_MS = ACCEPTED_AT_MS + 2_000
ENDED_AT_MS = ACCEPTED_AT_MS + 9_000
FIRST_KEY = first_key_at(ACCEPTED_AT_MS)


class DocumentedIds(PublicIds):
    """Gives out the Sid of the documentation, the last digit counting up."""

    _FIRST = 0x0F477D60517E6E6A0F6D9A7E9AF8630E

    def __init__(self) -> None:
        pass

    def encode(self, kind: str, key: int) -> str:
        assert kind == "message"
        digits = f"{self._FIRST + key - FIRST_KEY:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def decode(self, kind: str, text: str) -> int | None:
        assert kind == "message"
        known = {self.encode(kind, FIRST_KEY + n).replace("-", ""): FIRST_KEY + n for n in range(9)}
        return known.get(text)


def add_message(bench: Any, account: str, state: str, recipient: str, text: str) -> None:
    owner = bench.account if account == "acme1" else bench.other_account
    alphabet, parts = measure(text)
    message = Message(
        FIRST_KEY, owner, bench.credential, Door.EXOTEL, "EXOCLASS", recipient, text, None,
        alphabet, parts, 180_000 * parts, MoneyState.CHARGED, NotifyWhen.ALWAYS, 1, 0, 0,
    )  # fmt: skip
    message.state = MessageState[state]
    if message.state not in (MessageState.QUEUED, MessageState.REJECTED, MessageState.ATTEMPTED):
        message.sent_at_ms = SENT_AT_MS
    if message.state >= MessageState.DELIVERED:
        message.final_at_ms = ENDED_AT_MS
    bench.reader.messages[message.key] = message


async def arrange(bench: Any, given: dict[str, Any]) -> None:
    """Puts the bench into the situation a file is given for; every name must be known."""
    given = dict(given)
    account = bench.account
    account.enabled = given.pop("account_enabled", True)
    account.senders |= set(given.pop("senders", ()))
    account.default_sender = given.pop("default_sender", account.default_sender)
    account.balance_micros = parse_amount(given.pop("balance", "100"))
    account.requests_per_min = given.pop("requests_per_min", None)
    bench.credential.error_codes = given.pop("error_codes", False)
    if "refusal" in given:
        bench.submitter.refusal = Refusal(RefusalCode(given.pop("refusal")), "private")
    if "fault" in given:
        bench.submitter.error = RuntimeError(given.pop("fault"))
    bench.submitter.bad_recipients = set(given.pop("bad", ()))
    bench.reader.unavailable = given.pop("reader_unavailable", False)
    for message in given.pop("messages", ()):
        add_message(bench, **message)
    for method, count in given.pop("requests_made", {}).items():
        for _ in range(count):
            bench.limits.take_of(("exotel", method, account.id), 1000, 60)
    assert not given


def octets(body: object) -> bytes:
    """JSON as it is on the wire, without blanks; XML, and nothing at all, as it stands."""
    if isinstance(body, str):
        return body.encode()
    return b"" if body is None else json.dumps(body, separators=(",", ":")).encode()


def answer_octets(body: object) -> bytes:
    """XML is written as a list of lines, which no JSON answer is."""
    if isinstance(body, list) and isinstance(body[0], str):
        return "".join(f"{line}\n" for line in body).encode()
    return octets(body)


def read_vector(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
async def test_golden_file(path: Path, bench: Any) -> None:
    vector = read_vector(path)
    assert set(vector) == {"source", "given", "request", "status", "headers", "body"}
    golden = type(bench)(DocumentedIds())
    golden.submitter.next_key = FIRST_KEY
    await arrange(golden, vector["given"])
    request = vector["request"]
    async with golden.client() as http:
        http.session.headers.clear()
        response = await http.request(
            request["method"],
            request["path"],
            data=octets(request["body"]),
            headers=request["headers"],
            skip_auto_headers=["Content-Type"],
        )
        body = await response.read()
    assert (response.status, body) == (vector["status"], answer_octets(vector["body"]))
    expected = vector["headers"]
    limits = ("Retry-After", "WWW-Authenticate", "Allow", "X-RateLimit-Reset")
    shown = {name: response.headers[name] for name in limits if name in response.headers}
    shown["Content-Type"] = response.headers["Content-Type"]
    assert shown == expected


def test_every_endpoint_has_its_files() -> None:
    """In both formats, with an answer to bad input, over the limit and for another tenant."""
    names = {path.stem for path in VECTORS.glob("*.json")}
    for endpoint in ("send", "static_bulk", "bulksend", "details", "account"):
        for kind in ("", "_xml", "_other_tenant", "_limit"):
            assert f"{endpoint}{kind}" in names
