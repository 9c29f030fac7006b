import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.bulk import BulkOrder, BulkState, RecipientState
from gateway.domain.commit_group import NoticeKind
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.identity import SenderState
from gateway.domain.money import parse_amount
from protocols.mesms.times import parse_time

VECTORS = Path(__file__).parents[3] / "vectors" / "mesms"
UUID = "2b1c8c5e-6a0e-8a0c-9a55-000000000001"
RIVAL = {"x-api-key": "key-b"}
S = RecipientState
GETS = (
    "/sms", "/sms/list", f"/sms/{UUID}", f"/sms/{UUID}/recipients", "/credit", "/credits",
    "/balance", "/senders", "/sender",
)  # fmt: skip
POSTS = ("/sms/send", "/sms/preview", f"/sms/{UUID}/cancel")
ENDPOINTS = [*(("GET", path) for path in GETS), *(("POST", path) for path in POSTS)]
FORM = {"sender": "MYBRAND", "content": "Hello", "msisdns": ["66812345678"]}


def add_bulk(bench: Any, given: dict[str, Any]) -> Any:
    """A message of the bench's account, or with `owner` "b" of the other one."""
    account = bench.other_account if given.get("owner") == "b" else bench.account
    due_at_ms = parse_time(given["scheduled"]) if "scheduled" in given else 0
    bulk = bench.bulks.add(
        account,
        BulkOrder("MYBRAND", "Hello", due_at_ms),
        {number: S.PENDING for number, _ in given["recipients"]},
        BulkState[given.get("state", "running").upper()],
    )
    bulk.states = [S[state.upper()] for _, state in given["recipients"]]
    return bulk


def arrange(bench: Any, given: dict[str, Any]) -> None:
    """Puts the bench into the situation a vector is given for; every name must be known."""
    given = dict(given)
    if "balance" in given:
        bench.account.balance_micros = parse_amount(given.pop("balance"))
    if "scopes" in given:
        bench.credential.scopes = frozenset({given.pop("scopes")})
    if "refusal" in given:
        bench.bulks.refusal = Refusal(RefusalCode(given.pop("refusal")))
    if given.pop("disabled", False):
        bench.credential.enabled = False
    for id, content in given.pop("templates", {}).items():
        bench.directory.templates[bench.account.id, int(id)] = content
    for id, numbers in given.pop("contact_groups", {}).items():
        bench.directory.contact_groups[bench.account.id, int(id)] = numbers
    for name, state in given.pop("senders", {}).items():
        bench.senders.add(bench.account, name, state=SenderState[state.upper()])
    for bulk in given.pop("bulks", []):
        add_bulk(bench, bulk)
    bench.bulks.unavailable = given.pop("unavailable", False)
    for _ in range(given.pop("requests_made", 0)):
        bench.limits.take_of(("mesms", bench.credential.id), 60, 60.0)
    assert not given


def read_vectors() -> dict[str, dict[str, Any]]:
    return {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(VECTORS.glob("*.json"))}


@pytest.mark.parametrize("vector", read_vectors().values(), ids=read_vectors())
async def test_golden_vector(vector: dict[str, Any], bench: Any) -> None:
    arrange(bench, vector.get("given", {}))
    request = vector["request"]
    body = request["text"].encode() if "text" in request else None
    if "body" in request:
        body = json.dumps(request["body"]).encode()
    async with bench.client() as http:
        http.session.headers.clear()
        response = await http.request(
            request["method"],
            request["path"],
            headers=request["headers"],
            data=body,
            skip_auto_headers=["Content-Type"],
        )
        expected = json.dumps(vector["body"], separators=(",", ":")).encode()
        assert (response.status, await response.read()) == (vector["status"], expected)
        for name, value in vector["headers"].items():
            assert response.headers.get(name) == value, name


def test_there_are_vectors() -> None:
    assert len(read_vectors()) > 100


