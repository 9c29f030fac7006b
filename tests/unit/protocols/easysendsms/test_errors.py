import json
import re
from pathlib import Path

import pytest

from protocols.easysendsms.errors import Endpoint, error_answer

# Table 2.2 of the vendor's contract, as it stands there; "same" and "as send" filled in.
TABLE = """
4001 | 400 | One or more required parameters are missing. | * | * | *
4002 | 401 | No API key found in request. | No API key found in the request. | * | *
4003 | 401 | Invalid API Key. | Invalid API key. | * | *
4004 | 403 | Invalid IP address. | * | * | *
4005 | 403 | Inactive API Key. | API key is inactive. | * | *
4006 | 403 | Inactive Account. | Account is inactive. | * | *
4007 | 403 | Demo Account Expired. | Demo account has expired. | * | Demo account expired.
4008 | 500 | Internal error (do NOT re-submit the same request again). | Internal server error. Do not retry the same request. | * | *
4009 | 503 | Service not available (do NOT re-submit the same request again). | Service temporarily unavailable. Do not retry the same request immediately. | * | *
4010 | 400 | Invalid type parameter. | - | Invalid Number Parameter. | Invalid Number Parameter.
4011 | 400/500 | Invalid message. | - | Invalid HLR response. | Invalid NV response.
4012 | 400/402 | Invalid mobile number. | - | Insufficient credits. | Insufficient credits.
4013 | 400 | Too many recipients. | - | - | -
4014 | 400 | Invalid sender name. | - | - | -
4015 | 402 | Insufficient credits. | - | - | -
4016 | 400 | Country / network not available. | - | - | -
4017 | 400 | Invalid scheduled datetime format or scheduled time is in the past. | - | - | -
405 | 405 | Method not allowed. | - | Method not allowed. | Method not allowed.
415 | 415 | Unsupported Media Type. | - | Unsupported Media Type. | Unsupported media type.
"""
CASES = [
    (int(row[0]), row[1], endpoint, row[2] if row[2 + endpoint] == "*" else row[2 + endpoint])
    for row in (re.split(r" \| ", line) for line in TABLE.strip().splitlines())
    for endpoint in Endpoint
    if row[2 + endpoint] != "-"
]


@pytest.mark.parametrize(("code", "statuses", "endpoint", "text"), CASES)
def test_status_and_text_of_each_endpoint(
    code: int, statuses: str, endpoint: Endpoint, text: str
) -> None:
    send, _, lookup = statuses.partition("/")
    is_lookup = endpoint in (Endpoint.HLR, Endpoint.NV)
    answer = error_answer(code, endpoint)
    assert answer.status == int(lookup if is_lookup and lookup else send)
    assert json.loads(answer.body) == {"error": code, "description": text}


def test_the_table_is_whole() -> None:
    assert len(CASES) == 9 * 4 + 3 * 3 + 5 + 2 * 3


@pytest.mark.parametrize("endpoint", Endpoint)
def test_an_unknown_code_is_a_defect(endpoint: Endpoint) -> None:
    with pytest.raises(KeyError):
        error_answer(4018, endpoint)


def test_the_page_has_every_code() -> None:
    page = (Path(__file__).parents[4] / "docs" / "easysendsms.md").read_text()
    missing = [code for code, *_ in CASES if f"| {code} |" not in page]
    assert missing == []
