"""What admission and dispatch look up: routes and prices, replaced as a whole at a reload."""

from collections.abc import Iterable

from gateway.domain.declared import RateSpec
from gateway.domain.route import Route
from gateway.policy.pricing import Tariff
from gateway.policy.routing import RouteTable
from gateway.ports import Clock, Timer

_MOST_WAIT_S = 86_400.0


class Switchboard:
    """Holds the current RouteTable and Tariff; turns to a new tariff when its moment has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rates: tuple[RateSpec, ...] = ()
        self._timer: Timer | None = None
        self.routes = RouteTable(())
        self.tariff = Tariff((), clock.now_ms())

    def set_routes(self, routes: Iterable[Route]) -> None:
        """From the next submission and the next attempt on."""
        self.routes = RouteTable(routes)

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
        change_ms = self.tariff.next_change_ms
        if change_ms is not None:
            wait_s = min(_MOST_WAIT_S, max(0.0, (change_ms - now_ms) / 1000))
            self._timer = self._clock.call_later(wait_s, self._build)
