"""The ME-SMS door: routes, authentication, limits and the queries; `sending` does the rest.

Order of checks: key, scope, request limit, body, parameters, sender, recipients, credit.  Every
answer is JSON in the vendor's words, faults included.
"""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from gateway.domain.account import Credential
from gateway.domain.bulk import BulkRecipient, BulkState, BulkView
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.keys import PublicIds
from gateway.ports import BulkChoice, Bulks, Clock, Directory, SenderIds
from protocols.http.auth import SCOPE_SEND, TokenAuth, has_scope
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import WINDOW_S, RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Answer
from protocols.mesms import contract
from protocols.mesms.contract import INVALID_PARAMETERS, InvalidParameters, render_error
from protocols.mesms.mapping import refused
from protocols.mesms.sending import ID_KIND, Sending
from protocols.mesms.statuses import MESSAGE_STATUSES, is_underway, recipient_states
from protocols.mesms.upload import BodySlices

DOOR_NAME = "mesms"
PREFIX = "/api/v2"
KEY_HEADER = "x-api-key"
REQUESTS_PER_MIN = 60  # per key, unless the account has its own
_MESSAGE = "/sms/{uuid:(?!(?:send|preview)$)[^/]+}"  # those two take no GET
MOST_WALKED = 10_000  # recipients a filtered page may lie behind

_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store", "Server": "Postern"}


def _error(status: int, text: str, code: str) -> Answer:
    return Answer(status, render_error(text, code))


_UNAUTHORIZED = _error(401, "The API key is missing or not valid.", "UNAUTHORIZED")
_NO_SCOPE = _error(403, "The API key needs the scope sms:send.", "FORBIDDEN")
_NOT_OWNER = _error(403, "The message belongs to another account.", "FORBIDDEN")
_NOT_FOUND = _error(404, "There is no such message.", "NOT_FOUND")
_NOT_SCHEDULED = _error(400, "The message is not scheduled.", "NOT_SCHEDULED")
_ALREADY_CANCELLED = _error(409, "The message is cancelled already.", "ALREADY_CANCELLED")
_ALREADY_PROCESSING = _error(409, "Sending of the message has begun.", "ALREADY_PROCESSING")
_TOO_MANY_REQUESTS = render_error("Too many requests.", "RATE_LIMITED")
_FAULTS = {
    400: ("The request cannot be read.", INVALID_PARAMETERS),
    404: ("There is no such endpoint.", "NOT_FOUND"),
    405: ("The endpoint does not know this method.", "METHOD_NOT_ALLOWED"),
    408: ("The request body did not come in time.", "REQUEST_TIMEOUT"),
    413: ("The request body is too large.", INVALID_PARAMETERS),
    500: ("Internal error.", "INTERNAL_ERROR"),
}

_Handler = Callable[[web.Request, Credential], Awaitable[Answer]]


