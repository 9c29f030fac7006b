import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.domain.account import Door
from gateway.domain.bulk import BulkOrder
from protocols.mesms import upload as module
from protocols.mesms.upload import Upload, international

SEND = "/api/v2/sms/send"
HEADERS = {"Content-Type": "application/json"}
FORM: dict[str, Any] = {"sender": "MYBRAND", "content": "Hello"}


def numbers(count: int) -> list[str]:
    return [f"668{n:08}" for n in range(count)]


async def in_slices(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


# --- taking in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [{"msisdns": 1, **FORM}, {**FORM, "msisdns": 1}])
async def test_numbers_come_to_the_intake_in_lists(bench: Any, form: dict[str, Any]) -> None:
    bench.account.balance_micros *= 1000
    body = json.dumps(form | {"msisdns": numbers(30_000)}).encode()
    assert len(body) > 30 * bench.app._client_max_size  # which streamed reading does not mind
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=HEADERS)
        assert (await response.json())["recipients"] == 30_000
    (intake,) = bench.bulks.intakes
    assert (intake.door, intake.is_kept) == (Door.MESMS, True)
    assert list(intake.recipients) == numbers(30_000)
    assert min(intake.sizes[:-1]) >= 1_000
    assert max(intake.sizes) < 2_000


@pytest.mark.parametrize("size", [11, 1000, 70_000])
async def test_any_chunks_make_the_same(bench: Any, size: int) -> None:
    body = json.dumps(FORM | {"msisdns": numbers(500)}).encode()
    async with bench.client() as http:
        response = await http.post(SEND, data=in_slices(body, size), headers=HEADERS)
        assert response.status == 200
    assert list(bench.bulks.intakes[0].recipients) == numbers(500)


async def test_a_compressed_body(bench: Any) -> None:
    body = zlib.compress(json.dumps(FORM | {"msisdns": numbers(100)}).encode())
    headers = HEADERS | {"Content-Encoding": "deflate"}
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=headers)
        assert (await response.json())["recipients"] == 100


async def test_a_request_without_numbers_begins_no_intake(bench: Any) -> None:
    async with bench.client() as http:
        await http.post(SEND, json=FORM | {"msisdns": []})
        await http.post(SEND, json=FORM)
    assert bench.bulks.intakes == []


# --- dry runs -----------------------------------------------------------------------------------


async def test_a_dry_run_known_before_its_numbers_is_not_kept(bench: Any) -> None:
    body = json.dumps({"dryRun": True, **FORM, "msisdns": numbers(3000)})
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=HEADERS)
        assert (await response.json())["recipients"] == 3000
    (intake,) = bench.bulks.intakes
    assert not intake.is_kept
    assert intake.was_abandoned


async def test_a_dry_run_known_after_its_numbers_is_abandoned(bench: Any) -> None:
    body = json.dumps({**FORM, "msisdns": numbers(3000), "dryRun": True})
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=HEADERS)
        assert (await response.json())["dryRun"] is True
    (intake,) = bench.bulks.intakes
    assert intake.is_kept
    assert intake.was_abandoned
    assert bench.bulks.bulks == {}


async def test_a_dry_run_of_a_contact_group_is_not_kept(bench: Any) -> None:
    bench.directory.contact_groups[bench.account.id, 3] = numbers(10)
    async with bench.client() as http:
        response = await http.post(SEND, json=FORM | {"contactGroupId": 3, "dryRun": True})
        assert (await response.json())["recipients"] == 10
    assert not bench.bulks.intakes[0].is_kept


# --- what goes wrong ----------------------------------------------------------------------------


async def test_a_customer_who_goes_away_leaves_nothing(bench: Any) -> None:
    body = json.dumps(FORM | {"msisdns": numbers(5000)}).encode()
    balance = bench.account.balance_micros
    async with bench.client() as http:
        _, writer = await asyncio.open_connection(http.host, http.port)
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: x\r\nx-api-key: key-a\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (SEND.encode(), len(body), body[:-100])
        )
        await bench.bulks.taken_in.wait()
        writer.close()
        await bench.bulks.abandoned.wait()
    assert bench.bulks.bulks == {}
    assert bench.account.balance_micros == balance


