import asyncio
import json
from typing import Any

import pytest

from gateway.domain.bulk import BulkOrder, BulkState
from gateway.domain.errors import Refusal, RefusalCode
from protocols.mesms.times import parse_time

SEND = "/api/v2/sms/send"
PREVIEW = "/api/v2/sms/preview"
FORM: dict[str, Any] = {"sender": "MYBRAND", "content": "Hello", "msisdns": ["66812345678"]}
AT_TEN = "2026-06-01T10:00:00+07:00"


async def post(http: Any, form: dict[str, Any], path: str = SEND, **headers: str) -> Any:
    return await http.post(
        path, json=form, headers={n.replace("_", "-"): v for n, v in headers.items()}
    )


# --- send (3.1) ---------------------------------------------------------------------------------


async def test_the_order_says_what_was_asked(bench: Any) -> None:
    bench.directory.templates[bench.account.id, 5] = "Hello {{name}}, you owe {{sum}}"
    form = {
        "sender": "MYBRAND", "templateId": 5, "variables": {"name": "ตูน", "sum": 12},
        "msisdns": ["66812345678"], "scheduledTime": AT_TEN,
    }  # fmt: skip
    async with bench.client() as http:
        await post(http, form)
        await post(http, FORM)
    first, second = bench.bulks.intakes
    assert first.order == BulkOrder("MYBRAND", "Hello ตูน, you owe 12", parse_time(AT_TEN))
    assert second.order == BulkOrder("MYBRAND", "Hello", 0)
    assert first.credential is bench.credential


async def test_a_sent_message_can_be_followed(bench: Any) -> None:
    async with bench.client() as http:
        uuid = (await (await post(http, FORM)).json())["uuid"]
        shown = await (await http.get(f"/api/v2/sms/{uuid}")).json()
        assert (shown["uuid"], shown["status"], shown["content"]) == (uuid, "pending", "Hello")
        listed = await (await http.get("/api/v2/sms")).json()
        assert [each["uuid"] for each in listed["data"]] == [uuid]
        recipients = await (await http.get(f"/api/v2/sms/{uuid}/recipients?after=0")).json()
        assert recipients["data"][0]["msisdn"] == "66812345678"


async def test_a_scheduled_message_holds_its_price_until_it_is_cancelled(bench: Any) -> None:
    async with bench.client() as http:
        sent = await (await post(http, FORM | {"scheduledTime": AT_TEN})).json()
        assert bench.account.held_micros == 1_000_000
        assert bench.bulks.bulks[1].state is BulkState.SCHEDULED
        cancelled = await http.post(f"/api/v2/sms/{sent['uuid']}/cancel")
        assert (await cancelled.json())["refundedCredits"] == sent["credits"] == 1


async def test_invalid_and_blocked_numbers_are_recipients_without_a_price(bench: Any) -> None:
    bench.bulks.blocked = {"66898765432"}
    form = FORM | {"msisdns": ["66812345678", "junk", "0898765432"]}
    async with bench.client() as http:
        sent = await (await post(http, form)).json()
        assert (sent["recipients"], sent["credits"]) == (3, 1)
        path = f"/api/v2/sms/{sent['uuid']}/recipients"
        rows = (await (await http.get(path)).json())["data"]
    assert [(row["msisdn"], row["status"]) for row in rows] == [
        ("66812345678", "pending"), ("junk", "invalid"), ("66898765432", "blocked"),
    ]  # fmt: skip


@pytest.mark.parametrize("code", list(RefusalCode))
async def test_every_refusal_has_its_answer(bench: Any, code: RefusalCode) -> None:
    bench.bulks.refusal = Refusal(code, "private reason")
    async with bench.client() as http:
        response = await post(http, FORM)
        body = await response.json()
    assert 400 <= response.status < 600
    assert list(body) == ["error", "code"]
    assert "private" not in body["error"]
    assert ("Retry-After" in response.headers) == (response.status in (409, 429, 503))


async def test_any_sender_may_be_free(bench: Any) -> None:
    bench.account.senders = {"*"}
    bench.account.any_sender = True
    async with bench.client() as http:
        assert (await post(http, FORM | {"sender": "WHATEVER"})).status == 200


async def test_a_whole_send_is_checked_before_the_first_number_is_taken_from_a_group(
    bench: Any,
) -> None:
    bench.directory.contact_groups[bench.account.id, 3] = ["66811111111"]
    form = {"sender": "OTHER", "content": "Hello", "contactGroupId": 3}
    async with bench.client() as http:
        assert (await post(http, form)).status == 400
    assert bench.bulks.intakes == []


# --- dry run and preview (3.1, 3.2) -------------------------------------------------------------


@pytest.mark.parametrize("path", [SEND, PREVIEW])
async def test_what_is_only_calculated_costs_nothing(bench: Any, path: str) -> None:
    bench.account.balance_micros = 0
    async with bench.client() as http:
        response = await post(http, FORM | {"dryRun": True}, path)
        assert response.status == 200
        assert "uuid" not in await response.json()
        assert (await (await http.get("/api/v2/sms")).json())["total"] == 0
    assert bench.bulks.intakes[0].order is None


