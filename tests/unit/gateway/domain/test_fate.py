import pytest

from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import FINAL_STATES, MessageState

S = MessageState
# SMPP v3.4 Appendix B, 5.2.28.
STATES_OF_THE_STANDARD = {
    "ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "ACCEPTD": 6,
    "UNKNOWN": 7, "REJECTD": 8,
}  # fmt: skip


@pytest.mark.parametrize("state", list(S))
def test_every_state_has_a_word_on_every_wire(state: S) -> None:
    words = WORDS[state]
    empty = [name for name, word in words._asdict().items() if not word]
    # EasySendSMS has no status before the end.
    assert empty == ([] if state in FINAL_STATES else ["easysendsms"])


@pytest.mark.parametrize("state", list(S))
def test_the_words_of_smpp_are_those_of_the_standard(state: S) -> None:
    words = WORDS[state]
    assert STATES_OF_THE_STANDARD[words.smpp_stat] == words.smpp_message_state
    assert len(words.smpp_stat) == 7


@pytest.mark.parametrize(
    ("state", "stat", "exosend"),
    [
        (S.DELIVERED, "DELIVRD", "delivered"),
        (S.FAILED, "UNDELIV", "failed"),
        (S.REJECTED, "REJECTD", "failed"),
        (S.EXPIRED, "EXPIRED", "failed"),
        (S.CANCELLED, "DELETED", "failed"),
        (S.HANDED_OVER, "ACCEPTD", "sent"),
        (S.UNKNOWN, "UNKNOWN", "sent"),
    ],
)
def test_final_states(state: S, stat: str, exosend: str) -> None:
    assert (WORDS[state].smpp_stat, WORDS[state].exosend) == (stat, exosend)


@pytest.mark.parametrize(
    ("state", "mesms"),
    [
        (S.QUEUED, "pending"),
        (S.SENT, "pending"),
        (S.DELIVERED, "success"),
        (S.FAILED, "failed"),
        (S.REJECTED, "failed"),
        (S.EXPIRED, "expired"),
        (S.CANCELLED, "failed"),
        (S.HANDED_OVER, "timeout"),  # no receipt will come: none within the allowed time
        (S.UNKNOWN, "timeout"),
    ],
)
def test_recipients_of_a_mesms_message(state: S, mesms: str) -> None:
    assert WORDS[state].mesms == mesms


def test_our_own_words_tell_all_states_apart_but_the_two_sent() -> None:
    words = [WORDS[s].word for s in S]
    assert sorted(words) == sorted([*set(words), "sent"])
    assert WORDS[S.SENT].word == WORDS[S.HANDED_OVER].word == "sent"
