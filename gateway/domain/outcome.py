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
    """Not now.

    `throttled`: the provider asks us to slow down.  `unsent`: the link was gone before anything
    left, so the provider has said nothing.  Neither costs an attempt.
    """

    __slots__ = ("error", "throttled", "unsent")

    def __init__(self, error: str, *, throttled: bool = False, unsent: bool = False) -> None:
        self.error = error
        self.throttled = throttled
        self.unsent = unsent

    def __repr__(self) -> str:
        unsent = ", unsent=True" if self.unsent else ""
        return f"Deferred({self.error!r}, throttled={self.throttled}{unsent})"


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
    """It left and no answer came: neither sent nor failed.  The provider's policy decides.

    `silent`: the provider kept the link and did not answer in time; else the link was lost.
    """

    __slots__ = ("error", "silent")

    def __init__(self, error: str, *, silent: bool = False) -> None:
        self.error = error
        self.silent = silent

    def __repr__(self) -> str:
        silent = ", silent=True" if self.silent else ""
        return f"Unknown({self.error!r}{silent})"


Outcome: TypeAlias = Sent | Deferred | Refused | Unknown
