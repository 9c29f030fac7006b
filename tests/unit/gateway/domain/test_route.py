from gateway.domain.message import Channel
from gateway.domain.route import Route


def test_providers_come_best_tier_first() -> None:
    route = Route("r", Channel.SMS, "371", (((3, 1), (1, 2)), ((2, 1),)))
    assert route.provider_ids() == [3, 1, 2]
    assert (route.account_id, route.sender) == (None, None)
