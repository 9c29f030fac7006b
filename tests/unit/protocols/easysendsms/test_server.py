import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from gateway.domain.account import Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.keys import PublicIds
from gateway.domain.lookup import LookupFailure
from gateway.domain.money import parse_amount
from gateway.domain.sms_text import Alphabet
from protocols.easysendsms.errors import Endpoint
from protocols.easysendsms.server import BALANCE_REQUESTS, DOOR_NAME, REQUESTS_PER_S

VECTORS = Path(__file__).parents[3] / "vectors" / "easysendsms"
SEND, BALANCE = "/v1/rest/sms/send", "/v1/rest/sms/balance"
HLR, NV = "/v1/rest/hlr/query", "/v1/rest/nv/query"
FORM = {"from": "MYBRAND", "to": "12345678900", "text": "Hello", "type": "0"}
QUERY = {"number": "12345678900"}
BODIES = {SEND: FORM, HLR: QUERY, NV: QUERY}
RIVAL = {"apikey": "key-b"}


class DocumentedIds(PublicIds):
    """Gives out the ids of the golden files, in their order."""

    _TEXTS = ("69991a73-a560-429f-9c5a-3251dc1522bb", "87b0c1f2-0000-4000-8000-00000000000b")

    def __init__(self) -> None:
        self._keys: list[int] = []

    def encode(self, kind: str, key: int) -> str:
        assert kind == "message"
        if key not in self._keys:
            self._keys.append(key)
        return self._TEXTS[self._keys.index(key)]


def read_vector(path: Path) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return vector


def arrange(bench: Any, given: dict[str, str]) -> None:
    """Puts the bench into the situation a vector is given for; every name must be known."""
    given = dict(given)
    if "balance" in given:
        bench.account.balance_micros = parse_amount(given.pop("balance"))
    if "ip_allow" in given:
        bench.credential.ip_allow = (given.pop("ip_allow"),)
    if "scopes" in given:
        bench.credential.scopes = frozenset({given.pop("scopes")})
    bench.credential.enabled = given.pop("key", "") != "disabled"
    bench.account.enabled = given.pop("account", "") != "disabled"
    if "fault" in given:
        assert given.pop("fault") == "RuntimeError"
        bench.submitter.error = RuntimeError("a defect")
    if "refusal" in given:
        bench.submitter.refusal = Refusal(RefusalCode(given.pop("refusal")))
    if "bad" in given:
        bench.submitter.bad_recipients = {given.pop("bad")}
    if "failure" in given:
        bench.lookups.result = LookupFailure[given.pop("failure")]
    if "lookup_refusal" in given:
        bench.lookups.result = Refusal(RefusalCode(given.pop("lookup_refusal")))
    for name, endpoint in (("", Endpoint.SEND), ("hlr_", Endpoint.HLR), ("nv_", Endpoint.NV)):
        for _ in range(int(given.pop(f"{name}requests", "0"))):
            bench.limits.take_of((DOOR_NAME, endpoint, bench.account.id), REQUESTS_PER_S, 1.0)
    for _ in range(int(given.pop("balance_requests", "0"))):
        whose = DOOR_NAME, Endpoint.BALANCE, bench.account.id, "127.0.0.1"
        bench.limits.take_of(whose, BALANCE_REQUESTS, 60.0)
    assert not given


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
async def test_golden_vector(path: Path, bench: Any) -> None:
    vector = read_vector(path)
    assert vector["source"]
    golden = type(bench)(DocumentedIds())
    arrange(golden, vector.get("given", {}))
    request = vector["request"]
    body = json.dumps(request["json"]) if "json" in request else request.get("text")
    async with golden.client(key=None) as http:
        response = await http.request(
            request["method"], request["path"], headers=request["headers"], data=body
        )
        said = await response.read()
    assert (response.status, json.loads(said)) == (vector["status"], vector["body"])
    # The files are laid out for reading; on the wire there is no blank between tokens.
    assert said == json.dumps(vector["body"], separators=(",", ":")).encode()
    for name, value in vector["headers"].items():
        assert response.headers.get(name) == value, name
    assert ("Retry-After" in response.headers) == ("Retry-After" in vector["headers"])


