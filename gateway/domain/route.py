"""A route: which providers may carry a message, in which order."""


class Route:
    """Conditions and ordered tiers of (provider id, weight).

    None as a condition matches anything.
    """

    __slots__ = ("account_id", "channel", "name", "prefix", "sender", "tiers")

    def __init__(
        self,
        name: str,
        channel: int,
        prefix: str,
        tiers: tuple[tuple[tuple[int, int], ...], ...],
        account_id: int | None = None,
        sender: str | None = None,
    ) -> None:
        self.name = name
        self.channel = channel
        self.prefix = prefix
        self.tiers = tiers
        self.account_id = account_id
        self.sender = sender

    def provider_ids(self) -> list[int]:
        """Every provider of the route, best tier first."""
        return [provider_id for tier in self.tiers for provider_id, _ in tier]
