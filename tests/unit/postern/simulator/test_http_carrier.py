import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from gateway.runtime.clock import LoopClock
from gateway.runtime.supervisor import Supervisor
from postern.simulator import callbacks, http_carrier
from postern.simulator.behaviour import Behaviour, IdFormat
from postern.simulator.garbage import Garbage
from postern.simulator.http_carrier import SendRequest, SimulatedHttpCarrier, parse_send_request
from postern.simulator.inbox import Inbox
from tests.support.callback_receiver import receiving
from tests.support.smpp_peers import eventually

PROMPT = Behaviour(receipt_delay_s=(0.0, 0.0), late_by_s=0.0)
TO = "37120000000"


class Bench:
    """A carrier that listens, and a client of it."""

    def __init__(
        self, session: aiohttp.ClientSession, behaviour: Behaviour, **options: str
    ) -> None:
        self.session = session
        self.inbox = Inbox()
        self.supervisor = Supervisor(self._died)
        self.deaths: list[str] = []
        self.carrier = SimulatedHttpCarrier(
            "carrier",
            inbox=self.inbox,
            clock=LoopClock(asyncio.get_running_loop()),
            supervisor=self.supervisor,
            behaviour=behaviour,
            **options,
        )

    def _died(self, task: str, error: BaseException) -> None:
        self.deaths.append(task)

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.carrier.port}/send"
        async with self.session.post(url, data=body, headers=headers) as response:
            return response.status, await response.json()

    async def send(self, to: str = TO, text: str = "hello", **more: object) -> tuple[int, Any]:
        return await self.post(
            json.dumps({"to": to, "from": "POSTERN", "text": text, **more}).encode()
        )


@asynccontextmanager
async def serving(behaviour: Behaviour = PROMPT, **options: str) -> AsyncIterator[Bench]:
    async with aiohttp.ClientSession() as session:
        bench = Bench(session, behaviour, **options)
        await bench.carrier.start("127.0.0.1", 0)
        try:
            yield bench
        finally:
            await bench.carrier.stop()
            await bench.supervisor.stop()
        assert bench.deaths == []


async def test_a_message_reaches_the_inbox_and_its_receipt_the_callback() -> None:
    async with receiving() as receiver, serving() as bench:
        status, body = await bench.send(callback=receiver.url)
        receipt = await receiver.call()

    assert status == 202
    assert body == {"id": body["id"], "status": "accepted"}
    assert receipt == {"id": body["id"], "status": "delivered", "error": ""}
    assert bench.inbox.after(0) == [
        {
            "n": 1, "channel": "sms", "provider": "carrier", "from": "POSTERN",
            "to": "+37120000000", "text": "hello", "parts": 1,
        }
    ]  # fmt: skip


async def test_the_configured_callback_is_used_when_the_request_has_none() -> None:
    async with receiving() as configured, serving(callback_url=configured.url) as bench:
        _, body = await bench.send()
        assert await configured.call() == {"id": body["id"], "status": "delivered", "error": ""}
        async with receiving() as own:
            _, body = await bench.send(callback=own.url)
            assert await own.call() == {"id": body["id"], "status": "delivered", "error": ""}
        assert configured.is_empty


async def test_long_texts_show_their_parts() -> None:
    async with serving() as bench:
        await bench.send(text="a" * 161)
        await bench.send(text="ж" * 71)

    assert [entry["parts"] for entry in bench.inbox.after(0)] == [2, 2]


@pytest.mark.parametrize(
    ("recipient", "status", "error"),
    [
        ("37120000001", "failed", "001"),
        ("37120000003", "delivered", ""),
        ("37120000005", "expired", "005"),
    ],
)
async def test_magic_numbers_get_their_receipts(recipient: str, status: str, error: str) -> None:
    async with receiving() as receiver, serving() as bench:
        _, body = await bench.send(recipient, callback=receiver.url)

        assert await receiver.call() == {"id": body["id"], "status": status, "error": error}


async def test_magic_number_0002_gets_none() -> None:
    async with receiving() as receiver, serving() as bench:
        assert (await bench.send("37120000002", callback=receiver.url))[0] == 202
        _, other = await bench.send(callback=receiver.url)

        assert await receiver.call() == {"id": other["id"], "status": "delivered", "error": ""}


async def test_magic_number_0004_is_throttled_first() -> None:
    async with serving() as bench:
        assert (await bench.send("37120000004"))[0] == 429
        assert bench.inbox.after(0) == []
        assert (await bench.send("37120000004"))[0] == 202


async def test_a_secret_is_asked_for() -> None:
    body = b'{"to": "371", "from": "A", "text": "x"}'
    async with serving(secret="s3cret") as bench:
        assert (await bench.post(body))[0] == 401
        assert (await bench.post(body, {"Authorization": "Bearer wrong"}))[0] == 401
        assert (await bench.post(body, {"Authorization": "Bearer s3cret"}))[0] == 202


async def test_a_bad_request_is_answered_with_its_reason() -> None:
    async with serving() as bench:
        assert await bench.post(b"{") == (400, {"error": "the body is no JSON"})
        assert bench.carrier.tally.rejected == 1


