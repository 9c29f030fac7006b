"""Receipt callbacks of HTTP providers: ``/callbacks/<provider>/<token>``.

The provider hears its 2xx only after every receipt of the request is stored.  When it hears nothing
it calls again, which is harmless because a repeated receipt changes nothing.  Whoever does not know
the token learns nothing: an unknown provider and a wrong token look the same.
"""

import hmac
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import web

from gateway.ports import ProviderSink
from protocols.http.bodies import read_body
from protocols.http.dialect import ReceiptsRead
from protocols.http.stored_receipts import store_receipts
from protocols.http.template import HttpTemplate
from protocols.http.template_receipt import ReceiptAnswer

BODY_LIMIT = 256 * 1024  # octets
RETRY_AFTER_S = 5

log = logging.getLogger("postern.http.callbacks")


class CallbackTarget(NamedTuple):
    """A provider that sends receipts: who may call, how a call reads, and where it goes.

    `read` is given the raw query string, the headers and the body.
    """

    token: str  # empty: nobody may call
    read: Callable[[str, Mapping[str, str], bytes], ReceiptsRead]
    sink: ProviderSink
    answer: ReceiptAnswer = ReceiptAnswer()


def template_target(template: HttpTemplate, sink: ProviderSink) -> CallbackTarget:
    """The target of a provider that is described by a template."""
    rule = template.receipt
    if rule is None:
        return CallbackTarget("", lambda _query, _headers, _body: ReceiptsRead((), 1), sink)
    return CallbackTarget(
        rule.token,
        lambda query, _headers, body: template.read_receipts(query, body),
        sink,
        rule.answer,
    )


def callback_path(provider: str, token: str) -> str:
    """The path of a provider's callback, to be put behind the gateway's public URL."""
    return f"/callbacks/{quote(provider, safe='')}/{quote(token, safe='')}"


def callback_routes(providers: Mapping[str, CallbackTarget]) -> list[web.RouteDef]:
    """The routes for all `providers`, by name; the mapping is read at each request.

    A body that comes too slowly ends in TimeoutError, for the application to answer.
    """

    async def take_receipts(request: web.Request) -> web.Response:
        target = _authorised(providers, request)
        body = await read_body(request.clone(client_max_size=BODY_LIMIT))
        read = target.read(request.rel_url.raw_query_string, request.headers, body)
        if read.unreadable:
            fields = {
                "provider": request.match_info["provider"],
                "unreadable": read.unreadable,
                "readable": len(read.receipts),
            }
            log.warning("receipt.unreadable", extra={"fields": fields})
            if not read.receipts:
                return web.Response(status=400, text="no receipt could be read\n")
        if not await store_receipts(read.receipts, target.sink):
            return web.Response(
                status=503, text="try again later\n", headers={"Retry-After": str(RETRY_AFTER_S)}
            )
        return web.Response(status=target.answer.status, text=target.answer.body)

    async def show_presence(request: web.Request) -> web.Response:
        _authorised(providers, request)
        return web.Response()

    path = "/callbacks/{provider}/{token}"
    return [
        web.get(path, take_receipts, allow_head=False),
        web.head(path, show_presence),  # some vendors try a URL before they take it
        web.post(path, take_receipts),
    ]


def _authorised(providers: Mapping[str, CallbackTarget], request: web.Request) -> CallbackTarget:
    target = providers.get(request.match_info["provider"])
    # Compared even for an unknown provider, so that the time taken tells nothing.
    right = hmac.compare_digest(
        request.match_info["token"].encode("utf-8", "surrogatepass"),
        target.token.encode() if target is not None else b"",
    )
    if target is None or not target.token or not right:
        raise web.HTTPNotFound
    return target
