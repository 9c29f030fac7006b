"""Schemathesis against a real daemon: every operation of every door, all its checks.

What a schema cannot say (which senders are approved, which numbers exist, what is in the future) is
put into requests that are valid by the schema, so that those must be accepted; requests that break
the schema go out as they are, and must be refused.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, Config
from schemathesis.specs.openapi.schemas import OpenApiSchema

from gateway.domain.sms_text import Alphabet, measure
from postern.api_document import API_DOORS
from protocols.http.openapi import build_document
from tests.support.processes import PosternProcess, accepts
from tests.support.rest_client import get_json
from tests.support.serving import LISTEN, Serving

pytestmark = pytest.mark.slow

MAX_EXAMPLES = 30  # of each operation, beside the boundary values
SENDER = "POSTERN"
SID = "fuzz"
NUMBER = "37122001234"
THAI_NUMBER = "66812345678"

ACCOUNTS = """
[callbacks]
allow_private = true

[[account]]
name = "Fuzz"
credit = "1000000"
senders = ["POSTERN"]
requests_per_min = 0
  [[account.token]]
  name = "exosend"
  secret = "fuzz-exosend"
  doors = ["exosend"]
  [[account.token]]
  name = "easysendsms"
  secret = "fuzz-easysendsms"
  doors = ["easysendsms"]
  [[account.token]]
  name = "mesms"
  secret = "fuzz-mesms"
  doors = ["mesms"]
  [[account.exotel]]
  account_sid = "fuzz"
  api_key = "fuzz"
  api_token = "fuzz-exotel"
  error_codes = true
  [[account.template]]
  id = 1
  content = "Hello"
  [[account.contact_group]]
  id = 1
  msisdns = ["66812345679"]

[hlr]
url = "http://127.0.0.1:{carrier}/hlr?number={to}"
headers = { Authorization = "Bearer carrier" }

[[provider]]
name = "carrier"
wire = "http"
url = "http://127.0.0.1:{carrier}/send"
headers = { Authorization = "Bearer carrier" }
  [provider.fields]
  to = "{to_plus}"
  from = "{from}"
  text = "{text}"
  [provider.success]
  status = [202]
  [provider.id]
  path = "id"
[[route]]
providers = ["carrier"]
[[rate]]
price = "0.01"
[[rate]]
channel = "hlr"
price = "0.005"
"""
# Answers that depend on what an object has become, not on the request: a message that is no longer
# scheduled, a sender id that is not verified or in use.
STATUSES_OF_STATE = {
    "mesmsCancel": "400",
    "exosendDefaultSenderId": "422",
    "exosendPutDefaultSenderId": "422",
    "exosendPostDefaultSenderId": "422",
    "exosendDeleteSenderId": "422",
    "exosendPostDeleteSenderId": "422",
}
CONFIG = {
    "seed": 1,
    "operations": [
        {
            "include-operation-id": name,
            "checks": {
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "401", "403", "404", "409", "429", status]
                }
            },
        }
        for name, status in STATUSES_OF_STATE.items()
    ],
    "generation": {"deterministic": True, "database": "none", "allow-x00": True},
    "auth": {
        "openapi": {
            "exosend": {"bearer": "fuzz-exosend"},
            "exotel": {"username": "fuzz", "password": "fuzz-exotel"},
            "mesms": {"api_key": "fuzz-mesms"},
            "easysendsms": {"api_key": "fuzz-easysendsms"},
        }
    },
}
DOCUMENT: dict[str, Any] = build_document(API_DOORS, "test")
SCHEMA: OpenApiSchema = schemathesis.openapi.from_dict(DOCUMENT, config=Config.from_dict(CONFIG))

_numbers = count(1)  # for what must differ from request to request


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A daemon with an account for all doors."""
    serving = Serving(tmp_path_factory.mktemp("schemathesis"), LISTEN + ACCOUNTS)
    port = serving.ports["carrier"]
    with (
        PosternProcess(
            serving.directory,
            "simulate",
            "http",
            "--port",
            str(port),
            "--inbox-port",
            "0",
            "--secret",
            "carrier",
        ) as simulator,
        serving.serve(),
    ):
        simulator.until("the simulator", lambda: accepts(port))
        yield f"http://127.0.0.1:{serving.ports['http']}"


def test_the_daemon_serves_the_document(base_url: str) -> None:
    served = get_json(f"{base_url}/openapi.json")
    assert served["paths"] == json.loads(json.dumps(DOCUMENT["paths"]))
    assert served["components"] == json.loads(json.dumps(DOCUMENT["components"]))


REPEATABLE = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@SCHEMA.parametrize()
@settings(REPEATABLE, max_examples=MAX_EXAMPLES)
def test_every_answer_is_as_documented(case: Case, base_url: str) -> None:
    make_possible(case)
    case.call_and_validate(base_url=base_url, timeout=10)


