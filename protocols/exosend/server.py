"""The ExoSend door: REST handlers between the contract's shapes and the heart's ports.

Order of checks: token, request limit, suspended account and scope, the object in the path,
validation of the body, then what admission says.  Every answer is JSON in the vendor's words,
faults included.
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.account import Credential, Door
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.keys import PublicIds
from gateway.domain.message import Batch, IdempotencyKey, Message, Submission
from gateway.ports import Clock, Directory, MessageReader, SenderIds
from protocols.exosend import contract, mapping
from protocols.exosend.sender_endpoints import SenderEndpoints
from protocols.http.auth import SCOPE_READ, SCOPE_SEND, BearerAuth, has_scope
from protocols.http.bodies import parse_fields, read_body
from protocols.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from protocols.http.idempotency import idempotency_key
from protocols.http.limits import Allowance, RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Answer, Submissions

DOOR_NAME = "exosend"
PREFIX = "/api/v1"
REQUESTS_PER_MIN = 60  # the vendor's, unless the account has its own
ID_KIND = "message"

_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-cache, private",
    "Access-Control-Allow-Origin": "*",
    "Server": "Postern",
}
_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Idempotency-Key",
    "Server": "Postern",
}

_UNAUTHENTICATED = contract.render_framework_error("Unauthenticated.")
_TOO_MANY_ATTEMPTS = contract.render_framework_error("Too Many Attempts.")
_UNAUTHORIZED = Answer(403, contract.render_application_error("This action is unauthorized."))
_MESSAGE_NOT_FOUND = Answer(404, contract.render_application_error("Message not found."))
_NO_DEFAULT_SENDER = Answer(
    422, contract.render_application_error("No default sender ID is configured.", "sender_id")
)
_FAULT_TEXTS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "The POST data is too large.",
    500: "Server Error",
}

# Paths without a POST of their own: there it only names another verb (1.1).
_TUNNELLED = re.compile(re.escape(PREFIX) + "/sender-ids/[^/]+(?:/default)?")

_Handler = Callable[[web.Request, Credential], Awaitable[Answer]]
_Guarded = Callable[[web.Request], Awaitable[web.Response]]


class ExoSendDoor:
    """`protocols.http.app.RestDoor` for ExoSend API v1."""

    prefix = PREFIX

    def __init__(
        self,
        directory: Directory,
        submissions: Submissions,
        reader: MessageReader,
        senders: SenderIds,
        limits: RequestLimits,
        public_ids: PublicIds,
        clock: Clock,
        proxies: TrustedProxies,
    ) -> None:
        self._auth = BearerAuth(directory, DOOR_NAME, proxies, clock, with_suspended=True)
        self._submissions = submissions
        self._reader = reader
        self._senders = SenderEndpoints(senders, public_ids)
        self._limits = limits
        self._public_ids = public_ids
        self._clock = clock

    def routes(self) -> Sequence[web.RouteDef]:
        """The endpoints served so far."""
        return [
            web.get(PREFIX + "/balance", self._guarded(self._balance, SCOPE_READ)),
            web.post(PREFIX + "/sms/send", self._guarded(self._send, SCOPE_SEND)),
            web.post(PREFIX + "/sms/send-bulk", self._guarded(self._send_bulk, SCOPE_SEND)),
            web.get(PREFIX + "/sms/{id}/status", self._guarded(self._status, SCOPE_READ)),
            web.get(PREFIX + "/sender-ids", self._guarded(self._senders.list, SCOPE_READ)),
            web.post(PREFIX + "/sender-ids", self._guarded(self._senders.request, SCOPE_SEND)),
            *self._edits(
                PREFIX + "/sender-ids/{id}/default",
                ("PATCH", "PUT"),
                self._guarded(self._senders.make_default, SCOPE_SEND),
            ),
            *self._edits(
                PREFIX + "/sender-ids/{id}",
                ("DELETE",),
                self._guarded(self._senders.delete, SCOPE_SEND),
            ),
        ]

    def _edits(self, path: str, verbs: Sequence[str], handler: _Guarded) -> Sequence[web.RouteDef]:
        """Routes of `path`: the verbs, and a POST that names one of them in `_method` (1.1)."""

        async def tunnelled(request: web.Request) -> web.Response:
            fields = parse_fields(await read_body(request), request.headers.get("Content-Type", ""))
            method = fields.get("_method", request.query.get("_method"))
            if not isinstance(method, str) or method.strip().upper() not in verbs:
                return self.fault(request, 405, verbs)
            return await handler(request)

        return [*(web.route(verb, path, handler) for verb in verbs), web.post(path, tunnelled)]

    def preflight(self, request: web.Request) -> web.Response:
        """204 with what a browser may ask for (1.1)."""
        return web.Response(status=204, headers=_PREFLIGHT_HEADERS)

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """The framework's body for what no handler answered (1.4)."""
        route = request.path.lstrip("/")
        if _TUNNELLED.fullmatch(request.path):
            allow = [verb for verb in allow if verb != "POST"]
        verbs = ", ".join(allow)
        if status == 404:
            text = f"The route {route} could not be found."
        elif status == 405:
            text = (
                f"The {request.method} method is not supported for route {route}. "
                f"Supported methods: {verbs}."
            )
        else:
            text = _FAULT_TEXTS.get(status, "Server Error")
        response = _respond(Answer(status, contract.render_framework_error(text)), None)
        if allow:
            response.headers["Allow"] = verbs
        return response

    def _guarded(self, handler: _Handler, scope: str) -> _Guarded:
        """Authentication, request limit, suspension and scope in front of `handler`."""

        async def guarded(request: web.Request) -> web.Response:
            credential = self._auth.credential(request)
            if credential is None:
                return _respond(Answer(401, _UNAUTHENTICATED), None)
            allowance = self._limits.take(credential.account, REQUESTS_PER_MIN)
            if allowance is not None and allowance.retry_after_s:
                return self._too_many_attempts(allowance, allowance.retry_after_s)
            if not credential.account.enabled or not has_scope(credential, scope):
                return _respond(_UNAUTHORIZED, allowance)
            try:
                answer = await handler(request, credential)
            except StoreUnavailable as error:
                refusal = Refusal(RefusalCode.STORE_UNAVAILABLE, str(error))
                answer = mapping.refused_send(refusal)
            if answer.status == 429:  # the account's parts per second, not its requests
                return self._too_many_attempts(allowance, answer.retry_after_s)
            return _respond(answer, allowance)

        return guarded

    def _too_many_attempts(self, allowance: Allowance | None, wait_s: int) -> web.Response:
        if allowance is not None:
            allowance = allowance._replace(remaining=0)
        response = _respond(Answer(429, _TOO_MANY_ATTEMPTS, wait_s), allowance)
        response.headers["X-RateLimit-Reset"] = str(self._clock.now_ms() // 1000 + wait_s)
        return response

    async def _balance(self, request: web.Request, credential: Credential) -> Answer:
        account = credential.account
        return Answer(
            200,
            contract.render_balance(account.available_micros, account.currency, account.name),
        )

    async def _send(self, request: web.Request, credential: Credential) -> Answer:
        body = await read_body(request)
        form = contract.parse_send(parse_fields(body, request.headers.get("Content-Type", "")))
        if isinstance(form, dict):
            return Answer(422, contract.render_validation_errors(form))
        sender = form.sender or credential.account.default_sender
        if not sender:
            return _NO_DEFAULT_SENDER
        key = _idempotency_key(request, "exosend/sms/send", body)
        if isinstance(key, Answer):
            return key
        submission = Submission(
            credential, Door.EXOSEND, sender, form.message, self._submissions.answer
        )
        answer = await self._submissions.send(submission, form.recipient, self._render_sent, key)
        return mapping.refused_send(answer) if isinstance(answer, Refusal) else answer

    def _render_sent(self, message: Message, available_micros: int) -> Answer:
        message_id = self._public_ids.encode(ID_KIND, message.key)
        return Answer(
            201,
            contract.render_sent(
                message_id, message.charge_micros, message.part_count, available_micros
            ),
        )

    async def _send_bulk(self, request: web.Request, credential: Credential) -> Answer:
        body = await read_body(request)
        form = contract.parse_bulk(parse_fields(body, request.headers.get("Content-Type", "")))
        if isinstance(form, dict):
            return Answer(422, contract.render_validation_errors(form))
        if not form.numbers:
            return mapping.no_valid_recipients(form)
        sender = form.sender or credential.account.default_sender
        if not sender:
            return _NO_DEFAULT_SENDER
        key = _idempotency_key(request, "exosend/sms/send-bulk", body)
        if isinstance(key, Answer):
            return key
        submission = Submission(
            credential, Door.EXOSEND, sender, form.message, self._submissions.answer
        )

        def render(batch: Batch, available_micros: int) -> Answer:
            return self._render_bulk(form, batch, available_micros)

        answer = await self._submissions.send_batch(submission, form.numbers, render, key)
        return mapping.refused_bulk(answer, form) if isinstance(answer, Refusal) else answer

    def _render_bulk(
        self, form: contract.BulkRequest, batch: Batch, available_micros: int
    ) -> Answer:
        encode = self._public_ids.encode
        return Answer(
            201,
            contract.render_bulk(
                [encode(ID_KIND, message.key) for message in batch.messages],
                batch.total_micros,
                available_micros,
                form.invalid_items([index for index, _ in batch.refused]),
            ),
        )

    async def _status(self, request: web.Request, credential: Credential) -> Answer:
        key = self._public_ids.decode(ID_KIND, request.match_info["id"])
        if key is None:
            return _MESSAGE_NOT_FOUND
        view = await self._reader.message(credential.account, key)
        if view is None:
            return _MESSAGE_NOT_FOUND
        return Answer(
            200,
            contract.render_status(
                self._public_ids.encode(ID_KIND, key),
                view.state,
                view.recipient,
                view.charge_micros,
                view.part_count,
                view.sent_at_ms,
                view.final_at_ms,
                view.error,
            ),
        )


def _idempotency_key(
    request: web.Request, endpoint: str, body: bytes
) -> IdempotencyKey | Answer | None:
    """The request's key, None without one, or the answer to one that is no key."""
    header = request.headers.get(IDEMPOTENCY_HEADER)
    if header is None:
        return None
    try:
        return idempotency_key(endpoint, header, body)
    except ValueError as error:
        return Answer(422, contract.render_validation_errors({"idempotency_key": [str(error)]}))


def _respond(answer: Answer, allowance: Allowance | None) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=_HEADERS)
    if allowance is not None:
        response.headers["X-RateLimit-Limit"] = str(allowance.limit)
        response.headers["X-RateLimit-Remaining"] = str(allowance.remaining)
    if answer.retry_after_s:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response
