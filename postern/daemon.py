"""The composition root: opens the store, joins heart and doors, runs until told to stop.

Order of the start: store -> heart -> accounts, prices -> operator's room -> providers, routes ->
customers' doors -> recovery of what was queued.  `shutdown` goes the other way.  A reload has two
steps: everything that can fail, then the change itself in one turn of the loop.
"""

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import random
from typing import Any

import uvloop

from admin_api.app import AdminServer
from conf.fields import Address
from conf.http_provider import HttpProviderSettings
from conf.problems import Problem, SettingsError
from conf.settings import Settings, load
from gateway.domain.errors import ConfigurationError, GatewayError, StoreUnavailable
from gateway.domain.message import CHANNEL_NAMES
from gateway.domain.route import Route
from gateway.flow.directory import DeclaredAccounts
from gateway.runtime.clock import LoopClock
from gateway.runtime.handover_log import HandoverLog
from gateway.runtime.memory import return_what_is_freed
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from postern.api_document import document_routes
from postern.heart import Heart, build_heart
from postern.notices import HttpNotices
from postern.operations import LiveOperations
from postern.rest_doors import rest_doors
from postern.shutdown import UNBIND_S, Doors, Leftover, Shutdown
from postern.south import DeclaredProviders, South
from postern.wire_options import USER_AGENT, template_spec
from protocols.http.app import build_app
from protocols.http.callbacks import callback_routes
from protocols.http.guard import UrlGuard
from protocols.http.listener import HttpListener
from protocols.http.template import HttpTemplate
from protocols.http.template_problems import TemplateError
from protocols.http.webhook import WebhookNotifier
from protocols.smpp.server import ServerOptions, SmppServer
from protocols.smpp.session import Timers

log = logging.getLogger("postern.daemon")

# Beside a writer thread the default of 5 ms makes the loop and the writer wait for each other.
SWITCH_INTERVAL_S = 0.002
GC_THRESHOLD = 50_000
# Tables of the file that are read once, at the start.
_FIXED = (
    "trusted_proxies", "listen", "store", "smpp", "http", "queue", "log", "callbacks", "secrets",
    "hlr",
)  # fmt: skip
_STOPPED_AT_ONCE = 1  # exit code


@dataclass(slots=True)
class Listeners:
    """Where the daemon listens, as bound (a port 0 of the file is a real one here)."""

    http: Address | None = None
    smpp: Address | None = None
    admin: Address | None = None