def test_there_are_vectors_for_every_endpoint() -> None:
    names = {path.stem.partition("_")[0] for path in VECTORS.glob("*.json")}
    assert {"send", "balance", "hlr", "nv"} <= names
    assert len(list(VECTORS.glob("*.json"))) > 70


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["apikey", "APIKEY", "ApiKey"])
async def test_the_header_has_any_letter_case(bench: Any, header: str) -> None:
    async with bench.client(key=None) as http:
        assert (await http.get(BALANCE, headers={header: "key-a"})).status == 200


async def test_the_key_is_taken_from_nowhere_else(bench: Any) -> None:
    async with bench.client(key=None) as http:
        response = await http.post(SEND + "?apikey=key-a", json=FORM | {"apikey": "key-a"})
        assert await error_of(response) == (401, 4002)


async def test_a_key_of_another_door_is_unknown(bench: Any) -> None:
    bench.credential.door_names = frozenset({"exosend"})
    async with bench.client() as http:
        assert await error_of(await http.post(SEND, json=FORM)) == (401, 4003)
        bench.credential.door_names = frozenset({"exosend", "easysendsms"})
        assert (await http.post(SEND, json=FORM)).status == 200


async def test_the_address_is_checked_before_key_and_account(bench: Any) -> None:
    bench.credential.ip_allow = ("192.0.2.0/24",)
    bench.credential.enabled = bench.account.enabled = False
    async with bench.client() as http:
        codes = []
        for _ in range(3):
            codes.append((await error_of(await http.post(SEND, json=FORM)))[1])
            if not bench.credential.ip_allow:
                bench.credential.enabled = True
            bench.credential.ip_allow = ()
    assert codes == [4004, 4005, 4006]


async def test_the_client_address_is_what_a_trusted_proxy_says(bench: Any) -> None:
    bench.credential.ip_allow = ("192.0.2.0/24",)
    async with bench.client() as http:
        forwarded = {"X-Forwarded-For": "192.0.2.7"}
        assert (await http.post(SEND, json=FORM, headers=forwarded)).status == 200
        forwarded = {"X-Forwarded-For": "198.51.100.7"}
        response = await http.post(SEND, json=FORM, headers=forwarded)
        assert await error_of(response) == (403, 4004)


# --- sending ------------------------------------------------------------------------------------


async def test_the_submission_says_what_was_asked(bench: Any) -> None:
    form = FORM | {
        "from": "+447400000001", "to": "12345678901, 6111,12345678902", "text": "Sveiki", "type": "1",
        "scheduled": "2026-12-31T19:35:00",
    }  # fmt: skip
    async with bench.client() as http:
        assert (await http.post(SEND, json=form)).status == 200
    [(submission, recipients)] = bench.submitter.submissions
    assert recipients == ["+12345678901", "+12345678902"]
    assert submission.credential is bench.credential
    assert submission.door is Door.EASYSENDSMS
    assert (submission.sender, submission.text) == ("447400000001", "Sveiki")
    assert submission.due_at_ms == 1_798_745_700_000
    assert submission.measured == (Alphabet.UCS2, 1)
    messages = list(bench.reader.messages.values())
    assert [message.alphabet for message in messages] == [Alphabet.UCS2, Alphabet.UCS2]


async def test_unicode_is_charged_by_its_parts(bench: Any) -> None:
    async with bench.client() as http:
        await http.post(SEND, json=FORM | {"text": "x" * 71, "type": 1})
    [message] = bench.reader.messages.values()
    assert (message.alphabet, message.part_count, message.charge_micros) == (
        Alphabet.UCS2, 2, 70_000
    )  # fmt: skip


async def test_an_account_with_any_sender(bench: Any) -> None:
    bench.account.any_sender = True
    bench.account.senders = {"*", "WHOEVER"}
    async with bench.client() as http:
        assert (await http.post(SEND, json=FORM | {"from": "WHOEVER"})).status == 200


@pytest.mark.parametrize("code", list(RefusalCode))
async def test_any_other_error_aborts_all(bench: Any, code: RefusalCode) -> None:
    bench.submitter.refusal = Refusal(code, "private reason")
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM | {"to": "12345678900,12345678901"})
        body = await response.json()
    assert response.status >= 400
    assert set(body) == {"error", "description"}
    assert "private" not in body["description"]
    assert not bench.reader.messages


