"""The answer of a provider to one part.

`Sent | Deferred | Refused | Unknown`: values, never exceptions.
"""

from typing import TypeAlias


class Sent:
    """The provider took it.  `provider_message_id` is theirs, raw; empty when the wire has none."""

    __slots__ = ("provider_message_id",)

    def __init__(self, provider_message_id: str) -> None:
        self.provider_message_id = provider_message_id

    def __repr__(self) -> str:
        return f"Sent({self.provider_message_id!r})"


class Deferred:
    """Not now.  `throttled` means the provider asks us to slow down: it costs no attempt."""

    __slots__ = ("error", "throttled")

    def __init__(self, error: str, *, throttled: bool = False) -> None:
        self.error = error
        self.throttled = throttled

    def __repr__(self) -> str:
        return f"Deferred({self.error!r}, throttled={self.throttled})"


class Refused:
    """Never by this provider.

    `everywhere`: the message itself is at fault, no other will take it.
    """

    __slots__ = ("error", "everywhere")

    def __init__(self, error: str, *, everywhere: bool = False) -> None:
        self.error = error
        self.everywhere = everywhere

    def __repr__(self) -> str:
        return f"Refused({self.error!r}, everywhere={self.everywhere})"


class Unknown:
    """It left and no answer came: neither sent nor failed.  The provider's policy decides."""

    __slots__ = ("error",)

    def __init__(self, error: str) -> None:
        self.error = error

    def __repr__(self) -> str:
        return f"Unknown({self.error!r})"


Outcome: TypeAlias = Sent | Deferred | Refused | Unknown
