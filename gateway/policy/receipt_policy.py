"""Whether to ask a provider for a receipt."""

from gateway.domain.account import Door
from gateway.domain.lifecycle import NotifyWhen
from gateway.domain.message import Message

ASKED, ALWAYS, NEVER = "asked", "always", "never"


def asks_for_receipt(message: Message, policy: str) -> bool:
    """`asked`:

    only when the customer can learn of it (he asked, or his door has a status query).
    """
    if policy == ASKED:
        return message.notify_when != NotifyWhen.NEVER or message.door != Door.SMPP
    return policy == ALWAYS
