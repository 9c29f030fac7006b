import pytest

from gateway.domain.account import ChargeAt, NumberCheck, RefundPolicy
from gateway.domain.declared import AccountSpec, SmppCredentialSpec, TokenSpec, WebhookSpec


def test_every_key_reaches_the_heart(load_text) -> None:
    (account,) = (
        load_text(
            """
        [[account]]
        name = "ACME Ltd"
        currency = "CREDIT"
        credit = "10.5"
        limit = "-5"
        region = "LV"
        rate = 50
        requests_per_min = 0
        number_check = "valid"
        charge = "delivery"
        refund = "undelivered"
        senders = ["ACME", "+371200", "*"]
        [[account.token]]
        secret = { env = "TOKEN" }
        name = "shop"
        doors = ["exosend"]
        scopes = ["send"]
        [[account.smpp]]
        system_id = "acme"
        password = "secret"
        max_binds = 2
        window = 20
        rate = 100
        message_id = "uuid"
        receipt_keep_s = 0
        allow = ["192.0.2.0/24", "2001:db8::1"]
        [[account.webhook]]
        url = "https://acme.example/status"
        secret = "key"
        """,
            environ={"TOKEN": "token-acme"},
        )
        .declared()
        .accounts
    )
    assert account == AccountSpec(
        name="ACME Ltd",
        currency="CREDIT",
        credit_micros=10_500_000,
        limit_micros=-5_000_000,
        region="LV",
        rate_per_s=50,
        requests_per_min=0,
        number_check=NumberCheck.VALID,
        charge_at=ChargeAt.DELIVERY,
        refund=RefundPolicy.UNDELIVERED,
        senders=("ACME", "+371200", "*"),
        tokens=(
            TokenSpec(
                secret="token-acme",
                name="shop",
                doors=frozenset({"exosend"}),
                scopes=frozenset({"send"}),
            ),
        ),
        smpp=(
            SmppCredentialSpec(
                system_id="acme",
                password="secret",
                max_binds=2,
                window=20,
                rate_per_s=100,
                message_id_format="uuid",
                receipt_keep_s=0,
                ip_allow=("192.0.2.0/24", "2001:db8::1/128"),
            ),
        ),
        webhooks=(WebhookSpec(url="https://acme.example/status", secret="key"),),
    )


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        ('region = "lv"', "region", 'must be an ISO 3166 code such as "LV", or ""'),
        ('senders = ["ŪDENS"]', "senders[0]", "must be printable ASCII, no space first or last"),
        ('senders = [" A"]', "senders[0]", "must be printable ASCII, no space first or last"),
        (f'senders = ["{"x" * 21}"]', "senders[0]", "must have at most 20 characters"),
        ('credit = "-1"', "credit", "must not be negative"),
        ("rate = -1", "rate", "must be greater than or equal to 0"),
        ('number_check = "maybe"', "number_check", "must be 'possible' or 'valid'"),
        ('refund = "always"', "refund", "must be 'unsent', 'undelivered' or 'never'"),
        (
            '[[account.token]]\nsecret = "t"\ndoors = ["smpp"]',
            "token[0].doors[0]",
            "must be one of exosend, exotel, mesms, easysendsms",
        ),
        (
            '[[account.smpp]]\nsystem_id = "a b"\npassword = "p"',
            "smpp[0].system_id",
            "must be printable ASCII without spaces",
        ),
        (
            '[[account.smpp]]\nsystem_id = "a"\npassword = "p"\nallow = ["x"]',
            "smpp[0].allow[0]",
            "must be an IP address or a network such as 10.0.0.0/8",
        ),
        (
            '[[account.webhook]]\nurl = "gopher://a"\nsecret = "k"',
            "webhook[0].url",
            "must be a URL that starts with http:// or https:// and names a host",
        ),
    ],
)
def test_names_what_is_wrong(problems_in, line: str, key: str, reason: str) -> None:
    assert problems_in(f'[[account]]\nname = "a"\n{line}') == {f"account[0].{key}": reason}


REPORTS = '[[account]]\nname = "a"\n'
REPORT_URL = '[[account.easysendsms]]\nreport_url = "https://a.example.com/dlr?secret=s"\n'


def test_where_easysendsms_reports_go(load_text) -> None:
    [spec] = load_text(REPORTS + REPORT_URL).declared().accounts
    assert spec.report_url == "https://a.example.com/dlr?secret=s"
    [spec] = load_text(REPORTS).declared().accounts
    assert spec.report_url == ""


def test_an_account_has_one_report_url(problems_in) -> None:
    assert problems_in(REPORTS + REPORT_URL * 2) == {
        "account[0].easysendsms": "must be one table: the vendor has one URL for each account"
    }
