"""The price of one part, by currency and longest prefix, with effective dates."""

from collections.abc import Iterable

from gateway.domain.declared import RateSpec
from gateway.policy.prefix import PrefixTable


class Tariff:
    """Rates of one moment, ready for look-up.  Build a new one when `next_change_ms` has come."""

    __slots__ = ("_tables", "next_change_ms")

    def __init__(self, rates: Iterable[RateSpec], now_ms: int) -> None:
        chosen: dict[tuple[str, str], dict[str, RateSpec]] = {}
        self.next_change_ms: int | None = None
        for rate in rates:
            if rate.valid_from_ms > now_ms:
                if self.next_change_ms is None or rate.valid_from_ms < self.next_change_ms:
                    self.next_change_ms = rate.valid_from_ms
                continue
            table = chosen.setdefault((rate.channel, rate.currency), {})
            earlier = table.get(rate.prefix)
            # Of two rates valid from the same moment the later declared one wins.
            if earlier is None or rate.valid_from_ms >= earlier.valid_from_ms:
                table[rate.prefix] = rate
        self._tables = {
            key: PrefixTable({prefix: rate.price_micros for prefix, rate in table.items()})
            for key, table in chosen.items()
        }

    def has_rates(self, channel: str, currency: str) -> bool:
        """Whether anything is sold on `channel` in `currency`."""
        return (channel, currency) in self._tables

    def price_micros(self, channel: str, currency: str, recipient: str) -> int | None:
        """Price of one part to `recipient` (E.164 digits), or None when no rate covers it."""
        table = self._tables.get((channel, currency))
        return None if table is None else table.longest(recipient)
