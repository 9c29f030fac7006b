"""The routes of the API's own description: ``/openapi.json`` and the pages below ``/docs``.

Everything is made when the routes are, and answered from memory with an entity tag.  Nobody needs a
credential to read it: it says nothing of any account.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b

from aiohttp import web

from protocols.http.docs_page import CONTENT_SECURITY_POLICY, render_door, render_index
from protocols.http.openapi import JSON, DoorDescription, build_document, render_document

DOCUMENT_PATH = "/openapi.json"
PAGES_PATH = "/docs"

_COMMON_HEADERS = {
    "Cache-Control": "no-cache",  # ask again, by the entity tag
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_JSON_HEADERS = {"Content-Type": JSON, "Access-Control-Allow-Origin": "*"}
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
}

_Handler = Callable[[web.Request], Awaitable[web.Response]]


def openapi_routes(doors: Sequence[DoorDescription], version: str) -> list[web.RouteDef]:
    """Document and pages of `doors`; `version` is the gateway's."""
    document = render_document(build_document(doors, version))
    routes = [
        web.get(DOCUMENT_PATH, _fixed(document, _JSON_HEADERS)),
        web.get(PAGES_PATH, _fixed(render_index(doors).encode(), _PAGE_HEADERS)),
    ]
    for door in doors:
        page = render_door(door, doors).encode()
        routes.append(web.get(f"{PAGES_PATH}/{door.tag}", _fixed(page, _PAGE_HEADERS)))
    return routes


def _fixed(body: bytes, headers: Mapping[str, str]) -> _Handler:
    """A handler that always has the same answer."""
    tag = blake2b(body, digest_size=16).hexdigest()
    all_headers = {**_COMMON_HEADERS, **headers, "ETag": f'"{tag}"'}

    async def answer(request: web.Request) -> web.Response:
        known = request.if_none_match or ()
        if any(etag.value in (tag, "*") for etag in known):
            return web.Response(status=304, headers=all_headers)
        return web.Response(body=body, headers=all_headers)

    return answer
