from gateway.domain.message import Message
from protocols.http.bundles import Bundles
from tests.support.upstream import make_message


def to(*recipients: str) -> list[Message]:
    return [make_message(recipient=recipient) for recipient in recipients]


def filled(**kinds: list[Message]) -> Bundles:
    bundles = Bundles()
    for kind, messages in kinds.items():
        for message in messages:
            bundles.add(kind, message)
    return bundles


def test_nothing_waits_at_first():
    assert Bundles().take(10) == []
    assert Bundles().drain() == []


def test_messages_of_one_kind_go_together_in_their_order():
    a, b, c = to("1", "2", "3")
    bundles = filled(x=[a, b, c])
    assert bundles.size == 3
    assert bundles.take(10) == [a, b, c]
    assert bundles.size == 0
    assert bundles.take(10) == []


def test_no_more_than_fit_and_the_rest_after_the_other_kinds():
    a, b, c, d = to("1", "2", "3", "4")
    bundles = filled(x=[a, b, c], y=[d])
    assert bundles.take(2) == [a, b]
    assert bundles.size == 2
    assert bundles.take(2) == [d]
    assert bundles.take(2) == [c]


def test_two_messages_to_one_recipient_never_go_together():
    first, other, second = to("1", "2", "1")
    bundles = filled(x=[first, other, second])
    assert bundles.take(10) == [first, other]
    assert bundles.take(10) == [second]


def test_even_nothing_is_a_kind():
    [message] = to("1")
    bundles = Bundles()
    bundles.add(None, message)
    assert bundles.take(1) == [message]


def test_what_waits_can_be_taken_back():
    a, b, c = to("1", "2", "3")
    bundles = filled(x=[a, c], y=[b])
    assert bundles.drain() == [a, c, b]
    assert bundles.size == 0
    assert bundles.take(10) == []
