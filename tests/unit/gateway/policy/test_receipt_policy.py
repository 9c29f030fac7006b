import pytest

from gateway.domain.account import Door
from gateway.domain.lifecycle import NotifyWhen
from gateway.policy.receipt_policy import ALWAYS, ASKED, NEVER, asks_for_receipt
from tests.support.upstream import make_message


@pytest.mark.parametrize(
    ("policy", "door", "when", "asks"),
    [
        (ASKED, Door.SMPP, NotifyWhen.NEVER, False),
        (ASKED, Door.SMPP, NotifyWhen.FAILURE, True),
        (ASKED, Door.SMPP, NotifyWhen.ALWAYS, True),
        (ASKED, Door.EXOSEND, NotifyWhen.NEVER, True),  # he may query the status
        (ALWAYS, Door.SMPP, NotifyWhen.NEVER, True),
        (NEVER, Door.EXOSEND, NotifyWhen.ALWAYS, False),
    ],
)
def test_a_receipt_is_asked_for_when_somebody_can_learn_of_it(
    policy: str, door: Door, when: NotifyWhen, asks: bool
) -> None:
    message = make_message()
    message.door, message.notify_when = door, when
    assert asks_for_receipt(message, policy) is asks