@pytest.mark.parametrize("end", [b'"oops]}', b"17]}", b'"1"]'])
async def test_a_fault_far_in_leaves_nothing(bench: Any, end: bytes) -> None:
    body = json.dumps(FORM | {"msisdns": numbers(5000)}).encode()[:-2] + b", " + end
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=HEADERS)
        assert response.status == 400
    (intake,) = bench.bulks.intakes
    assert intake.was_abandoned
    assert intake.order is None


async def test_too_many_numbers_stop_the_reading(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocols.mesms.send_body.MAX_RECIPIENTS", 4000)
    body = json.dumps(FORM | {"msisdns": numbers(100_000)}).encode()
    async with bench.client() as http:
        response = await http.post(SEND, data=in_slices(body, 65_536), headers=HEADERS)
        assert response.status == 400
        text = (await response.json())["error"]
    assert text == "A message can have at most 2000000 recipients."
    (intake,) = bench.bulks.intakes
    assert intake.was_abandoned
    assert len(intake.recipients) <= 4000


async def test_a_contact_group_counts_too(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECIPIENTS", 4)
    bench.directory.contact_groups[bench.account.id, 3] = numbers(3)
    async with bench.client() as http:
        for count, status in [(1, 200), (2, 400)]:
            form = FORM | {"contactGroupId": 3, "msisdns": numbers(count)}
            assert (await http.post(SEND, json=form)).status == status


async def test_a_body_without_a_length_is_bounded(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BODY_OCTETS", 100_000)
    body = json.dumps(FORM | {"msisdns": numbers(10_000)}).encode()
    async with bench.client() as http:
        response = await http.post(SEND, data=in_slices(body, 10_000), headers=HEADERS)
        assert response.status == 413
    assert bench.bulks.intakes[0].was_abandoned


async def test_a_customer_who_stops_sending(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE_TIMEOUT_S", 0.05)
    async with bench.client() as http:
        reader, writer = await asyncio.open_connection(http.host, http.port)
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: x\r\nx-api-key: key-a\r\nContent-Length: 1000\r\n\r\n"
            b'{"msisdns": ["66812345678", ' % SEND.encode()
        )
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert answer.endswith(b'"code":"REQUEST_TIMEOUT"}')


async def test_a_store_that_goes_away_half_way(bench: Any) -> None:
    body = json.dumps(FORM | {"msisdns": numbers(5000)}).encode()
    bench.bulks.unavailable = True
    async with bench.client() as http:
        response = await http.post(SEND, data=body, headers=HEADERS)
        assert response.status == 503
    assert bench.bulks.intakes[0].was_abandoned


async def test_a_message_is_committed_once(bench: Any) -> None:
    async with Upload(bench.bulks, bench.credential, is_kept=True) as upload:
        await upload.join([numbers(2)])
        order = BulkOrder("MYBRAND", "Hello")
        await upload.commit(order, None, lambda _: (200, b""))
        with pytest.raises(RuntimeError, match="once"):
            await upload.commit(order, None, lambda _: (200, b""))
    assert not bench.bulks.intakes[0].was_abandoned


# --- content types (1) --------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SEND, "/api/v2/sms/preview"])
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("", 400),
    ],
)
async def test_a_body_is_json(bench: Any, path: str, content_type: str, status: int) -> None:
    body = json.dumps(FORM | {"msisdns": numbers(1)})
    async with bench.client() as http:
        response = await http.post(path, data=body, headers={"Content-Type": content_type})
        assert response.status == status


async def test_a_body_of_no_type_is_taken_for_json(bench: Any) -> None:
    async with bench.client() as http:
        response = await http.post(
            SEND,
            data=json.dumps(FORM | {"msisdns": numbers(1)}).encode(),
            skip_auto_headers=["Content-Type"],
        )
        assert response.status == 200


# --- numbers ------------------------------------------------------------------------------------


def test_thai_numbers_in_national_form() -> None:
    written = [
        "0812345678",
        "66812345678",
        "+66812345678",
        "081234567",
        "0066812345",
        "08123x5678",
        "",
    ]
    assert international(written) == ["66812345678", *written[1:]]


@pytest.mark.parametrize(("region", "taken"), [("", "66812345678"), ("TH", "0812345678")])
async def test_an_account_with_a_region_has_its_own_national_form(
    bench: Any, region: str, taken: str
) -> None:
    bench.account.region = region
    async with bench.client() as http:
        await http.post(SEND, json=FORM | {"msisdns": ["0812345678"]})
    assert list(bench.bulks.intakes[0].recipients) == [taken]
