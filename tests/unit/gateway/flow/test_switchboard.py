"""Remembered ways are those a fresh look would find; a new tariff starts at its moment."""

import pytest

from gateway.domain.account import Account
from gateway.domain.declared import RateSpec
from gateway.domain.message import Channel
from gateway.domain.route import Route
from gateway.flow import switchboard
from gateway.flow.switchboard import Switchboard
from tests.support.clock import START_MS, FakeClock

SMS = Channel.SMS
DAY_MS = 86_400_000


def rate(prefix: str, price: int, valid_from_ms: int = 0, currency: str = "EUR") -> RateSpec:
    return RateSpec(
        channel="sms", prefix=prefix, price_micros=price, currency=currency,
        valid_from_ms=valid_from_ms,
    )  # fmt: skip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> Switchboard:
    made = Switchboard(clock)
    made.set_routes([Route("all", SMS, "", ()), Route("mobile", SMS, "4179", ())])
    made.set_rates([rate("", 10), rate("41", 20), rate("41791", 30)])
    return made


def way(
    board: Switchboard, recipient: str, account: Account | None = None, sender: str = "ACME"
) -> tuple[str | None, int | None]:
    route, price = board.way(SMS, account or Account(1, "acme"), sender, recipient)
    return None if route is None else route.name, price


def test_an_empty_board_knows_no_way(clock: FakeClock) -> None:
    assert way(Switchboard(clock), "41791234567") == (None, None)


def test_route_and_price_of_a_number(board: Switchboard) -> None:
    numbers = ("37120000000", "41441234567", "41781234567", "41790234567", "41791234567")
    expected = [("all", 10), ("all", 20), ("all", 20), ("mobile", 20), ("mobile", 30)]
    for _ in range(2):  # the second time from memory
        assert [way(board, number) for number in numbers] == expected


def test_accounts_senders_and_currencies_are_kept_apart(board: Switchboard) -> None:
    board.set_routes([Route("all", SMS, "", ()), Route("vip", SMS, "", (), 2, "VIP")])
    board.set_rates([rate("", 10), rate("", 99, currency="CHF")])
    assert way(board, "4179") == ("all", 10)
    assert way(board, "4179", Account(2, "vip", "CHF"), "VIP") == ("vip", 99)
    assert way(board, "4179", Account(2, "vip", "CHF")) == ("all", 99)


def test_new_routes_and_rates_count_at_once(board: Switchboard) -> None:
    way(board, "41791234567")
    board.set_routes([Route("new", SMS, "417912345678", ())])
    assert way(board, "41791234567") == (None, 30)
    assert way(board, "417912345678") == ("new", 30)
    board.set_rates([rate("417912345678", 7)])
    assert way(board, "417912345678") == ("new", 7)
    assert way(board, "417912345679") == (None, None)


def test_memory_is_bounded(board: Switchboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "MOST_WAYS", 3)
    for number in range(10_000, 10_020):
        assert way(board, str(number)) == ("all", 10)
        assert len(board._ways) <= 3


def test_a_rate_starts_at_its_moment(board: Switchboard, clock: FakeClock) -> None:
    board.set_rates([rate("", 10), rate("", 20, START_MS + 5000), rate("", 30, START_MS + 9000)])
    clock.advance(4.999)
    assert way(board, "37120000000") == ("all", 10)
    clock.advance(0.001)
    assert way(board, "37120000000") == ("all", 20)
    clock.advance(4.0)
    assert way(board, "37120000000") == ("all", 30)


def test_a_rate_far_ahead_starts_too(board: Switchboard, clock: FakeClock) -> None:
    board.set_rates([rate("", 10), rate("", 20, START_MS + 3 * DAY_MS)])
    clock.advance(3 * DAY_MS / 1000 - 1)
    assert way(board, "37120000000") == ("all", 10)
    clock.advance(1)
    assert way(board, "37120000000") == ("all", 20)


def test_a_closed_board_waits_for_nothing(board: Switchboard, clock: FakeClock) -> None:
    board.set_rates([rate("", 10), rate("", 20, START_MS + 5000)])
    board.close()
    board.close()
    clock.advance(10)
    assert way(board, "37120000000") == ("all", 10)


def test_rates_that_were_replaced_do_not_return(board: Switchboard, clock: FakeClock) -> None:
    board.set_rates([rate("", 10), rate("", 20, START_MS + 5000)])
    board.set_rates([rate("", 11)])
    clock.advance(10)
    assert way(board, "37120000000") == ("all", 11)
