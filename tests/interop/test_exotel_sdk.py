"""`exotel` of PyPI, an independent client of the vendor's API, against our door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.domain.lifecycle import MessageState
from protocols.http.listener import HttpListener
from tests.support.exotel_bench import ExotelBench

exotel = pytest.importorskip("exotel")

SID, TOKEN = "old1", "s3cret"


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[ExotelBench, str]]:
    """The door and its base URL; it knows an account whose key is its SID, as the package has it."""
    bench = ExotelBench()
    bench.directory.add_key_pair(SID, SID, TOKEN, bench.account)
    listener = HttpListener(bench.app, "127.0.0.1", 0, drain_s=0.5)
    await listener.start()
    try:
        yield bench, f"http://127.0.0.1:{listener.port}/"
    finally:
        await listener.stop()


def client(base_url: str, token: str = TOKEN) -> Any:
    return exotel.Exotel(SID, token, baseurl=base_url)


async def test_a_message_and_its_details() -> None:
    async with serving() as (bench, url):
        sdk = client(url)
        response = await asyncio.to_thread(
            sdk.sms, "EXOCLASS", "+919876543210", "Grüße & mehr", priority="high"
        )
        assert response.status_code == 200
        sent = response.json()["SMSMessage"]
        assert (sent["Status"], sent["Body"]) == ("queued", "Grüße & mehr")
        ((submission, recipients),) = bench.submitter.submissions
        assert (submission.priority, recipients) == (2, ["+919876543210"])
        (message,) = bench.reader.messages.values()
        message.state, message.final_at_ms = MessageState.DELIVERED, 1
        details = await asyncio.to_thread(sdk.sms_details, sent["Sid"])
        assert details.json()["SMSMessage"]["Status"] == "sent"


async def test_a_status_callback() -> None:
    async with serving() as (bench, url):
        response = await asyncio.to_thread(
            client(url).sms, "EXOCLASS", "+919876543210", "Hi",
            status_callback="https://example.com/dlr",
        )  # fmt: skip
        assert response.status_code == 200
        assert "https://example.com/dlr" in bench.submitter.submissions[0][0].door_text


async def test_refusals() -> None:
    async with serving() as (_bench, url):
        wrong = await asyncio.to_thread(client(url, "x").sms, "EXOCLASS", "+9198", "Hi")
        assert wrong.status_code == 401
        nobody = await asyncio.to_thread(client(url).sms, "NOBODY", "+9198", "Hi")
        assert nobody.json()["RestException"] == {"Status": 400, "Message": "Invalid Parameters"}