class Daemon:
    """One running gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings  # as last applied
        self._started = settings  # as the listeners and the store know them
        self._stop_asked = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._reload_waits = False
        self._failure: BaseException | None = None
        self._supervisor = Supervisor(self._task_died)
        self._clock = LoopClock(asyncio.get_running_loop())
        self._doors = Doors()
        self._handovers: HandoverLog | None = None
        self.listeners = Listeners()
        self.heart: Heart
        self.south: South

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything listens and recovers when this returns.

        Raises:
            StoreUnavailable, ConfigurationError, OSError: with what is wrong and where.
        """
        settings = self._settings
        store = await Store.open(
            settings.store.url.reveal(),
            clock=self._clock,
            supervisor=self._supervisor,
            seal=settings.secrets.seal,
        )
        try:
            if settings.store.handovers is not None:
                self._handovers = HandoverLog(settings.store.handovers)
            self.heart = await build_heart(
                settings, store, self._clock, self._supervisor, self._handovers
            )
            self._notices = HttpNotices(self.heart)
            self.heart.fates.owed_notices = self._notices.owed
            self.south = South(self.heart)
            await self.heart.directory.load()
            self._adopt_accounts(
                settings, await self.heart.directory.declare(settings.declared().accounts)
            )
            await self._open_operator_room(settings)
            self._bind_rest(settings)
            self._adopt_providers(await self.south.declare(settings, self._callback_base()))
            await self._open_doors(settings)
        except BaseException:
            await self._doors.close()
            await self._supervisor.stop()
            await store.close()
            if self._handovers is not None:
                self._handovers.close(is_settled=False)
            raise
        await self._recover()
        if self._doors.admin is not None:
            self._doors.admin.listening = True
        log.info("daemon.ready", extra={"fields": {"pid": os.getpid()}})

    async def run(self) -> None:
        """Waits for the stop signal, then stops.

        Raises:
            RuntimeError: a service of the daemon died.
            StoreUnavailable: the store took no writes to the end; says what that means.
        """
        await self._stop_asked.wait()
        leftover = await self.stop()
        if leftover is not None:
            log.error("daemon.stopped_unwritten", extra={"fields": {"left": str(leftover)}})
            if leftover.is_stuck:
                os._exit(_STOPPED_AT_ONCE)  # a thread that hangs would keep the process
            raise StoreUnavailable(f"stopped, but {leftover}")
        log.info("daemon.stopped")
        if self._failure is not None:
            raise RuntimeError("a service died; see the log") from self._failure

    def ask_to_stop(self) -> None:
        """Begins to stop, unless that has begun."""
        self._stop_asked.set()

    def stop_signalled(self) -> None:
        """SIGTERM or SIGINT; a second one ends the process at once, as `kill -9` would."""
        if self._stop_asked.is_set():
            log.critical("daemon.stopped_at_once")
            os._exit(_STOPPED_AT_ONCE)
        self.ask_to_stop()

    def _task_died(self, name: str, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        log.critical("daemon.service_died", extra={"fields": {"task": name}})
        self._stop_asked.set()

    def callback_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: a callback of the heart that fails is the daemon's end.

        Its state may be half changed; a restart resumes from the store.  A peer's broken connection
        is no such thing: it is logged and forgotten.
        """
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception):
            log.error("daemon.callback_failed", exc_info=error)
            self._task_died("callback", error)
        else:
            loop.default_exception_handler(context)

    # -- declared objects ------------------------------------------------------------------------

    def _adopt_accounts(self, settings: Settings, declared: DeclaredAccounts) -> None:
        for warning in settings.warnings:
            log.warning("settings.warning", extra={"fields": {"problem": str(warning)}})
        heart = self.heart
        heart.directory.adopt(declared)
        heart.switchboard.set_rates(settings.declared().rates)

    def _adopt_providers(self, declared: DeclaredProviders) -> None:
        heart = self.heart
        self.south.adopt(declared)
        ids = {lane.name: lane.id for lane in heart.dispatcher.lanes.values()}
        heart.switchboard.set_routes(
            Route(
                spec.name,
                CHANNEL_NAMES[spec.channel],
                spec.prefix,
                tuple(tuple((ids[name], weight) for name, weight in tier) for tier in spec.tiers),
                None if spec.account is None else heart.directory.by_name[spec.account].id,
                spec.sender,
            )
            for spec in declared.settings.declared().routes
        )
        if declared.settings.routes != self._settings.routes:
            self.south.choose_again()
        heart.dispatcher.wake_all()

    def ask_to_reload(self) -> None:
        """SIGHUP.  What is asked while a reload waits for its turn is answered by that one."""
        if not self._reload_waits:
            self._reload_waits = True
            self.heart.supervisor.spawn(self.reload(), name="reload")

    async def reload(self) -> None:
        """Applies the file again; a mistake in it, or a store that is away, changes nothing."""
        async with self._reloading:
            self._reload_waits = False
            try:
                self._require_running()
                # Lists of numbers that the file names may take a while to read.
                settings = await asyncio.to_thread(settings_of, self._settings.file)
                providers = await self.south.declare(settings, self._callback_base())
                accounts = await self.heart.directory.declare(settings.declared().accounts)
                self._require_running()
            except SettingsError as error:
                for problem in error.problems:
                    _reload_refused(problem)
                return
            except GatewayError as error:
                _reload_refused(Problem(str(self._settings.file), "", str(error)))
                return
            self._adopt_accounts(settings, accounts)
            self._adopt_providers(providers)
            self._reloaded(settings)

    def _require_running(self) -> None:
        if self._stop_asked.is_set():
            raise ConfigurationError("the gateway is stopping: it reads the file when it starts")

    def _reloaded(self, settings: Settings) -> None:
        if self.heart.message_log is not None:
            self.heart.message_log.reopen()
        needs_restart = [
            name for name in _FIXED if _fixed(settings, name) != _fixed(self._started, name)
        ]
        self._settings = settings
        log.info("reload.applied")
        if needs_restart:
            log.warning("reload.needs_restart", extra={"fields": {"tables": needs_restart}})

    # -- doors -----------------------------------------------------------------------------------

    async def _open_operator_room(self, settings: Settings) -> None:
        heart, listen = self.heart, settings.listen
        if listen.admin is None and listen.control is None:
            return
        operations = LiveOperations(heart, self._smpp_connections, self._addresses)
        admin = self._doors.admin = AdminServer(
            operations=operations, counters=heart.counters, control_path=listen.control
        )
        await admin.start(listen.admin)
        if listen.admin is not None:
            self.listeners.admin = Address(listen.admin.host, admin.port)

    def _bind_rest(self, settings: Settings) -> None:
        """Takes the REST address, which providers' callback URLs need; serves nobody yet."""
        address = settings.listen.http
        if address is not None:
            rest = self._doors.rest = self._rest_listener(settings, address)
            rest.bind()
            self.listeners.http = Address(address.host, rest.port)

    async def _open_doors(self, settings: Settings) -> None:
        """Serves customers: everything a message needs stands by now."""
        address = settings.listen.smpp
        if address is not None:
            smpp = self._doors.smpp = self._smpp_server(settings)
            await smpp.start(*address)
            self.listeners.smpp = Address(address.host, smpp.port)
        if self._doors.rest is not None:
            await self._doors.rest.start()
        self._start_webhooks(settings)

    def _smpp_server(self, settings: Settings) -> SmppServer:
        heart, smpp = self.heart, settings.smpp
        server = SmppServer(
            ServerOptions(
                system_id=smpp.system_id,
                default_charset=smpp.default_charset,
                timers=Timers(
                    session_init_s=smpp.session_init_s,
                    enquire_link_s=smpp.enquire_link_s,
                    inactivity_s=smpp.inactivity_s,
                    response_s=smpp.response_s,
                ),
                delivery_window=smpp.delivery_window,
                delivery_timeout_s=smpp.delivery_timeout_s,
                max_connections=smpp.max_connections,
            ),
            submitter=heart.admission,
            directory=heart.directory,
            notifications=heart.notifications,
            public_ids=heart.public_ids,
            clock=heart.clock,
            spawn=heart.supervisor.spawn,
        )
        heart.notifications.notifier = server
        heart.directory.on_disabled = server.drop
        return server

    def _smpp_connections(self) -> list[dict[str, object]]:
        return [] if self._doors.smpp is None else self._doors.smpp.connections()

    def _addresses(self) -> dict[str, str]:
        """Where each door listens, for the operator; those that do not are left out."""
        bound = {
            "http": self.listeners.http,
            "smpp": self.listeners.smpp,
            "admin": self.listeners.admin,
        }
        return {name: str(address) for name, address in bound.items() if address is not None}

    def _rest_listener(self, settings: Settings, address: Address) -> HttpListener:
        app = build_app(
            rest_doors(self.heart, settings),
            [*callback_routes(self.south.callback_targets), *document_routes()],
            client_max_size=settings.http.max_body_octets,
            is_stopping=self._stop_asked.is_set,
        )
        tls = None
        if settings.listen.tls is not None:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(settings.listen.tls.cert, settings.listen.tls.key)
        return HttpListener(
            app,
            address.host,
            address.port,
            tls=tls,
            drain_s=UNBIND_S,  # it closes last: by then every request that can be answered is
            idle_timeout_s=settings.http.idle_timeout_s,
        )

    def _start_webhooks(self, settings: Settings) -> None:
        heart = self.heart
        notifier = WebhookNotifier(
            heart.store.webhooks,
            self._notices,
            UrlGuard(allow_private=settings.callbacks.allow_private),
            heart.clock,
            heart.supervisor,
            USER_AGENT,
            random,
        )
        heart.fates.wake_webhooks = lambda _token, _stored: notifier.wake()
        self._doors.webhooks = notifier
        heart.supervisor.spawn(notifier.run(), name="webhooks")

    def _callback_base(self) -> str:
        settings = self._started
        if settings.http.public_url:
            return settings.http.public_url.rstrip("/")
        if self.listeners.http is None:
            return ""
        scheme = "https" if settings.listen.tls is not None else "http"
        return f"{scheme}://{self.listeners.http}"

    # -- recovery --------------------------------------------------------------------------------

    async def _recover(self) -> None:
        heart = self.heart
        heart.receipts.restore_parked(
            heart.dispatcher.lanes, await heart.store.messages.parked_receipts(100_000)
        )
        await heart.backlogs.recover()
        spawn = heart.supervisor.spawn
        spawn(heart.maintenance.expire(), name="expire")
        spawn(heart.maintenance.close_receipt_windows(), name="receipt-windows")
        spawn(heart.maintenance.purge(), name="purge")
        spawn(heart.notifications.sweep(), name="notifications-sweep")
        spawn(heart.bulk_feeder.run(), name="bulk-feeder")
        spawn(heart.bulk_removal.run(), name="bulk-removal")

    # -- stop ------------------------------------------------------------------------------------

    async def stop(self) -> Leftover | None:
        """Stops accepting, drains to the deadline, ends; what could not be finished, or None."""
        log.info("daemon.stopping")
        shutdown = Shutdown(self.heart, self.south, self._doors)
        leftover = await shutdown.run(self._settings.drain.deadline_s)
        if self._handovers is not None:
            self._handovers.close(is_settled=leftover is None)
        return leftover


def _fixed(settings: Settings, name: str) -> object:
    """The table `name` without what a reload does change."""
    if name == "queue":
        return settings.queue.model_copy(update={"retry": ()})
    return getattr(settings, name)


def _reload_refused(problem: Problem) -> None:
    log.error("reload.refused", extra={"fields": problem._asdict()})


def check_template(item: HttpProviderSettings) -> list[tuple[str, str]]:
    """Mistakes in an HTTP provider's templates, for `conf.settings.load`."""
    try:
        HttpTemplate(template_spec(item))
    except TemplateError as error:
        return [(problem.key, problem.reason) for problem in error.problems]
    return []


async def run_daemon(
    settings: Settings, ready: Callable[[Daemon], Awaitable[None]] | None = None
) -> None:
    """`serve` for a caller that has its own event loop."""
    daemon = Daemon(settings)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(daemon.callback_failed)
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop_signal, daemon.stop_signalled)
    # By default SIGHUP kills; while the file is being applied there is nothing to reload.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    await daemon.start()
    loop.add_signal_handler(signal.SIGHUP, daemon.ask_to_reload)
    # Everything built so far lives as long as the process: the collector need not look at it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    if ready is not None:
        await ready(daemon)
    await daemon.run()


def serve(settings: Settings, ready: Callable[[Daemon], Awaitable[None]] | None = None) -> None:
    """Runs the gateway until SIGTERM or SIGINT.

    `ready(daemon)` is awaited once everything listens.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return_what_is_freed()
    uvloop.run(run_daemon(settings, ready))


def settings_of(path: Path) -> Settings:
    """The configuration file, templates checked as well.

    Raises:
        SettingsError: with every problem.
    """
    return load(path, check_template=check_template)
