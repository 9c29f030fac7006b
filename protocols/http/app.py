"""The customers' HTTP application: every REST vendor behind one port, each at its own prefix.

One wrapper stands around all handlers.  What no handler answers (unknown route, wrong verb, a body
that is too large, broken or too slow, a fault of ours) is answered in the words of the vendor whose
prefix the path has.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

CLIENT_MAX_SIZE = 1024 * 1024  # octets of a request body

log = logging.getLogger("postern.http")


class RestDoor(Protocol):
    """One vendor's API."""

    @property
    def prefix(self) -> str:
        """The path all its routes begin with, such as ``/api/v1``; no slash at the end."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Its routes, prefix included."""

    def preflight(self, request: web.Request) -> web.Response:
        """The answer to any OPTIONS request."""

    def fault(self, request: web.Request, status: int, allow: Sequence[str]) -> web.Response:
        """The vendor's own answer with `status`: 400, 404, 405, 408, 413 or 500.

        `allow` lists the verbs the path knows, for 405.
        """


def build_app(
    doors: Iterable[RestDoor],
    routes: Iterable[web.RouteDef] = (),
    *,
    client_max_size: int = CLIENT_MAX_SIZE,
    is_stopping: Callable[[], bool] = lambda: False,
) -> web.Application:
    """The application with all `doors`, and `routes` that belong to none (callbacks, documents).

    Once `is_stopping()`, every answer is the last of its connection.
    """
    # Longest prefix first, so that a door may live below another's prefix.
    ordered = sorted(doors, key=lambda door: len(door.prefix), reverse=True)
    middlewares = [_last_answers(is_stopping), _fault_answers(ordered)]
    app = web.Application(client_max_size=client_max_size, middlewares=middlewares)
    app.add_routes(routes)
    for door in ordered:
        app.add_routes(door.routes())
    return app


def _last_answers(is_stopping: Callable[[], bool]) -> Middleware:
    @web.middleware
    async def close_connections(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if is_stopping():
            response.force_close()  # the next request goes to a gateway that stays
        return response

    return close_connections


def _fault_answers(doors: Sequence[RestDoor]) -> Middleware:
    def door_of(request: web.Request) -> RestDoor | None:
        path = request.path
        for door in doors:
            if path.startswith(door.prefix) and path[len(door.prefix) :][:1] in ("", "/"):
                return door
        return None

    def fault(request: web.Request, status: int, allow: Sequence[str] = ()) -> web.Response:
        door = door_of(request)
        if door is not None:
            return door.fault(request, status, allow)
        return _plain_fault(status, allow)

    @web.middleware
    async def answer_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS":
            door = door_of(request)
            if door is not None:
                return door.preflight(request)
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            return fault(request, error.status, sorted(error.allowed_methods))
        except web.HTTPException as error:
            if error.status < 400:
                raise  # a redirect is an answer
            return fault(request, error.status)
        except TimeoutError:
            return _closing(fault(request, 408))
        except (web.RequestPayloadError, ConnectionResetError):  # a broken body, or none any more
            return _closing(fault(request, 400))
        except Exception:
            log.exception(
                "http.fault", extra={"fields": {"method": request.method, "path": request.path}}
            )
            return fault(request, 500)

    return answer_faults


def _plain_fault(status: int, allow: Sequence[str]) -> web.Response:
    response = web.Response(status=status)
    response.text = response.reason
    if allow:
        response.headers["Allow"] = ", ".join(allow)
    return response


def _closing(response: web.Response) -> web.Response:
    response.force_close()  # where the next request would begin is not known
    return response
