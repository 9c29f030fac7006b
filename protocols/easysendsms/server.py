"""The EasySendSMS door: REST handlers between the contract's shapes and the heart's ports.

Order of checks (2.3): method, content type, key, address, key and account in use, request limit,
then the body's parameters, then what admission says.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from aiohttp import web

from gateway.domain.account import Account, Credential, Door
from gateway.domain.errors import Refusal, RefusalCode, StoreUnavailable
from gateway.domain.keys import PublicIds
from gateway.domain.lookup import LookupFailure
from gateway.domain.message import Batch, IdempotencyKey, Submission
from gateway.ports import Clock, Directory, Lookups, MessageReader
from protocols.easysendsms import contract, errors, queries
from protocols.easysendsms.errors import Endpoint
from protocols.easysendsms.keys import KeyAuth
from protocols.easysendsms.mapping import answer, failed, refused
from protocols.http.auth import SCOPE_READ, SCOPE_SEND, has_scope
from protocols.http.bodies import parse_fields, read_body
from protocols.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from protocols.http.idempotency import idempotency_key
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Answer, Submissions

DOOR_NAME = "easysendsms"
PREFIX = "/v1/rest"
ID_KIND = "message"
REQUESTS_PER_S = 30  # per account at send, HLR and NV each, unless the account has its own limit
BALANCE_REQUESTS = 2  # per account and client address, in
BALANCE_WINDOW_S = 60.0

_JSON = "application/json"
_HEADERS = {"Content-Type": _JSON, "Cache-Control": "no-store", "Server": "Postern"}
_PATHS = {
    PREFIX + "/sms/send": Endpoint.SEND,
    PREFIX + "/sms/balance": Endpoint.BALANCE,
    PREFIX + "/hlr/query": Endpoint.HLR,
    PREFIX + "/nv/query": Endpoint.NV,
}
_FAULTS = {400: errors.MISSING_PARAMETER, 404: 404, 405: errors.WRONG_METHOD, 408: 408, 413: 413}

_Handler = Callable[[web.Request, Credential], Awaitable[Answer]]


class EasySendDoor:
    """`protocols.http.app.RestDoor` for the EasySendSMS REST API v1."""

    prefix = PREFIX

    def __init__(
        self,
        directory: Directory,
        submissions: Submissions,
        reader: MessageReader,
        lookups: Lookups,
        limits: RequestLimits,
        public_ids: PublicIds,
        clock: Clock,
        proxies: TrustedProxies,
    ) -> None:
        self._auth = KeyAuth(directory, DOOR_NAME, proxies, clock)
        self._submissions = submissions
        self._reader = reader
        self._lookups = lookups
        self._limits = limits
        self._public_ids = public_ids
        self._clock = clock
        self._proxies = proxies

    def routes(self) -> Sequence[web.RouteDef]:
        """The four endpoints of the vendor (3)."""
        balance = self._guarded(self._balance, _BALANCE)
        return [
            web.post(PREFIX + "/sms/send", self._guarded(self._send, _SEND)),
            web.get(PREFIX + "/sms/balance", balance, allow_head=False),
            web.post(PREFIX + "/sms/balance", balance),
            web.post(PREFIX + "/hlr/query", self._guarded(self._hlr, _HLR)),
            web.post(PREFIX + "/nv/query", self._guarded(self._nv, _NV)),
        ]

    def preflight(self, request: web.Request) -> web.Response:
        """OPTIONS is a method like any other that an endpoint does not know."""
        error = request.match_info.http_exception
        if isinstance(error, web.HTTPMethodNotAllowed):
            return self.fault(request, 405, sorted(error.allowed_methods))
        return self.fault(request, 404, ())

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """The endpoint's own words for what no handler answered."""
        endpoint = _PATHS.get(request.path, Endpoint.SEND)
        code = _FAULTS.get(status, errors.INTERNAL_ERROR)
        response = _respond(answer(code, endpoint))
        if allow:
            response.headers["Allow"] = ", ".join(allow)
        return response

    # -- what stands before every handler --------------------------------------------------------

    def _guarded(
        self, handler: _Handler, rules: "_Rules"
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Content type, key and limits in front of `handler`."""
        endpoint = rules.endpoint

        async def guarded(request: web.Request) -> web.Response:
            if rules.needs_json and request.content_type != _JSON:
                return _respond(answer(errors.WRONG_CONTENT_TYPE, endpoint))
            credential = self._auth.credential(request)
            if not isinstance(credential, Credential):
                return _respond(answer(credential, endpoint))
            if not has_scope(credential, rules.scope):
                return _respond(answer(errors.KEY_DISABLED, endpoint))
            wait_s = self._wait_s(request, credential.account, endpoint)
            if wait_s:
                return _respond(answer(429, endpoint)._replace(retry_after_s=wait_s))
            try:
                return _respond(await handler(request, credential))
            except StoreUnavailable as error:
                refusal = Refusal(RefusalCode.STORE_UNAVAILABLE, str(error))
                return _respond(refused(refusal, endpoint))

        return guarded

    def _wait_s(self, request: web.Request, account: Account, endpoint: Endpoint) -> int:
        """Counts the request; the seconds to wait when it is over a limit (1), else 0."""
        if endpoint is Endpoint.BALANCE:
            whose = DOOR_NAME, endpoint, account.id, self._proxies.client_address(request)
            window = self._limits.take_of(whose, BALANCE_REQUESTS, BALANCE_WINDOW_S)
            return int(BALANCE_WINDOW_S) if window.retry_after_s else 0
        if account.requests_per_min is not None:
            allowance = self._limits.take(account, 0)
            return 0 if allowance is None else allowance.retry_after_s
        second = self._limits.take_of((DOOR_NAME, endpoint, account.id), REQUESTS_PER_S, 1.0)
        return second.retry_after_s

    # -- 3.1, 3.2 --------------------------------------------------------------------------------

    async def _send(self, request: web.Request, credential: Credential) -> Answer:
        body = await read_body(request)
        account = credential.account
        key = _idempotency_key(request, body)
        if isinstance(key, Answer):
            return key
        form = contract.parse_send(
            parse_fields(body, _JSON),
            lambda sender: account.any_sender or sender in account.senders,
            self._clock.now_ms(),
        )
        if isinstance(form, int):
            return await self._said_before(account, key) or answer(form, Endpoint.SEND)
        submission = Submission(
            credential,
            Door.EASYSENDSMS,
            form.sender,
            form.text,
            self._submissions.answer,
            due_at_ms=form.due_at_ms,
        )
        submission.measured = form.alphabet, form.parts

        def render(batch: Batch, _: int) -> Answer:
            return Answer(200, contract.render_sent(form, self._ids(form, batch)))

        # "+": the numbers have their country code, whatever region the account is in.
        recipients = [f"+{number}" for number in form.numbers]
        result = await self._submissions.send_batch(submission, recipients, render, key)
        return refused(result, Endpoint.SEND) if isinstance(result, Refusal) else result

    def _ids(self, form: contract.SendRequest, batch: Batch) -> dict[str, str]:
        left_out = {index for index, _ in batch.refused}
        sent = [number for index, number in enumerate(form.numbers) if index not in left_out]
        return {
            number: self._public_ids.encode(ID_KIND, message.key)
            for number, message in zip(sent, batch.messages, strict=True)
        }

    async def _said_before(self, account: Account, key: IdempotencyKey | None) -> Answer | None:
        """The answer to the same request when it was accepted.

        What was right then may be wrong now: the scheduled time may have passed.
        """
        stored = None if key is None else await self._reader.stored_answer(account, key)
        if key is None or stored is None or stored.body_digest != key.body_digest:
            return None
        return Answer(stored.status, stored.body)

    async def _balance(self, request: web.Request, credential: Credential) -> Answer:
        return Answer(200, contract.render_balance(credential.account.available_micros))

    # -- 3.3, 3.4 --------------------------------------------------------------------------------

    async def _hlr(self, request: web.Request, credential: Credential) -> Answer:
        entries = await _queried(request, Endpoint.HLR)
        if isinstance(entries, int):
            return answer(entries, Endpoint.HLR)
        numbers = [entry for entry in entries if queries.is_queried(entry, Endpoint.HLR)]
        found = await self._lookups.hlr(credential.account, Door.EASYSENDSMS, numbers)
        if isinstance(found, Refusal):
            return refused(found, Endpoint.HLR)
        if isinstance(found, LookupFailure):
            return failed(found, Endpoint.HLR)
        records = {record.number: record for record in found}
        return Answer(200, queries.render_hlr(entries, records))

    async def _nv(self, request: web.Request, credential: Credential) -> Answer:
        entries = await _queried(request, Endpoint.NV)
        if isinstance(entries, int):
            return answer(entries, Endpoint.NV)
        numbers = [entry for entry in entries if queries.is_queried(entry, Endpoint.NV)]
        found = await self._lookups.nv(credential.account, Door.EASYSENDSMS, numbers)
        if isinstance(found, Refusal):
            return refused(found, Endpoint.NV)
        records = {record.number: record for record in found if record is not None}
        return Answer(200, queries.render_nv(entries, records))


class _Rules(NamedTuple):
    """What stands before the handler of an endpoint."""

    endpoint: Endpoint
    scope: str
    needs_json: bool = True


_SEND = _Rules(Endpoint.SEND, SCOPE_SEND)
_BALANCE = _Rules(Endpoint.BALANCE, SCOPE_READ, needs_json=False)
_HLR = _Rules(Endpoint.HLR, SCOPE_SEND)  # a query costs as a message does
_NV = _Rules(Endpoint.NV, SCOPE_SEND)


async def _queried(request: web.Request, endpoint: Endpoint) -> list[str] | int:
    return queries.parse_query(parse_fields(await read_body(request), _JSON), endpoint)


def _idempotency_key(request: web.Request, body: bytes) -> IdempotencyKey | Answer | None:
    """The request's key, None without one, or the answer to one that is no key."""
    header = request.headers.get(IDEMPOTENCY_HEADER)
    if header is None:
        return None
    try:
        return idempotency_key("easysendsms/sms/send", header, body)
    except ValueError as error:
        return Answer(422, errors.render_error(422, str(error)))


def _respond(said: Answer) -> web.Response:
    response = web.Response(status=said.status, body=said.body, headers=_HEADERS)
    if said.retry_after_s:
        response.headers["Retry-After"] = str(said.retry_after_s)
    return response
