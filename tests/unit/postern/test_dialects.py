"""Each vendor's settings make the dialect that speaks its API, with what they say."""

import base64
from typing import Any

import pytest

from conf.dialect_providers import DialectProviderSettings
from conf.section import Source
from conf.settings import PROVIDERS
from postern.dialects import dialect_of
from protocols.easysendsms.dialect import EasySendDialect
from protocols.exosend.dialect import ExoSendDialect
from protocols.exotel.dialect import ExotelDialect
from protocols.mesms.dialect import MeSmsDialect
from tests.support.upstream import make_message


@pytest.fixture
def settings(tmp_path: Any) -> Any:
    """The settings of one `[[provider]]` table."""

    def settings(wire: str, **table: object) -> DialectProviderSettings:
        table |= {"name": "v", "wire": wire, "url": f"https://{wire}.example/base"}
        made = PROVIDERS[wire].model_validate(table, context=Source(tmp_path, {}))
        assert isinstance(made, DialectProviderSettings)
        return made

    return settings


@pytest.mark.parametrize(
    ("wire", "table", "kind", "header"),
    [
        ("exosend", {"token": "t"}, ExoSendDialect, ("Authorization", "Bearer t")),
        ("mesms", {"api_key": "k"}, MeSmsDialect, ("x-api-key", "k")),
        ("easysendsms", {"api_key": "k"}, EasySendDialect, ("apikey", "k")),
        (
            "exotel",
            {"account_sid": "acme1", "api_key": "k", "api_token": "t"},
            ExotelDialect,
            ("Authorization", "Basic " + base64.b64encode(b"k:t").decode()),
        ),
    ],
)
def test_each_wire_has_its_dialect(
    settings: Any, wire: str, table: dict[str, str], kind: type, header: tuple[str, str]
) -> None:
    dialect = dialect_of(settings(wire, **table))
    assert type(dialect) is kind
    assert dialect.origin == f"https://{wire}.example"
    call = dialect.send([make_message(recipient="66812345678")], "")
    assert call.url.startswith(f"https://{wire}.example/base/")
    assert call.headers[header[0]] == header[1]


def test_exotel_is_polled_unless_it_may_call_back(settings: Any) -> None:
    table = {"account_sid": "acme1", "api_key": "k", "api_token": "t"}
    polled = dialect_of(settings("exotel", **table))
    assert (polled.polls, polled.has_callbacks) == (True, False)
    called = dialect_of(settings("exotel", callback_token="c", **table))
    assert (called.polls, called.has_callbacks) == (False, True)


def test_exotel_knows_what_the_sender_is_registered_with(settings: Any) -> None:
    dialect = dialect_of(
        settings(
            "exotel", account_sid="acme1", api_key="k", api_token="t", sms_type="promotional",
            dlt_entity_id="123", dlt_template_id="456",
        )
    )  # fmt: skip
    body = dialect.send([make_message()], "").body
    assert body is not None
    for field in (b"SmsType=promotional", b"DltEntityId=123", b"DltTemplateId=456"):
        assert field in body


def test_every_vendor_of_the_file_can_be_spoken_to(settings: Any) -> None:
    every = {"token": "t", "api_key": "k", "account_sid": "a", "api_token": "t"}
    for wire, model in PROVIDERS.items():
        if issubclass(model, DialectProviderSettings):
            table = {key: value for key, value in every.items() if key in model.model_fields}
            assert dialect_of(settings(wire, **table)).origin
