"""Send and preview (3.1, 3.2): parameters, numbers and contact group become a bulk, or a quote."""

from aiohttp import web

from gateway.domain.account import Account, Credential
from gateway.domain.bulk import BulkOrder, BulkQuote, BulkView
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.keys import PublicIds
from gateway.domain.message import IdempotencyKey, StoredAnswer
from gateway.ports import Bulks, Clock, Directory
from protocols.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from protocols.http.idempotency import BodyDigest, IdempotentRequests, streamed_key
from protocols.http.submissions import Answer
from protocols.mesms import contract
from protocols.mesms.contract import Content, InvalidParameters
from protocols.mesms.mapping import refused
from protocols.mesms.upload import BodySlices, Upload

ID_KIND = "bulk"
SEND_ENDPOINT = "mesms/sms/send"


class Sending:
    """Handlers of the two endpoints; they raise InvalidParameters and StoreUnavailable."""

    def __init__(
        self,
        directory: Directory,
        bulks: Bulks,
        idempotency: IdempotentRequests,
        public_ids: PublicIds,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._bulks = bulks
        self._idempotency = idempotency
        self._public_ids = public_ids
        self._clock = clock

    async def send(self, request: web.Request, credential: Credential) -> Answer:
        """POST /sms/send."""
        header = request.headers.get(IDEMPOTENCY_HEADER)
        if header is None:
            return await self._send(request, credential, None)
        try:
            key = streamed_key(SEND_ENDPOINT, header)
        except ValueError as error:
            raise InvalidParameters(str(error)) from None
        found = await self._idempotency.claim(credential.account, key)
        if isinstance(found, Refusal):
            return refused(found)
        if found is not None:
            return await _repeated(request, key, found)
        try:
            return await self._send(request, credential, key)
        finally:
            self._idempotency.release(credential.account, key)

    async def preview(self, request: web.Request, credential: Credential) -> Answer:
        """POST /sms/preview."""
        async with Upload(self._bulks, credential, is_kept=False) as upload:
            asked = contract.parse_preview(await upload.receive(request))
            text = self._text(credential.account, asked.content)
            await self._join_group(upload, credential.account, asked.contact_group_id)
            return _quoted(upload.quote(text), text, is_dry_run=False)

    async def _send(
        self, request: web.Request, credential: Credential, key: IdempotencyKey | None
    ) -> Answer:
        account = credential.account
        async with Upload(self._bulks, credential, is_kept=True) as upload:
            fields = await upload.receive(request)
            asked = contract.parse_send(fields, self._clock.now_ms())
            text = self._text(account, asked.content)
            if asked.sender not in account.senders and not account.any_sender:
                return refused(Refusal(RefusalCode.SENDER_NOT_ALLOWED))
            await self._join_group(upload, account, asked.contact_group_id)
            quote = upload.quote(text)
            if asked.is_dry_run or isinstance(quote, Refusal):
                return _quoted(quote, text, is_dry_run=True)

            def render(view: BulkView) -> tuple[int, bytes]:
                uuid = self._public_ids.encode(ID_KIND, view.key)
                return 200, contract.render_sent(uuid, view, asked.scheduled)

            order = BulkOrder(asked.sender, text, asked.due_at_ms)
            sealed = None if key is None else upload.digest.seal(key)
            view = await upload.commit(order, sealed, render)
            return refused(view) if isinstance(view, Refusal) else Answer(*render(view))

    def _text(self, account: Account, content: Content) -> str:
        text = content.text
        if text is None:
            text = self._directory.template(account, content.template_id or 0)
        if text is None:
            raise InvalidParameters(f"There is no template {content.template_id}.")
        return contract.fill(text, content.variables)

    async def _join_group(self, upload: Upload, account: Account, group_id: int | None) -> None:
        if group_id is None:
            return
        numbers = self._directory.contact_group(account, group_id)
        if numbers is None:
            raise InvalidParameters(f"There is no contact group {group_id}.")
        await upload.join(numbers)


async def _repeated(request: web.Request, key: IdempotencyKey, found: StoredAnswer) -> Answer:
    """The answer that was given, if the body is the one it was given to."""
    digest = BodyDigest()
    slices = BodySlices(request)
    while octets := await slices.next():
        digest.update(octets)
    if digest.seal(key).body_digest != found.body_digest:
        return refused(Refusal(RefusalCode.IDEMPOTENCY_MISMATCH))
    return Answer(found.status, found.body)


def _quoted(quote: BulkQuote | Refusal, text: str, *, is_dry_run: bool) -> Answer:
    if isinstance(quote, Refusal):
        return refused(quote)
    return Answer(200, contract.render_quote(quote, text, is_dry_run=is_dry_run))