async def test_a_refusal_instead_of_the_commit(bench: Any) -> None:
    bench.submitter.late_refusal = Refusal(RefusalCode.NO_CREDIT)
    async with bench.client() as http:
        assert await error_of(await http.post(SEND, json=FORM)) == (402, 4015)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SEND),
        ("PUT", SEND),
        ("HEAD", BALANCE),
        ("DELETE", BALANCE),
        ("OPTIONS", SEND),
        ("GET", NV),
    ],
)
async def test_other_methods(bench: Any, method: str, path: str) -> None:
    async with bench.client() as http:
        response = await http.request(method, path)
        assert response.status == 405
        assert response.headers["Allow"] in ("POST", "GET, POST")
        if method != "HEAD":
            assert (await response.json())["error"] == 405


async def test_options_of_an_unknown_path(bench: Any) -> None:
    async with bench.client() as http:
        assert await error_of(await http.options("/v1/rest/sms/status")) == (404, 404)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("content_type", ["text/json", "text/plain", "multipart/form-data", ""])
async def test_other_content_types(bench: Any, path: str, content_type: str) -> None:
    async with bench.client() as http:
        headers = {"Content-Type": content_type} if content_type else {}
        skip = [] if content_type else ["Content-Type"]
        response = await http.post(
            path, data=json.dumps(BODIES[path]).encode(), headers=headers, skip_auto_headers=skip
        )
        assert await error_of(response) == (415, 415)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "x/y"])
async def test_the_balance_takes_any_body(bench: Any, content_type: str) -> None:
    async with bench.client() as http:
        headers = {"Content-Type": content_type}
        response = await http.post(BALANCE, data=b"{not json", headers=headers)
        assert (response.status, await response.json()) == (200, {"balance": 100})


# --- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BODIES)
async def test_thirty_requests_a_second(bench: Any, path: str) -> None:
    async with bench.client() as http:
        for _ in range(30):
            assert (await http.post(path, json=BODIES[path])).status == 200
        response = await http.post(path, json=BODIES[path])
        assert await error_of(response) == (429, 429)
        assert response.headers["Retry-After"] == "1"
        for other in BODIES.keys() - {path}:
            assert (await http.post(other, json=BODIES[other])).status == 200  # counted separately
        rivals = await http.post(path, json=BODIES[path], headers=RIVAL)
        assert rivals.status != 429
        bench.clock.advance(1.0)
        assert (await http.post(path, json=BODIES[path])).status == 200


async def test_two_balance_requests_a_minute_and_address(bench: Any) -> None:
    async with bench.client() as http:
        assert (await http.get(BALANCE)).status == 200
        assert (await http.post(BALANCE)).status == 200
        response = await http.get(BALANCE)
        assert await error_of(response) == (429, 429)
        assert response.headers["Retry-After"] == "60"
        elsewhere = {"X-Forwarded-For": "192.0.2.7"}
        assert (await http.get(BALANCE, headers=elsewhere)).status == 200
        assert (await http.get(BALANCE, headers=RIVAL)).status == 200
        bench.clock.advance(59.0)
        assert (await http.get(BALANCE)).status == 429
        bench.clock.advance(1.0)
        assert (await http.get(BALANCE)).status == 200


async def test_an_account_with_a_limit_of_its_own(bench: Any) -> None:
    bench.account.requests_per_min = 2
    async with bench.client() as http:
        assert (await http.post(SEND, json=FORM)).status == 200
        assert (await http.post(NV, json=QUERY)).status == 200
        response = await http.post(HLR, json=QUERY)
        assert (response.status, response.headers["Retry-After"]) == (429, "60")


async def test_an_account_without_limits(bench: Any) -> None:
    bench.account.requests_per_min = 0
    async with bench.client() as http:
        for _ in range(40):
            assert (await http.post(NV, json=QUERY)).status == 200


async def test_unknown_keys_take_no_part_in_the_limits(bench: Any) -> None:
    async with bench.client() as http:
        for _ in range(5):
            assert (await http.get(BALANCE, headers={"apikey": "stranger"})).status == 401
        assert (await http.get(BALANCE)).status == 200


