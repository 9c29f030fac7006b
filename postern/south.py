"""Builds providers from their settings and keeps them as declared: start, change, end."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from random import random
from typing import NamedTuple

from conf.dialect_providers import DialectProviderSettings
from conf.http_provider import HttpProviderSettings
from conf.providers import ProviderSettings, SmppProviderSettings
from conf.settings import Settings
from gateway.domain.declared import ProviderSpec
from gateway.domain.errors import ConfigurationError
from gateway.domain.identity import StoredProvider
from gateway.domain.lifecycle import MessageState
from gateway.domain.message import Message
from gateway.flow.dispatcher import MOVE_AT_ONCE
from gateway.flow.lane import Lane
from gateway.flow.provider_sink import LaneSink
from gateway.policy.adaptive_window import AdaptiveWindow
from gateway.policy.breaker import Breaker
from gateway.policy.pace import Pace
from gateway.policy.receipt_policy import NEVER
from gateway.ports import Provider
from postern.dialects import dialect_of
from postern.heart import Heart
from postern.wire_options import (
    answer_timeout_s,
    callback_token,
    callback_url,
    can_have_receipts,
    dialect_options,
    http_options,
    sends_whole_texts,
    smpp_options,
    template_spec,
)
from protocols.http.callbacks import CallbackTarget, template_target
from protocols.http.dialect import Dialect
from protocols.http.dialect_provider import DialectProvider
from protocols.http.provider import HttpProvider, check_callback_url
from protocols.http.template import HttpTemplate
from protocols.smpp.provider import SmppProvider

log = logging.getLogger("postern.south")


class DeclaredProviders(NamedTuple):
    """A declaration that is in the store: `rows` by name, providers of the past included."""

    settings: Settings
    rows: dict[str, StoredProvider]
    callback_base: str


class South:
    """The providers of one daemon.

    A declaration has two steps: `declare` writes to the store and may fail, `adopt` changes what
    runs and cannot.  `callback_targets` is read by the HTTP application at each request: a provider
    that is added by a reload is reachable at once.
    """

    def __init__(self, heart: Heart) -> None:
        self._heart = heart
        self._settings: dict[int, ProviderSettings] = {}
        self._ending: list[tuple[Lane, Provider]] = []  # taken out, and still draining
        self.callback_targets: dict[str, CallbackTarget] = {}

    async def declare(self, settings: Settings, callback_base: str) -> DeclaredProviders:
        """Writes the declared providers to the store; what runs stays as it is.

        Raises:
            ConfigurationError: what runs cannot become what is declared.
            StoreUnavailable: the store is away; the next declaration repairs what it has half.
        """
        for item in settings.providers:
            self._check(item, callback_base)
        providers = self._heart.store.providers
        for item in settings.providers:
            await providers.declare(item.name)
        await providers.disable_undeclared([item.name for item in settings.providers])
        rows = {row.name: row for row in await providers.load()}
        return DeclaredProviders(settings, rows, callback_base)

    def adopt(self, declared: DeclaredProviders) -> None:
        """Makes the declared providers and only those run, all in one turn of the loop.

        What changed is changed where it runs: the queue, the binds and the receipts that are owed
        stay.
        """
        heart, settings = self._heart, declared.settings
        for row in declared.rows.values():
            heart.fates.provider_names[row.id] = row.name
        specs = {spec.name: spec for spec in settings.declared().providers}
        kept: set[int] = set()
        for item in settings.providers:
            spec = specs[item.name]
            if not can_have_receipts(item):
                spec = replace(spec, receipts=NEVER)
            row = declared.rows[item.name]
            self._adopt_one(row, item, spec, declared.callback_base)
            kept.add(row.id)
        for gone in set(heart.dispatcher.lanes) - kept:
            self._end(heart.dispatcher.lanes[gone])

    def choose_again(self) -> None:
        """The routes are others: what waits for a provider chooses again, some at a time."""
        for lane in self._heart.dispatcher.lanes.values():
            if lane.queue.size:
                self._move(iter(lane.queue.drain()))

    def _move(self, messages: Iterator[Message]) -> None:
        dispatcher = self._heart.dispatcher
        moved = list(islice(messages, MOVE_AT_ONCE))
        for message in moved:
            if message.state == MessageState.QUEUED:
                message.route = None
                dispatcher.place_soon(message)
        if len(moved) == MOVE_AT_ONCE:
            self._heart.clock.call_soon(self._move, messages)

    async def stop(self, deadline_s: float) -> None:
        """Drains and closes every provider, all at the same time."""
        spawn = self._heart.supervisor.spawn
        wires = [(lane, lane.wire) for lane in self._heart.dispatcher.lanes.values()]
        tasks = [
            spawn(wire.stop(deadline_s), name=f"stop-{lane.name}")
            for lane, wire in (*wires, *self._ending)
        ]
        for task in tasks:
            await task

    # -- one provider ----------------------------------------------------------------------------

    def _check(self, item: ProviderSettings, callback_base: str) -> None:
        """Before anything is written: what `adopt` could not make true.

        Raises:
            ConfigurationError: with what to do about it.
        """
        if isinstance(item, HttpProviderSettings):
            try:
                url = callback_url(item, callback_base)
                check_callback_url(item.name, HttpTemplate(template_spec(item)), url)
            except ValueError as error:
                raise ConfigurationError(f"{error}: set [http] public_url") from None
        elif callback_token(item) and not callback_base:
            raise ConfigurationError(
                f"provider {item.name}: it has a callback_token, but no public URL for callbacks "
                "is configured: set [http] public_url"
            )
        for lane in self._heart.dispatcher.lanes.values():
            before = self._settings.get(lane.id)
            if lane.name == item.name and before is not None and type(before) is not type(item):
                raise ConfigurationError(
                    f"provider {item.name}: the wire of a provider that runs cannot change from "
                    f"{before.wire} to {item.wire}: use another name, or restart"
                )
        for lane, wire in self._ending:
            if lane.name == item.name and wire.whole_text != sends_whole_texts(item):
                # Answers are judged by the wire of the lane.
                raise ConfigurationError(
                    f"provider {item.name} was taken out, sends long texts in another way now and "
                    "still waits for answers: reload again when its binds have ended"
                )

    def _adopt_one(
        self, row: StoredProvider, item: ProviderSettings, spec: ProviderSpec, callback_base: str
    ) -> None:
        lane = self._heart.dispatcher.lanes.get(row.id)
        before = self._settings.get(row.id)
        self._settings[row.id] = item
        if lane is None or before is None:
            self._open(row, item, spec, callback_base)
            return
        id_mode_before = lane.spec.id_mode
        _adopt_spec(lane, spec)
        if before != item:
            if _has_other_wire(before, item):
                _forget_strain(lane)
            self._reconfigure(lane, item, callback_base)
            if spec.id_mode != id_mode_before:
                self._heart.supervisor.spawn(
                    self._heart.receipts.reread_parked(lane, id_mode_before),
                    name=f"reread-{lane.name}",
                )
            log.info("provider.reconfigured", extra={"fields": {"provider": lane.name}})
        self._heart.dispatcher.room_changed(lane)

    def _open(
        self, row: StoredProvider, item: ProviderSettings, spec: ProviderSpec, callback_base: str
    ) -> None:
        """A new one, or one that had been taken out: then its lane is what stayed."""
        heart = self._heart
        sink = LaneSink(heart.dispatcher, heart.outcomes, heart.receipts)
        wire = self._wire(row.id, item, sink, callback_base)
        lane = heart.dispatcher.lanes.get(row.id)
        if lane is None:
            lane = heart.dispatcher.lanes[row.id] = Lane(row.id, spec, wire)
        else:
            lane.wire = wire
            _adopt_spec(lane, spec)
            _forget_strain(lane)
        sink.lane = lane
        lane.enabled, lane.paused = True, row.paused
        heart.supervisor.spawn(wire.start(), name=f"start-{lane.name}")

    def _end(self, lane: Lane) -> None:
        item = self._settings.pop(lane.id, None)
        if item is None:
            return  # it ended at an earlier reload
        lane.enabled = False
        self.callback_targets.pop(lane.name, None)
        self._heart.dispatcher.room_changed(lane)
        ending = (lane, lane.wire)
        self._ending.append(ending)
        self._heart.supervisor.spawn(
            self._drain(ending, answer_timeout_s(item)), name=f"end-{lane.name}"
        )

    async def _drain(self, ending: tuple[Lane, Provider], patience_s: float) -> None:
        await ending[1].stop(patience_s)
        self._ending.remove(ending)

    # -- wires -----------------------------------------------------------------------------------

    def _wire(
        self, provider_id: int, item: ProviderSettings, sink: LaneSink, callback_base: str
    ) -> Provider:
        heart = self._heart
        if isinstance(item, SmppProviderSettings):
            return SmppProvider(
                smpp_options(item),
                sink,
                clock=heart.clock,
                spawn=heart.supervisor.spawn,
                draw=random,
            )
        if isinstance(item, DialectProviderSettings):
            dialect = dialect_of(item)
            self._aim_callbacks(item, dialect, sink)
            return DialectProvider(
                dialect_options(item, callback_base),
                dialect,
                sink,
                partial(heart.store.messages.awaited, provider_id),
                heart.clock,
                heart.supervisor,
                random,
            )
        if not isinstance(item, HttpProviderSettings):
            raise TypeError(f"provider {item.name}: no such wire {item.wire!r}")
        template = HttpTemplate(template_spec(item))
        self._aim_callbacks(item, template, sink)
        options = http_options(item, callback_base)
        return HttpProvider(options, template, sink, heart.clock, heart.supervisor, random)

    def _reconfigure(self, lane: Lane, item: ProviderSettings, callback_base: str) -> None:
        wire = lane.wire
        if isinstance(wire, SmppProvider) and isinstance(item, SmppProviderSettings):
            wire.reconfigure(smpp_options(item))
        elif isinstance(wire, HttpProvider) and isinstance(item, HttpProviderSettings):
            template = HttpTemplate(template_spec(item))
            self._aim_callbacks(item, template, self._sink_of(lane))
            wire.reconfigure(http_options(item, callback_base), template)
        elif isinstance(wire, DialectProvider) and isinstance(item, DialectProviderSettings):
            dialect = dialect_of(item)
            self._aim_callbacks(item, dialect, self._sink_of(lane))
            wire.reconfigure(dialect_options(item, callback_base), dialect)

    def _sink_of(self, lane: Lane) -> LaneSink:
        heart = self._heart
        sink = LaneSink(heart.dispatcher, heart.outcomes, heart.receipts)
        sink.lane = lane
        return sink

    def _aim_callbacks(
        self, item: ProviderSettings, reader: HttpTemplate | Dialect, sink: LaneSink
    ) -> None:
        token = callback_token(item)
        if not token:
            self.callback_targets.pop(item.name, None)
        elif isinstance(reader, HttpTemplate):
            self.callback_targets[item.name] = template_target(reader, sink)
        else:
            self.callback_targets[item.name] = CallbackTarget(token, reader.read_callback, sink)


def _adopt_spec(lane: Lane, spec: ProviderSpec) -> None:
    """The heart's half of the settings; the pace goes on unless the rate is another one."""
    if lane.spec.rate_per_s != spec.rate_per_s:
        lane.pace = Pace(spec.rate_per_s)
        if lane.pump_timer is not None:
            lane.pump_timer.cancel()  # it waits for the pace of before
            lane.pump_timer = None
    lane.spec = spec


def _forget_strain(lane: Lane) -> None:
    """How the provider did under other settings says nothing about these."""
    if lane.breaker_timer is not None:
        lane.breaker_timer.cancel()
        lane.breaker_timer = None
    lane.breaker = Breaker(lane.spec.breaker)
    lane.window = AdaptiveWindow()
    lane.note_strain()


def _has_other_wire(before: ProviderSettings, item: ProviderSettings) -> bool:
    """Whether anything but the heart's half differs."""
    heart = {name: getattr(before, name) for name in ProviderSettings.model_fields}
    return item.model_copy(update=heart) != before
