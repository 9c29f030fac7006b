"""Asks a vendor what is left of the money paid to it, and warns once when that is little."""

import logging

from gateway.domain.money import format_amount
from gateway.ports import Clock
from protocols.http.dialect import Dialect
from protocols.http.link import HttpLink
from protocols.http.outgoing import HttpAnswer

log = logging.getLogger("postern.http.balance")


class BalanceProbe:
    """The probe of one provider; `run` is its service.

    `balance_micros`: micro-units of whatever the vendor counts; None until it said.  `warn_micros`:
    a balance below it is worth a warning; None = never.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        link: HttpLink,
        clock: Clock,
        *,
        every_s: float,
        warn_micros: int | None,
    ) -> None:
        self.dialect = dialect
        self.every_s = every_s
        self.warn_micros = warn_micros
        self.balance_micros: int | None = None
        self._name = name
        self._link = link
        self._clock = clock
        self._is_low = False

    async def run(self) -> None:
        """For ever; what is not answered keeps the balance that was known."""
        while True:
            if self._link.is_up:
                await self._ask()
            await self._clock.sleep(self.every_s)

    async def _ask(self) -> None:
        dialect = self.dialect
        call = dialect.balance()
        if call is None:
            return
        answer = await self._link.exchange(*call)
        if not isinstance(answer, HttpAnswer):
            return
        balance_micros = dialect.read_balance(answer.status, answer.body)
        if balance_micros is not None:
            self.balance_micros = balance_micros
            self._judge(balance_micros)

    def _judge(self, balance_micros: int) -> None:
        was_low, warn_micros = self._is_low, self.warn_micros
        self._is_low = warn_micros is not None and balance_micros < warn_micros
        if self._is_low and not was_low and warn_micros is not None:
            fields = {
                "provider": self._name,
                "balance": format_amount(balance_micros),
                "balance_warn": format_amount(warn_micros),
            }
            log.warning("provider.low_balance", extra={"fields": fields})
