"""What the golden files do not show: what the heart is asked for, limits, repeats, refused keys."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import FormData, encode_basic_auth

from gateway.domain.account import Door
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.message import Submission
from gateway.domain.sms_text import Alphabet
from gateway.domain.vendor_tlv import PE_ID, TEMPLATE_ID, TM_ID, decode_texts
from protocols.exotel.contract import StatusCallback
from protocols.exotel.door_note import has_callback, sms_type

ACCOUNT = "/v1/Accounts/acme1"
SEND = ACCOUNT + "/Sms/send.json"
BULK = ACCOUNT + "/Sms/bulksend.json"
ONE = {"From": "EXOCLASS", "To": "+37061234567", "Body": "Hello"}
NUMBERS = ["+37061234567", "+37061234568", "+37061234569"]


async def submitted(bench: Any, fields: dict[str, str], path: str = SEND) -> Submission:
    """What one accepted request asked the heart for."""
    async with bench.client() as http:
        response = await http.post(path, data=fields)
        assert response.status == 200, await response.text()
    (asked,) = bench.submitter.submissions
    submission: Submission = asked[0]
    return submission


# --- what the heart is asked for ----------------------------------------------------------------


async def test_a_bare_message_asks_for_nothing_special(bench: Any) -> None:
    submission = await submitted(bench, ONE)
    assert submission.door == Door.EXOTEL
    assert (submission.credential, submission.sender) == (bench.credential, "EXOCLASS")
    assert (submission.text, submission.opaque) == ("Hello", None)
    assert (submission.priority, submission.door_note, submission.door_text) == (1, 0, "")
    assert submission.measured == (Alphabet.GSM7, 1)


@pytest.mark.parametrize(("region", "asked"), [("", "919876543210"), ("LV", "09876543210")])
async def test_the_national_form_is_indian_unless_the_account_has_a_region(
    bench: Any, region: str, asked: str
) -> None:
    bench.credential.account.region = region
    async with bench.client() as http:
        for fields in (
            {**ONE, "To": "09876543210"},
            {"From": "EXOCLASS", "Body": "x", "To[0]": "09876543210", "To[1]": "+37061234567"},
        ):
            await http.post(SEND, data=fields)
    recipients = [recipients for _, recipients in bench.submitter.submissions]
    assert recipients == [[asked], [asked], ["+37061234567"]]


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("", "Hello", (Alphabet.GSM7, 1)),
        ("plain", "Hello", (Alphabet.GSM7, 1)),
        ("plain", "नमस्ते", (Alphabet.UCS2, 1)),  # it gives way: no error is documented
        ("", "नमस्ते", (Alphabet.UCS2, 1)),
        ("unicode", "Hello", (Alphabet.UCS2, 1)),
        ("unicode", "x" * 71, (Alphabet.UCS2, 2)),
    ],
)
async def test_encoding_type(bench: Any, encoding: str, text: str, expected: object) -> None:
    submission = await submitted(bench, {**ONE, "Body": text, "EncodingType": encoding})
    assert submission.measured == expected


@pytest.mark.parametrize(("word", "priority"), [("", 1), ("normal", 1), ("high", 2)])
async def test_priority(bench: Any, word: str, priority: int) -> None:
    assert (await submitted(bench, {**ONE, "Priority": word})).priority == priority


@pytest.mark.parametrize("word", ["transactional", "transactional_opt_in", "promotional"])
async def test_sms_type_is_kept_with_the_message(bench: Any, word: str) -> None:
    submission = await submitted(bench, {**ONE, "SmsType": word})
    assert sms_type(submission.door_note) == word
    assert not has_callback(submission.door_note)


async def test_dlt_fields_become_tlvs_beside_the_text(bench: Any) -> None:
    fields = {"DltEntityId": "1101", "DltTemplateId": "1107", "BindingChainDetails": "1101,1302"}
    submission = await submitted(bench, {**ONE, **fields})
    assert submission.opaque is not None
    assert submission.opaque[:3] == (b"", 0, 0)
    texts = decode_texts(submission.opaque.tlvs)
    assert texts == {PE_ID: "1101", TEMPLATE_ID: "1107", TM_ID: "1101,1302"}


async def test_a_status_callback_is_kept_with_the_message(bench: Any) -> None:
    url = "https://example.com/dlr?k=1"
    submission = await submitted(bench, {**ONE, "StatusCallback": url, "CustomField": "order ü"})
    assert has_callback(submission.door_note)
    kept = StatusCallback.of_door_text(submission.door_text)
    assert kept == StatusCallback(url, is_json=False, custom_field="order ü")


async def test_a_custom_field_without_a_callback_is_not_kept(bench: Any) -> None:
    assert (await submitted(bench, {**ONE, "CustomField": "x"})).door_text == ""


async def test_entries_of_a_bulk_have_what_is_theirs_and_what_is_common(bench: Any) -> None:
    body = {
        "From": "EXOSMS",
        "Priority": "high",
        "DltEntityId": "1",
        "CustomField": "c",
        "StatusCallback": "https://example.com/",
        "Messages": [
            {"To": NUMBERS[0], "Body": "a", "DltTemplateId": "2", "SmsType": "promotional"},
            {"To": NUMBERS[1], "Body": "b", "DltEntityId": "3", "From": "EXOCLASS"},
            {"To": NUMBERS[2], "Body": "c", "From": ""},
        ],
    }
    async with bench.client() as http:
        assert (await http.post(BULK, json=body)).status == 200
    asked = [submission for submission, _ in bench.submitter.submissions]
    assert [s.sender for s in asked] == ["EXOSMS", "EXOCLASS", "EXOSMS"]
    assert [s.text for s in asked] == ["a", "b", "c"]
    assert {s.priority for s in asked} == {2}
    assert {StatusCallback.of_door_text(s.door_text).custom_field for s in asked} == {"c"}
    assert [sms_type(s.door_note) for s in asked] == ["promotional", "", ""]
    assert [decode_texts(s.opaque.tlvs) for s in asked] == [
        {PE_ID: "1", TEMPLATE_ID: "2"},
        {PE_ID: "3"},
        {PE_ID: "1"},
    ]


# --- ways to write a list -----------------------------------------------------------------------


def multipart(numbers: list[str]) -> FormData:
    form = FormData({"From": "EXOCLASS", "Body": "Hello"}, default_to_multipart=True)
    for number in numbers:
        form.add_field("To", number)
    return form


LISTS: dict[str, dict[str, Any]] = {
    "indexed": {
        "data": {"From": "EXOCLASS", "Body": "Hello"}
        | {f"To[{n}]": number for n, number in enumerate(NUMBERS)}
    },
    "indexed with gaps": {
        "data": {"From": "EXOCLASS", "Body": "Hello"}
        | {f"To[{n * 3}]": number for n, number in enumerate(NUMBERS)}
    },
    "brackets": {
        "data": [("From", "EXOCLASS"), ("Body", "Hello"), *(("To[]", n) for n in NUMBERS)]
    },
    "repeated": {"data": [("From", "EXOCLASS"), ("Body", "Hello"), *(("To", n) for n in NUMBERS)]},
    "commas": {"data": {**ONE, "To": ", ".join(NUMBERS)}},
    "json": {"json": {**ONE, "To": NUMBERS}},
    "query": {"params": [("From", "EXOCLASS"), ("Body", "Hello"), *(("To", n) for n in NUMBERS)]},
}


@pytest.mark.parametrize("spelling", [*LISTS, "multipart"])
async def test_every_spelling_of_a_list(bench: Any, spelling: str) -> None:
    request = LISTS.get(spelling) or {"data": multipart(NUMBERS)}
    async with bench.client() as http:
        response = await http.post(SEND, **request)
        shown = await response.json()
    assert response.status == 200
    assert [item["SMSMessage"]["To"] for item in shown] == [f"00{n[1:]}" for n in NUMBERS]
    assert [recipients for _, recipients in bench.submitter.submissions] == [[n] for n in NUMBERS]


async def test_a_bare_number_is_answered_with_an_object(bench: Any) -> None:
    async with bench.client() as http:
        assert "SMSMessage" in await (await http.post(SEND, data=ONE)).json()


# --- limits -------------------------------------------------------------------------------------


async def test_200_posts_and_300_gets_a_minute(bench: Any) -> None:
    async with bench.client() as http:
        for path, left in ((SEND, 199), (BULK, 198)):
            response = await http.post(path, data={})
            assert response.headers["X-RateLimit-Limit"] == "200"
            assert response.headers["X-RateLimit-Remaining"] == str(left)
        response = await http.get(ACCOUNT)
        assert response.headers["X-RateLimit-Limit"] == "300"
        for _ in range(198):
            bench.limits.take_of(("exotel", "POST", 1), 200, 60)
        for path in (SEND, BULK):
            response = await http.post(path, data=ONE)
            assert (response.status, response.headers["Retry-After"]) == (429, "60")
            assert response.headers["X-RateLimit-Remaining"] == "0"
        assert (await http.get(ACCOUNT)).status == 200
        bench.clock.advance(60)
        assert (await http.post(SEND, data=ONE)).status == 200


async def test_an_account_with_a_limit_of_its_own_has_one_for_everything(bench: Any) -> None:
    bench.account.requests_per_min = 2
    async with bench.client() as http:
        assert (await http.post(SEND, data=ONE)).headers["X-RateLimit-Limit"] == "2"
        assert (await http.get(ACCOUNT)).status == 200
        assert (await http.post(SEND, data=ONE)).status == 429
        assert (await http.get(ACCOUNT)).status == 429


async def test_no_limit_at_all(bench: Any) -> None:
    bench.account.requests_per_min = 0
    async with bench.client() as http:
        response = await http.get(ACCOUNT)
    assert response.status == 200
    assert "X-RateLimit-Limit" not in response.headers


async def test_what_is_refused_before_the_account_is_known_costs_nothing(bench: Any) -> None:
    async with bench.client() as http:
        await http.post(SEND, data=ONE, headers={"Authorization": "Basic eDp5"})
        await http.post("/v1/Accounts/rival/Sms/send", data=ONE)
        response = await http.post(SEND, data=ONE)
    assert response.headers["X-RateLimit-Remaining"] == "199"


async def test_a_body_over_the_limit(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.post(SEND, data=b"x" * 100_001)
        assert response.status == 413
        assert (await response.json())["RestException"]["Status"] == 413


# --- who may ------------------------------------------------------------------------------------


async def test_the_user_name_may_be_the_sid(bench: Any) -> None:
    """Older accounts (1.2)."""
    bench.directory.add_key_pair("old1", "old1", "token-old", bench.account)
    headers = {"Authorization": encode_basic_auth("old1", "token-old")}
    async with bench.client() as http:
        assert (await http.get("/v1/Accounts/old1", headers=headers)).status == 200


async def test_credentials_in_the_url_are_the_same(bench: Any) -> None:
    async with bench.client() as http:
        http.session.headers.clear()
        url = http.make_url(ACCOUNT).with_user("key-a").with_password("token-a")
        async with http.session.get(url) as response:
            assert response.status == 200


async def test_addresses_outside_of_the_allowed_networks_are_refused(bench: Any) -> None:
    bench.credential.ip_allow = ("192.0.2.0/24",)
    async with bench.client() as http:
        assert (await http.get(ACCOUNT)).status == 401
        bench.credential.ip_allow = ("127.0.0.0/8",)
        assert (await http.get(ACCOUNT)).status == 200


async def test_refused_keys_are_logged_without_them(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.client() as http:
        await http.get(ACCOUNT, headers={"Authorization": encode_basic_auth("key-a", "guess")})
    (record,) = [r for r in caplog.records if r.message == "token.refused"]
    assert record.__dict__["fields"] == {"door": "exotel", "client": "127.0.0.1", "refused": 1}


async def test_a_pair_that_was_taken_out_does_not_open(bench: Any) -> None:
    bench.credential.enabled = False
    async with bench.client() as http:
        assert (await http.get(ACCOUNT)).status == 401


async def test_an_account_that_was_taken_out_is_not_active(bench: Any) -> None:
    """Its pairs are disabled with it."""
    bench.credential.enabled = bench.account.enabled = False
    async with bench.client() as http:
        assert (await http.get(ACCOUNT)).status == 403


async def test_private_reasons_stay_private(bench: Any) -> None:
    bench.submitter.refusal = Refusal(RefusalCode.NO_CREDIT, "balance of acme is 3 micros")
    async with bench.client() as http:
        for fields in (ONE, {**ONE, "To": ",".join(NUMBERS)}):
            assert "micros" not in await (await http.post(SEND, data=fields)).text()


# --- refused in part ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "detail"),
    [
        (RefusalCode.RECIPIENT_BLOCKED, 400, 40203),
        (RefusalCode.NO_ROUTE, 400, 40203),
        (RefusalCode.NO_CREDIT, 403, 40001),
        (RefusalCode.SENDER_NOT_ALLOWED, 400, 40206),
        (RefusalCode.ACCOUNT_DISABLED, 403, 40002),
        (RefusalCode.RATE_EXCEEDED, 503, 40405),
    ],
)
async def test_a_list_of_which_nothing_was_accepted(
    bench: Any, code: RefusalCode, status: int, detail: int
) -> None:
    bench.credential.error_codes = True
    bench.submitter.refusal = Refusal(code)
    async with bench.client() as http:
        response = await http.post(SEND, data={**ONE, "To": ",".join(NUMBERS)})
        assert response.status == status
        assert (await response.json())["RestException"]["Code"] == detail


async def test_answers_stand_in_the_order_of_the_request(bench: Any) -> None:
    bench.submitter.bad_recipients = {NUMBERS[0], NUMBERS[2]}
    async with bench.client() as http:
        response = await http.post(SEND, json={**ONE, "To": NUMBERS})
        shown = [item["SMSMessage"] for item in await response.json()]
    assert response.status == 207
    assert [item["Status"] for item in shown] == ["failed", "queued", "failed"]
    assert [bool(item["Sid"]) for item in shown] == [False, True, False]


# --- repeats ------------------------------------------------------------------------------------

KEY = {"Idempotency-Key": "order-7"}
MANY = {**ONE, "To": ",".join(NUMBERS)}
TWO_TEXTS = {
    "Messages[0][To]": NUMBERS[0], "Messages[0][Body]": "a",
    "Messages[1][To]": NUMBERS[1], "Messages[1][Body]": "b", "From": "EXOCLASS",
}  # fmt: skip
REPEATED = pytest.mark.parametrize(
    ("path", "fields"), [(SEND, ONE), (SEND, MANY), (BULK, TWO_TEXTS)], ids=["one", "list", "bulk"]
)


@REPEATED
async def test_a_repeated_request_gets_the_same_answer_and_sends_nothing(
    bench: Any, path: str, fields: dict[str, str]
) -> None:
    async with bench.client() as http:
        first = await (await http.post(path, data=fields, headers=KEY)).read()
        sent, balance = len(bench.reader.messages), bench.account.balance_micros
        second = await http.post(path, data=fields, headers=KEY)
        assert (second.status, await second.read()) == (200, first)
    assert (len(bench.reader.messages), bench.account.balance_micros) == (sent, balance)


@REPEATED
@pytest.mark.parametrize("change", ["body", "query", "format"])
async def test_a_key_of_another_request_is_refused(
    bench: Any, path: str, fields: dict[str, str], change: str
) -> None:
    async with bench.client() as http:
        assert (await http.post(path, data=fields, headers=KEY)).status == 200
        sent = len(bench.reader.messages)
        if change == "body":
            fields = {**fields, "CustomField": "other"}
        other = {"body": path, "query": path + "?Priority=high", "format": path[:-5]}[change]
        response = await http.post(other, data=fields, headers=KEY)
        assert response.status == 422
        assert "RestException" in await response.text()
    assert len(bench.reader.messages) == sent


@REPEATED
async def test_a_request_that_still_runs_is_not_begun_again(
    bench: Any, path: str, fields: dict[str, str]
) -> None:
    bench.submitter.hold = True
    async with bench.client() as http:
        first = asyncio.ensure_future(http.post(path, data=fields, headers=KEY))
        await bench.submitter.held_one.wait()
        second = await http.post(path, data=fields, headers=KEY)
        assert (second.status, second.headers["Retry-After"]) == (409, "1")
        assert "RestException" in await second.json()
        bench.submitter.release()
        assert (await first).status == 200


async def test_a_repeat_tries_again_what_was_refused(bench: Any) -> None:
    bench.submitter.bad_recipients = {NUMBERS[1]}
    async with bench.client() as http:
        first = await http.post(SEND, data=MANY, headers=KEY)
        before = await first.json()
        assert first.status == 207
        bench.submitter.bad_recipients = set()
        second = await http.post(SEND, data=MANY, headers=KEY)
        after = await second.json()
    assert second.status == 200
    assert [after[0], after[2]] == [before[0], before[2]]
    assert after[1]["SMSMessage"]["Sid"]
    assert len(bench.reader.messages) == 3


async def test_the_same_key_may_stand_for_one_request_of_each_endpoint(bench: Any) -> None:
    async with bench.client() as http:
        assert (await http.post(SEND, data=ONE, headers=KEY)).status == 200
        assert (await http.post(BULK, data=TWO_TEXTS, headers=KEY)).status == 200
    assert len(bench.reader.messages) == 3


async def test_the_stored_answer_is_valid_in_its_format(bench: Any) -> None:
    async with bench.client() as http:
        for _ in range(2):
            response = await http.post(SEND, data=MANY, headers=KEY)
            assert len(json.loads(await response.read())) == 3
