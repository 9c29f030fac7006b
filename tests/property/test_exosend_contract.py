import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocols.exosend import contract
from protocols.exosend.contract import BulkRequest

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["recipient", "recipients", "message", "sender_id", "other"]), JSON_VALUES
)


@given(FIELDS)
def test_any_fields_give_a_request_or_errors_that_render(fields: dict[str, Any]) -> None:
    for result in (contract.parse_send(fields), contract.parse_bulk(fields)):
        if isinstance(result, dict):
            assert json.loads(contract.render_validation_errors(result))["errors"] == result
        elif isinstance(result, BulkRequest):
            invalid = result.invalid_items()
            assert len(invalid) + len(result.numbers) == len(result.items)
            body = json.loads(contract.render_bulk([], 0, 0, invalid))
            assert len(body["data"]["invalid_recipients"]) == len(invalid)
