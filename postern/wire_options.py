"""A provider's settings of the file as its wire wants them."""

from collections.abc import Mapping

from conf.dialect_providers import CalledBack, DialectProviderSettings, Polled, Prepaid
from conf.http_provider import HttpProviderSettings
from conf.providers import ProviderSettings, SmppProviderSettings
from postern import __version__
from protocols.http.callbacks import callback_path
from protocols.http.dialect_provider import DialectProviderOptions
from protocols.http.provider import HttpProviderOptions
from protocols.http.receipt_poll import PollPlan
from protocols.http.template import TemplateSpec
from protocols.http.template_answer import ErrorSpec, IdSpec, SuccessSpec
from protocols.http.template_receipt import ReceiptAnswer, ReceiptSpec
from protocols.smpp.provider import SmppProviderOptions
from protocols.smpp.session import Timers

USER_AGENT = f"Postern/{__version__}"


def http_options(item: HttpProviderSettings, callback_base: str) -> HttpProviderOptions:
    """Settings of the file as the wire wants them."""
    return HttpProviderOptions(
        name=item.name,
        user_agent=USER_AGENT,
        window=item.window,
        timeout_s=item.timeout_s,
        callback_url=callback_url(item, callback_base),
    )


def dialect_options(item: DialectProviderSettings, callback_base: str) -> DialectProviderOptions:
    """Settings of the file as the wire wants them."""
    poll = None
    if isinstance(item, Polled) and item.poll:
        poll = PollPlan(item.poll, item.poll_per_min)
    balance_every_s, balance_warn_micros = 0, None
    if isinstance(item, Prepaid):
        balance_every_s, balance_warn_micros = item.balance_every_s, item.balance_warn
    return DialectProviderOptions(
        name=item.name,
        wire=item.wire,
        user_agent=USER_AGENT,
        window=item.window,
        timeout_s=item.timeout_s,
        callback_url=callback_url(item, callback_base),
        poll=poll,
        balance_every_s=balance_every_s,
        balance_warn_micros=balance_warn_micros,
    )


def callback_token(item: ProviderSettings) -> str:
    """What a receipt's callback must know; empty when the provider sends none."""
    secret = None
    if isinstance(item, HttpProviderSettings) and item.receipt is not None:
        secret = item.receipt.token
    elif isinstance(item, CalledBack):
        secret = item.callback_token
    return "" if secret is None else secret.reveal()


def callback_url(item: ProviderSettings, callback_base: str) -> str:
    """Where the provider may send receipts; empty when it sends none or there is no such place."""
    token = callback_token(item)
    return callback_base + callback_path(item.name, token) if token and callback_base else ""


def can_have_receipts(item: ProviderSettings) -> bool:
    """Whether there is a way for the provider's receipts to come."""
    if isinstance(item, SmppProviderSettings):
        return True
    return callback_token(item) != "" or (isinstance(item, Polled) and item.poll != ())


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
            session_init_s=item.response_timeout_s,  # a bind is a request like any other
            enquire_link_s=item.enquire_link_s,
            inactivity_s=0,
            response_s=item.response_timeout_s,
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


def sends_whole_texts(item: ProviderSettings) -> bool:
    """Whether a long text goes to the provider as one request."""
    if isinstance(item, SmppProviderSettings):
        return item.concatenation == "payload"
    return not isinstance(item, HttpProviderSettings) or item.split == "provider"


def answer_timeout_s(item: ProviderSettings) -> float:
    """When everything outstanding has its outcome, with a second for the sweep that finds it."""
    if isinstance(item, SmppProviderSettings):
        return item.response_timeout_s + 1.0
    if isinstance(item, HttpProviderSettings | DialectProviderSettings):
        return item.timeout_s + 1.0
    return 0.0
