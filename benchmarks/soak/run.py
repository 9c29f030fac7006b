"""One soak: everything started, the plan carried out, the end drained and judged."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic

import aiohttp

from benchmarks.daemon import free_ports
from benchmarks.process import BenchmarkError
from benchmarks.soak.audit import Rows, StoreWatch
from benchmarks.soak.book import Arrivals, Book, Findings
from benchmarks.soak.carriers import MISBEHAVIOUR, OF_HTTP, Carrier
from benchmarks.soak.configuration import POOR, VARIANTS, Places, Terms
from benchmarks.soak.gateway import Gateway, total
from benchmarks.soak.plan import Fault, FaultKind, Plan
from benchmarks.soak.rest_customer import RestCustomer, WebhookReceiver, receiving
from benchmarks.soak.sampler import Sampler
from benchmarks.soak.samples import Sample
from benchmarks.soak.smpp_customer import SmppCustomer
from benchmarks.soak.traffic import (
    CUSTOMERS,
    REST_BULK_SHARE,
    REST_SINGLE_SHARE,
    SHORT,
    Kind,
    Mixer,
)
from benchmarks.soak.verdict import Ending
from postern.commands.failure import CommandError

TICK_S = 0.01
TOP_UP_S = 12.0
TOP_UP_PART = 0.7  # of what the poor account would spend meanwhile
SETTLED_POLL_S = 1.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run gave."""

    samples: list[Sample]
    ending: Ending
    faults: dict[str, int]
    refusals: dict[str, int]
    restart_s: list[float]
    drained_in_s: float
    ledger_words: str
    rate_per_s: float

    @property
    def findings(self) -> Findings:
        """The customers' side."""
        return self.ending.findings

    @property
    def rows(self) -> Rows:
        """The store's side."""
        return self.ending.rows