async def test_a_preview_needs_no_scope_and_no_sender(bench: Any) -> None:
    bench.credential.scopes = frozenset({"read"})
    form = {"msisdns": ["66812345678"], "content": "Hello", "sender": "OTHER"}
    async with bench.client() as http:
        assert (await post(http, form, PREVIEW)).status == 200
        assert not bench.bulks.intakes[0].is_kept


@pytest.mark.parametrize(
    ("content", "parts", "encoding", "length"),
    [
        ("x" * 160, 1, "GSM7", 160),
        ("x" * 161, 2, "GSM7", 161),
        ("x" * 306, 2, "GSM7", 306),
        ("x" * 307, 3, "GSM7", 307),
        ("€" * 80, 1, "GSM7", 80),
        ("€" * 81, 2, "GSM7", 81),
        ("ก" * 70, 1, "UCS2", 70),
        ("ก" * 71, 2, "UCS2", 71),
        ("ก" * 134, 2, "UCS2", 134),
        ("ก" * 135, 3, "UCS2", 135),
    ],
)
async def test_part_counting(
    bench: Any, content: str, parts: int, encoding: str, length: int
) -> None:
    """160 and 70 characters alone, 153 and 67 in parts."""
    async with bench.client() as http:
        quote = await (await post(http, FORM | {"content": content}, PREVIEW)).json()
    assert quote == {
        "recipients": 1, "parts": parts, "credits": parts, "encoding": encoding, "length": length,
    }  # fmt: skip


# --- Idempotency-Key ----------------------------------------------------------------------------


@pytest.mark.parametrize("scheduled", [None, AT_TEN])
async def test_a_repeat_gets_the_same_bytes(bench: Any, scheduled: str | None) -> None:
    form = FORM | {"scheduledTime": scheduled}
    async with bench.client() as http:
        first = await post(http, form, Idempotency_Key="order-17")
        bench.account.senders.clear()  # a repeat is not decided again
        again = await post(http, form, Idempotency_Key="order-17")
        assert (first.status, again.status) == (200, 200)
        assert await again.read() == await first.read()
    assert len(bench.bulks.intakes) == 1


async def test_the_same_key_with_another_body(bench: Any) -> None:
    async with bench.client() as http:
        await post(http, FORM, Idempotency_Key="order-17")
        response = await post(http, FORM | {"content": "Else"}, Idempotency_Key="order-17")
        assert response.status == 422
        assert (await response.json())["code"] == "IDEMPOTENCY_MISMATCH"
    assert len(bench.bulks.intakes) == 1


async def test_the_same_key_while_the_first_runs(bench: Any) -> None:
    bench.bulks.may_commit.clear()
    async with bench.client() as http:
        first = asyncio.ensure_future(post(http, FORM, Idempotency_Key="order-17"))
        await bench.bulks.taken_in.wait()
        for form in (FORM, FORM | {"content": "Else"}):
            second = await post(http, form, Idempotency_Key="order-17")
            assert (second.status, second.headers["Retry-After"]) == (409, "1")
        bench.bulks.may_commit.set()
        assert (await first).status == 200


async def test_keys_of_accounts_are_apart(bench: Any) -> None:
    async with bench.client() as http:
        for key in ("key-a", "key-b"):
            response = await post(http, FORM, Idempotency_Key="order-17", x_api_key=key)
            assert response.status == 200
    assert len(bench.bulks.intakes) == 2


async def test_a_key_that_left_nothing_may_be_used_again(bench: Any) -> None:
    """A refusal, a fault of the request and a dry run."""
    async with bench.client() as http:
        bench.bulks.refusal = Refusal(RefusalCode.NO_CREDIT)
        assert (await post(http, FORM, Idempotency_Key="order-17")).status == 402
        bench.bulks.refusal = None
        assert (await post(http, {}, Idempotency_Key="order-17")).status == 400
        assert (await post(http, FORM | {"dryRun": True}, Idempotency_Key="order-17")).status == 200
        assert (await post(http, FORM, Idempotency_Key="order-17")).status == 200
    assert len(bench.bulks.bulks) == 1


async def test_a_store_that_cannot_tell_a_repeat(bench: Any) -> None:
    bench.reader.unavailable = True
    async with bench.client() as http:
        assert (await post(http, FORM, Idempotency_Key="order-17")).status == 503
    assert bench.bulks.intakes == []


async def test_a_repeat_of_another_type_is_refused(bench: Any) -> None:
    """What is compared is the body alone; the rules for its type come first."""
    body = json.dumps(FORM).encode()
    headers = {"Idempotency-Key": "order-17"}
    async with bench.client() as http:
        for content_type, status in [("application/json", 200), ("text/plain", 400)]:
            response = await http.post(
                SEND, data=body, headers=headers | {"Content-Type": content_type}
            )
            assert response.status == status
