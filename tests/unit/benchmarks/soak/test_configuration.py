import pytest

from benchmarks.soak.configuration import (
    POOR,
    SHORT_RUN_S,
    SYSTEM_IDS,
    TERMS,
    VARIANTS,
    Places,
    render,
    terms_of,
)
from benchmarks.soak.numbers import Area
from benchmarks.soak.traffic import CUSTOMERS, REST_BULK_SHARE, REST_SINGLE_SHARE
from conf.settings import load
from postern.daemon import check_template

PLACES = Places(
    http=8080, smpp=2775, admin=9090, smsc=2776, http_carrier=8081, webhook=8082,
    store_url="sqlite:////tmp/soak.db",
)  # fmt: skip


def settings(tmp_path, variant=0, terms=TERMS):
    file = tmp_path / "postern.toml"
    file.write_text(render(PLACES, terms, variant))
    return load(file, check_template=check_template)


@pytest.mark.parametrize("variant", range(len(VARIANTS) + 1))
def test_the_gateway_reads_each_variant_without_a_warning(tmp_path, variant):
    read = settings(tmp_path, variant)
    assert read.warnings == ()
    price, carrier_rate, account_rate = VARIANTS[variant % len(VARIANTS)]
    assert read.rates[0].price == round(float(price) * 1e6)
    assert read.providers[0].rate == carrier_rate
    assert {account.rate for account in read.accounts} == {account_rate}


def test_a_reload_changes_something(tmp_path):
    assert settings(tmp_path, 0).declared() != settings(tmp_path, 1).declared()


def test_every_customer_may_bind_and_only_one_is_poor(tmp_path):
    accounts = settings(tmp_path).accounts
    assert {spec.system_id for account in accounts for spec in account.smpp} == set(SYSTEM_IDS)
    assert {customer.system_id for customer in CUSTOMERS} == set(SYSTEM_IDS)
    assert [account.name for account in accounts if account.credit < 10**9] == [POOR]


def test_every_area_has_its_route(tmp_path):
    assert {route.prefix for route in settings(tmp_path).routes} == {a.prefix for a in Area}


def test_the_shares_are_the_whole():
    shares = sum(customer.share for customer in CUSTOMERS)
    assert shares + REST_SINGLE_SHARE + REST_BULK_SHARE == pytest.approx(1)


@pytest.mark.parametrize("duration_s", [15, SHORT_RUN_S, 1800])
def test_everything_comes_to_its_end_within_the_run_and_its_drain(tmp_path, duration_s):
    terms = terms_of(duration_s)
    assert terms.drain_s > max(terms.schedules_s) + terms.receipt_window_s
    assert settings(tmp_path, terms=terms).store.retention_days * 86_400 == pytest.approx(
        terms.retention_s
    )
