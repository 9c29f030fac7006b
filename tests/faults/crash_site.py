"""An ordeal: one store, a daemon that dies again and again, and peers that live through it."""

import asyncio
import json
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.crash_carrier import Carrier
from tests.faults.crash_customers import Customer, Traffic
from tests.faults.crash_plan import HOLDING, PREFIXES, RESENDING
from tests.faults.crash_rest import RestCustomer
from tests.faults.crash_rows import Database

ROOT = Path(__file__).parents[2]
SMPP_ACCOUNTS = {"prompt": "accept", "onsubmit": "submit", "ondelivery": "delivery"}
BINDS, WINDOW = 2, 10  # of each provider
RECEIPT_WINDOW_S = 3  # of the provider that holds
PRICE_MICROS = 35_000

_DEATH_S = 30.0
_SETTLED_S = 45.0
_STOPPED_S = 15.0
_POLL_S = 0.03

_HEAD = """
[listen]
http = "127.0.0.1:{http}"
smpp = "127.0.0.1:{smpp}"
[store]
url = "{store}"
[drain]
deadline_s = 6
[callbacks]
allow_private = true
[[rate]]
price = "0.035"
"""
_ACCOUNT = """
[[account]]
name = "{name}"
credit = "100000"
charge = "{charge}"
requests_per_min = 0
senders = ["ACME"]
  [[account.smpp]]
  system_id = "{name}"
  password = "secret"
"""
_REST = """
[[account]]
name = "rest"
credit = "100000"
requests_per_min = 0
senders = ["ACME"]
  [[account.token]]
  secret = "token-rest"
  [[account.webhook]]
  url = "http://127.0.0.1:{webhook}/status"
  secret = "webhook-secret"
"""
_PROVIDER = """
[[provider]]
name = "{name}"
wire = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "gw"
password = "secret"
binds = {binds}
window = {window}
{more}
[[route]]
prefix = "{prefix}"
providers = ["{name}"]
"""
_MORE = {RESENDING: "", HOLDING: f'unknown = "hold"\nreceipt_window = {RECEIPT_WINDOW_S}\n'}


class Death(NamedTuple):
    """One kill; times are `time.monotonic()`.  Everything before `covered` was committed."""

    point: str
    died: float
    covered: float


