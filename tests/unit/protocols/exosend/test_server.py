import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from gateway.domain.account import Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.identity import Origin, SenderState, SenderVerification
from gateway.domain.keys import PublicIds
from gateway.domain.lifecycle import MessageState, MoneyState, NotifyWhen
from gateway.domain.message import Message
from gateway.domain.money import parse_amount
from gateway.domain.sms_text import Alphabet

VECTORS = Path(__file__).parents[3] / "vectors" / "exosend"
SEND = "/api/v1/sms/send"
BULK = "/api/v1/sms/send-bulk"
FORM = {"recipient": "+37061234567", "message": "Hello"}
SENT_AT_MS = 1_767_450_600_000  # 2026-01-03T14:30:00Z


class DocumentedIds(PublicIds):
    """Gives out the ids of the documentation, in its order."""

    _TEXTS = tuple(f"9a7f2e5c-1234-5678-90ab-cdef123456{n}" for n in (78, 79, 80, 81, 82))

    def __init__(self) -> None:
        self._keys: list[int] = []

    def encode(self, kind: str, key: int) -> str:
        assert kind in ("message", "sender")
        if key not in self._keys:
            self._keys.append(key)
        return self._TEXTS[self._keys.index(key)]

    def decode(self, kind: str, text: str) -> int | None:
        known = dict(zip(self._TEXTS, self._keys, strict=False))
        return known.get(text)