class MesmsDoor:
    """`protocols.http.app.RestDoor` for the ME-SMS API v2."""

    prefix = PREFIX

    def __init__(
        self,
        directory: Directory,
        bulks: Bulks,
        senders: SenderIds,
        idempotency: IdempotentRequests,
        limits: RequestLimits,
        public_ids: PublicIds,
        clock: Clock,
        proxies: TrustedProxies,
    ) -> None:
        self._auth = TokenAuth(directory, DOOR_NAME, proxies, clock, _api_key)
        self._sending = Sending(directory, bulks, idempotency, public_ids, clock)
        self._bulks = bulks
        self._senders = senders
        self._limits = limits
        self._public_ids = public_ids

    def routes(self) -> Sequence[web.RouteDef]:
        """3.1 to 3.8.  The vendor prints two of the paths; the others, and aliases, are ours."""
        gets = {
            "/sms": self._list,
            "/sms/list": self._list,
            _MESSAGE: self._message,
            _MESSAGE + "/recipients": self._recipients,
            "/credit": self._credit,
            "/credits": self._credit,
            "/balance": self._credit,
            "/senders": self._list_senders,
            "/sender": self._list_senders,
        }
        return [
            web.post(PREFIX + "/sms/send", self._guarded(self._sending.send, SCOPE_SEND)),
            web.post(PREFIX + "/sms/preview", self._guarded(self._sending.preview)),
            web.post(PREFIX + _MESSAGE + "/cancel", self._guarded(self._cancel)),
            *(web.get(PREFIX + path, self._guarded(handler)) for path, handler in gets.items()),
        ]

    def preflight(self, request: web.Request) -> web.Response:
        """OPTIONS is a method like any other that an endpoint does not know."""
        error = request.match_info.http_exception
        if isinstance(error, web.HTTPMethodNotAllowed):
            return self.fault(request, 405, sorted(error.allowed_methods))
        return self.fault(request, 404, ())

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """The vendor's one shape of errors for what no handler answered (2)."""
        response = _respond(_error(status, *_FAULTS.get(status, _FAULTS[500])))
        if allow:
            response.headers["Allow"] = ", ".join(allow)
        return response

    def _guarded(
        self, handler: _Handler, scope: str | None = None
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Key, scope and request limit in front of `handler`."""

        async def guarded(request: web.Request) -> web.Response:
            credential = self._auth.credential(request)
            if credential is None:
                return _respond(_UNAUTHORIZED)
            if scope is not None and not has_scope(credential, scope):
                return _respond(_NO_SCOPE)
            wait_s = self._wait_s(credential)
            if wait_s:
                return _respond(Answer(429, _TOO_MANY_REQUESTS, wait_s))
            try:
                answer = await handler(request, credential)
            except InvalidParameters as error:
                answer = _error(400, str(error), INVALID_PARAMETERS)
            except StoreUnavailable as error:
                answer = refused(Refusal(RefusalCode.STORE_UNAVAILABLE, str(error)))
            return _respond(answer)

        return guarded

    def _wait_s(self, credential: Credential) -> int:
        """Counts a request of this key; 0, or the seconds until it may come again."""
        limit = credential.account.requests_per_min
        if limit is None:
            limit = REQUESTS_PER_MIN
        if not limit:
            return 0
        whose = (DOOR_NAME, credential.id)
        return self._limits.take_of(whose, limit, WINDOW_S).retry_after_s

    # -- one message -----------------------------------------------------------------------------

    async def _own(self, request: web.Request, credential: Credential) -> BulkView | Answer:
        """The message of the path, or the answer to one that is unknown or somebody else's."""
        key = self._public_ids.decode(ID_KIND, request.match_info["uuid"])
        view = None if key is None else await self._bulks.bulk(key)
        if view is None:
            return _NOT_FOUND
        return view if view.account_id == credential.account.id else _NOT_OWNER

    def _uuid(self, view: BulkView) -> str:
        return self._public_ids.encode(ID_KIND, view.key)

    async def _message(self, request: web.Request, credential: Credential) -> Answer:
        view = await self._own(request, credential)
        if isinstance(view, Answer):
            return view
        return Answer(200, contract.render_message(self._uuid(view), view))

    async def _cancel(self, request: web.Request, credential: Credential) -> Answer:
        await BodySlices(request).refuse_other_types()
        view = await self._own(request, credential)
        if isinstance(view, Answer):
            return view
        if view.state is BulkState.SCHEDULED:
            released_micros = await self._bulks.cancel(view)
            if released_micros is not None:
                return Answer(200, contract.render_cancelled(self._uuid(view), released_micros))
            view = await self._bulks.bulk(view.key) or view  # what was it that came first?
        if view.state is BulkState.CANCELLED:
            return _ALREADY_CANCELLED
        is_over = view.state is BulkState.RUNNING and not is_underway(view)
        return _NOT_SCHEDULED if is_over or not view.due_at_ms else _ALREADY_PROCESSING

    async def _recipients(self, request: web.Request, credential: Credential) -> Answer:
        query = request.query
        status = contract.parse_recipient_status(query)
        limit = contract.parse_recipient_limit(query)
        after_n = contract.parse_after(query) if "after" in query else None
        page = contract.parse_page(query)
        view = await self._own(request, credential)
        if isinstance(view, Answer):
            return view
        if after_n is None:
            return await self._recipients_page(view, status, page, limit)
        rows, next_n = await self._recipients_after(view, status, after_n, limit)
        return Answer(200, contract.render_recipients_after(view, rows, next_n))

    async def _recipients_after(
        self, view: BulkView, status: str | None, after_n: int, limit: int
    ) -> tuple[Sequence[BulkRecipient], int | None]:
        states = () if status is None else recipient_states(view.state, status)
        if status is not None and not states:  # such as `pending` of a cancelled message
            return (), None
        return await self._bulks.recipients(view, after_n, states, limit)

    async def _recipients_page(
        self, view: BulkView, status: str | None, page: int, limit: int
    ) -> Answer:
        """Page mode: a page of all is found by its number, a filtered one by walking to it."""
        before = (page - 1) * limit
        rows: Sequence[BulkRecipient] = ()
        if status is None:
            total = view.recipients
            if before < total:
                rows, _ = await self._recipients_after(view, None, before, limit)
        else:
            total = contract.status_count(view, status)
            if before < total:
                rows = await self._walk(view, status, before, limit)
        return Answer(200, contract.render_recipients_page(view, rows, total, page, limit))

    async def _walk(
        self, view: BulkView, status: str, before: int, limit: int
    ) -> Sequence[BulkRecipient]:
        """The `limit` recipients behind the first `before` that have `status`.

        Raises:
            InvalidParameters: they do not lie among the first MOST_WALKED recipients.
        """
        found: list[BulkRecipient] = []
        wanted = min(before + limit, contract.status_count(view, status))
        position: int | None = 0
        while position is not None and len(found) < wanted:
            if position >= MOST_WALKED:
                raise InvalidParameters(
                    f"With status, page reaches only the first {MOST_WALKED} recipients;"
                    " use after, beginning with after=0."
                )
            most = min(wanted - len(found), contract.MAX_PAGE_RECIPIENTS)
            rows, position = await self._recipients_after(view, status, position, most)
            found += rows
        return found[before:]

    # -- the account -----------------------------------------------------------------------------

    async def _list(self, request: web.Request, credential: Credential) -> Answer:
        query = request.query
        chosen = BulkChoice.ALL
        if "status" in query:
            found = MESSAGE_STATUSES.get(query["status"])
            if found is None:
                raise InvalidParameters(f"status must be one of {', '.join(MESSAGE_STATUSES)}.")
            chosen = found
        page = contract.parse_page(query)
        limit = contract.parse_message_limit(query)
        views, total = await self._bulks.list(credential.account, chosen, page, limit)
        messages = [(self._uuid(view), view) for view in views]
        return Answer(200, contract.render_messages(messages, total, page, limit))

    async def _credit(self, request: web.Request, credential: Credential) -> Answer:
        return Answer(200, contract.render_credit(credential.account.available_micros))

    async def _list_senders(self, request: web.Request, credential: Credential) -> Answer:
        return Answer(200, contract.render_senders(await self._senders.list(credential.account)))


def _api_key(request: web.Request) -> str:
    return request.headers.get(KEY_HEADER, "").strip()


def _respond(answer: Answer) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body, headers=_HEADERS)
    if answer.retry_after_s:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response
