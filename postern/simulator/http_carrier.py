"""A simulated HTTP carrier: ``POST /send`` with JSON, receipts as POSTs to a callback URL.

It answers HLR queries too: ``GET /hlr``.
"""

import asyncio
import hmac
import json
from dataclasses import dataclass
from itertools import count

from aiohttp import web
from yarl import URL

from gateway.domain.sms_text import measure
from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from postern.simulator.behaviour import Answer, Behaviour, Fate, Judge, Plan
from postern.simulator.callbacks import Callback, CallbackSender
from postern.simulator.garbage import HttpGarbage, http_garbage
from postern.simulator.hlr import hlr_reply
from postern.simulator.inbox import Inbox
from postern.simulator.tally import Tally
from protocols.http.bodies import read_body
from protocols.http.listener import HttpListener

BODY_LIMIT = 256 * 1024  # octets
DRAIN_S = 0.5
SILENCE_S = 600.0  # until a connection without an answer is given up

# `status` and `error` of a receipt.
_WORDS = {
    Fate.DELIVERED: ("delivered", ""),
    Fate.FAILED: ("failed", Fate.FAILED.value),
    Fate.EXPIRED: ("expired", Fate.EXPIRED.value),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """The body of ``POST /send``; `callback` is empty when none was given."""

    sender: str
    recipient: str
    text: str
    callback: str = ""


def parse_send_request(body: bytes) -> SendRequest:
    """Reads ``{"to", "from", "text", "callback"?}``.

    Raises:
        ValueError: no JSON object, a field that is missing or of another type, a recipient that is
            no number, a callback that is no HTTP URL.  The text is for the client.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("the body is no JSON object")  # noqa: TRY004 - one error for the client
    recipient = _text_field(fields, "to")
    digits = recipient.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError("to is no number")
    callback = fields.get("callback") or ""
    if callback and not _is_http_url(callback):
        raise ValueError("callback is no http or https URL")
    return SendRequest(
        sender=_text_field(fields, "from"),
        recipient=recipient,
        text=_text_field(fields, "text"),
        callback=callback,
    )


def _text_field(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing or no text")
    return value


def _is_http_url(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        url = URL(value)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


class SimulatedHttpCarrier:
    """Listens for messages.  `name` is what the inbox shows as the provider.

    With a `secret`, requests must carry it as a bearer token.  `callback_url` is where receipts go
    when a request names no place of its own; empty means that they are not sent.
    """

    def __init__(
        self,
        name: str,
        *,
        inbox: Inbox,
        clock: Clock,
        supervisor: Supervisor,
        behaviour: Behaviour | None = None,
        secret: str = "",
        callback_url: str = "",
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._inbox = inbox
        self._clock = clock
        self._behaviour = behaviour or Behaviour()
        self._secret = secret
        self._callback_url = callback_url
        self._judge = Judge(self._behaviour)
        self._callbacks = CallbackSender(clock, supervisor, self.tally)
        # Ids of an earlier run must not come again: its receipts may still be awaited.
        self._numbers = count(clock.now_ms() * 1000)
        self._taken = 0
        self._listener: HttpListener | None = None

    # -- life ------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the start."""
        return self._listener.port if self._listener else 0

    async def start(self, host: str, port: int) -> None:
        """Listens; `port` 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_post("/send", self._send)
        app.router.add_get("/hlr", self._hlr)
        listener = HttpListener(app, host, port, drain_s=DRAIN_S)
        await listener.start()
        self._listener = listener
        self._callbacks.start()

    async def stop(self) -> None:
        """Stops listening; receipts that are not out yet are lost.  Idempotent."""
        if self._listener is not None:
            await self._listener.stop()
        await self._callbacks.stop()

    # -- requests --------------------------------------------------------------------------------

    async def _send(self, request: web.Request) -> web.Response:
        if not self._is_authorised(request):
            return _error(401, "wrong or missing bearer token")
        self.tally.submits += 1
        try:
            message = parse_send_request(await read_body(request))
        except ValueError as error:
            self.tally.rejected += 1
            return _error(400, str(error))
        except TimeoutError:
            self.tally.rejected += 1
            return _error(408, "the body did not come in time")
        if self._callbacks.is_full:
            self.tally.throttled += 1
            return _error(503, "too many receipts are pending")
        plan = self._judge.judge(message.recipient, self._clock.monotonic())
        response = await self._act(request, message, plan)
        await self._clock.sleep(self._behaviour.answer_delay_s)
        return response

    async def _hlr(self, request: web.Request) -> web.Response:
        if not self._is_authorised(request):
            return _error(401, "wrong or missing bearer token")
        reply = hlr_reply(request.query.get("number", ""))
        await self._clock.sleep(self._behaviour.answer_delay_s)
        return web.json_response(reply.body, status=reply.status)

    def _is_authorised(self, request: web.Request) -> bool:
        if not self._secret:
            return True
        given = request.headers.get("Authorization", "")
        expected = f"Bearer {self._secret}"
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())

    async def _act(self, request: web.Request, message: SendRequest, plan: Plan) -> web.Response:
        if plan.answer is Answer.THROTTLE:
            self.tally.throttled += 1
            return _error(429, "too many requests")
        if plan.answer is Answer.REJECT:
            self.tally.rejected += 1
            return _error(self._behaviour.reject_status, "rejected as scripted")
        self._inbox.add(
            provider=self.name,
            sender=message.sender,
            recipient=message.recipient,
            text=message.text,
            parts=measure(message.text)[1],
        )
        self._taken += 1
        if plan.answer is not Answer.ACCEPT or self._taken == self._behaviour.drop_after:
            self.tally.unanswered += 1
            return await self._no_answer(request, plan)
        self.tally.accepted += 1
        number = next(self._numbers)
        await self._send_receipts(message, number, plan)
        return web.json_response(
            {"id": self._behaviour.response_ids.render(number), "status": "accepted"}, status=202
        )

    async def _no_answer(self, request: web.Request, plan: Plan) -> web.Response:
        if plan.garbage is not None:
            return _babble(request, http_garbage(plan.garbage))
        if plan.answer is Answer.SILENCE:
            await self._clock.sleep(SILENCE_S)
        return _hang_up(request)

    async def _send_receipts(self, message: SendRequest, number: int, plan: Plan) -> None:
        url = message.callback or self._callback_url
        if plan.fate is None or not url:
            return
        behaviour = self._behaviour
        status, error = _WORDS[plan.fate]
        # Nobody was told of the numbers of strays.
        strays = [next(self._numbers) for _ in range(behaviour.stray_receipts)]
        for receipted in (*strays, *[number] * (1 + behaviour.duplicate_receipts)):
            message_id = behaviour.receipt_ids.render(receipted)
            receipt = {"id": message_id, "status": status, "error": error}
            callback = Callback(url, json.dumps(receipt).encode())
            if behaviour.receipt_first:
                await self._callbacks.call(callback)
            else:
                self._callbacks.add(behaviour.answer_delay_s + plan.receipt_delay_s, callback)


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _hang_up(request: web.Request) -> web.Response:
    """Ends the connection; what is returned is read by nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _babble(request: web.Request, garbage: HttpGarbage) -> web.Response:
    if garbage.raw and isinstance(request.transport, asyncio.WriteTransport):
        request.transport.write(garbage.raw)
        request.transport.close()
    headers = {"Location": garbage.location} if garbage.location else None
    return web.Response(status=garbage.status, body=garbage.body, headers=headers)
