import pytest

from conf.providers import SmppProviderSettings
from gateway.domain.declared import ProviderSpec

PROVIDER = """
[[provider]]
name = "c"
wire = "smpp"
host = "h"
system_id = "gw"
password = "secret"
"""


def test_the_heart_gets_its_half_and_the_wire_the_rest(load_text) -> None:
    settings = load_text(
        PROVIDER
        + """
        port = 3550
        rate = 200
        unknown = "hold"
        receipt_window = 3600
        receipts = "always"
        retry = [1]
        system_type = "SMPP"
        bind_mode = "transmitter+receiver"
        binds = 4
        window = 50
        charset = "latin1"
        concatenation = "payload"
        id_mode = "hex_to_dec"
        enquire_link_s = 0
        response_timeout_s = 5
        source_ton = 5
        source_npi = 0
        dest_ton = 2
        dest_npi = 3
        """
    )
    assert settings.declared().providers == (
        ProviderSpec(
            name="c",
            wire="smpp",
            rate_per_s=200,
            unknown="hold",
            receipt_window_s=3600,
            retry_s=(1,),
            receipts="always",
            id_mode="hex_to_dec",
        ),
    )
    (provider,) = settings.providers
    assert isinstance(provider, SmppProviderSettings)
    assert provider.password.reveal() == "secret"
    shown = provider.model_dump(exclude={"password", "name", "wire"})
    assert shown == {
        "rate": 200, "unknown": "hold", "receipt_window": 3600, "receipts": "always", "retry": (1,), "breaker": 10,
        "host": "h", "port": 3550, "system_id": "gw", "system_type": "SMPP",
        "bind_mode": "transmitter+receiver", "binds": 4, "window": 50, "charset": "latin1",
        "concatenation": "payload", "id_mode": "hex_to_dec", "enquire_link_s": 0,
        "response_timeout_s": 5, "source_ton": 5, "source_npi": 0, "dest_ton": 2, "dest_npi": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("port = 0", "port"),
        ("binds = 0", "binds"),
        ("window = 0", "window"),
        ("source_ton = 256", "source_ton"),
        ("receipt_window = 0", "receipt_window"),
        ("retry = [0]", "retry[0]"),
        ('unknown = "ignore"', "unknown"),
        ('bind_mode = "receiver"', "bind_mode"),
        ('url = "http://x"', "url"),
        (f'system_type = "{"x" * 13}"', "system_type"),
    ],
)
def test_names_what_is_wrong(problems_in, line: str, key: str) -> None:
    assert list(problems_in(PROVIDER + line)) == [f"provider[0].{key}"]
