"""Number queries of the daemon: the flow in the heart, and the connector of the file."""

from conf.hlr import HlrSettings
from conf.settings import Settings
from gateway.domain.lookup import Subscriber
from gateway.flow.lookups import Lookups
from gateway.policy.number_facts import NumberFacts
from gateway.policy.numbering import NumberPlan
from postern.heart import Heart
from postern.wire_options import USER_AGENT
from protocols.http.hlr import HlrOptions, HttpHlr


def lookups(heart: Heart, settings: Settings) -> Lookups:
    """Queries at the prices of the file; those of networks are offered when `[hlr]` has a url."""
    connector = None
    if settings.hlr.url is not None:
        connector = HttpHlr(hlr_options(settings.hlr, settings.hlr.url))
        heart.supervisor.spawn(connector.run(), name="hlr")
    return Lookups(
        heart.charges,
        heart.switchboard,
        NumberPlan(),
        NumberFacts(),
        connector,
        settings.hlr.cache_s,
        heart.clock,
        heart.supervisor,
    )


def hlr_options(item: HlrSettings, url: str) -> HlrOptions:
    """Settings of the file as the connector wants them."""
    return HlrOptions(
        url=url,
        headers=item.headers,
        secrets={name: secret.reveal() for name, secret in item.secrets.items()},
        user_agent=USER_AGENT,
        timeout_s=item.timeout_s,
        window=item.window,
        paths={name: getattr(item.fields, name) for name in type(item.fields).model_fields},
        states={
            Subscriber[name.upper()]: getattr(item.states, name)
            for name in type(item.states).model_fields
        },
    )
