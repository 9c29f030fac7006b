"""The control socket's requests: `POST /control/<operation>` with a JSON object of arguments.

The answer is 200 with the facts, or 4xx/5xx with `{"error": text}`.  Daemon and command line are of
one version, so this is no public API: it may change with any release.
"""

import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from admin_api.operations import Facts, OperationRefusedError, Operations
from gateway.domain.errors import GatewayError

log = logging.getLogger("postern.control")

MOST_LINES = 10_000
MOST_NUMBERS = 5_000  # recipients blocked at a time


class Arguments:
    """The object a request carries; each getter refuses what is missing or of another type."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str:
        """A text; missing is refused unless there is a default."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise OperationRefusedError(f"argument {name!r} must be a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None when it is not given."""
        return None if self._values.get(name) is None else self.text(name)

    def texts(self, name: str, most: int) -> list[str]:
        """A list of at most `most` texts."""
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise OperationRefusedError(f"argument {name!r} must be a list of texts")
        if len(value) > most:
            raise OperationRefusedError(f"argument {name!r} has more than {most} texts")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """An integer within bounds."""
        value = self._values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise OperationRefusedError(f"argument {name!r} must be a number {least} to {most}")
        return value

    def optional_integer(self, name: str) -> int | None:
        """A positive integer, or None when it is not given."""
        return None if self._values.get(name) is None else self.integer(name, 0, 1, 1 << 62)


Call = Callable[[Operations, Arguments], Awaitable[Facts]]


async def _status(operations: Operations, _arguments: Arguments) -> Facts:
    return operations.status()


async def _accounts(operations: Operations, _arguments: Arguments) -> Facts:
    return operations.accounts()


async def _top_up(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.top_up(
        arguments.text("account"), arguments.text("amount"), arguments.text("note", "")
    )


async def _statement(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.statement(
        arguments.text("account"),
        arguments.integer("limit", 50, 1, MOST_LINES),
        arguments.optional_integer("before"),
    )


async def _tokens(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.tokens(arguments.text("account"))


async def _create_token(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.create_token(arguments.text("account"), arguments.text("name", ""))


async def _revoke_token(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.revoke_token(arguments.text("account"), arguments.text("token"))


async def _senders(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.senders(arguments.optional_text("account"))


async def _set_sender(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.set_sender(
        arguments.text("account"),
        arguments.text("sender"),
        arguments.text("state"),
        arguments.text("reason", ""),
    )


async def _block(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.block(
        arguments.optional_text("account"),
        arguments.texts("numbers", MOST_NUMBERS),
        arguments.text("region", ""),
    )


async def _unblock(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.unblock(
        arguments.optional_text("account"),
        arguments.texts("numbers", MOST_NUMBERS),
        arguments.text("region", ""),
    )


async def _blocked(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.blocked(
        arguments.optional_text("account"),
        arguments.text("after", ""),
        arguments.integer("limit", 1000, 1, MOST_LINES),
    )


async def _webhooks(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.webhooks(
        arguments.optional_text("account"),
        arguments.text("state", "all"),
        arguments.integer("limit", 50, 1, MOST_LINES),
    )


async def _replay(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.replay(
        arguments.optional_text("account"),
        arguments.text("since", ""),
        arguments.optional_integer("delivery"),
        arguments.text("states", "abandoned"),
    )


async def _message(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.message(arguments.text("id"))


async def _cancel(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.cancel(arguments.text("id"))


async def _providers(operations: Operations, _arguments: Arguments) -> Facts:
    return await operations.providers()


async def _pause(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.pause(arguments.text("provider"))


async def _resume(operations: Operations, arguments: Arguments) -> Facts:
    return await operations.resume(arguments.text("provider"))


async def _explain(operations: Operations, arguments: Arguments) -> Facts:
    return operations.explain(
        arguments.text("account"),
        arguments.text("sender", ""),
        arguments.text("to"),
        arguments.text("text"),
    )


CALLS: dict[str, Call] = {
    "status": _status,
    "account.list": _accounts,
    "account.topup": _top_up,
    "account.statement": _statement,
    "token.list": _tokens,
    "token.create": _create_token,
    "token.revoke": _revoke_token,
    "sender.list": _senders,
    "sender.set": _set_sender,
    "block.add": _block,
    "block.remove": _unblock,
    "block.list": _blocked,
    "webhook.list": _webhooks,
    "webhook.replay": _replay,
    "message.show": _message,
    "message.cancel": _cancel,
    "provider.list": _providers,
    "provider.pause": _pause,
    "provider.resume": _resume,
    "explain": _explain,
}


def control_routes(operations: Operations) -> list[web.RouteDef]:
    """The one route of the control socket."""

    async def control(request: web.Request) -> web.Response:
        name = request.match_info["operation"]
        call = CALLS.get(name)
        if call is None:
            return _error(404, f"there is no operation {name!r}: daemon and command differ")
        try:
            facts = await call(operations, Arguments(await _object(request)))
        except OperationRefusedError as error:
            return _error(409, str(error))
        except GatewayError as error:
            return _error(503, str(error))
        except Exception:
            log.exception("control.fault", extra={"fields": {"operation": name}})
            return _error(500, f"{name} failed inside the daemon: see its log")
        return web.json_response(facts)

    return [web.post("/control/{operation}", control)]


async def _object(request: web.Request) -> dict[str, object]:
    try:
        values = json.loads(await request.read() or b"{}")
    except ValueError:
        raise OperationRefusedError("the request body is not JSON") from None
    if not isinstance(values, dict):
        raise OperationRefusedError("the request body is not a JSON object")
    return values


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