# --- other tenants ------------------------------------------------------------------------------


async def test_each_key_has_its_own_account(bench: Any) -> None:
    bench.other_account.balance_micros = 7_000_000
    async with bench.client() as http:
        assert await (await http.get(BALANCE, headers=RIVAL)).json() == {"balance": 7}
        response = await http.post(SEND, json=FORM, headers=RIVAL)
        assert await error_of(response) == (400, 4014)  # the sender is the first account's
        await http.post(SEND, json=FORM | {"from": "EXOSMS"}, headers=RIVAL)
        assert await (await http.get(BALANCE)).json() == {"balance": 100}
        await http.post(HLR, json=QUERY, headers=RIVAL)
        await http.post(NV, json=QUERY)
    assert [asked[:3] for asked in bench.lookups.asked] == [
        ("hlr", "rival", Door.EASYSENDSMS), ("nv", "acme", Door.EASYSENDSMS),
    ]  # fmt: skip


async def test_idempotency_keys_of_two_accounts_are_two(bench: Any) -> None:
    bench.other_account.senders = {"MYBRAND"}
    key = {"Idempotency-Key": "k"}
    async with bench.client() as http:
        ours = await (await http.post(SEND, json=FORM, headers=key)).json()
        theirs = await (await http.post(SEND, json=FORM, headers=key | RIVAL)).json()
    assert ours["messageIds"] != theirs["messageIds"]


# --- idempotency --------------------------------------------------------------------------------


async def test_the_same_request_gets_the_same_answer(bench: Any) -> None:
    key = {"Idempotency-Key": "k"}
    async with bench.client() as http:
        first = await (await http.post(SEND, json=FORM, headers=key)).read()
        again = await (await http.post(SEND, json=FORM, headers=key)).read()
        other = await http.post(SEND, json=FORM | {"text": "Bye"}, headers=key)
        assert await error_of(other) == (422, 422)
    assert first == again
    assert len(bench.reader.messages) == 1


async def test_a_scheduled_request_is_the_same_when_its_time_has_passed(bench: Any) -> None:
    key = {"Idempotency-Key": "k"}
    due = "2026-09-21T14:20:00Z"  # some minutes after the clock's start
    form = FORM | {"scheduled": due}
    async with bench.client() as http:
        first = await http.post(SEND, json=form, headers=key)
        assert first.status == 200, await first.read()
        bench.clock.advance(86_000.0)
        again = await http.post(SEND, json=form, headers=key)
        assert await again.read() == await first.read()
        assert await error_of(await http.post(SEND, json=form)) == (400, 4017)
        later = await http.post(SEND, json=form, headers={"Idempotency-Key": "other"})
        assert await error_of(later) == (400, 4017)


async def test_a_request_that_still_runs(bench: Any) -> None:
    bench.submitter.hold = True
    key = {"Idempotency-Key": "k"}
    async with bench.client() as http:
        first = asyncio.ensure_future(http.post(SEND, json=FORM, headers=key))
        await bench.submitter.held_one.wait()
        assert await error_of(await http.post(SEND, json=FORM, headers=key)) == (409, 409)
        bench.submitter.release()
        assert (await first).status == 200


async def test_a_store_that_is_away(bench: Any) -> None:
    bench.reader.unavailable = True
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM, headers={"Idempotency-Key": "k"})
        assert await error_of(response) == (503, 4009)
        wrong = await http.post(SEND, json={}, headers={"Idempotency-Key": "k"})
        assert await error_of(wrong) == (503, 4009)


# --- queries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [HLR, NV])
async def test_only_numbers_are_asked_about_and_once(bench: Any, path: str) -> None:
    async with bench.client() as http:
        body = {"number": "12345678900,61111,12345678900, 37120000000"}
        assert (await http.post(path, json=body)).status == 200
    [(_, account, door, numbers)] = bench.lookups.asked
    assert (account, door, numbers) == ("acme", Door.EASYSENDSMS, ["12345678900", "37120000000"])


async def error_of(response: ClientResponse) -> tuple[int, int]:
    body = await response.json()
    assert set(body) == {"error", "description"}
    return response.status, body["error"]
