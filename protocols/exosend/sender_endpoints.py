"""The endpoints of sender ids, between the contract's shapes and `ports.SenderIds`."""

from aiohttp import web

from gateway.domain.account import Credential
from gateway.domain.keys import PublicIds
from gateway.ports import SenderIds, SenderVerdict
from protocols.exosend import contract, sender_ids
from protocols.http.bodies import parse_fields, read_body
from protocols.http.submissions import Answer

ID_KIND = "sender"


def _refused(status: int, text: str) -> Answer:
    return Answer(status, contract.render_application_error(text))


VERDICTS = {
    SenderVerdict.NOT_FOUND: _refused(404, "Sender ID not found."),
    SenderVerdict.NOT_VERIFIED: _refused(422, "Sender ID is not verified."),
    SenderVerdict.DECLARED: _refused(
        422, "This sender ID is managed by the administrator and cannot be deleted."
    ),
    SenderVerdict.IS_DEFAULT: _refused(422, "The default sender ID cannot be deleted."),
    SenderVerdict.HAS_MESSAGES: _refused(
        422, "A sender ID that messages were sent with cannot be deleted."
    ),
}
_TAKEN = Answer(422, contract.render_validation_errors(sender_ids.TAKEN))
_DELETED = Answer(200, sender_ids.render_deleted())


class SenderEndpoints:
    """Handlers of 2.11; who may call them is the door's affair."""

    def __init__(self, senders: SenderIds, public_ids: PublicIds) -> None:
        self._senders = senders
        self._public_ids = public_ids

    async def list(self, request: web.Request, credential: Credential) -> Answer:
        """GET /sender-ids."""
        rows = await self._senders.list(credential.account)
        shown = sender_ids.chosen(rows, request.query.get("status", "").strip())
        return Answer(200, sender_ids.render_list(shown, self._encode_id))

    async def request(self, request: web.Request, credential: Credential) -> Answer:
        """POST /sender-ids."""
        body = await read_body(request)
        name = sender_ids.parse_request(parse_fields(body, request.headers.get("Content-Type", "")))
        if isinstance(name, dict):
            return Answer(422, contract.render_validation_errors(name))
        row = await self._senders.request(credential.account, name)
        if row is None:
            return _TAKEN
        return Answer(201, sender_ids.render_requested(row, self._encode_id))

    async def make_default(self, request: web.Request, credential: Credential) -> Answer:
        """PATCH /sender-ids/{id}/default."""
        sender_id = self._id_in(request)
        if sender_id is None:
            return VERDICTS[SenderVerdict.NOT_FOUND]
        row = await self._senders.make_default(credential.account, sender_id)
        if isinstance(row, SenderVerdict):
            return VERDICTS[row]
        return Answer(200, sender_ids.render_default(row, self._encode_id))

    async def delete(self, request: web.Request, credential: Credential) -> Answer:
        """DELETE /sender-ids/{id}."""
        sender_id = self._id_in(request)
        if sender_id is None:
            return VERDICTS[SenderVerdict.NOT_FOUND]
        verdict = await self._senders.delete(credential.account, sender_id)
        return _DELETED if verdict is None else VERDICTS[verdict]

    def _id_in(self, request: web.Request) -> int | None:
        return self._public_ids.decode(ID_KIND, request.match_info["id"])

    def _encode_id(self, sender_id: int) -> str:
        return self._public_ids.encode(ID_KIND, sender_id)
