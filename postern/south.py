"""Builds providers from their settings and keeps them as declared: start, change, pause, end."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from random import random

from conf.http_provider import HttpProviderSettings
from conf.providers import ProviderSettings, SmppProviderSettings
from conf.settings import Settings
from gateway.domain.declared import ProviderSpec
from gateway.flow.lane import Lane
from gateway.flow.provider_sink import LaneSink
from gateway.policy.pace import Pace
from gateway.policy.receipt_policy import NEVER
from gateway.ports import Provider
from postern import __version__
from postern.heart import Heart
from protocols.http.callbacks import CallbackTarget, callback_path
from protocols.http.provider import HttpProvider, HttpProviderOptions
from protocols.http.template import HttpTemplate, TemplateSpec
from protocols.http.template_answer import ErrorSpec, IdSpec, SuccessSpec
from protocols.http.template_receipt import ReceiptAnswer, ReceiptSpec
from protocols.smpp.provider import SmppProvider, SmppProviderOptions
from protocols.smpp.session import Timers

log = logging.getLogger("postern.south")

USER_AGENT = f"Postern/{__version__}"


class South:
    """The providers of one daemon.

    `callback_targets` is read by the HTTP application at each request: a provider that is added by
    a reload is reachable at once.
    """

    def __init__(self, heart: Heart) -> None:
        self._heart = heart
        self._settings: dict[int, ProviderSettings] = {}
        self.callback_targets: dict[str, CallbackTarget] = {}

    async def apply(self, settings: Settings, callback_base: str) -> None:
        """Makes the declared providers and only those run.

        A provider whose settings changed is started anew; its queue and what it owes receipts for
        stay with its lane.
        """
        heart = self._heart
        lanes = heart.dispatcher.lanes
        declared: set[int] = set()
        specs = {spec.name: spec for spec in settings.declared().providers}
        for item in settings.providers:
            provider_id = await heart.store.providers.declare(item.name)
            declared.add(provider_id)
            heart.fates.provider_names[provider_id] = item.name
            spec = specs[item.name]
            if isinstance(item, HttpProviderSettings) and item.receipt is None:
                spec = replace(spec, receipts=NEVER)
            if self._settings.get(provider_id) != item:
                await self._start(provider_id, item, spec, callback_base)
                self._settings[provider_id] = item
            else:
                lanes[provider_id].spec = spec
        await heart.store.providers.disable_undeclared([item.name for item in settings.providers])
        for provider_id in set(lanes) - declared:
            await self._end(lanes[provider_id])

    async def restore_pauses(self) -> None:
        """After a start: what the operator had paused stays paused."""
        for row in await self._heart.store.providers.load():
            self._heart.fates.provider_names.setdefault(row.id, row.name)
            lane = self._heart.dispatcher.lanes.get(row.id)
            if lane is not None:
                lane.paused = row.paused

    async def stop(self, deadline_s: float) -> None:
        """Drains and closes every provider, all at the same time."""
        spawn = self._heart.supervisor.spawn
        tasks = [
            spawn(lane.wire.stop(deadline_s), name=f"stop-{lane.name}")
            for lane in self._heart.dispatcher.lanes.values()
        ]
        for task in tasks:
            await task

    async def _start(
        self, provider_id: int, item: ProviderSettings, spec: ProviderSpec, callback_base: str
    ) -> None:
        heart = self._heart
        sink = LaneSink(heart.dispatcher, heart.receipts)
        wire = self._wire(item, sink, callback_base)
        lane = heart.dispatcher.lanes.get(provider_id)
        if lane is None:
            lane = heart.dispatcher.lanes[provider_id] = Lane(provider_id, spec, wire)
            sink.lane = lane
        else:
            before, lane.wire = lane.wire, wire
            lane.spec, lane.pace, lane.enabled = spec, Pace(spec.rate_per_s), True
            sink.lane = lane
            heart.dispatcher.room_changed(lane)
            heart.supervisor.spawn(before.stop(1.0), name=f"stop-{lane.name}")
        await wire.start()

    async def _end(self, lane: Lane) -> None:
        if lane.enabled:
            lane.enabled = False
            self._settings.pop(lane.id, None)
            self.callback_targets.pop(lane.name, None)
            self._heart.dispatcher.room_changed(lane)
            self._heart.supervisor.spawn(lane.wire.stop(1.0), name=f"stop-{lane.name}")

    def _wire(self, item: ProviderSettings, sink: LaneSink, callback_base: str) -> Provider:
        heart = self._heart
        if isinstance(item, SmppProviderSettings):
            return SmppProvider(
                smpp_options(item),
                sink,
                clock=heart.clock,
                spawn=heart.supervisor.spawn,
                draw=random,
            )
        if not isinstance(item, HttpProviderSettings):
            raise TypeError(f"provider {item.name}: no such wire {item.wire!r}")
        template = HttpTemplate(template_spec(item))
        callback_url = ""
        if item.receipt is not None:
            self.callback_targets[item.name] = CallbackTarget(template, sink)
            if callback_base:
                path = callback_path(item.name, item.receipt.token.reveal())
                callback_url = callback_base + path
        options = HttpProviderOptions(
            name=item.name,
            user_agent=USER_AGENT,
            window=item.window,
            timeout_s=item.timeout_s,
            callback_url=callback_url,
        )
        return HttpProvider(options, template, sink, heart.clock, heart.supervisor, random)


def smpp_options(item: SmppProviderSettings) -> SmppProviderOptions:
    """Settings of the file as the wire wants them."""
    return SmppProviderOptions(
        name=item.name,
        host=item.host,
        port=item.port,
        system_id=item.system_id,
        password=item.password.reveal(),
        system_type=item.system_type,
        binds=item.binds,
        bind_mode=item.bind_mode,
        window=item.window,
        response_timeout_s=item.response_timeout_s,
        timers=Timers(
            enquire_link_s=item.enquire_link_s, inactivity_s=0, response_s=item.response_timeout_s
        ),
        charset=item.charset,
        concatenation=item.concatenation,
        id_mode=item.id_mode,
        receipts=item.receipts,
        source_ton=item.source_ton,
        source_npi=item.source_npi,
        dest_ton=item.dest_ton,
        dest_npi=item.dest_npi,
    )


def template_spec(item: HttpProviderSettings) -> TemplateSpec:
    """The block of the file as the template compiler wants it."""
    receipt = None
    if item.receipt is not None:
        rule = item.receipt
        states: Mapping[str, tuple[str | bool | int | float, ...]] = {
            name: getattr(rule.states, name) for name in type(rule.states).model_fields
        }
        receipt = ReceiptSpec(
            id=rule.id,
            state=rule.state,
            states=states,
            token=rule.token.reveal(),
            error=rule.error,
            at=rule.at,
            format=rule.format,
            many=rule.many,
            answer=ReceiptAnswer(status=rule.answer.status, body=rule.answer.body),
        )
    return TemplateSpec(
        url=item.url,
        method=item.method,
        headers=item.headers,
        query=item.query,
        body=item.body,
        fields=item.fields,
        text=item.text,
        secrets={name: secret.reveal() for name, secret in item.secrets.items()},
        success=SuccessSpec(
            status=item.success.status, path=item.success.path, equals=item.success.equals
        ),
        id=None
        if item.id is None
        else IdSpec(path=item.id.path, header=item.id.header, regex=item.id.regex),
        errors=tuple(
            ErrorSpec(
                error_class=rule.error_class,
                status=rule.status,
                path=rule.path,
                equals=rule.equals,
                text=rule.text,
            )
            for rule in item.errors
        ),
        split=item.split,
        receipt=receipt,
    )
