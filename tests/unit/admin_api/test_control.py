import inspect
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from admin_api.control import CALLS, control_routes
from admin_api.operations import Operations
from gateway.domain.errors import StoreUnavailable
from tests.support.operations import FakeOperations, refusing

Ask = Callable[..., Awaitable[tuple[int, dict[str, object]]]]


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
async def ask(operations: FakeOperations) -> AsyncIterator[Ask]:
    app = web.Application()
    app.add_routes(control_routes(operations))
    async with TestClient(TestServer(app)) as client:

        async def ask(operation: str, **arguments: object) -> tuple[int, dict[str, object]]:
            response = await client.post(f"/control/{operation}", json=arguments)
            return response.status, await response.json()

        yield ask


EXAMPLES: list[tuple[str, dict[str, object], list[object]]] = [
    ("status", {}, ["status"]),
    ("account.list", {}, ["accounts"]),
    ("account.topup", {"account": "a", "amount": "1"}, ["top_up", "a", "1", ""]),
    (
        "account.topup",
        {"account": "a", "amount": "1", "note": "n"},
        ["top_up", "a", "1", "n"],
    ),
    ("account.statement", {"account": "a"}, ["statement", "a", 50, None]),
    (
        "account.statement",
        {"account": "a", "limit": 2, "before": 9},
        ["statement", "a", 2, 9],
    ),
    ("token.list", {"account": "a"}, ["tokens", "a"]),
    ("token.create", {"account": "a"}, ["create_token", "a", ""]),
    ("token.revoke", {"account": "a", "token": "t"}, ["revoke_token", "a", "t"]),
    ("sender.list", {}, ["senders", None]),
    ("sender.list", {"account": None}, ["senders", None]),
    ("sender.list", {"account": "a"}, ["senders", "a"]),
    (
        "sender.set",
        {"account": "a", "sender": "S", "state": "approved"},
        ["set_sender", "a", "S", "approved", ""],
    ),
    ("block.add", {"numbers": ["1"]}, ["block", None, ["1"], ""]),
    (
        "block.add",
        {"account": "a", "numbers": ["1", "2"], "region": "LV"},
        ["block", "a", ["1", "2"], "LV"],
    ),
    ("block.remove", {"numbers": []}, ["unblock", None, [], ""]),
    ("block.list", {}, ["blocked", None, "", 1000]),
    ("block.list", {"account": "a", "after": "1-2", "limit": 7}, ["blocked", "a", "1-2", 7]),
    ("webhook.list", {}, ["webhooks", None, "all", 50]),
    ("webhook.list", {"account": "a", "state": "owed", "limit": 2}, ["webhooks", "a", "owed", 2]),
    ("webhook.replay", {}, ["replay", None, "", None, "abandoned"]),
    (
        "webhook.replay",
        {"account": "a", "since": "2026-01-01", "delivery": 7, "states": "all"},
        ["replay", "a", "2026-01-01", 7, "all"],
    ),
    ("message.show", {"id": "1"}, ["message", "1"]),
    ("message.cancel", {"id": "1"}, ["cancel", "1"]),
    ("provider.list", {}, ["providers"]),
    ("provider.pause", {"provider": "p"}, ["pause", "p"]),
    ("provider.resume", {"provider": "p"}, ["resume", "p"]),
    (
        "explain",
        {"account": "a", "to": "+1", "text": "x"},
        ["explain", "a", "", "+1", "x"],
    ),
]


@pytest.mark.parametrize(("operation", "arguments", "did"), EXAMPLES)
async def test_each_operation(
    ask: Ask, operation: str, arguments: dict[str, object], did: list[object]
) -> None:
    assert await ask(operation, **arguments) == (200, {"did": did})


def test_every_operation_has_an_example_and_a_call() -> None:
    assert {operation for operation, _, _ in EXAMPLES} == set(CALLS)
    methods = {
        name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if name[0] != "_"
    }
    reachable = {str(did[0]) for _, _, did in EXAMPLES}
    assert methods == reachable | {"gauges", "store_writable"}


@pytest.mark.parametrize(
    ("operation", "arguments", "named"),
    [
        ("account.topup", {"amount": "1"}, "'account'"),
        ("account.topup", {"account": 1, "amount": "1"}, "'account'"),
        ("account.topup", {"account": "a", "amount": 1.5}, "'amount'"),
        ("account.statement", {"account": "a", "limit": 0}, "'limit'"),
        ("account.statement", {"account": "a", "limit": 10_001}, "'limit'"),
        ("account.statement", {"account": "a", "limit": True}, "'limit'"),
        ("account.statement", {"account": "a", "before": "x"}, "'before'"),
        ("sender.list", {"account": 7}, "'account'"),
        ("block.add", {}, "'numbers'"),
        ("block.add", {"numbers": "1"}, "'numbers'"),
        ("block.add", {"numbers": [1]}, "'numbers'"),
        ("block.add", {"numbers": ["1"] * 5_001}, "'numbers'"),
        ("webhook.replay", {"delivery": 0}, "'delivery'"),
    ],
)
async def test_bad_arguments(
    ask: Ask,
    operations: FakeOperations,
    operation: str,
    arguments: dict[str, object],
    named: str,
) -> None:
    status, body = await ask(operation, **arguments)
    assert status == 409
    assert named in str(body["error"])
    assert operations.calls == []


async def test_unknown_operation(ask: Ask) -> None:
    status, body = await ask("account.delete")
    assert status == 404
    assert "account.delete" in str(body["error"])


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"x"'])
async def test_body_that_is_no_object(body: bytes) -> None:
    app = web.Application()
    app.add_routes(control_routes(FakeOperations()))
    async with TestClient(TestServer(app)) as client:
        response = await client.post("/control/status", data=body)
        assert response.status == 409
        assert "JSON" in (await response.json())["error"]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (refusing("no account x").refusal, 409, "no account x"),
        (StoreUnavailable("the disk is full"), 503, "the disk is full"),
        (KeyError("secret detail"), 500, "status failed inside the daemon: see its log"),
    ],
)
async def test_errors(
    ask: Ask, operations: FakeOperations, error: Exception, status: int, text: str
) -> None:
    operations.refusal = error
    assert await ask("status") == (status, {"error": text})