def test_every_error_has_the_one_shape() -> None:
    """2."""
    errors = {name: v for name, v in read_vectors().items() if v["status"] >= 400}
    assert len(errors) > 50
    assert [name for name, v in errors.items() if list(v["body"]) != ["error", "code"]] == []


# --- keys, scopes and limits (1) ----------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_every_endpoint_asks_for_a_key(bench: Any, method: str, path: str) -> None:
    async with bench.client() as http:
        for key in ("", "key-c", "schlüssel"):
            response = await http.request(method, "/api/v2" + path, headers={"x-api-key": key})
            assert response.status == 401
            assert (await response.json())["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "close",
    [
        lambda bench: setattr(bench.credential, "enabled", False),
        lambda bench: setattr(bench.account, "enabled", False),
        lambda bench: setattr(bench.credential, "door_names", frozenset({"exosend"})),
        lambda bench: setattr(bench.credential, "ip_allow", ("192.0.2.0/24",)),
    ],
    ids=["key disabled", "account disabled", "another door", "another address"],
)
async def test_a_key_that_does_not_open_the_door(bench: Any, close: Any) -> None:
    close(bench)
    async with bench.client() as http:
        assert (await http.get("/api/v2/credit")).status == 401


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_only_a_send_needs_a_scope(bench: Any, method: str, path: str) -> None:
    add_bulk(bench, {"recipients": [["66812345678", "delivered"]]})
    bench.credential.scopes = frozenset({"read"})
    async with bench.client() as http:
        response = await http.request(method, "/api/v2" + path, json=FORM)
    assert (response.status == 403) is (path == "/sms/send")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_every_endpoint_counts_for_the_limit(bench: Any, method: str, path: str) -> None:
    bench.account.requests_per_min = 1
    async with bench.client() as http:
        first = await http.request(method, "/api/v2" + path)
        assert first.status != 429
        second = await http.request(method, "/api/v2" + path)
        assert second.status == 429
        assert second.headers["Retry-After"] == "60"
        assert (await second.json())["code"] == "RATE_LIMITED"


async def test_the_limit_is_each_keys_own(bench: Any) -> None:
    bench.directory.add_token("key-a2", bench.account)
    async with bench.client() as http:
        for _ in range(60):
            assert (await http.get("/api/v2/credit")).status == 200
        bench.clock.advance(20)
        refused = await http.get("/api/v2/credit")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
        second_key = await http.get("/api/v2/credit", headers={"x-api-key": "key-a2"})
        assert second_key.status == 200
        bench.clock.advance(40)
        assert (await http.get("/api/v2/credit")).status == 200


async def test_an_account_without_a_limit(bench: Any) -> None:
    bench.account.requests_per_min = 0
    async with bench.client() as http:
        for _ in range(70):
            assert (await http.get("/api/v2/credit")).status == 200


async def test_the_limit_comes_before_the_body(bench: Any) -> None:
    bench.account.requests_per_min = 1
    async with bench.client() as http:
        await http.get("/api/v2/credit")
        assert (await http.post("/api/v2/sms/send", data=b"{")).status == 429


# --- tenants (2) --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/sms/{UUID}"),
        ("GET", f"/sms/{UUID}/recipients"),
        ("POST", f"/sms/{UUID}/cancel"),
    ],
)
async def test_a_message_is_its_owners(bench: Any, method: str, path: str) -> None:
    """403 for somebody else's, 404 for nobody's."""
    add_bulk(
        bench,
        {
            "state": "scheduled",
            "scheduled": "2026-06-01T10:00:00",
            "recipients": [["66812345678", "pending"]],
        },
    )
    async with bench.client() as http:
        theirs = await http.request(method, "/api/v2" + path, headers=RIVAL)
        assert (theirs.status, (await theirs.json())["code"]) == (403, "FORBIDDEN")
        nobodys = await http.request(method, "/api/v2" + path.replace(UUID, UUID[:-1] + "9"))
        assert (nobodys.status, (await nobodys.json())["code"]) == (404, "NOT_FOUND")
        assert (await http.request(method, "/api/v2" + path)).status == 200


