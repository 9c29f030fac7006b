"""Which route a message takes, and which of its providers is next."""

from collections.abc import Callable, Iterable

from gateway.domain.route import Route
from gateway.policy.prefix import PrefixTable


class RouteTable:
    """Finds a message's route: longest prefix, most conditions, declaration order."""

    __slots__ = ("_tables", "routes")

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        grouped: dict[int, dict[str, list[Route]]] = {}
        for route in self.routes:
            grouped.setdefault(route.channel, {}).setdefault(route.prefix, []).append(route)
        for table in grouped.values():
            for candidates in table.values():
                candidates.sort(key=_conditions, reverse=True)  # stable: declaration order stays
        self._tables = {channel: PrefixTable(table) for channel, table in grouped.items()}

    def find(self, channel: int, account_id: int, sender: str, recipient: str) -> Route | None:
        """The first route whose conditions hold, or None."""
        table = self._tables.get(channel)
        if table is None:
            return None
        for candidates in table.matches(recipient):
            for route in candidates:
                if (route.account_id is None or route.account_id == account_id) and (
                    route.sender is None or route.sender == sender
                ):
                    return route
        return None

    def covers(self, channel: int, account_id: int, recipient: str) -> bool:
        """Whether some route takes messages of the account to `recipient`, by some sender."""
        table = self._tables.get(channel)
        return table is not None and any(
            route.account_id is None or route.account_id == account_id
            for candidates in table.matches(recipient)
            for route in candidates
        )


def _conditions(route: Route) -> int:
    return (route.account_id is not None) + (route.sender is not None)


def choose_provider(
    route: Route,
    available: Callable[[int], bool],
    tried: set[int] | None,
    draw: Callable[[], float],
) -> int | None:
    """Provider id for the next attempt: the first tier with an available, untried one; by weight.

    `draw` gives a number in [0, 1).  None when no provider of the route is available now.
    """
    for tier in route.tiers:
        if len(tier) == 1:
            provider_id = tier[0][0]
            if available(provider_id) and (tried is None or provider_id not in tried):
                return provider_id
            continue
        usable = [
            (provider_id, weight)
            for provider_id, weight in tier
            if weight > 0 and available(provider_id) and (tried is None or provider_id not in tried)
        ]
        if usable:
            point = draw() * sum(weight for _, weight in usable)
            for provider_id, weight in usable:
                point -= weight
                if point < 0:
                    return provider_id
            return usable[-1][0]
    return None
