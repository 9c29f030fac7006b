from hypothesis import given
from hypothesis import strategies as st

from protocols.http.bodies import nest_fields, parse_fields

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XyZ"


@given(st.binary(), st.sampled_from([JSON, FORM, MULTIPART, "", "text/plain; \udcff"]))
def test_arbitrary_bytes_give_a_dict_with_text_keys(body: bytes, content_type: str) -> None:
    fields = parse_fields(body, content_type)
    assert all(isinstance(name, str) for name in fields)


@given(
    st.lists(st.tuples(st.text("a0[]", max_size=12), st.text(max_size=3)), max_size=20),
)
def test_arbitrary_bracket_names_give_a_dict(fields: list[tuple[str, str]]) -> None:
    assert isinstance(nest_fields(fields), dict)