async def test_templates_and_groups_are_their_accounts(bench: Any) -> None:
    bench.directory.templates[bench.other_account.id, 5] = "Hello"
    bench.directory.contact_groups[bench.other_account.id, 3] = ["66812345678"]
    async with bench.client() as http:
        for form in (
            {"sender": "MYBRAND", "templateId": 5, "msisdns": ["66812345678"]},
            {"sender": "MYBRAND", "content": "Hi", "contactGroupId": 3},
        ):
            assert (await http.post("/api/v2/sms/send", json=form)).status == 400
            theirs = await http.post("/api/v2/sms/send", json=form, headers=RIVAL)
            assert theirs.status == 200


# --- cancel (3.3) -------------------------------------------------------------------------------


async def test_a_cancel_that_comes_a_moment_too_late(bench: Any) -> None:
    """It was scheduled when it was read, and had begun when it was to be cancelled."""
    bulk = add_bulk(
        bench,
        {
            "state": "scheduled",
            "scheduled": "2026-06-01T10:00:00",
            "recipients": [["66812345678", "pending"]],
        },
    )

    for state, code in [
        (BulkState.RUNNING, "ALREADY_PROCESSING"),
        (BulkState.CANCELLED, "ALREADY_CANCELLED"),
    ]:
        bulk.state = BulkState.SCHEDULED

        async def too_late(_view: Any, state: BulkState = state) -> None:
            bulk.state = state

        bench.bulks.cancel = too_late
        async with bench.client() as http:
            response = await http.post(f"/api/v2/sms/{UUID}/cancel")
            assert (response.status, (await response.json())["code"]) == (409, code)


async def test_a_cancel_takes_no_notice_of_a_json_body(bench: Any) -> None:
    add_bulk(
        bench,
        {
            "state": "scheduled",
            "scheduled": "2026-06-01T10:00:00",
            "recipients": [["66812345678", "pending"]],
        },
    )
    async with bench.client() as http:
        response = await http.post(f"/api/v2/sms/{UUID}/cancel", json={"why": "typo"})
        assert response.status == 200


# --- recipients (3.6) ---------------------------------------------------------------------------


async def pages_of(http: Any, query: str) -> list[dict[str, Any]]:
    """Every page of the cursor mode."""
    pages: list[dict[str, Any]] = []
    after = 0
    while True:
        path = f"/api/v2/sms/{UUID}/recipients?after={after}{query}"
        pages.append(await (await http.get(path)).json())
        if not pages[-1]["hasMore"]:
            assert pages[-1]["nextCursor"] is None
            return pages
        after = pages[-1]["nextCursor"]


def many(bench: Any, count: int, delivered: set[int]) -> Any:
    return add_bulk(
        bench,
        {
            "recipients": [
                [f"668{n:08}", "delivered" if n in delivered else "pending"]
                for n in range(1, count + 1)
            ]
        },
    )


async def test_the_cursor_walks_through_all_of_them(bench: Any) -> None:
    many(bench, 250, delivered=set())
    async with bench.client() as http:
        pages = await pages_of(http, "")
    assert [len(page["data"]) for page in pages] == [100, 100, 50]
    ids = [row["id"] for page in pages for row in page["data"]]
    assert ids == list(range(1, 251))


async def test_pages_hold_still_while_statuses_change(bench: Any) -> None:
    bulk = many(bench, 4, delivered=set())
    async with bench.client() as http:
        path = f"/api/v2/sms/{UUID}/recipients?limit=2&after="
        first = await (await http.get(path + "0")).json()
        bulk.states = [S.DELIVERED] * 4
        second = await (await http.get(path + "2")).json()
    assert [row["id"] for row in first["data"] + second["data"]] == [1, 2, 3, 4]


async def test_a_filtered_page_may_be_short_though_there_is_more(bench: Any) -> None:
    many(bench, 25_000, delivered={20_001})
    async with bench.client() as http:
        pages = await pages_of(http, "&status=success")
    assert [len(page["data"]) for page in pages] == [0, 0, 1]
    assert pages[-1]["data"][0]["id"] == 20_001