@pytest.mark.parametrize("tag", ["exosend", "exotel", "mesms"])  # the others have no links
def test_answers_lead_on_as_the_links_say(base_url: str, tag: str) -> None:
    """Ids of one answer in the path of the next request: message to status, sender id to default."""

    paths = {
        path: item
        for path, item in DOCUMENT["paths"].items()
        if any(operation["tags"] == [tag] for operation in item.values())
    }
    schema = schemathesis.openapi.from_dict(
        {**DOCUMENT, "paths": paths}, config=Config.from_dict(CONFIG)
    )

    class Conversation(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Case) -> None:
            make_possible(case)

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {"base_url": base_url, "timeout": 10}

    Conversation.run(
        settings=settings(REPEATABLE, max_examples=MAX_EXAMPLES, stateful_step_count=8)
    )


# --- what a schema cannot say -------------------------------------------------------------------


def make_possible(case: Case) -> None:
    """Puts the account's own names, possible numbers and future times into a valid request."""
    assert case.meta is not None
    is_valid = case.meta.generation.mode.is_positive
    if "sid" in case.path_parameters and is_valid:
        case.path_parameters["sid"] = SID
    if not is_valid:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"key-{next(_numbers)}"
    adapt = ADAPTED.get(case.operation.path.removesuffix(".json"))
    if adapt is not None and isinstance(case.body, dict) and case.method == "POST":
        adapt(case.body)


def exosend(body: dict[str, Any]) -> None:
    if (body.get("sender_id") or "").strip():
        body["sender_id"] = SENDER
    if "recipient" in body:
        body["recipient"] = f"+{NUMBER}"
    for name in ("recipients", "recipients[]"):
        if name in body:
            body[name][0] = f"+{NUMBER}"


def exosend_sender(body: dict[str, Any]) -> None:
    body["sender_id"] = f"S{next(_numbers):09d}"


def mesms(body: dict[str, Any]) -> None:
    if "sender" in body:
        body["sender"] = SENDER
    if "{{name}}" in (body.get("content") or ""):
        body["variables"] = {"name": "Toon"}
    if body.get("msisdns"):
        body["msisdns"][0] = THAI_NUMBER
    for name in ("contactGroupId", "templateId"):
        if body.get(name) is not None:
            body[name] = 1
    if body.get("scheduledTime"):
        body["scheduledTime"] = tomorrow()


def exotel(body: dict[str, Any]) -> None:
    body["From"] = SENDER
    first, *others = sorted(name for name in body if name == "To" or name.startswith("To["))
    for name in others:  # one spelling of the list is enough
        del body[name]
    value = body[first]
    body[first] = [f"+{NUMBER}", *value[1:]] if isinstance(value, list) else f"+{NUMBER}"
    exotel_options(body)


def exotel_bulk(body: dict[str, Any]) -> None:
    body["From"] = SENDER
    for entries in (body.get("Messages"), body.get("sms")):
        for entry in entries or ():
            entry |= {"To": f"+{NUMBER}", "From": SENDER}
    names = [name for name in body if name.startswith(("Message[", "Messages["))]
    if names:
        kept = max(names).partition("[")[0]  # of the two spellings one is read
        for name in names:
            if not name.startswith(f"{kept}["):
                del body[name]
        body |= {f"{kept}[0][To]": f"+{NUMBER}", f"{kept}[0][From]": SENDER}
        body.setdefault(f"{kept}[0][Body]", "Hello")
    exotel_options(body)


def exotel_options(body: dict[str, Any]) -> None:
    shortening = body.get("ShortenUrlParams") or {}
    for fields in (body, shortening):
        for name in fields:
            if fields[name] and ("CallbackUrl" in name or name == "StatusCallback"):
                fields[name] = "http://127.0.0.1:9/callback"


def easysendsms(body: dict[str, Any]) -> None:
    text = body["text"][:300]
    is_gsm = measure(text)[0] is Alphabet.GSM7
    body |= {"from": SENDER, "to": NUMBER, "text": text, "type": "0" if is_gsm else "1"}
    if body.get("scheduled"):
        body["scheduled"] = tomorrow()


def easysendsms_query(body: dict[str, Any]) -> None:
    body["number"] = NUMBER


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")


ADAPTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "/api/v1/sms/send": exosend,
    "/api/v1/sms/send-bulk": exosend,
    "/api/v1/sender-ids": exosend_sender,
    "/api/v2/sms/send": mesms,
    "/api/v2/sms/preview": mesms,
    "/v1/Accounts/{sid}/Sms/send": exotel,
    "/v1/Accounts/{sid}/Sms/bulksend": exotel_bulk,
    "/v1/rest/sms/send": easysendsms,
    "/v1/rest/hlr/query": easysendsms_query,
    "/v1/rest/nv/query": easysendsms_query,
}
