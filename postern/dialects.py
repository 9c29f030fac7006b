"""The vendors' APIs that a provider may speak, made from their settings."""

from conf.dialect_providers import (
    DialectProviderSettings,
    EasySendSmsProviderSettings,
    ExoSendProviderSettings,
    ExotelProviderSettings,
    MeSmsProviderSettings,
)
from protocols.easysendsms.dialect import EasySendDialect
from protocols.exosend.dialect import ExoSendAccess, ExoSendDialect
from protocols.exotel.dialect import ExotelDialect, ExotelUpstream
from protocols.http.dialect import Dialect
from protocols.mesms.dialect import MeSmsAccess, MeSmsDialect


def dialect_of(item: DialectProviderSettings) -> Dialect:
    """What the provider `item` speaks."""
    match item:
        case ExoSendProviderSettings():
            return ExoSendDialect(ExoSendAccess(base_url=item.url, token=item.token.reveal()))
        case ExotelProviderSettings():
            return ExotelDialect(_exotel(item))
        case MeSmsProviderSettings():
            return MeSmsDialect(MeSmsAccess(base_url=item.url, api_key=item.api_key.reveal()))
        case EasySendSmsProviderSettings():
            return EasySendDialect(item.url, item.api_key.reveal())
        case _:
            raise TypeError(f"provider {item.name}: no such wire {item.wire!r}")


def _exotel(item: ExotelProviderSettings) -> ExotelUpstream:
    return ExotelUpstream(
        base_url=item.url,
        account_sid=item.account_sid,
        api_key=item.api_key,
        api_token=item.api_token.reveal(),
        sms_type=item.sms_type,
        dlt_entity_id=item.dlt_entity_id,
        dlt_template_id=item.dlt_template_id,
        callbacks=item.callback_token is not None,
    )
