import pytest

from gateway.domain.identity import Origin, SenderState, SenderVerification, StoredSender
from protocols.exosend.sender_ids import chosen, parse_request, render_list

PENDING, APPROVED, REJECTED = SenderState
AWAITED, VERIFIED, REFUSED = SenderVerification
FORMAT = "The sender id field format is invalid."


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("EXOCLASS", "EXOCLASS"),
        ("abc", "abc"),
        ("Exo Class 24", None),  # 12 characters
        ("Exo Class24", "Exo Class24"),
        ("1 a", "1 a"),
        ("12a", "12a"),
        ("  SHOP  ", "SHOP"),
        ("A  B", "A  B"),
    ],
)
def test_names(given: str, name: str | None) -> None:
    parsed = parse_request({"sender_id": given})
    if name is None:
        assert isinstance(parsed, dict)
    else:
        assert parsed == name


@pytest.mark.parametrize("given", ["123", "12 34", "Łódź", "A-B", "A_B", "a\u00a0b", "A\nB", "B٣A"])
def test_names_of_another_form(given: str) -> None:
    assert parse_request({"sender_id": given}) == {"sender_id": [FORMAT]}


@pytest.mark.parametrize("given", [123456, True, 1.5, {"a": "SHOP"}, ["SHOP"]])
def test_names_that_are_no_strings(given: object) -> None:
    assert parse_request({"sender_id": given}) == {
        "sender_id": ["The sender id field must be a string.", FORMAT]
    }


@pytest.mark.parametrize("fields", [{}, {"sender_id": None}, {"sender_id": []}, {"sender_id": " "}])
def test_names_that_are_missing(fields: dict[str, object]) -> None:
    assert parse_request(fields) == {"sender_id": ["The sender id field is required."]}


def row(state: SenderState, verification: SenderVerification, reason: str = "") -> StoredSender:
    return StoredSender(
        1, 1, "SHOP", state, verification, reason, Origin.STORE, False, 0, 1000, 0, 0, 1000
    )


ROWS = {
    name: row(*stages)
    for name, stages in {
        "asked": (PENDING, AWAITED), "approved": (APPROVED, AWAITED),
        "usable": (APPROVED, VERIFIED), "refused": (APPROVED, REFUSED),
        "rejected": (REJECTED, AWAITED), "withdrawn": (REJECTED, VERIFIED),
    }.items()
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("verified", {"usable"}),
        ("", {"usable"}),
        ("ALL", {"usable"}),
        ("pending", {"asked"}),
        ("approved", {"approved", "usable", "refused"}),
        ("rejected", {"refused", "rejected", "withdrawn"}),
        ("all", set(ROWS)),
    ],
)
def test_the_choice_by_status(status: str, shown: set[str]) -> None:
    rows = list(ROWS.values())
    assert chosen(rows, status) == [r for name, r in ROWS.items() if name in shown]


@pytest.mark.parametrize(
    ("stages", "shown"),
    [
        ((REJECTED, AWAITED, "complaints"), b'"complaints"'),
        ((APPROVED, REFUSED, "not registered"), b'"not registered"'),
        ((REJECTED, AWAITED, ""), b"null"),
        ((APPROVED, VERIFIED, "contract 5"), b"null"),  # a yes needs no reason before a customer
    ],
)
def test_only_a_no_shows_its_reason(
    stages: tuple[SenderState, SenderVerification, str], shown: bytes
) -> None:
    assert b'"rejection_reason":' + shown in render_list([row(*stages)], str)