class Vector:
    """A golden file: comments with `Given:`, the request, `---`, status, headers and JSON body."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        self.given: dict[str, str] = {}
        while lines[0].startswith("#"):
            label, _, rest = lines.pop(0)[1:].strip().partition(": ")
            if label == "Given":
                self.given = dict(pair.split("=", 1) for pair in rest.split())
        cut = lines.index("---")
        request, answer = lines[:cut], lines[cut + 1 :]
        self.method, self.path = request.pop(0).split(" ")
        self.request_headers, self.request_body = self._head_and_body(request)
        self.status = int(answer.pop(0))
        self.headers, body = self._head_and_body(answer)
        # The files are laid out for reading; on the wire there is no blank between tokens.
        self.body = json.dumps(json.loads(body), separators=(",", ":")).encode() if body else b""

    @staticmethod
    def _head_and_body(lines: list[str]) -> tuple[dict[str, str], str]:
        end = lines.index("") if "" in lines else len(lines)
        headers = dict(line.split(": ", 1) for line in lines[:end])
        return headers, "\n".join(lines[end + 1 :])


def read_vector(path: Path) -> Vector:
    return Vector(path.read_text())


def message_in_state(bench: Any, state: MessageState, error: str = "") -> Message:
    message = Message(
        77 << 22, bench.account, bench.credential, Door.EXOSEND, "EXOCLASS", "37061234567", "Hello",
        None, Alphabet.GSM7, 1, 35_000, MoneyState.CHARGED, NotifyWhen.ALWAYS, 1, 0, 0,
    )  # fmt: skip
    message.state = state
    message.error = error
    if state not in (MessageState.QUEUED, MessageState.EXPIRED, MessageState.CANCELLED):
        message.sent_at_ms = SENT_AT_MS + 999
    if state >= MessageState.DELIVERED:
        message.final_at_ms = SENT_AT_MS + 15_500
    bench.reader.messages[message.key] = message
    bench.public_ids.encode("message", message.key)
    return message


def arrange(bench: Any, given: dict[str, str]) -> None:
    """Puts the bench into the situation a vector is given for; every name must be known."""
    given = dict(given)
    if "balance" in given:
        bench.account.balance_micros = parse_amount(given.pop("balance"))
    if "default_sender" in given:
        bench.account.default_sender = given.pop("default_sender")
    if "requests_per_min" in given:
        bench.account.requests_per_min = int(given.pop("requests_per_min"))
    if "refusal" in given:
        bench.submitter.refusal = Refusal(RefusalCode(given.pop("refusal")))
    if "bad" in given:
        bench.submitter.bad_recipients = {given.pop("bad")}
    if "scopes" in given:
        bench.credential.scopes = frozenset({given.pop("scopes")})
    if "senders" in given:
        arrange_senders(bench, given.pop("senders"))
    if "enabled" in given:
        bench.account.enabled = given.pop("enabled") == "yes"
    if "state" in given:
        message_in_state(bench, MessageState[given.pop("state")], given.pop("error", ""))
    bench.reader.unavailable = given.pop("reader", "") == "unavailable"
    for _ in range(int(given.pop("requests_made", "0"))):
        bench.limits.take(bench.account, 60)
    assert not given


def at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def arrange_senders(bench: Any, kind: str) -> None:
    """`documented`: the two of 2.11.1; `stages`: every row of 3.5; else one that is like `kind`."""
    for n in range(1, 6):  # the ids of the vectors, in the order of the rows
        bench.public_ids.encode("sender", n)
    add, first, second = bench.senders.add, at_ms("2026-01-01T10:00:00Z"), SENT_AT_MS
    if kind == "documented":
        add(
            bench.account, "EXOCLASS", is_default=True, message_count=42, created_at_ms=first,
            approved_at_ms=first + 7_200_000, verified_at_ms=first + 14_400_000,
        )  # fmt: skip
        second = at_ms("2026-01-02T10:00:00Z")
        add(
            bench.account, "EXOSMS", message_count=15, created_at_ms=second,
            approved_at_ms=second + 3_600_000, verified_at_ms=second + 10_800_000,
        )  # fmt: skip
        return
    pending = {
        "created_at_ms": first, "approved_at_ms": 0, "verified_at_ms": 0,
        "state": SenderState.PENDING, "verification": SenderVerification.PENDING,
    }  # fmt: skip
    approved = pending | {"state": SenderState.APPROVED, "approved_at_ms": second}
    rows: dict[str, dict[str, Any]] = {
        "pending": pending,
        "approved": approved,
        "verified": approved | VERIFIED | {"verified_at_ms": second},
        "rejected": pending | {"state": SenderState.REJECTED, "reason": "A bank's name."},
        "refused": approved | REFUSED | {"reason": "Not registered."},
    }
    if kind == "stages":
        for name, fields in rows.items():
            add(bench.account, name.upper(), **fields)
        return
    special = {
        "default": {"is_default": True},
        "used": {"message_count": 1},
        "declared": {"origin": Origin.FILE},
        "unused": {},
    }
    owner = bench.other_account if kind == "other_tenant" else bench.account
    add(owner, "EXOCLASS", **(rows | special).get(kind, {}))


VERIFIED = {"verification": SenderVerification.VERIFIED}
REFUSED = {"verification": SenderVerification.REJECTED}


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.http")), ids=lambda path: path.stem)
async def test_golden_vector(path: Path, bench: Any) -> None:
    vector = read_vector(path)
    golden = type(bench)(DocumentedIds())
    arrange(golden, vector.given)
    async with golden.client() as http:
        http.session.headers.clear()
        response = await http.request(
            vector.method,
            vector.path,
            headers=vector.request_headers,
            data=vector.request_body.encode() or None,
        )
        assert (response.status, await response.read()) == (vector.status, vector.body)
        expected = {"Access-Control-Allow-Origin": "*"}
        if vector.status != 204:
            expected |= {"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        for name, value in (expected | vector.headers).items():
            assert response.headers.get(name, "-") == value, name


def test_there_are_vectors() -> None:
    assert len(list(VECTORS.glob("*.http"))) > 40


async def test_the_submission_says_what_was_asked(bench: Any) -> None:
    async with bench.client() as http:
        await http.post(SEND, json=FORM | {"sender_id": "EXOSMS"})
        await http.post(BULK, json={"recipients": ["x", "+3701", "+3702"], "message": "Hi"})
    (one, recipient), (many, recipients) = bench.submitter.submissions
    assert recipient == ["+37061234567"]
    assert (one.credential, one.door, one.sender, one.text) == (
        bench.credential, Door.EXOSEND, "EXOSMS", "Hello",
    )  # fmt: skip
    assert recipients == ["+3701", "+3702"]
    assert (many.sender, many.text, many.idempotency) == ("EXOCLASS", "Hi", None)


@pytest.mark.parametrize("path", [SEND, BULK])
@pytest.mark.parametrize("code", list(RefusalCode))
async def test_every_refusal_has_its_answer(bench: Any, code: RefusalCode, path: str) -> None:
    bench.submitter.refusal = Refusal(code, "private reason")
    async with bench.client() as http:
        response = await http.post(path, json=FORM | {"recipients": ["+37061234567"]})
        body = await response.json()
    assert 400 <= response.status < 600
    assert body["message"]
    assert "private reason" not in json.dumps(body)
    assert response.headers["X-RateLimit-Limit"] == "60"
    assert ("Retry-After" in response.headers) == (response.status in (409, 429, 503))


async def test_a_refusal_instead_of_the_commit(bench: Any) -> None:
    bench.submitter.late_refusal = Refusal(RefusalCode.NO_CREDIT)
    async with bench.client() as http:
        assert (await http.post(SEND, json=FORM)).status == 402


async def test_a_message_can_be_followed_by_its_id(bench: Any) -> None:
    async with bench.client() as http:
        sent = await (await http.post(SEND, json=FORM)).json()
        message_id = sent["data"]["message_id"]
        for spelling in (message_id, message_id.upper()):
            response = await http.get(f"/api/v1/sms/{spelling}/status")
            status = await response.json()
            assert status["data"]["id"] == message_id
            assert status["data"]["status"] == "pending"


async def test_ids_of_bulk_messages_can_be_followed(bench: Any) -> None:
    async with bench.client() as http:
        body = {"recipients": ["+3701", "+3702"], "message": "Hi"}
        sent = await (await http.post(BULK, json=body)).json()
        ids = sent["data"]["message_ids"]
        recipients = [
            (await (await http.get(f"/api/v1/sms/{i}/status")).json())["data"]["recipient"]
            for i in ids
        ]
    assert recipients == ["+3701", "+3702"]


async def test_another_tenants_message_is_not_found(bench: Any) -> None:
    rival = {"Authorization": "Bearer token-b"}
    async with bench.client() as http:
        sent = await (await http.post(SEND, json=FORM)).json()
        path = f"/api/v1/sms/{sent['data']['message_id']}/status"
        theirs = await http.get(path, headers=rival)
        assert theirs.status == 404
        nobodys = await http.get("/api/v1/sms/00000000-0000-8000-8000-000000000000/status")
        assert await theirs.read() == await nobodys.read()


async def test_an_id_of_another_kind_is_not_found(bench: Any) -> None:
    message = message_in_state(bench, MessageState.SENT)
    async with bench.client() as http:
        path = f"/api/v1/sms/{bench.public_ids.encode('batch', message.key)}/status"
        assert (await http.get(path)).status == 404


async def test_multipart(bench: Any) -> None:
    form = FormData(quote_fields=False)
    for recipient in ("+3701", "x"):
        form.add_field("recipients[]", recipient)
    form.add_field("recipients[]", b"\x00\xff", filename="numbers.csv")
    form.add_field("message", "Grüße")
    async with bench.client() as http:
        response = await http.post(BULK, data=form)
        body = await response.json()
    assert response.status == 201
    assert body["data"]["invalid_recipients"] == ["x", "numbers.csv"]
    assert bench.submitter.submissions[0][0].text == "Grüße"


@pytest.mark.parametrize(
    ("length", "status"), [(1, 201), (1600, 201), (1601, 422)], ids=["1", "1600", "1601"]
)
async def test_message_length_counts_characters(bench: Any, length: int, status: int) -> None:
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM | {"message": "😀" * length})
        assert response.status == status
        if status == 422:
            assert (await response.json())["errors"] == {
                "message": ["The message field must not be greater than 1600 characters."]
            }


@pytest.mark.parametrize(("count", "status"), [(1000, 201), (1001, 422)], ids=["1000", "1001"])
async def test_recipients_have_a_limit(bench: Any, count: int, status: int) -> None:
    async with bench.client() as http:
        body = {"recipients": ["+37061234567"] * count, "message": "Hi"}
        response = await http.post(BULK, json=body)
        assert response.status == status
        if status == 422:
            assert (await response.json())["message"] == (
                "The recipients field must not have more than 1000 items."
            )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[" * 50_000,
        b'{"recipient":' * 5_000,
        b'{"recipient": NaN, "message": "x"}',
        b'{"recipient": 1e999, "message": "x"}',
        b'{"recipient": ' + b"9" * 5_000 + b"}",
        b'{"recipient": "\xff\xfe", "message": "x"}',
        b'"text"',
        b"[]",
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("path", [SEND, BULK])
async def test_unreadable_bodies_lack_their_fields(bench: Any, path: str, body: bytes) -> None:
    async with bench.client() as http:
        response = await http.post(path, data=body, headers={"Content-Type": "application/json"})
        assert response.status == 422
        assert "field is required. (and 1 more error)" in (await response.json())["message"]
    assert not bench.submitter.submissions


async def test_octets_that_are_not_utf8_in_a_form_are_named(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.post(
            SEND,
            data=b"recipient=%2B37061234567&message=%FF",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert (await response.json())["errors"] == {
            "message": ["The message field format is invalid."]
        }


async def test_a_body_over_the_limit(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.post(SEND, data=b"x" * 100_001)
        assert response.status == 413
        assert await response.json() == {"message": "The POST data is too large."}


async def test_a_fault_of_ours_shows_nothing(bench: Any) -> None:
    bench.submitter.error = RuntimeError("secret detail")
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM)
        assert response.status == 500
        assert await response.json() == {"message": "Server Error"}


async def test_a_token_with_wild_octets_is_no_token(bench: Any) -> None:
    async with bench.client() as http:
        reader, writer = await asyncio.open_connection(http.host, http.port)
        writer.write(
            b"GET /api/v1/balance HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Authorization: Bearer \xff\xfe\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 401")
        writer.close()


async def test_head_of_a_get_endpoint(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.head("/api/v1/balance")
        assert (response.status, await response.read()) == (200, b"")


# --- request limit (1.6) ------------------------------------------------------------------------


async def test_the_limit_is_shared_by_tokens_and_endpoints_of_an_account(bench: Any) -> None:
    bench.directory.add_token("token-a2", bench.account)
    async with bench.client() as http:
        first = await http.get("/api/v1/balance")
        second = await http.post(SEND, json=FORM, headers={"Authorization": "Bearer token-a2"})
        rival = await http.get("/api/v1/balance", headers={"Authorization": "Bearer token-b"})
    assert first.headers["X-RateLimit-Remaining"] == "59"
    assert second.headers["X-RateLimit-Remaining"] == "58"
    assert rival.headers["X-RateLimit-Remaining"] == "59"


async def test_the_61st_request_of_a_minute_waits_for_the_next(bench: Any) -> None:
    async with bench.client() as http:
        for _ in range(60):
            assert (await http.get("/api/v1/balance")).status == 200
        bench.clock.advance(20)
        refused = await http.get("/api/v1/balance")
        assert refused.status == 429
        assert refused.headers["Retry-After"] == "40"
        reset = bench.clock.now_ms() // 1000 + 40
        assert refused.headers["X-RateLimit-Reset"] == str(reset)
        bench.clock.advance(40)
        assert (await http.get("/api/v1/balance")).status == 200


async def test_failed_authentication_counts_for_nobody(bench: Any) -> None:
    async with bench.client() as http:
        for _ in range(70):
            assert (
                await http.get("/api/v1/balance", headers={"Authorization": "Bearer no"})
            ).status == 401
        assert (await http.get("/api/v1/balance")).status == 200


async def test_the_limit_comes_before_validation_and_object(bench: Any) -> None:
    bench.account.requests_per_min = 1
    async with bench.client() as http:
        await http.get("/api/v1/balance")
        assert (await http.post(SEND, json={})).status == 429
        assert (await http.get("/api/v1/sms/17/status")).status == 429


# --- Idempotency-Key ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [(SEND, FORM), (BULK, {"recipients": ["+3701", "x"], "message": "Hi"})],
    ids=["send", "bulk"],
)
async def test_a_repeat_gets_the_same_bytes(bench: Any, path: str, body: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "order-17"}
    async with bench.client() as http:
        first = await http.post(path, json=body, headers=headers)
        balance = bench.account.balance_micros
        bench.account.senders.clear()  # a repeat is not decided again
        again = await http.post(path, json=body, headers=headers)
        assert (first.status, again.status) == (201, 201)
        assert await again.read() == await first.read()
    assert bench.account.balance_micros == balance
    assert len(bench.submitter.submissions) == 1


async def test_the_same_key_with_another_body(bench: Any) -> None:
    headers = {"Idempotency-Key": "order-17"}
    async with bench.client() as http:
        await http.post(SEND, json=FORM, headers=headers)
        response = await http.post(SEND, json=FORM | {"message": "Else"}, headers=headers)
        assert response.status == 422
        assert (await response.json())["success"] is False
    assert len(bench.submitter.submissions) == 1


async def test_the_same_key_while_the_first_runs(bench: Any) -> None:
    headers = {"Idempotency-Key": "order-17"}
    bench.submitter.hold = True
    async with bench.client() as http:
        first = asyncio.ensure_future(http.post(SEND, json=FORM, headers=headers))
        await bench.submitter.held_one.wait()
        assert (await http.post(SEND, json=FORM, headers=headers)).status == 409
        bench.submitter.release()
        assert (await first).status == 201


async def test_keys_of_accounts_and_endpoints_are_apart(bench: Any) -> None:
    key = {"Idempotency-Key": "order-17"}
    body = FORM | {"recipients": ["+3701"]}
    async with bench.client() as http:
        for path, token in [(SEND, "token-a"), (BULK, "token-a"), (SEND, "token-b")]:
            headers = key | {"Authorization": f"Bearer {token}"}
            assert (await http.post(path, json=body, headers=headers)).status == 201
    assert len(bench.submitter.submissions) == 3


async def test_a_refused_key_may_be_used_again(bench: Any) -> None:
    headers = {"Idempotency-Key": "order-17"}
    bench.submitter.refusal = Refusal(RefusalCode.NO_CREDIT)
    async with bench.client() as http:
        assert (await http.post(SEND, json=FORM, headers=headers)).status == 402
        bench.submitter.refusal = None
        assert (await http.post(SEND, json=FORM, headers=headers)).status == 201


@pytest.mark.parametrize("key", ["k" * 256, "schlüssel"])
async def test_a_bad_key(bench: Any, key: str) -> None:
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM, headers={"Idempotency-Key": key})
        assert response.status == 422
    assert not bench.submitter.submissions