class Soak:
    """One run in an empty directory; `store_url` None is SQLite there."""

    _session: aiohttp.ClientSession
    _gateway: Gateway
    _webhooks: WebhookReceiver
    _customers: list[SmppCustomer]
    _sampler: Sampler

    def __init__(
        self,
        directory: Path,
        store_url: str | None,
        plan: Plan,
        terms: Terms,
        rate_per_s: float,
        seed: int,
        progress: Progress,
    ) -> None:
        ports = free_ports(6)
        self._places = Places(
            http=ports[0],
            smpp=ports[1],
            admin=ports[2],
            smsc=ports[3],
            http_carrier=ports[4],
            webhook=ports[5],
            store_url=store_url or f"sqlite:///{directory}/postern.db",
        )
        self._directory = directory
        self._plan = plan
        self._terms = terms
        self._rate_per_s = rate_per_s
        self._seed = seed
        self._progress = progress
        self._book = Book()
        self._store = StoreWatch(self._places.store_url)
        self._smsc = Carrier("smsc", self._places.smsc, directory)
        self._http = Carrier("http", self._places.http_carrier, directory)
        self._explained = 0  # by gateways that were killed
        self._faults: list[Fault] = []
        self._started_at = 0.0

    @property
    def _now_s(self) -> float:
        return monotonic() - self._started_at

    async def run(self) -> Outcome:
        """Everything, start to judgement.

        Raises:
            BenchmarkError: a process failed in a way that was not planned.
        """
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            self._gateway = Gateway(self._directory, self._places, self._terms, self._session)
            for each in (self._smsc, self._http, self._gateway):
                stack.push_async_callback(each.close)
                await each.start()
            self._webhooks = await stack.enter_async_context(
                receiving(self._book, self._places.webhook)
            )
            self._started_at = monotonic()
            self._sampler = Sampler(self._book, self._store, self._plan.duration_s, self._say)
            try:
                async with asyncio.TaskGroup() as tasks:
                    return await self._traffic(tasks)
            except BaseExceptionGroup as group:
                failed = group.subgroup(BenchmarkError)
                if failed is None:
                    raise
                raise BenchmarkError("; ".join(map(str, failed.exceptions))) from group

    async def _traffic(self, tasks: asyncio.TaskGroup) -> Outcome:
        """The run and its end; the customers stay bound until all is settled."""
        customers = [self._customer(index) for index in range(len(CUSTOMERS))]
        self._customers = customers
        mixer = self._mixer(((SHORT, 1),), "rest")
        rest = RestCustomer(self._session, self._places.http, self._book, mixer)
        kept = [
            tasks.create_task(customer.keep_bound(kind))
            for customer in customers
            for kind in customer.customer.binds
        ]
        kept.append(tasks.create_task(self._sampler.run(self._gateway)))
        sending = [
            tasks.create_task(coroutine)
            for coroutine in (
                self._tick(customers),
                self._top_up(),
                rest.send_singles(self._rate_per_s * REST_SINGLE_SHARE, tasks.create_task),
                rest.send_bulks(self._rate_per_s * REST_BULK_SHARE, tasks.create_task),
                *(customer.come_and_go() for customer in customers),
            )
        ]
        await self._carry_out()
        for task in sending:
            task.cancel()
        self._say("all is sent; waiting until everything is settled")
        since = monotonic()
        is_drained = await self._drained()
        drained_in_s = monotonic() - since
        rest.stop()
        for task in kept:
            task.cancel()
        return await self._judged(is_drained, round(drained_in_s, 1))

    def _customer(self, index: int) -> SmppCustomer:
        customer = CUSTOMERS[index]
        return SmppCustomer(
            customer,
            self._places.smpp,
            self._rate_per_s * customer.share,
            self._book,
            self._mixer(customer.mix, customer.system_id),
        )

    def _mixer(self, mix: tuple[tuple[Kind, int], ...], name: str) -> Mixer:
        return Mixer(mix, Random(f"{self._seed}-{name}"), self._terms.schedules_s)

    async def _tick(self, customers: list[SmppCustomer]) -> None:
        while True:
            for customer in customers:
                customer.send_due()
            await asyncio.sleep(TICK_S)

    async def _top_up(self) -> None:
        share = next(each.share for each in CUSTOMERS if each.system_id == POOR)
        price = float(VARIANTS[0][0])
        amount = f"{self._rate_per_s * share * price * TOP_UP_S * TOP_UP_PART:.2f}"
        while True:
            await asyncio.sleep(TOP_UP_S)
            with contextlib.suppress(CommandError):  # it may be down at the moment
                await self._gateway.top_up(POOR, amount)

    # -- faults ----------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        for fault in self._plan.faults:
            await asyncio.sleep(max(0.0, fault.at_s - self._now_s))
            self._say(fault.kind)
            self._faults.append(fault)
            await self._cause(fault)
        await asyncio.sleep(max(0.0, self._plan.duration_s - self._now_s))

    async def _cause(self, fault: Fault) -> None:
        carrier = self._http if fault.kind in OF_HTTP else self._smsc
        match fault.kind:
            case FaultKind.GATEWAY_KILLED:
                self._explained += await self._explanations()
                await self._gateway.kill()
                await self._gateway.start()
            case FaultKind.SMSC_KILLED | FaultKind.HTTP_KILLED:
                await carrier.kill()
                await asyncio.sleep(fault.lasts_s)
                await carrier.start()
            case FaultKind.CUSTOMER_DEAF:
                await self._customers[0].stop_reading(fault.lasts_s)
            case FaultKind.WEBHOOKS_REFUSED:
                self._webhooks.is_refusing = True
                await asyncio.sleep(fault.lasts_s)
                self._webhooks.is_refusing = False
            case FaultKind.RELOAD:
                self._gateway.reload(signal.SIGHUP)
            case _:
                await carrier.stop()
                await carrier.start(MISBEHAVIOUR[fault.kind])
                await asyncio.sleep(fault.lasts_s)
                await carrier.stop()
                await carrier.start()

    async def _explanations(self) -> int:
        """Sends of this life after which a message may arrive twice."""
        metrics = await self._gateway.metrics()
        unknown = total(metrics, "postern_provider_outcomes_total", 'outcome="unknown"')
        return int(unknown + total(metrics, "postern_messages_resent_after_restart_total"))

    def _say(self, text: str) -> None:
        minutes, seconds = divmod(int(self._now_s), 60)
        self._progress(f"{minutes:3}:{seconds:02} {text}")

    # -- the end ---------------------------------------------------------------------------------

    async def _drained(self) -> bool:
        """Waits until the store and the customers agree that nothing is open."""
        deadline = monotonic() + self._terms.drain_s
        while monotonic() < deadline:
            await asyncio.sleep(SETTLED_POLL_S)
            if not self._book.owed and not await self._store.open_count():
                return True
        return False

    async def _judged(self, is_drained: bool, drained_in_s: float) -> Outcome:
        explained = self._explained + await self._explanations()
        is_sound, words = await self._gateway.verify_ledger()
        exit_code = await self._gateway.stop(signal.SIGTERM)
        for carrier in (self._smsc, self._http):
            await carrier.stop()
        arrivals = Arrivals(self._book.next_number)
        arrivals.read((self._smsc.record, self._http.record))
        ending = Ending(
            findings=self._book.findings(arrivals),
            rows=await self._store.rows(),
            explained=explained,
            is_ledger_sound=is_sound,
            exit_code=exit_code,
            is_drained=is_drained,
        )
        return Outcome(
            samples=self._sampler.samples,
            ending=ending,
            faults={
                str(kind): sum(fault.kind is kind for fault in self._faults)
                for kind in self._plan.kinds()
            },
            refusals=dict(sorted(self._book.refusals.items())),
            restart_s=[round(each, 2) for each in self._gateway.restart_s],
            drained_in_s=drained_in_s,
            ledger_words=words,
            rate_per_s=round(self._book.accepted / self._plan.duration_s, 1),
        )