class Run:
    """One daemon process and what it logged."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.born = time.monotonic()

    def lines(self) -> list[dict[str, Any]]:
        """Its log; what is no JSON is a line of level "error"."""
        found = []
        for text in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                found.append({"level": "error", "event": text})
        return found


class Site:
    """All of it.  `deaths` grows by one per kill."""

    def __init__(self, directory: Path, store: str, providers: tuple[str, ...]) -> None:
        self.directory = directory
        self.providers = providers
        self.database = Database(store)
        self.traffic = Traffic(providers)
        self.carriers = {name: Carrier(name) for name in providers}
        self.deaths: list[Death] = []
        self.runs: list[Run] = []
        self.troubles: list[str] = []  # of our own peers, such as a PDU that may not come
        self._ports = {name: quiet_port() for name in ("http", "smpp", "webhook", *providers)}
        self._config = directory / "postern.toml"
        self.customers = [
            Customer(name, self._ports["smpp"], self.traffic, BINDS) for name in SMPP_ACCOUNTS
        ]
        self.rest = RestCustomer(
            "token-rest", self._ports["http"], self._ports["webhook"], self.traffic
        )

    def _configuration(self) -> str:
        parts = [_HEAD.format(**self._ports, store=self.database.url)]
        parts += [_ACCOUNT.format(name=name, charge=at) for name, at in SMPP_ACCOUNTS.items()]
        parts.append(_REST.format(**self._ports))
        parts += [
            _PROVIDER.format(
                name=name, port=self._ports[name], binds=BINDS, window=WINDOW, more=_MORE[name],
                prefix=PREFIXES[name],
            )
            for name in self.providers
        ]  # fmt: skip
        return "".join(parts)

    # -- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """The peers live; they wait for a daemon."""
        self._config.write_text(self._configuration(), encoding="utf-8")
        asyncio.get_running_loop().set_exception_handler(self._peer_failed)
        for name, carrier in self.carriers.items():
            await carrier.start(self._ports[name])
        for customer in self.customers:
            customer.start()
        await self.rest.start()

    async def close(self) -> None:
        """Ends the peers and what is left of the daemon."""
        for run in self.runs:
            if run.process.returncode is None:
                run.process.kill()
                await run.process.wait()
        for customer in self.customers:
            await customer.stop()
        await self.rest.stop()
        for carrier in self.carriers.values():
            await carrier.stop()
        asyncio.get_running_loop().set_exception_handler(None)

    def _peer_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.troubles.append(f"{context['message']}: {context.get('exception')!r}")

    # -- the daemon ------------------------------------------------------------------------------

    async def start(self, point: str = "never", number: int = 1) -> Run:
        """A daemon that will die at the `number`-th passing of `point`."""
        log = self.directory / f"daemon-{len(self.runs)}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.faults.doomed_daemon", str(self._config), point,
                str(number), cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stderr=errors,
            )  # fmt: skip
        run = Run(process, log)
        self.runs.append(run)
        return run

    async def killed(self, point: str, number: int) -> Death:
        """Runs a daemon until it dies at `point`, under all the traffic there is.

        Raises:
            AssertionError: it never came to that point, or ended in another way.
        """
        self._make_customers_forget(True)
        run = await self.start(point, number)
        try:
            async with asyncio.timeout(_DEATH_S):
                code = await run.process.wait()
        except TimeoutError:
            raise AssertionError(f"{point} {number} was not passed in {_DEATH_S:g} s") from None
        self._make_customers_forget(False)
        lines = run.lines()
        last = next((line for line in reversed(lines) if line["event"] == "doomed"), None)
        assert code == -signal.SIGKILL, (point, code, lines[-3:])
        assert last is not None, (point, lines[-3:])
        death = Death(point, last["died"], last["covered"])
        self.deaths.append(death)
        return death

    def _make_customers_forget(self, forgets: bool) -> None:
        for customer in self.customers:
            customer.forgets = forgets

    async def accepts(self, messages: int) -> None:
        """Waits until that many more messages have been accepted."""
        goal = self.accepted + messages

        async def are_accepted() -> bool:
            return self.accepted >= goal

        await self._until(f"{messages} more accepted messages", are_accepted)

    @property
    def accepted(self) -> int:
        """Messages with a positive answer."""
        return sum(len(customer.accepted) for customer in self.customers) + len(self.rest.accepted)

    # -- the end ---------------------------------------------------------------------------------

    async def settle(self) -> None:
        """No new traffic; everything comes to its end on one last daemon, which stops cleanly.

        Raises:
            AssertionError: something does not come to its end; what, and how much of it.
        """
        run = self.runs[-1]
        if run.process.returncode is not None:
            run = await self.start()
        self.traffic.flows = False
        await self._until("answers", self._is_answered)
        await self._until("the end of every message", self._is_at_rest)
        await self._stop(run)
        if await self.database.unsettled():
            # Held messages whose answer was lost: nothing but time ends them.
            await asyncio.sleep(RECEIPT_WINDOW_S)
            run = await self.start()
            await self._until("the end of held messages", self._is_over)
            await self._stop(run)

    async def _is_answered(self) -> bool:
        return self.rest.is_settled and all(customer.is_settled for customer in self.customers)

    async def _is_at_rest(self) -> bool:
        if not all(carrier.is_settled for carrier in self.carriers.values()):
            return False
        unsettled = await self.database.unsettled()
        if HOLDING in self.providers:
            unsettled.pop("ATTEMPTED", None)
        return not unsettled

    async def _is_over(self) -> bool:
        return not await self.database.unsettled()

    async def _stop(self, run: Run) -> None:
        run.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOPPED_S):
            code = await run.process.wait()
        assert code == 0, (code, run.lines()[-3:])

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        end = time.monotonic() + _SETTLED_S
        while not await condition():
            run = self.runs[-1]
            assert run.process.returncode is None, (what, run.lines()[-3:])
            if time.monotonic() > end:
                raise AssertionError(
                    f"not within {_SETTLED_S:g} s: {what}; unsettled: "
                    f"{await self.database.unsettled()}; {self.troubles}"
                )
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def ordeal(
    directory: Path, store: str, providers: tuple[str, ...] = (RESENDING,)
) -> AsyncIterator[Site]:
    """A site with its peers; `store` is the URL of an empty store."""
    site = Site(directory, store, providers)
    await site.open()
    try:
        yield site
    finally:
        await site.close()


def quiet_port() -> int:
    """A free port that no connection gets by itself.

    Who keeps trying a port of the ephemeral range on the loopback may end up connected to himself.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
