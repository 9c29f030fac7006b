"""Receipt callbacks of HTTP providers: ``/callbacks/<provider>/<token>``.

The provider hears its 2xx only after every receipt of the request is stored.  When it hears nothing
it calls again, which is harmless because a repeated receipt changes nothing.  Whoever does not know
the token learns nothing: an unknown provider and a wrong token look the same.
"""

import asyncio
import hmac
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import web

from gateway.domain.receipt import Receipt
from gateway.ports import ProviderSink
from protocols.http.bodies import read_body
from protocols.http.template import HttpTemplate
from protocols.http.template_receipt import ReceiptSpec

BODY_LIMIT = 256 * 1024  # octets
RETRY_AFTER_S = 5

log = logging.getLogger("postern.http.callbacks")


class CallbackTarget(NamedTuple):
    """A provider that sends receipts: how they are read and where they go."""

    template: HttpTemplate
    sink: ProviderSink


def callback_path(provider: str, token: str) -> str:
    """The path of a provider's callback, to be put behind the gateway's public URL."""
    return f"/callbacks/{quote(provider, safe='')}/{quote(token, safe='')}"


def callback_routes(providers: Mapping[str, CallbackTarget]) -> list[web.RouteDef]:
    """The routes for all `providers`, by name; the mapping is read at each request.

    A body that comes too slowly ends in TimeoutError, for the application to answer.
    """

    async def take_receipts(request: web.Request) -> web.Response:
        target, spec = _authorised(providers, request)
        body = await read_body(request.clone(client_max_size=BODY_LIMIT))
        read = target.template.read_receipts(request.rel_url.raw_query_string, body)
        if read.unreadable:
            fields = {
                "provider": request.match_info["provider"],
                "unreadable": read.unreadable,
                "readable": len(read.receipts),
            }
            log.warning("receipt.unreadable", extra={"fields": fields})
            if not read.receipts:
                return web.Response(status=400, text="no receipt could be read\n")
        if not await _store(read.receipts, target.sink):
            return web.Response(
                status=503, text="try again later\n", headers={"Retry-After": str(RETRY_AFTER_S)}
            )
        return web.Response(status=spec.answer.status, text=spec.answer.body)

    path = "/callbacks/{provider}/{token}"
    return [
        web.get(path, take_receipts, allow_head=False),
        web.post(path, take_receipts),
    ]


def _authorised(
    providers: Mapping[str, CallbackTarget], request: web.Request
) -> tuple[CallbackTarget, ReceiptSpec]:
    target = providers.get(request.match_info["provider"])
    spec = target.template.receipt if target is not None else None
    # Compared even for an unknown provider, so that the time taken tells nothing.
    right = hmac.compare_digest(
        request.match_info["token"].encode("utf-8", "surrogatepass"),
        spec.token.encode() if spec is not None else b"",
    )
    if target is None or spec is None or not right:
        raise web.HTTPNotFound
    return target, spec


async def _store(receipts: Sequence[Receipt], sink: ProviderSink) -> bool:
    """Whether all of them are on disk; the sink answers each, also when the store is gone."""
    if not receipts:
        return True
    waiting = _Waiting(len(receipts))
    for receipt in receipts:
        sink.receipt(receipt, waiting.stored, receipt)
    return await waiting.all_stored


class _Waiting:
    """Counts the answers of one request's receipts."""

    __slots__ = ("_left", "_ok", "all_stored")

    def __init__(self, count: int) -> None:
        self._left = count
        self._ok = True
        self.all_stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def stored(self, token: object, ok: bool) -> None:
        """The sink's word on one receipt."""
        self._left -= 1
        self._ok = self._ok and ok
        if self._left == 0 and not self.all_stored.done():  # done: the provider has hung up
            self.all_stored.set_result(self._ok)
