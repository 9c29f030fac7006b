"""Whether to ask a provider for a receipt."""

from gateway.domain.account import Door
from gateway.domain.lifecycle import NotifyWhen
from gateway.domain.message import Message

# Bound once: reaching a member through its class costs eight times a global.
_NEVER_NOTIFY = NotifyWhen.NEVER
_SMPP = Door.SMPP

ASKED, ALWAYS, NEVER = "asked", "always", "never"


def asks_for_receipt(message: Message, policy: str) -> bool:
    """Whether `policy` wants a receipt for `message`.

    "asked": only when the customer can learn of it: he asked, or his door has a status query.
    """
    if policy == ASKED:
        return message.notify_when != _NEVER_NOTIFY or message.door != _SMPP
    return policy == ALWAYS
