"""Which route, and which of its providers."""

from collections.abc import Callable

import pytest

from gateway.domain.message import Channel
from gateway.domain.route import Route
from gateway.policy.routing import RouteTable, choose_provider

SMS = Channel.SMS
Tiers = tuple[tuple[tuple[int, int], ...], ...]


def route(name: str, prefix: str, account: int | None = None, sender: str | None = None) -> Route:
    return Route(name, SMS, prefix, (((1, 1),),), account, sender)


def found(table: RouteTable, recipient: str, account: int = 1, sender: str = "ACME") -> str | None:
    match = table.find(SMS, account, sender, recipient)
    return None if match is None else match.name


def test_the_longest_prefix_wins() -> None:
    table = RouteTable([route("all", ""), route("swiss", "41"), route("mobile", "4179")])
    assert found(table, "41791234567") == "mobile"
    assert found(table, "41441234567") == "swiss"
    assert found(table, "37120000000") == "all"


def test_without_a_covering_prefix_there_is_no_route() -> None:
    assert found(RouteTable([route("swiss", "41")]), "37120000000") is None
    assert found(RouteTable([]), "37120000000") is None


def test_routes_of_another_channel_do_not_count() -> None:
    assert RouteTable([route("all", "")]).find(99, 1, "ACME", "41790000001") is None


def test_of_one_prefix_the_one_with_most_conditions_wins() -> None:
    table = RouteTable(
        [
            route("plain", "41"),
            route("account", "41", account=1),
            route("both", "41", account=1, sender="ACME"),
            route("sender", "41", sender="ACME"),
        ]
    )
    assert found(table, "4179", 1, "ACME") == "both"
    assert found(table, "4179", 1, "other") == "account"
    assert found(table, "4179", 2, "ACME") == "sender"
    assert found(table, "4179", 2, "other") == "plain"


def test_of_equals_the_one_declared_first_wins() -> None:
    first_account = RouteTable([route("a", "41", account=1), route("s", "41", sender="ACME")])
    assert found(first_account, "4179") == "a"
    first_sender = RouteTable([route("s", "41", sender="ACME"), route("a", "41", account=1)])
    assert found(first_sender, "4179") == "s"


def test_a_longer_prefix_whose_conditions_fail_leaves_it_to_the_shorter() -> None:
    table = RouteTable([route("swiss", "41"), route("mobile", "4179", account=2)])
    assert found(table, "41791234567", account=1) == "swiss"


def test_account_zero_is_a_condition_too() -> None:
    assert found(RouteTable([route("zero", "", account=0)]), "4179", account=1) is None


def test_senders_compare_exactly() -> None:
    assert found(RouteTable([route("acme", "", sender="ACME")]), "4179", sender="acme") is None


# --- the next provider --------------------------------------------------------------------------


def test_a_number_is_covered_whoever_the_sender_is() -> None:
    table = RouteTable([route("branded", "371", sender="ACME"), route("own", "372", account=2)])
    assert table.covers(0, 1, "37120000000")
    assert table.covers(0, 2, "37220000000")
    assert not table.covers(0, 1, "37220000000")
    assert not table.covers(0, 1, "41790000001")
    assert not table.covers(1, 1, "37120000000")


def undrawn() -> float:
    raise AssertionError("nothing to draw")


def choose(
    tiers: Tiers,
    up: set[int],
    tried: set[int] | None = None,
    draw: Callable[[], float] = undrawn,
) -> int | None:
    return choose_provider(Route("r", SMS, "", tiers), up.__contains__, tried, draw)


def test_the_first_tier_with_somebody_up() -> None:
    tiers = (((1, 1),), ((2, 1),), ((3, 1),))
    assert choose(tiers, {1, 2, 3}) == 1
    assert choose(tiers, {2, 3}) == 2
    assert choose(tiers, {3}) == 3
    assert choose(tiers, set()) is None


def test_those_that_were_tried_are_left_out() -> None:
    tiers = (((1, 1),), ((2, 1),))
    assert choose(tiers, {1, 2}, {1}) == 2
    assert choose(tiers, {1, 2}, {1, 2}) is None


@pytest.mark.parametrize(
    ("drawn", "chosen"), [(0.0, 1), (0.699, 1), (0.7, 2), (0.899, 2), (0.9, 3), (0.9999, 3)]
)
def test_one_tier_is_shared_by_weight(drawn: float, chosen: int) -> None:
    assert choose((((1, 7), (2, 2), (3, 1)),), {1, 2, 3}, draw=lambda: drawn) == chosen


@pytest.mark.parametrize(("drawn", "chosen"), [(0.0, 2), (0.66, 2), (0.67, 3)])
def test_who_is_down_or_was_tried_leaves_its_share_to_the_others(drawn: float, chosen: int) -> None:
    tiers = (((1, 7), (2, 2), (3, 1)),)
    assert choose(tiers, {2, 3}, draw=lambda: drawn) == chosen
    assert choose(tiers, {1, 2, 3}, {1}, lambda: drawn) == chosen


def test_weight_zero_is_never_chosen() -> None:
    assert choose((((1, 0), (2, 1)), ((3, 1),)), {1, 2, 3}, draw=lambda: 0.0) == 2
    assert choose((((1, 0), (2, 1)), ((3, 1),)), {1, 3}) == 3


def test_a_draw_rounded_up_to_one_chooses_the_last() -> None:
    assert choose((((1, 1), (2, 1)),), {1, 2}, draw=lambda: 1.0) == 2


def test_a_route_without_providers_has_none() -> None:
    assert choose((), {1}) is None
