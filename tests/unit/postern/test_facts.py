import pytest

from gateway.domain.commit_group import EventKind, MessageEvent, StoredMessage, StoredPart
from gateway.domain.identity import CredentialKind, Origin, StoredCredential
from gateway.domain.keys import EPOCH_MS, PublicIds, key_time_ms
from gateway.domain.lifecycle import MessageState, Notified
from postern.facts import Names, iso, message_facts, message_keys, tokens_of
from tests.support.upstream import make_message

IDS = PublicIds(b"0123456789abcdef")
KEY = 0x0123456789ABCDEF
AT = key_time_ms(KEY)
NAMES = Names({1: "acme"}, {5: "bind"}, {None: "", 2: "carrier"}, IDS)


def stored(**changes: object) -> StoredMessage:
    row = StoredMessage(
        KEY, 1, 5, 1, 0, None, 1, "ACME", "37120000000", "secret text", None, None, None, None,
        0, 1, 35_000, 2, 1, 0, AT, AT + 1000, MessageState.QUEUED, None, None, 0, 0, 0, "", 0,
    )  # fmt: skip
    return row._replace(**changes)


def events_of(facts: dict[str, object]) -> list[tuple[object, object]]:
    timeline = facts["timeline"]
    assert isinstance(timeline, list)
    return [(step["event"], step["detail"]) for step in timeline]


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, None),
        (EPOCH_MS, "2024-01-01T00:00:00.000Z"),
        (EPOCH_MS + 7, "2024-01-01T00:00:00.007Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
    ],
)
def test_iso(time_ms: int, text: str | None) -> None:
    assert iso(time_ms) == text


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("0123456789abcdef", [KEY]),
        (" 0123456789ABCDEF ", [KEY]),
        (str(KEY), [KEY]),
        ("1234567890123456", [0x1234567890123456, 1234567890123456]),
        (IDS.encode("message", KEY), [KEY]),
        (IDS.encode("message", KEY).upper().replace("-", ""), [KEY]),
        (IDS.encode("batch", KEY), []),
        ("123456789abcdef", []),
        ("ffffffffffffffff", []),
        (str(1 << 63), []),
        ("0", []),
        ("", []),
        ("٣", []),
        ("0x12", []),
    ],
)
def test_message_keys(text: str, keys: list[int]) -> None:
    assert message_keys(text, IDS) == keys


def test_a_waiting_message() -> None:
    facts = message_facts(stored(), [], NAMES)
    assert (facts["state"], facts["final"], facts["sent_at"]) == ("queued", False, None)
    assert events_of(facts) == [("accepted", "smpp by bind")]
    assert "part_list" not in facts


def test_the_text_is_not_shown() -> None:
    assert "secret text" not in str(message_facts(stored(), [], NAMES))


def test_the_timeline_merges_row_and_events() -> None:
    row = stored(
        state=MessageState.FAILED, provider_id=2, provider_message_id="abc", sent_at_ms=AT + 30,
        final_at_ms=AT + 50, error="001", notified=Notified.DONE,
    )  # fmt: skip
    events = [
        MessageEvent(KEY, AT + 10, EventKind.RETRY, 2, "carrier: busy"),
        MessageEvent(KEY, AT + 60, EventKind.REPEATED_RECEIPT, 2, ""),
    ]
    assert events_of(message_facts(row, events, NAMES)) == [
        ("accepted", "smpp by bind"),
        ("retry", "carrier: busy"),
        ("sent", "carrier as abc"),
        ("failed", "001"),
        ("repeated receipt", ""),
        ("notified", ""),
    ]


@pytest.mark.parametrize(
    ("notified", "word"),
    [
        (Notified.PENDING, "notification pending"),
        (Notified.DONE, "notified"),
        (Notified.ABANDONED, "notification abandoned"),
    ],
)
def test_notification_has_no_time(notified: Notified, word: str) -> None:
    timeline = message_facts(stored(notified=notified), [], NAMES)["timeline"]
    assert isinstance(timeline, list)
    assert timeline[-1] == {"at": None, "event": word, "detail": ""}


@pytest.mark.parametrize("state", list(MessageState))
@pytest.mark.parametrize("kind", list(EventKind))
def test_every_state_and_event_can_be_shown(state: MessageState, kind: EventKind) -> None:
    row = stored(state=state, final_at_ms=AT + 1)
    facts = message_facts(row, [MessageEvent(KEY, AT, kind, None, "")], NAMES)
    assert len(events_of(facts)) == 3


def test_parts_count_from_one() -> None:
    parts = (
        StoredPart(0, 2, "a", MessageState.DELIVERED),
        StoredPart(1, None, None, MessageState.QUEUED),
    )
    assert message_facts(stored(parts=parts, part_count=2), [], NAMES)["part_list"] == [
        {"n": 1, "provider": "carrier", "provider_message_id": "a", "state": "delivered"},
        {"n": 2, "provider": "", "provider_message_id": "", "state": "queued"},
    ]


def test_what_is_no_longer_known_is_empty() -> None:
    facts = message_facts(stored(account_id=9, credential_id=None, provider_id=9), [], NAMES)
    assert (facts["account"], facts["credential"], facts["provider"]) == ("", "", "")


def test_tokens_of_one_account() -> None:
    def row(id: int, account_id: int, kind: CredentialKind) -> StoredCredential:
        return StoredCredential(id, account_id, kind, "n", b"", None, "{}", Origin.STORE, True)

    rows = [
        row(1, 1, CredentialKind.TOKEN),
        row(2, 1, CredentialKind.SMPP),
        row(3, 2, CredentialKind.TOKEN),
    ]
    assert [r.id for r in tokens_of(rows, make_message().account)] == [1]