async def test_page_mode_maps_a_page_to_its_rows(bench: Any) -> None:
    many(bench, 2500, delivered=set())
    path = f"/api/v2/sms/{UUID}/recipients?limit=1000&page="
    async with bench.client() as http:
        third = await (await http.get(path + "3")).json()
        beyond = await (await http.get(path + "4")).json()
    assert (third["data"][0]["id"], len(third["data"]), third["total"]) == (2001, 500, 2500)
    assert (beyond["data"], beyond["total"]) == ([], 2500)


async def test_page_mode_with_a_filter_walks_to_its_page(bench: Any) -> None:
    many(bench, 3000, delivered=set(range(2, 3001, 2)))
    path = f"/api/v2/sms/{UUID}/recipients?status=success&limit=400&page="
    async with bench.client() as http:
        last = await (await http.get(path + "4")).json()
        beyond = await (await http.get(path + "5")).json()
    assert [row["id"] for row in last["data"]] == list(range(2402, 3001, 2))
    assert (last["total"], beyond["total"], beyond["data"]) == (1500, 1500, [])


async def test_page_mode_with_a_filter_says_where_its_reach_ends(bench: Any) -> None:
    many(bench, 30_000, delivered={5, 29_000})
    path = f"/api/v2/sms/{UUID}/recipients?status=success&limit=1&page="
    async with bench.client() as http:
        assert (await (await http.get(path + "1")).json())["data"][0]["id"] == 5
        refused = await http.get(path + "2")
        assert refused.status == 400
        assert "use after" in (await refused.json())["error"]


async def test_nobody_is_pending_in_a_cancelled_message(bench: Any) -> None:
    add_bulk(bench, {"state": "cancelled", "recipients": [["66812345678", "pending"]]})
    async with bench.client() as http:
        pages = await pages_of(http, "&status=pending")
        assert pages[0]["data"] == []
        assert (await pages_of(http, "&status=failed"))[0]["data"][0]["status"] == "failed"


def test_there_are_no_callbacks() -> None:
    """5: the contract knows none, so no notification has this vendor's form."""
    assert not [kind for kind in NoticeKind if "MESMS" in kind.name]


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/sms"), ("GET", f"/sms/{UUID}"), ("POST", "/sms/send")]
)
async def test_a_store_that_is_away(bench: Any, method: str, path: str) -> None:
    bench.bulks.unavailable = True
    async with bench.client() as http:
        response = await http.request(method, "/api/v2" + path, json=FORM)
        assert response.status == 503
        assert "disk full" not in await response.text()


async def test_a_fault_of_ours_shows_nothing(bench: Any) -> None:
    bench.bulks.list = None
    async with bench.client() as http:
        response = await http.get("/api/v2/sms")
        assert response.status == 500
        assert await response.json() == {"error": "Internal error.", "code": "INTERNAL_ERROR"}


async def test_a_body_over_the_limit_is_refused_by_its_length(bench: Any) -> None:
    async with bench.client() as http:
        reader, writer = await asyncio.open_connection(http.host, http.port)
        writer.write(
            b"POST /api/v2/sms/send HTTP/1.1\r\nHost: x\r\nx-api-key: key-a\r\n"
            b"Content-Type: application/json\r\nContent-Length: 40000001\r\n\r\n{"
        )
        head = await reader.readuntil(b"}")
        writer.close()
    assert head.startswith(b"HTTP/1.1 413")
    assert head.endswith(b'{"error":"The request body is too large.","code":"INVALID_PARAMETERS"}')
    assert not bench.bulks.intakes


@pytest.mark.parametrize("path", ["/sms/send", "/nothing"])
async def test_options_is_no_method_of_ours(bench: Any, path: str) -> None:
    async with bench.client() as http:
        response = await http.options("/api/v2" + path)
        assert response.status == (404 if path == "/nothing" else 405)
        assert "Access-Control-Allow-Origin" not in response.headers
