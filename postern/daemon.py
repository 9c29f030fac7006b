"""The composition root: opens the store, joins heart and doors, runs until told to stop.

Order of the start: store -> heart -> accounts, prices -> operator's room -> providers, routes ->
customers' doors -> recovery of what was queued.  Stopping goes the other way in two stages: no new
work, then everything that was accepted is committed and answered, what is on its way to providers
gets its answer or the deadline.
"""

import asyncio
import gc
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import random
from typing import Any

import uvloop

from admin_api.app import AdminServer
from conf.fields import Address
from conf.http_provider import HttpProviderSettings
from conf.problems import SettingsError
from conf.settings import Settings, load
from gateway.domain.errors import GatewayError
from gateway.domain.message import CHANNEL_NAMES
from gateway.domain.route import Route
from gateway.runtime.clock import LoopClock
from gateway.runtime.handover_log import HandoverLog
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store
from postern.heart import Heart, build_heart
from postern.operations import LiveOperations
from postern.south import USER_AGENT, South, template_spec
from postern.webhook_subjects import Subjects
from protocols.exosend.server import ExoSendDoor
from protocols.http.app import build_app
from protocols.http.callbacks import callback_routes
from protocols.http.guard import UrlGuard
from protocols.http.idempotency import IdempotentRequests
from protocols.http.limits import RequestLimits
from protocols.http.listener import HttpListener
from protocols.http.proxies import TrustedProxies
from protocols.http.submissions import Submissions
from protocols.http.template import HttpTemplate
from protocols.http.template_problems import TemplateError
from protocols.http.webhook import WebhookNotifier
from protocols.smpp.server import ServerOptions, SmppServer
from protocols.smpp.session import Timers

log = logging.getLogger("postern.daemon")

