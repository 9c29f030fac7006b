from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from postern.commands.failure import CommandError
from postern.commands.send_exosend import ExoSendSending
from postern.commands.sending import Draft, Sending

ACCEPTED = {
    "success": True,
    "data": {"message_id": "id-1", "status": "pending", "cost": 0.035, "segments": 1,
             "balance_remaining": 99.965},
    "message": "SMS queued for sending",
}  # fmt: skip


class InstantClock:
    """Time passes in sleeps only."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, delay_s: float) -> None:
        self.now += delay_s
        self.slept.append(delay_s)


class Vendor:
    """Answers as ExoSend; `statuses` are told one after the other, the last for ever."""

    def __init__(self) -> None:
        self.answer: tuple[int, object] = (201, ACCEPTED)
        self.statuses = ["delivered"]
        self.bodies: list[Any] = []
        self.tokens: set[str] = set()
        self.asked = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1/sms/send", self._send)
        app.router.add_get("/api/v1/sms/{id}/status", self._status)
        return app

    async def _send(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers["Authorization"])
        self.bodies.append(await request.json())
        status, body = self.answer
        if isinstance(body, bytes):
            return web.Response(status=status, body=body)
        return web.json_response(body, status=status)

    async def _status(self, request: web.Request) -> web.Response:
        self.asked += 1
        word = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        code = "001" if word == "failed" else None
        data = {"id": request.match_info["id"], "status": word, "error_code": code}
        return web.json_response({"success": True, "data": data})


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
async def url(vendor: Vendor) -> AsyncIterator[str]:
    async with TestServer(vendor.app()) as server:
        yield str(server.make_url("/"))


async def send(
    url: str, *, sender: str = "", wait_s: float = 10.0, clock: InstantClock | None = None
) -> tuple[Sending, list[str]]:
    said: list[str] = []
    draft = Draft(sender=sender, to="+37120000000", text="hello", wait_s=wait_s)
    sending = ExoSendSending(draft, said.append, clock or InstantClock(), url, "1|secret")  # type: ignore[arg-type]  # only these two calls
    return await sending.run(), said


async def test_delivered(vendor: Vendor, url: str) -> None:
    vendor.statuses = ["pending", "sent", "delivered"]
    sending, said = await send(url)
    assert (sending.message_id, sending.receipt, sending.is_delivered) == (
        "id-1", "delivered", True,
    )  # fmt: skip
    assert said == ["accepted as id-1, cost 0.035", "receipt delivered, error none"]
    assert sending.facts()["balance_remaining"] == 99.965
    assert vendor.bodies == [{"recipient": "+37120000000", "message": "hello"}]
    assert vendor.tokens == {"Bearer 1|secret"}


async def test_failed(vendor: Vendor, url: str) -> None:
    vendor.statuses = ["failed"]
    sending, said = await send(url)
    assert (sending.receipt, sending.is_delivered) == ("failed", False)
    assert said[-1] == "receipt failed, error 001"


async def test_sender(vendor: Vendor, url: str) -> None:
    await send(url, sender="ACME")
    assert vendor.bodies[0]["sender_id"] == "ACME"


async def test_status_is_asked_seldom_and_not_beyond_the_wait(vendor: Vendor, url: str) -> None:
    vendor.statuses = ["sent"]
    clock = InstantClock()
    sending, _ = await send(url, wait_s=20.0, clock=clock)
    assert (sending.receipt, sending.is_delivered) == (None, False)
    assert clock.now == pytest.approx(20.0)
    assert vendor.asked == len(clock.slept) < 12


async def test_no_waiting(vendor: Vendor, url: str) -> None:
    sending, _ = await send(url, wait_s=0)
    assert (sending.receipt, vendor.asked) == (None, 0)


async def test_base_url_with_the_path_of_the_api(url: str) -> None:
    sending, _ = await send(f"{url}api/v1/")
    assert sending.is_delivered


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (402, {"success": False, "message": "Insufficient credits."}, "402: Insufficient credits"),
        (401, {"message": "Unauthenticated."}, "401: Unauthenticated"),
        (502, b"<html>", "502: Bad Gateway"),
        (200, {"success": True}, "200: OK"),
    ],
)
async def test_refused(vendor: Vendor, url: str, status: int, body: object, text: str) -> None:
    vendor.answer = (status, body)
    with pytest.raises(CommandError, match=text) as failure:
        await send(url)
    assert failure.value.exit_code == 1


async def test_nobody_listens() -> None:
    with pytest.raises(
        CommandError, match=r"127\.0\.0\.1:1/api/v1: Connect call failed"
    ) as failure:
        await send("http://127.0.0.1:1")
    assert failure.value.exit_code == 2


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://"])
async def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(CommandError, match="must be a URL"):
        await send(url)
