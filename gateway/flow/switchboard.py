"""What admission and dispatch look up: routes and prices, replaced as a whole at a reload."""

from collections.abc import Iterable

from gateway.domain.account import Account
from gateway.domain.declared import RateSpec
from gateway.domain.message import Channel
from gateway.domain.route import Route
from gateway.policy.pricing import Tariff
from gateway.policy.routing import RouteTable
from gateway.ports import Clock, Timer

_MOST_WAIT_S = 86_400.0
MOST_WAYS = 100_000  # remembered answers


class Switchboard:
    """Holds the current RouteTable and Tariff; turns to a new tariff when its moment has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: tuple[RateSpec, ...] = ()
        self._timer: Timer | None = None
        self._ways: dict[tuple[int, int, str, str], tuple[Route | None, int | None]] = {}
        self.digits = 0  # the longest prefix of any rule
        self.routes = RouteTable(())
        self.tariff = Tariff((), clock.now_ms())

    def way(
        self, channel: Channel, account: Account, sender: str, recipient: str
    ) -> tuple[Route | None, int | None]:
        """The route of a message and the price of one part; None for what is missing.

        Remembered by as many leading digits as any rule looks at: the answer cannot depend on more.
        """
        key = (channel, account.id, sender, recipient[: self.digits])
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= MOST_WAYS:
                self._ways.clear()
            way = self._ways[key] = (
                self.routes.find(channel, account.id, sender, recipient),
                self.tariff.price_micros(channel.name.lower(), account.currency, recipient),
            )
        return way

    def set_routes(self, routes: Iterable[Route]) -> None:
        """From the next submission and the next attempt on."""
        self.routes = RouteTable(routes)
        self._forget_ways()

    def _forget_ways(self) -> None:
        self._ways.clear()
        self.digits = max(
            (
                *(len(route.prefix) for route in self.routes.routes),
                *(len(rate.prefix) for rate in self._rates),
            ),
            default=0,
        )

    def set_rates(self, rates: Iterable[RateSpec]) -> None:
        """From the next submission on, each from its `valid_from` on."""
        self._rates = tuple(rates)
        self._build()

    def close(self) -> None:
        """Forgets the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _build(self) -> None:
        self.close()
        now_ms = self._clock.now_ms()
        self.tariff = Tariff(self._rates, now_ms)
        self._forget_ways()
        change_ms = self.tariff.next_change_ms
        if change_ms is not None:
            wait_s = min(_MOST_WAIT_S, max(0.0, (change_ms - now_ms) / 1000))
            self._timer = self._clock.call_later(wait_s, self._build)
