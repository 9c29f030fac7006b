"""The Exotel door: REST handlers between the contract's shapes and the heart's ports.

Order of checks (2.5): path, method, credentials, SID, account, request limit, then the body, its
parameters, and what admission says.  Every answer is XML or JSON, as the path's suffix asks.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from aiohttp import web

from gateway.domain.account import Account, Credential, Door
from gateway.domain.errors import Refusal, StoreUnavailable
from gateway.domain.fate import WORDS
from gateway.domain.keys import PublicIds, key_time_ms
from gateway.domain.lifecycle import MessageState, is_final
from gateway.domain.message import IdempotencyKey, Message, Opaque, Submission
from gateway.domain.sms_text import Alphabet, measure, split
from gateway.ports import Clock, Directory, MessageReader, MessageView
from protocols.exotel import contract, faults, mapping, statuses
from protocols.exotel.answers import PREFIX, Answers, SmsMessage, answers_for
from protocols.exotel.basic_auth import BasicAuth, basic_credentials
from protocols.exotel.door_note import write_door_note
from protocols.exotel.faults import Fault, Rejected
from protocols.exotel.numbers import international, show_recipient, show_sender
from protocols.http.bodies import parse_fields, read_body
from protocols.http.guard import UrlGuard
from protocols.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from protocols.http.idempotency import idempotency_key
from protocols.http.limits import WINDOW_S, Allowance, RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Answer, Sending, Submissions

DOOR_NAME = "exotel"
POSTS_PER_MIN = 200  # the vendor's, unless the account has a limit of its own
GETS_PER_MIN = 300
STORE_RETRY_S = 5
ID_KIND = "message"

_SUFFIX = r"{suffix:(?:\.json|\.xml)?}"
_SMS = "{sms:[Ss][Mm][Ss]}"  # clients write both
_FORM = "application/x-www-form-urlencoded"
_QUEUED_WORDS = WORDS[MessageState.QUEUED]
_REPEATABLE = frozenset({"To"})  # 3.2: a list may be written as `To=…&To=…`
_FAULTS = {
    400: Fault(400, "Bad Request"),
    404: faults.NOT_FOUND,
    405: faults.METHOD_NOT_ALLOWED,
    408: Fault(408, "Request Timeout"),
    413: Fault(413, "Request Entity Too Large"),
}
_WITHOUT_SID = re.compile(rf"{PREFIX}(/|//.*)?")
_WITHOUT_ACTION = re.compile(rf"{PREFIX}/[^/]+/[Ss][Mm][Ss]/?")


class _Call(NamedTuple):
    """An authenticated request."""

    request: web.Request
    credential: Credential
    answers: Answers

    @property
    def account_sid(self) -> str:
        """As in the path."""
        return self.credential.account_sid

    def refuse(self, fault: Fault, retry_after_s: int = 0) -> Answer:
        """The answer that is `fault`, as the account wants it."""
        body = self.answers.fault(fault, with_code=self.credential.error_codes)
        return Answer(fault.status, body, retry_after_s)


_Handler = Callable[[_Call], Awaitable[Answer]]


_Measured = tuple[Alphabet, int]


class ExotelDoor:
    """`protocols.http.app.RestDoor` for the Exotel SMS API v1.

    `guard` judges callback URLs as far as they can be judged before they are called.
    """

    prefix = PREFIX

    def __init__(
        self,
        directory: Directory,
        submissions: Submissions,
        reader: MessageReader,
        limits: RequestLimits,
        public_ids: PublicIds,
        clock: Clock,
        proxies: TrustedProxies,
        guard: UrlGuard,
    ) -> None:
        self._auth = BasicAuth(directory, DOOR_NAME, proxies, clock, basic_credentials)
        self._submissions = submissions
        self._reader = reader
        self._limits = limits
        self._public_ids = public_ids
        self._clock = clock
        self._guard = guard

    def routes(self) -> Sequence[web.RouteDef]:
        """The endpoints."""
        account = PREFIX + "/{sid:[^/.]+}"
        return [
            web.post(f"{account}/{_SMS}/send{_SUFFIX}", self._guarded(self._send)),
            web.post(f"{account}/{_SMS}/bulksend{_SUFFIX}", self._guarded(self._bulk_send)),
            web.get(
                f"{account}/{_SMS}/Messages/{{id:[^/.]+}}{_SUFFIX}", self._guarded(self._details)
            ),
            web.get(account + _SUFFIX, self._guarded(self._probe)),
        ]

    def preflight(self, request: web.Request) -> web.Response:
        """The vendor's API is not for browsers: OPTIONS is a method like any other unknown one."""
        return self.fault(request, 405, ())

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """A RestException for what no handler answered."""
        fault = _FAULTS.get(status, faults.INTERNAL)
        if status in (404, 405):
            if _WITHOUT_SID.fullmatch(request.path):
                fault = faults.WRONG_SID
            elif _WITHOUT_ACTION.fullmatch(request.path):
                fault = faults.NO_ACTION
            elif request.method == "POST":
                fault = faults.UNKNOWN_ENDPOINT
        response = respond_fault(request, fault)
        if allow:
            response.headers["Allow"] = ", ".join(allow)
        return response

    # -- every request ---------------------------------------------------------------------------

    def _guarded(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Authentication, SID, account and request limit in front of `handler`."""

        async def guarded(request: web.Request) -> web.Response:
            if not basic_credentials(request).isascii():
                return respond_fault(request, faults.CREDENTIALS_UNREADABLE)
            credential = self._auth.credential(request)
            if credential is None:
                response = respond_fault(request, faults.UNAUTHENTICATED)
                response.headers["WWW-Authenticate"] = 'Basic realm="API"'
                return response
            call = _Call(request, credential, answers_for(request.path))
            if request.match_info["sid"] != credential.account_sid:
                return _respond(call.answers, call.refuse(faults.WRONG_SID), None)
            if not credential.account.enabled:
                return _respond(call.answers, call.refuse(faults.NOT_ACTIVE), None)
            allowance = self._take(credential.account, is_post=request.method == "POST")
            if allowance is not None and allowance.retry_after_s:
                return self._too_many(call, allowance)
            try:
                answer = await handler(call)
            except Rejected as rejected:
                answer = call.refuse(rejected.fault)
            except StoreUnavailable:
                answer = call.refuse(faults.UNAVAILABLE, STORE_RETRY_S)
            return _respond(call.answers, answer, allowance)

        return guarded

    def _take(self, account: Account, *, is_post: bool) -> Allowance | None:
        """Counts one request; the account's own limit is one for all its doors and methods."""
        if account.requests_per_min is not None:
            return self._limits.take(account, account.requests_per_min)
        method, limit = ("POST", POSTS_PER_MIN) if is_post else ("GET", GETS_PER_MIN)
        return self._limits.take_of((DOOR_NAME, method, account.id), limit, WINDOW_S)

    def _too_many(self, call: _Call, allowance: Allowance) -> web.Response:
        wait_s = allowance.retry_after_s
        is_post = call.request.method == "POST"
        fault = faults.TOO_MANY_POSTS if is_post else faults.TOO_MANY_GETS
        response = _respond(call.answers, call.refuse(fault, wait_s), allowance)
        response.headers["X-RateLimit-Reset"] = str(self._clock.now_ms() // 1000 + wait_s)
        return response

    # -- sends -----------------------------------------------------------------------------------

    async def _send(self, call: _Call) -> Answer:
        body = await read_body(call.request)
        form = contract.parse_send(_fields(call.request, body), self._guard.check_url)
        key = _idempotency_key(call, "exotel/Sms/send", body)
        if form.is_list:
            return await self._send_list(call, form, key)
        return await self._send_one(call, form, key)

    async def _bulk_send(self, call: _Call) -> Answer:
        body = await read_body(call.request)
        form = contract.parse_bulk_send(
            _fields(call.request, body),
            self._guard.check_url,
            call.credential.account.default_sender,
        )
        key = _idempotency_key(call, "exotel/Sms/bulksend", body)
        return await self._send_list(call, form, key)

    async def _send_one(
        self, call: _Call, form: contract.SendRequest, key: IdempotencyKey | None
    ) -> Answer:
        (entry,) = form.entries

        def render(message: Message, available_micros: int) -> Answer:
            return Answer(200, call.answers.one(self._render_accepted(call, message)))

        submission = self._submission(call, form.options, entry, {})
        recipient = _dialled(call, entry)
        answer = await self._submissions.send(submission, recipient, render, key)
        if not isinstance(answer, Refusal):
            return answer
        fault = mapping.refused_fault(answer, entry.recipient)
        return call.refuse(fault, mapping.REFUSALS[answer.code].retry_after_s)

    async def _send_list(
        self, call: _Call, form: contract.SendRequest, key: IdempotencyKey | None
    ) -> Answer:
        """Each message by itself: 200 when all are accepted, 207 when some are (3.2)."""

        def render(message: Message, available_micros: int) -> Answer:
            return Answer(200, self._render_accepted(call, message))

        measured: dict[str, _Measured] = {}
        sound = [entry for entry in form.entries if not entry.flaw]
        sendings = [
            Sending(self._submission(call, form.options, e, measured), _dialled(call, e), render)
            for e in sound
        ]
        results = await self._submissions.send_each(sendings, key) if sendings else []
        if isinstance(results, Refusal):
            words = mapping.REFUSALS[results.code]
            return call.refuse(words.fault, words.retry_after_s)
        refusals = [result for result in results if isinstance(result, Refusal)]
        if len(refusals) == len(sendings):
            return call.refuse(*_nothing_accepted(form.entries, refusals))
        remaining = iter(results)
        elements: list[bytes] = []
        for entry in form.entries:
            result = None if entry.flaw else next(remaining)
            if isinstance(result, Answer):
                elements.append(result.body)
            else:
                code = entry.flaw if result is None else mapping.REFUSALS[result.code].detail
                elements.append(self._render_refused(call, entry, code))
        is_whole = len(sendings) == len(form.entries) and not refusals
        return Answer(200 if is_whole else 207, call.answers.many(elements))

    def _submission(
        self,
        call: _Call,
        options: contract.Options,
        entry: contract.Entry,
        measured: dict[str, _Measured],
    ) -> Submission:
        """What `entry` asks for; `measured` remembers the texts of one request."""
        submission = Submission(
            call.credential,
            Door.EXOTEL,
            entry.sender,
            entry.text,
            self._submissions.answer,
            opaque=Opaque(b"", 0, 0, entry.tlvs) if entry.tlvs else None,
            priority=options.priority,
            door_note=write_door_note(entry.sms_type, has_callback=options.door_text != ""),
        )
        submission.door_text = options.door_text
        known = measured.get(entry.text)
        if known is None:
            known = measured[entry.text] = _measure(entry.text, is_unicode=options.is_unicode)
        submission.measured = known
        return submission

    # -- answers ---------------------------------------------------------------------------------

    async def _details(self, call: _Call) -> Answer:
        key = self._public_ids.decode(ID_KIND, call.request.match_info["id"])
        account = call.credential.account
        view = None if key is None else await self._reader.message(account, key)
        if view is None:
            return Answer(200, call.answers.no_match())  # documented: no error (3.4)
        return Answer(200, call.answers.one(call.answers.message(self._show(call, view))))

    async def _probe(self, call: _Call) -> Answer:
        return Answer(200, call.answers.account(call.account_sid))

    def _show(self, call: _Call, view: MessageView) -> SmsMessage:
        """A message as it is now."""
        words = WORDS[view.state]
        at_end = is_final(view.state)
        created_at_ms = key_time_ms(view.key)
        return SmsMessage(
            sid=self._sid(view.key),
            account_sid=call.account_sid,
            sender=show_sender(view.sender),
            recipient=show_recipient(view.recipient),
            created_at_ms=created_at_ms,
            updated_at_ms=max(created_at_ms, view.sent_at_ms, view.final_at_ms),
            sent_at_ms=view.sent_at_ms if at_end else 0,
            text=view.text or "",
            status=words.exotel,
            code=words.exotel_detail_code,
            price_micros=view.charge_micros if at_end else None,
            units=view.part_count if at_end else None,
        )

    def _render_accepted(self, call: _Call, message: Message) -> bytes:
        """As it was accepted: it may have gone further by the time of the answer."""
        created_at_ms = key_time_ms(message.key)
        return call.answers.message(
            SmsMessage(
                self._sid(message.key),
                call.account_sid,
                show_sender(message.sender),
                show_recipient(message.recipient),
                created_at_ms,
                created_at_ms,
                0,
                message.text or "",
                _QUEUED_WORDS.exotel,
                statuses.QUEUED,
            )
        )

    def _render_refused(self, call: _Call, entry: contract.Entry, code: int) -> bytes:
        now_ms = self._clock.now_ms()
        return call.answers.message(
            SmsMessage(
                "",
                call.account_sid,
                show_sender(entry.sender) if entry.sender else "",
                entry.recipient,
                now_ms,
                now_ms,
                0,
                entry.text,
                statuses.FAILED,
                code,
            )
        )

    def _sid(self, key: int) -> str:
        return self._public_ids.encode(ID_KIND, key).replace("-", "")


def _fields(request: web.Request, body: bytes) -> Mapping[str, object]:
    """The parameters of the query string and of the body, which wins (1.4)."""
    query = request.rel_url.raw_query_string
    fields = parse_fields(query.encode(), _FORM, _REPEATABLE) if query else {}
    if body:
        content_type = request.headers.get("Content-Type", "")
        fields.update(parse_fields(body, content_type, _REPEATABLE))
    return fields


def _idempotency_key(call: _Call, endpoint: str, body: bytes) -> IdempotencyKey | None:
    """The request's key, None without one.  Another format or query is another request.

    Raises:
        Rejected: it is no key.
    """
    header = call.request.headers.get(IDEMPOTENCY_HEADER)
    if header is None:
        return None
    query = call.request.rel_url.raw_query_string
    asked = f"{call.answers.media_type}\n{query}\n".encode() + body
    try:
        return idempotency_key(endpoint, header, asked)
    except ValueError as error:
        raise Rejected(Fault(400, str(error))) from None


def _measure(text: str, *, is_unicode: bool) -> _Measured:
    """EncodingType `unicode` is a wish; `plain` gives way to a text that does not fit it (6)."""
    if is_unicode:
        return Alphabet.UCS2, len(split(text, Alphabet.UCS2))
    return measure(text)


def _dialled(call: _Call, entry: contract.Entry) -> str:
    """The recipient as the heart reads it: what is national is Indian, if no region says more."""
    has_region = call.credential.account.region
    return entry.recipient if has_region else international(entry.recipient)


def _nothing_accepted(
    entries: Sequence[contract.Entry], refusals: list[Refusal]
) -> tuple[Fault, int]:
    """The error of a list of which no message was accepted."""
    if refusals:
        return mapping.refused_list_fault(refusals)
    flaws = {entry.flaw for entry in entries}
    if flaws == {statuses.INVALID_SENDER}:
        return faults.FROM_MISSING, 0
    return (
        faults.NUMBERS_INVALID if flaws == {statuses.INVALID_NUMBER} else faults.BODY_INVALID
    ), 0


def respond_fault(request: web.Request, fault: Fault) -> web.Response:
    """An error of a request that belongs to no account, in the format its path asks for."""
    answers = answers_for(request.path)
    return _respond(answers, Answer(fault.status, answers.fault(fault, with_code=False)), None)


def _respond(answers: Answers, answer: Answer, allowance: Allowance | None) -> web.Response:
    headers = {"Content-Type": answers.media_type, "Server": "Postern"}
    response = web.Response(status=answer.status, body=answer.body, headers=headers)
    if allowance is not None:
        response.headers["X-RateLimit-Limit"] = str(allowance.limit)
        response.headers["X-RateLimit-Remaining"] = str(allowance.remaining)
    if answer.retry_after_s:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response