# Beside a writer thread the default of 5 ms makes the loop and the writer wait for each other.
SWITCH_INTERVAL_S = 0.002
GC_THRESHOLD = 50_000
UNBIND_S = 1.0
# Tables of the file that are read once, at the start.
_FIXED = (
    "trusted_proxies", "listen", "store", "smpp", "http", "queue", "log", "drain", "callbacks",
    "secrets",
)  # fmt: skip


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
        self._failure: BaseException | None = None
        self._supervisor = Supervisor(self._task_died)
        self._clock = LoopClock(asyncio.get_running_loop())
        self._rest: HttpListener | None = None
        self._webhooks: WebhookNotifier | None = None
        self._admin: AdminServer | None = None
        self._smpp: SmppServer | None = None
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
            self.south = South(self.heart)
            await self.heart.directory.load()
            await self._apply_accounts(settings)
            await self._open_operator_room(settings)
            self._bind_rest(settings)
            await self._start_south(settings)
            await self._open_doors(settings)
        except BaseException:
            await self._close_listeners()
            await self._supervisor.stop()
            await store.close()
            if self._handovers is not None:
                self._handovers.close(is_settled=False)
            raise
        await self._recover()
        if self._admin is not None:
            self._admin.listening = True
        log.info("daemon.ready", extra={"fields": {"pid": os.getpid()}})

    async def run(self) -> None:
        """Waits for the stop signal, then stops.

        Raises:
            RuntimeError: a service of the daemon died.
        """
        await self._stop_asked.wait()
        await self.stop()
        if self._failure is not None:
            raise RuntimeError("a service died; see the log") from self._failure

    def ask_to_stop(self) -> None:
        """From a signal handler."""
        self._stop_asked.set()

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

    async def _apply_accounts(self, settings: Settings) -> None:
        for warning in settings.warnings:
            log.warning("settings.warning", extra={"fields": {"problem": str(warning)}})
        heart = self.heart
        declared = settings.declared()
        await heart.directory.apply(declared.accounts)
        heart.fates.webhook_urls = heart.directory.webhook_urls
        heart.switchboard.set_rates(declared.rates)

    async def _start_south(self, settings: Settings) -> None:
        heart = self.heart
        await self.south.apply(settings, self._callback_base(settings))
        await self.south.restore_pauses()
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
            for spec in settings.declared().routes
        )
        heart.dispatcher.wake_all()

    async def reload(self) -> None:
        """Applies the file again (SIGHUP); a file with mistakes changes nothing."""
        async with self._reloading:  # a second signal waits: declarations must not interleave
            try:
                settings = load(self._settings.file, check_template=check_template)
                await self._apply_accounts(settings)
                await self._start_south(settings)
            except SettingsError as error:
                for problem in error.problems:
                    _reload_refused(str(problem))
                return
            except GatewayError as error:
                _reload_refused(str(error))
                return
            if self.heart.message_log is not None:
                self.heart.message_log.reopen()
            needs_restart = [
                name for name in _FIXED if getattr(settings, name) != getattr(self._started, name)
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
        self._admin = AdminServer(
            operations=operations, counters=heart.counters, control_path=listen.control
        )
        await self._admin.start(listen.admin)
        if listen.admin is not None:
            self.listeners.admin = Address(listen.admin.host, self._admin.port)

    def _bind_rest(self, settings: Settings) -> None:
        """Takes the REST address, which providers' callback URLs need; serves nobody yet."""
        address = settings.listen.http
        if address is not None:
            self._rest = self._rest_listener(settings, address)
            self._rest.bind()
            self.listeners.http = Address(address.host, self._rest.port)

    async def _open_doors(self, settings: Settings) -> None:
        """Serves customers: everything a message needs stands by now."""
        address = settings.listen.smpp
        if address is not None:
            self._smpp = self._smpp_server(settings)
            await self._smpp.start(*address)
            self.listeners.smpp = Address(address.host, self._smpp.port)
        if self._rest is not None:
            await self._rest.start()
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
        return [] if self._smpp is None else self._smpp.connections()

    def _addresses(self) -> dict[str, str]:
        """Where each door listens, for the operator; those that do not are left out."""
        bound = {
            "http": self.listeners.http,
            "smpp": self.listeners.smpp,
            "admin": self.listeners.admin,
        }
        return {name: str(address) for name, address in bound.items() if address is not None}

    def _rest_listener(self, settings: Settings, address: Address) -> HttpListener:
        heart = self.heart
        door = ExoSendDoor(
            heart.directory,
            Submissions(heart.admission, IdempotentRequests(heart.queries), heart.clock),
            heart.queries,
            RequestLimits(heart.clock),
            heart.public_ids,
            heart.clock,
            TrustedProxies(settings.trusted_proxies),
        )
        app = build_app(
            [door],
            callback_routes(self.south.callback_targets),
            client_max_size=settings.http.max_body_octets,
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
            Subjects(heart),
            UrlGuard(allow_private=settings.callbacks.allow_private),
            heart.clock,
            heart.supervisor,
            USER_AGENT,
            random,
        )
        heart.fates.wake_webhooks = lambda _token, _stored: notifier.wake()
        self._webhooks = notifier
        heart.supervisor.spawn(notifier.run(), name="webhooks")

    def _callback_base(self, settings: Settings) -> str:
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

    # -- stop ------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Two stages: stop accepting, drain to the deadline, then end."""
        heart = self.heart
        end = self._clock.monotonic() + self._settings.drain.deadline_s
        log.info("daemon.stopping")
        heart.admission.stopping = True
        if self._admin is not None:
            self._admin.listening = False
        if self._smpp is not None:
            self._smpp.stop_listening()
        await self._within(end, self._journal_idle)
        heart.dispatcher.stopping = True
        left_s = max(0.2, end - self._clock.monotonic() - UNBIND_S)
        await self.south.stop(left_s)
        await self._within(end, self._journal_idle)
        await self._close_listeners()
        await self._within(end + UNBIND_S, self._journal_idle)
        await self._supervisor.stop()
        heart.switchboard.close()
        if heart.message_log is not None:
            heart.message_log.close()
        await heart.store.close()
        if self._handovers is not None:
            self._handovers.close(is_settled=heart.journal.is_idle)
        log.info("daemon.stopped")

    async def _close_listeners(self) -> None:
        """All at the same time: each waits for peers that may not answer, up to `UNBIND_S`."""
        closing = []
        if self._rest is not None:
            closing.append(self._rest.stop())
        if self._smpp is not None:
            closing.append(self._smpp.stop(UNBIND_S))
        if self._admin is not None:
            closing.append(self._admin.stop())
        await asyncio.gather(*closing)

    async def _within(self, end: float, wait: Callable[[], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.05, end - self._clock.monotonic())):
                await wait()

    async def _journal_idle(self) -> None:
        idle = asyncio.Event()
        self.heart.journal.when_idle(idle.set)
        await idle.wait()


def _reload_refused(reason: str) -> None:
    log.error("reload.refused", extra={"fields": {"reason": reason}})


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
        loop.add_signal_handler(stop_signal, daemon.ask_to_stop)
    # By default SIGHUP kills; while the file is being applied there is nothing to reload.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    await daemon.start()
    loop.add_signal_handler(
        signal.SIGHUP, lambda: daemon.heart.supervisor.spawn(daemon.reload(), name="reload")
    )
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
    uvloop.run(run_daemon(settings, ready))


def settings_of(path: Path) -> Settings:
    """The configuration file, templates checked as well.

    Raises:
        SettingsError: with every problem.
    """
    return load(path, check_template=check_template)