async def test_too_many_pending_receipts_stop_the_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MOST_PENDING", 0)
    async with serving() as bench:
        assert (await bench.send())[0] == 503


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"from": "A", "text": "x"}', "to is missing"),
        (b'{"to": 371, "from": "A", "text": "x"}', "to is missing or no text"),
        (b'{"to": "abc", "from": "A", "text": "x"}', "to is no number"),
        (b'{"to": "371", "text": "x"}', "from is missing"),
        (b'{"to": "371", "from": "A", "text": ""}', "text is missing"),
        (b'{"to": "371", "from": "A", "text": "x", "callback": 1}', "callback is no"),
        (b'{"to": "371", "from": "A", "text": "x", "callback": "ftp://a/"}', "callback is no"),
        (b'{"to": "371", "from": "A", "text": "x", "callback": "http://"}', "callback is no"),
        (b'{"to": "371", "from": "A", "text": "x", "callback": "http://[/"}', "callback is no"),
    ],
)
def test_what_is_no_send_request(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_send_request(body)


def test_a_send_request() -> None:
    body = b'{"to": "+371", "from": "A", "text": "x", "callback": null, "more": 1}'

    assert parse_send_request(body) == SendRequest(sender="A", recipient="+371", text="x")


# --- scripted misbehaviour ------------------------------------------------------------------------


async def test_script_reject() -> None:
    async with serving(replace(PROMPT, reject_status=402)) as bench:
        assert (await bench.send())[0] == 402
    assert bench.inbox.after(0) == []


async def test_script_throttle_every_second() -> None:
    async with serving(replace(PROMPT, throttle_every=2)) as bench:
        assert [(await bench.send())[0] for _ in range(4)] == [202, 429, 202, 429]


async def test_script_never_answer() -> None:
    async with serving(replace(PROMPT, silence_every=1)) as bench:
        sending = asyncio.ensure_future(bench.send())
        await eventually(lambda: bench.carrier.tally.unanswered)
        assert not sending.done()
    with pytest.raises(aiohttp.ClientConnectionError):  # only because the carrier stopped
        await sending
    assert len(bench.inbox.after(0)) == 1


async def test_a_silence_ends_some_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_carrier, "SILENCE_S", 0.0)
    async with serving(replace(PROMPT, silence_every=1)) as bench:
        with pytest.raises(aiohttp.ClientConnectionError):
            await bench.send()


async def test_script_drop_after_two() -> None:
    async with serving(replace(PROMPT, drop_after=2)) as bench:
        assert (await bench.send())[0] == 202
        with pytest.raises(aiohttp.ClientConnectionError):
            await bench.send()
        assert (await bench.send())[0] == 202
        assert (bench.carrier.tally.accepted, bench.carrier.tally.unanswered) == (2, 1)
    assert len(bench.inbox.after(0)) == 3


@pytest.mark.parametrize("kind", [Garbage.TEXT, Garbage.HALF])
async def test_script_garbage_that_is_no_http(kind: Garbage) -> None:
    async with serving(replace(PROMPT, garbage=kind)) as bench:
        with pytest.raises((aiohttp.ClientResponseError, aiohttp.ClientPayloadError)):
            await bench.send()
        assert bench.carrier.tally.unanswered == 1


@pytest.mark.parametrize(
    ("kind", "status"), [(Garbage.BODY, 202), (Garbage.HUGE, 202), (Garbage.REDIRECT, 302)]
)
async def test_script_garbage_in_the_form_of_an_answer(kind: Garbage, status: int) -> None:
    body = {"to": TO, "from": "POSTERN", "text": "hello"}
    async with serving(replace(PROMPT, garbage=kind, garbage_every=2)) as bench:
        assert (await bench.send())[0] == 202
        url = f"http://127.0.0.1:{bench.carrier.port}/send"
        async with bench.session.post(url, json=body, allow_redirects=False) as response:
            assert response.status == status
            assert (kind is Garbage.HUGE) == (len(await response.read()) > 10**6)


async def test_script_stray_receipts() -> None:
    async with receiving() as receiver, serving(replace(PROMPT, stray_receipts=1)) as bench:
        _, body = await bench.send(callback=receiver.url)
        ids = {(await receiver.call())["id"] for _ in range(2)}  # type: ignore[index]

    assert body["id"] in ids
    assert len(ids) == 2


async def test_script_ids_in_two_formats() -> None:
    script = replace(PROMPT, response_ids=IdFormat.HEX, receipt_ids=IdFormat.DECIMAL)
    async with receiving() as receiver, serving(script) as bench:
        _, body = await bench.send(callback=receiver.url)
        receipt: Any = await receiver.call()

    assert receipt["id"] != body["id"]
    assert int(receipt["id"]) == int(body["id"], 16)


async def test_script_receipt_first() -> None:
    async with receiving() as receiver, serving(replace(PROMPT, receipt_first=True)) as bench:
        await bench.send(callback=receiver.url)

        assert not receiver.is_empty


async def test_script_duplicate_receipts() -> None:
    async with receiving() as receiver, serving(replace(PROMPT, duplicate_receipts=1)) as bench:
        await bench.send(callback=receiver.url)

        assert await receiver.call() == await receiver.call()


async def test_hlr_queries_are_answered() -> None:
    async with serving(secret="s3cret") as bench:
        url = f"http://127.0.0.1:{bench.carrier.port}/hlr"
        key = {"Authorization": "Bearer s3cret"}
        async with bench.session.get(url, params={"number": "37129200001"}) as response:
            assert response.status == 401
        async with bench.session.get(
            url, params={"number": "37129200001"}, headers=key
        ) as response:
            assert (await response.json())["state"] == "dead"
        async with bench.session.get(url, headers=key) as response:
            assert response.status == 400
