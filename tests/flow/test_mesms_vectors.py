"""The golden files of the ME-SMS door, answered by a real heart and a store on disk."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from protocols.http.app import build_app
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.proxies import TrustedProxies
from protocols.mesms.server import MesmsDoor
from tests.support.hearts import RunningHeart, running_heart

VECTORS = Path(__file__).parents[1] / "vectors" / "mesms"
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What a configuration can arrange; the rest needs a fake heart.
ARRANGED = {"balance", "scopes", "templates", "contact_groups", "requests_made"}

CONFIGURATION = """
[[account]]
name = "Bulk"
currency = "CREDIT"
credit = "{balance}"
senders = ["MYBRAND"]
  [[account.token]]
  secret = "key-a"
  scopes = {scopes}
{stored}
[[account]]
name = "Rival"
currency = "CREDIT"
credit = "1000"
senders = ["MYBRAND"]
  [[account.token]]
  secret = "key-b"

[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = 1
system_id = "gw"
password = "secret"

[[route]]
providers = ["carrier"]

[[rate]]
currency = "CREDIT"
price = "1"
"""


def is_arranged(vector: dict[str, Any]) -> bool:
    """The files are written for a day that is over: their future is not ours."""
    body = vector["request"].get("body", {})
    is_scheduled = "scheduledTime" in body and vector["status"] == 200
    return not is_scheduled and vector.get("given", {}).keys() <= ARRANGED


def read_vectors() -> dict[str, dict[str, Any]]:
    read = {path.stem: json.loads(path.read_text("utf-8")) for path in VECTORS.glob("*.json")}
    return {name: vector for name, vector in sorted(read.items()) if is_arranged(vector)}


def configuration(given: dict[str, Any]) -> str:
    stored = "".join(
        f"  [[account.template]]\n  id = {id}\n  content = {json.dumps(content)}\n"
        for id, content in given.get("templates", {}).items()
    ) + "".join(
        f"  [[account.contact_group]]\n  id = {id}\n  msisdns = {json.dumps(numbers)}\n"
        for id, numbers in given.get("contact_groups", {}).items()
    )
    return CONFIGURATION.format(
        balance=given.get("balance", "1000"),
        scopes=json.dumps([given["scopes"]] if "scopes" in given else []),
        stored=stored,
    )


def door_of(running: RunningHeart, limits: RequestLimits) -> MesmsDoor:
    heart = running.heart
    return MesmsDoor(
        heart.directory,
        heart.bulks,
        heart.senders,
        IdempotentRequests(heart.queries),
        limits,
        heart.public_ids,
        heart.clock,
        TrustedProxies(),
    )


def masked(body: bytes) -> bytes:
    return UUID.sub(b"uuid", body)


def test_most_files_are_arranged() -> None:
    assert len(read_vectors()) > 60


@pytest.mark.parametrize("vector", read_vectors().values(), ids=read_vectors())
async def test_golden_vector(vector: dict[str, Any], tmp_path: Path) -> None:
    given, request = vector.get("given", {}), vector["request"]
    body = request["text"].encode() if "text" in request else None
    if "body" in request:
        body = json.dumps(request["body"]).encode()
    async with running_heart(tmp_path, configuration(given)) as running:
        limits = RequestLimits(running.heart.clock)
        credential = running.heart.directory.token("key-a")
        assert credential is not None
        for _ in range(given.get("requests_made", 0)):
            limits.take_of(("mesms", credential.id), 60, 60.0)
        app = build_app([door_of(running, limits)])
        async with TestClient(TestServer(app)) as http:
            response = await http.request(
                request["method"],
                request["path"],
                headers=request["headers"],
                data=body,
                skip_auto_headers=["Content-Type"],
            )
            expected = json.dumps(vector["body"], separators=(",", ":")).encode()
            assert response.status == vector["status"]
            assert masked(await response.read()) == masked(expected)
        await running.idle()
