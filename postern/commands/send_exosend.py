"""Sends one message as a REST client of ExoSend does, and asks for its status until it is final."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from gateway.ports import Clock
from gateway.runtime.clock import LoopClock
from postern.commands.failure import REFUSED, UNREACHABLE, CommandError
from postern.commands.sending import Draft, Say, Sending

ANSWER_TIMEOUT_S = 10.0
# Waits between status requests grow: ExoSend allows 60 requests a minute.
_FIRST_ASK_S, _GROWTH = 0.25, 1.6
_API = "/api/v1"


class ExoSendSending:
    """One message over the ExoSend API at `url` (with or without `/api/v1`)."""

    def __init__(self, draft: Draft, say: Say, clock: Clock, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CommandError(f"--exosend {url}: must be a URL such as http://127.0.0.1:8080")
        self._url = url.rstrip("/") + ("" if parts.path.rstrip("/") else _API)
        self._draft = draft
        self._say = say
        self._clock = clock
        self._token = token

    async def run(self) -> Sending:
        """Sends and waits.

        Raises:
            CommandError: nobody answers, or the message is refused.
        """
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
                sending = await self._send(session)
                await self._await_final(session, sending)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "no answer in time"
            raise CommandError(f"{self._url}: {reason}", UNREACHABLE) from None
        return sending

    async def _send(self, session: aiohttp.ClientSession) -> Sending:
        draft = self._draft
        body = {"recipient": draft.to, "message": draft.text}
        if draft.sender:
            body["sender_id"] = draft.sender
        async with session.post(f"{self._url}/sms/send", json=body) as response:
            accepted = await self._answer(response)
        self._say(f"accepted as {accepted['message_id']}, cost {accepted['cost']}")
        return Sending(
            door="exosend",
            message_id=accepted["message_id"],
            details={key: accepted[key] for key in ("cost", "segments", "balance_remaining")},
        )

    async def _await_final(self, session: aiohttp.ClientSession, sending: Sending) -> None:
        clock = self._clock
        end = clock.monotonic() + self._draft.wait_s
        delay_s = _FIRST_ASK_S
        while (left_s := end - clock.monotonic()) > 0:
            await clock.sleep(min(delay_s, left_s))
            delay_s *= _GROWTH
            async with session.get(f"{self._url}/sms/{sending.message_id}/status") as response:
                status = await self._answer(response)
            if status["status"] in ("delivered", "failed"):
                sending.receipt = status["status"]
                sending.is_delivered = status["status"] == "delivered"
                error = status["error_code"] or "none"
                self._say(f"receipt {status['status']}, error {error}")
                return

    async def _answer(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        """`data` of a success envelope (contract 1.2)."""
        try:
            body = json.loads(await response.read())
        except ValueError:
            body = {}
        if response.status not in (200, 201) or not isinstance(body.get("data"), dict):
            text = body.get("message") or response.reason
            raise CommandError(f"{self._url}: HTTP {response.status}: {text}", REFUSED)
        data: dict[str, Any] = body["data"]
        return data


def send(draft: Draft, say: Say, url: str, token: str) -> Sending:
    """`ExoSendSending` in an event loop of its own."""

    async def run() -> Sending:
        clock = LoopClock(asyncio.get_running_loop())
        return await ExoSendSending(draft, say, clock, url, token).run()

    return asyncio.run(run())
