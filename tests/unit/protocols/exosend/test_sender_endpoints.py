"""The order of things around sender ids; their answers to the byte are golden vectors."""

from typing import Any

import pytest

from gateway.ports import SenderVerdict
from protocols.exosend.sender_endpoints import VERDICTS

PATH = "/api/v1/sender-ids"
RIVAL = {"Authorization": "Bearer token-b"}


def path_of(bench: Any, row: Any, rest: str = "") -> str:
    return f"{PATH}/{bench.public_ids.encode('sender', row.id)}{rest}"


def test_every_verdict_has_its_answer() -> None:
    assert set(VERDICTS) == set(SenderVerdict)


async def test_a_request_can_be_followed_by_its_id(bench: Any) -> None:
    async with bench.client() as http:
        made = await (await http.post(PATH, json={"sender_id": "SHOP"})).json()
        listed = await (await http.get(PATH, params={"status": "pending"})).json()
        assert [item["id"] for item in listed["data"]] == [made["data"]["id"]]
        assert len(listed["data"][0]) == 11
        again = await http.post(PATH, json={"sender_id": "SHOP"})
        assert again.status == 422
        gone = await http.delete(f"{PATH}/{made['data']['id']}")
        assert gone.status == 200
        assert (await http.post(PATH, json={"sender_id": "SHOP"})).status == 201


async def test_a_form_is_read_as_json_is(bench: Any) -> None:
    async with bench.client() as http:
        assert (await http.post(PATH, data={"sender_id": " SHOP "})).status == 201
    assert bench.senders.rows[0].name == "SHOP"


async def test_another_tenants_senders_do_not_exist(bench: Any) -> None:
    row = bench.senders.add(bench.account, "SHOP")
    async with bench.client() as http:
        for method, path in [
            ("DELETE", path_of(bench, row)), ("PATCH", path_of(bench, row, "/default")),
        ]:  # fmt: skip
            theirs = await http.request(method, path, headers=RIVAL)
            nobodys = await http.request(
                method, path_of(bench, row._replace(id=404), path[len(path_of(bench, row)) :])
            )
            assert theirs.status == nobodys.status == 404
            assert await theirs.read() == await nobodys.read()
        listed = await http.get(PATH, params={"status": "all"}, headers=RIVAL)
        assert await listed.json() == {"success": True, "data": []}
        # The name is taken in its own account only.
        assert (await http.post(PATH, json={"sender_id": "SHOP"}, headers=RIVAL)).status == 201
    assert not row.is_default
    assert row in bench.senders.rows


async def test_an_id_of_a_message_is_no_senders(bench: Any) -> None:
    row = bench.senders.add(bench.account, "SHOP")
    async with bench.client() as http:
        path = f"{PATH}/{bench.public_ids.encode('message', row.id)}"
        assert (await http.delete(path)).status == 404
        assert (await http.patch(path + "/default")).status == 404


async def test_the_previous_default_is_none_any_more(bench: Any) -> None:
    one = bench.senders.add(bench.account, "ONE", is_default=True)
    two = bench.senders.add(bench.account, "TWO")
    async with bench.client() as http:
        assert (await http.patch(path_of(bench, two, "/default"))).status == 200
        listed = await (await http.get(PATH)).json()
        assert {s["sender_id"]: s["is_default"] for s in listed["data"]} == {
            "ONE": False, "TWO": True,
        }  # fmt: skip
        assert (await http.delete(path_of(bench, one))).status == 200


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("POST", ""),
        ("PATCH", "/{id}/default"),
        ("PUT", "/{id}/default"),
        ("DELETE", "/{id}"),
    ],
)
async def test_every_endpoint_counts_and_is_limited(bench: Any, method: str, rest: str) -> None:
    bench.account.requests_per_min = 1
    row = bench.senders.add(bench.account, "SHOP")
    path = PATH + rest.format(id=bench.public_ids.encode("sender", row.id))
    async with bench.client() as http:
        assert (await http.get("/api/v1/balance")).status == 200
        refused = await http.request(method, path)
        assert refused.status == 429
        assert await refused.json() == {"message": "Too Many Attempts."}
        assert refused.headers["Retry-After"] == "60"
    assert bench.senders.rows == [row]


@pytest.mark.parametrize(
    ("scope", "allowed"), [("read", {"GET"}), ("send", {"POST", "PATCH", "DELETE"})]
)
async def test_reading_and_changing_are_different_scopes(
    bench: Any, scope: str, allowed: set[str]
) -> None:
    bench.credential.scopes = frozenset({scope})
    row = bench.senders.add(bench.account, "SHOP")
    async with bench.client() as http:
        statuses = {
            "GET": (await http.get(PATH)).status,
            "POST": (await http.post(PATH, json={"sender_id": "NEW"})).status,
            "PATCH": (await http.patch(path_of(bench, row, "/default"))).status,
            "DELETE": (await http.delete(path_of(bench, row))).status,
        }
    assert {verb for verb, status in statuses.items() if status != 403} == allowed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"_method=PATCH", 200), (b"_method=put", 200), (b"_method=DELETE", 405),
        (b"_method=", 405), (b"_method[]=PATCH", 405), (b"", 405),
    ],
)  # fmt: skip
async def test_a_post_that_names_another_verb(bench: Any, body: bytes, status: int) -> None:
    row = bench.senders.add(bench.account, "SHOP")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with bench.client() as http:
        path = path_of(bench, row, "/default")
        response = await http.post(path, data=body, headers=headers)
        assert response.status == status
        assert (response.headers.get("Allow") == "PATCH, PUT") == (status == 405)
        assert (await http.post(path + "?_method=PATCH")).status == 200
    assert bench.senders.rows[0].is_default


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"sender_id": "\\ud800\\u0000"}'])
async def test_bad_bodies(bench: Any, body: bytes) -> None:
    async with bench.client() as http:
        response = await http.post(PATH, data=body, headers={"Content-Type": "application/json"})
        assert response.status == 422
        assert list((await response.json())["errors"]) == ["sender_id"]
    assert not bench.senders.rows
