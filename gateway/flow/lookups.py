"""Queries about numbers: what is paid, what is asked, and what is remembered.

An HLR query is paid before anybody is asked and given back when there is no answer, so that neither
a crash nor a customer who goes away leaves an answer unpaid.  What one customer was told of a
number answers the next one's query for `cache_s`; he pays the same.  Two who ask about a number at
the same time are answered by one query.
"""

import asyncio
from collections.abc import Mapping, Sequence

from gateway.domain.account import Account, Door, NumberCheck
from gateway.domain.errors import Refusal
from gateway.domain.lookup import (
    UNANSWERED,
    HlrRecord,
    LookupFailure,
    NumberRecord,
    Subscriber,
)
from gateway.domain.message import Channel
from gateway.flow.switchboard import Switchboard
from gateway.policy.number_facts import NumberFacts
from gateway.policy.numbering import NumberPlan
from gateway.ports import Charges, Clock, HlrProvider
from gateway.runtime.supervisor import Supervisor

MOST_CACHED = 100_000  # answers
MOST_ASKED = 1_000  # queries under way; nothing more is asked beyond it
NV_AT_A_TIME = 4  # numbers between two turns of the loop

Answers = dict[str, HlrRecord]


class Lookups:
    """`ports.Lookups`.  `provider` None = HLR queries are not offered."""

    def __init__(
        self,
        charges: Charges,
        switchboard: Switchboard,
        plan: NumberPlan,
        facts: NumberFacts,
        provider: HlrProvider | None,
        cache_s: float,
        clock: Clock,
        supervisor: Supervisor,
    ) -> None:
        self._charges = charges
        self._switchboard = switchboard
        self._plan = plan
        self._facts = facts
        self._provider = provider
        self._cache_s = cache_s
        self._clock = clock
        self._supervisor = supervisor
        self._asked: dict[str, asyncio.Task[HlrRecord | LookupFailure]] = {}
        # Number -> (when it is forgotten, answer); the order of insertion is that of age.
        self._cache: dict[str, tuple[float, HlrRecord]] = {}

    # -- HLR -------------------------------------------------------------------------------------

    async def hlr(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> Sequence[HlrRecord] | Refusal | LookupFailure:
        """Asks the networks.  One failure fails all of them, and nothing is paid then.

        Impossible numbers, and those that no rate covers, are UNSUPPORTED and not asked about.
        """
        if self._provider is None or not self._switchboard.tariff.has_rates(
            "hlr", account.currency
        ):
            return LookupFailure.NOT_OFFERED
        prices = {
            number: price
            for number in numbers
            if self._plan.accepts(number, NumberCheck.POSSIBLE)
            and (price := self._price(Channel.HLR, account, number)) is not None
        }
        unknown = [number for number in prices if self._remembered(number) is None]
        if unknown and len(unknown) + len(self._asked) > MOST_ASKED:
            return LookupFailure.UNAVAILABLE
        # A task of its own: what is to be given back is given back although nobody waits any more.
        paid = self._supervisor.spawn(
            self._pay_and_ask(self._provider, account, door, prices), name="hlr"
        )
        found = await asyncio.shield(paid)
        if isinstance(found, (Refusal, LookupFailure)):
            return found
        return [
            found.get(number) or HlrRecord(number, Subscriber.UNSUPPORTED) for number in numbers
        ]

    async def _pay_and_ask(
        self, provider: HlrProvider, account: Account, door: Door, prices: Mapping[str, int]
    ) -> Answers | Refusal | LookupFailure:
        total = sum(prices.values())
        refusal = await self._charges.charge(account, door, total, f"HLR, {len(prices)} numbers")
        if refusal is not None:
            return refusal
        found = await self._ask(provider, prices)
        if isinstance(found, LookupFailure):
            unpaid = total
        else:
            unpaid = sum(prices[n] for n, r in found.items() if r.subscriber in UNANSWERED)
        if unpaid:
            # Not waited for: it may take as long as the store is away.
            self._supervisor.spawn(
                self._charges.give_back(account, door, unpaid, "HLR without an answer"),
                name="hlr-give-back",
            )
        return found

    async def _ask(
        self, provider: HlrProvider, prices: Mapping[str, int]
    ) -> Answers | LookupFailure:
        found: Answers = {}
        queries: dict[str, asyncio.Task[HlrRecord | LookupFailure]] = {}
        for number in prices:
            remembered = self._remembered(number)
            if remembered is None:
                queries[number] = self._query(provider, number)
            else:
                found[number] = remembered
        if queries:
            await asyncio.wait(queries.values())
        for number, query in queries.items():
            result = query.result()
            if isinstance(result, LookupFailure):
                return result
            found[number] = result
        return found

    def _query(
        self, provider: HlrProvider, number: str
    ) -> "asyncio.Task[HlrRecord | LookupFailure]":
        """The query about `number` that is under way, begun if there is none."""
        query = self._asked.get(number)
        if query is None:
            query = self._supervisor.spawn(self._look_up(provider, number), name="hlr-query")
            self._asked[number] = query
            query.add_done_callback(lambda _: self._asked.pop(number))
        return query

    async def _look_up(self, provider: HlrProvider, number: str) -> HlrRecord | LookupFailure:
        result = await provider.look_up(number)
        if isinstance(result, LookupFailure) or result.subscriber in UNANSWERED:
            return result
        if not result.country:
            result = result._replace(country=self._facts.country(number))
        self._remember(result)
        return result

    def _remembered(self, number: str) -> HlrRecord | None:
        cached = self._cache.get(number)
        return cached[1] if cached is not None and cached[0] > self._clock.monotonic() else None

    def _remember(self, record: HlrRecord) -> None:
        if not self._cache_s:
            return
        cache = self._cache
        cache.pop(record.number, None)
        if len(cache) >= MOST_CACHED:
            del cache[next(iter(cache))]
        cache[record.number] = self._clock.monotonic() + self._cache_s, record

    # -- NV --------------------------------------------------------------------------------------

    async def nv(
        self, account: Account, door: Door, numbers: Sequence[str]
    ) -> Sequence[NumberRecord | None] | Refusal:
        """Asks the numbering plans; free where no rate says otherwise."""
        records: list[NumberRecord | None] = []
        for position, number in enumerate(numbers, 1):
            records.append(self._facts.record(number))
            if position % NV_AT_A_TIME == 0:
                await self._clock.sleep(0)
        valid = [record.number for record in records if record is not None]
        total = sum(self._price(Channel.NV, account, number) or 0 for number in valid)
        refusal = await self._charges.charge(account, door, total, f"NV, {len(valid)} numbers")
        return records if refusal is None else refusal

    def _price(self, channel: Channel, account: Account, number: str) -> int | None:
        return self._switchboard.way(channel, account, "", number)[1]
