"""SIGHUP under traffic: binds stay on both sides, and every message arrives once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from postern.simulator.behaviour import Behaviour
from tests.support.processes import PosternProcess, free_port, until
from tests.support.serving import LISTEN, Serving
from tests.support.smpp_load import SmppLoad
from tests.support.smsc_thread import SmscThread

pytestmark = pytest.mark.slow

ACCOUNT = """
[[account]]
name = "customer"
credit = "100000"
senders = ["*"]
  [[account.smpp]]
  system_id = "customer"
  password = "secret"
[[route]]
providers = ["carrier"]
[[rate]]
price = "0.035"
"""
CARRIER = """
[[provider]]
name = "carrier"
wire = "smpp"
host = "127.0.0.1"
port = {carrier}
system_id = "gw"
password = "secret"
binds = 2
"""
CONFIGURATION = LISTEN + ACCOUNT + CARRIER
# Receipts right behind the answers: a carrier that is left has no way for later ones.
PROMPT = Behaviour(receipt_delay_s=(0.0, 0.0))


class Traffic(NamedTuple):
    """A gateway with a carrier, and a customer that submits all the time."""

    gateway: Serving
    daemon: PosternProcess
    smsc: SmscThread
    load: SmppLoad

    def flows(self, count: int = 50) -> None:
        """`count` more messages have gone through."""
        before = len(self.load.accepted)
        until("traffic", lambda: len(self.load.accepted) >= before + count, timeout_s=20.0)

    def reload(self, configuration: str) -> None:
        logged = self.gateway.reload(self.daemon, configuration)
        assert any('"reload.applied"' in line for line in logged), logged

    def bound(self, count: int) -> set[str]:
        """Waits until the carrier has `count` binds; which."""

        def binds() -> set[str]:
            bound = self.smsc.bound()
            return bound if len(bound) == count else set()

        return until(f"{count} binds at the carrier", binds)

    def ends_well(self, *carriers: SmscThread) -> None:
        """Everything accepted was carried once, by one carrier, and its receipt came home."""
        self.load.stop()
        assert not self.load.was_unbound
        assert self.load.refused == {}

        def carried() -> list[str]:
            return [text for smsc in carriers or (self.smsc,) for text in smsc.texts()]

        until("all messages", lambda: len(carried()) >= len(self.load.texts))
        assert sorted(carried()) == sorted(self.load.texts)
        self.load.all_receipts()


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[Traffic]:
    gateway = Serving(tmp_path, CONFIGURATION)
    with (
        SmscThread(gateway.ports["carrier"], password="secret", behaviour=PROMPT) as smsc,
        gateway.serve() as daemon,
        gateway.esme("customer") as customer,
        SmppLoad(customer, "message") as load,
    ):
        made = Traffic(gateway, daemon, smsc, load)
        made.bound(2)
        yield made


CHANGES = [
    "rate = 500",
    "window = 3",
    "retry = [1, 2]",
    'unknown = "hold"',
    "receipt_window = 600",
    'receipts = "always"',
    "response_timeout_s = 5",
    "enquire_link_s = 3",
    'charset = "latin1"',
    'concatenation = "payload"',
    'concatenation = "sar"',
    "source_ton = 5\nsource_npi = 0\ndest_ton = 0\ndest_npi = 1",
    "breaker = 3",
]


def test_what_a_session_can_change_changes_without_a_new_one(traffic: Traffic) -> None:
    binds = traffic.bound(2)
    for change in CHANGES:
        traffic.reload(CONFIGURATION.replace("binds = 2\n", f"binds = 2\n{change}\n"))
        traffic.flows()
    traffic.reload(CONFIGURATION)
    traffic.flows()
    assert traffic.smsc.bound() == binds
    traffic.ends_well()


def test_the_number_of_binds_follows_the_file(traffic: Traffic) -> None:
    two = traffic.bound(2)
    traffic.reload(CONFIGURATION.replace("binds = 2", "binds = 5"))
    five = traffic.bound(5)
    assert two < five
    traffic.flows()
    traffic.reload(CONFIGURATION.replace("binds = 2", "binds = 1"))
    assert traffic.bound(1) < five
    traffic.flows()
    traffic.ends_well()


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (("system_id = \"gw\"", "system_id = \"gw2\""), 2),
        (("binds = 2", "binds = 2\nsystem_type = \"X\""), 2),
        (("binds = 2", "binds = 2\nbind_mode = \"transmitter+receiver\""), 4),
    ],
    ids=["system_id", "system_type", "bind_mode"],
)  # fmt: skip
def test_new_sessions_stand_before_the_old_ones_leave(
    traffic: Traffic, change: tuple[str, str], count: int
) -> None:
    before = traffic.bound(2)
    traffic.reload(CONFIGURATION.replace(*change))
    until("the new binds", lambda: not traffic.smsc.bound() & before)
    assert len(traffic.bound(count)) == count
    traffic.flows()
    assert '"provider.bind_down"' not in traffic.daemon.errors
    traffic.ends_well()


def test_a_wrong_password_keeps_the_binds_that_stand(traffic: Traffic) -> None:
    binds = traffic.bound(2)
    traffic.reload(CONFIGURATION.replace('"secret"\nbinds', '"mistyped"\nbinds'))
    until("the refusal", lambda: "ESME_RINVPASWD" in traffic.daemon.errors)
    traffic.flows()
    assert traffic.smsc.bound() == binds
    traffic.reload(CONFIGURATION)
    traffic.flows()
    traffic.ends_well()


def test_another_address_takes_over(traffic: Traffic) -> None:
    port = free_port()
    moved = CONFIGURATION.replace("{carrier}", str(port))
    traffic.reload(moved)  # nobody is there yet
    traffic.flows()
    assert len(traffic.bound(2)) == 2
    with SmscThread(port, behaviour=PROMPT) as other:
        until("the other carrier", lambda: len(other.bound()) == 2, timeout_s=20.0)
        until("the end of the first", lambda: not traffic.smsc.bound())
        traffic.flows()
        traffic.ends_well(traffic.smsc, other)


def test_a_provider_that_is_taken_out_drains(traffic: Traffic) -> None:
    port = free_port()
    other = CARRIER.replace("{carrier}", str(port)).replace('"carrier"', '"other"')
    route = ACCOUNT.replace('["carrier"]', '["other"]')
    with SmscThread(port, behaviour=PROMPT) as smsc:
        traffic.reload(LISTEN + ACCOUNT + CARRIER + other)
        until("the other carrier", lambda: len(smsc.bound()) == 2)
        traffic.reload(LISTEN + route + CARRIER + other)
        traffic.flows()
        traffic.reload(LISTEN + route + other)
        until("the end of the first", lambda: not traffic.smsc.bound())
        traffic.flows()
        traffic.reload(LISTEN + route + CARRIER + other)  # it returns, and is spare
        assert len(traffic.bound(2)) == 2
        traffic.ends_well(traffic.smsc, smsc)


def test_what_waits_for_a_provider_takes_the_new_route(tmp_path: Path) -> None:
    slow = Behaviour(answer_delay_s=0.3)
    narrow = CARRIER.replace("binds = 2", "window = 1")
    gateway = Serving(tmp_path, LISTEN + ACCOUNT + narrow)
    port = free_port()
    other = CARRIER.replace("{carrier}", str(port)).replace('"carrier"', '"other"')
    with (
        SmscThread(gateway.ports["carrier"], behaviour=slow) as first,
        SmscThread(port) as second,
        gateway.serve() as daemon,
        gateway.esme("customer") as customer,
    ):
        until("the bind", first.bound)
        texts = [f"message {number}" for number in range(40)]
        for text in texts:
            assert customer.submit("37125991111", text.encode())[0] == 0
        gateway.reload(daemon, LISTEN + ACCOUNT + narrow + other)
        until("the other carrier", second.bound)
        assert second.texts() == []
        route = ACCOUNT.replace('["carrier"]', '["other"]')
        gateway.reload(daemon, LISTEN + route + narrow + other)
        until("all messages", lambda: len(first.texts() + second.texts()) == len(texts))
        assert sorted(first.texts() + second.texts()) == sorted(texts)
        assert len(second.texts()) > len(first.texts())


def test_customers_keep_their_binds_whatever_changes(traffic: Traffic) -> None:
    changes: list[Callable[[str], str]] = [
        lambda text: text.replace('password = "secret"\n[[', 'password = "other"\n[['),
        lambda text: text.replace('"customer"\n  password', '"customer"\n  window = 2\n  password'),
        lambda text: text.replace(
            '"customer"\n  password', '"customer"\n  max_binds = 1\n  password'
        ),
        lambda text: text.replace(
            '"customer"\n  password', '"customer"\n  rate = 5000\n  password'
        ),
        lambda text: text.replace("senders", 'limit = "-5"\nrate = 5000\nsenders'),
        lambda text: text.replace('"0.035"', '"0.01"'),
        lambda text: text.replace(
            '"customer"\n  password', '"customer"\n  allow = ["10.0.0.0/8"]\n  password'
        ),
    ]
    for change in changes:
        changed = change(CONFIGURATION)
        assert changed != CONFIGURATION
        traffic.reload(changed)
        traffic.flows()
    traffic.ends_well()


def test_many_signals_at_once(traffic: Traffic) -> None:
    binds = traffic.bound(2)
    for number in range(30):
        traffic.gateway.write(
            CONFIGURATION.replace("binds = 2", f"binds = 2\nwindow = {number + 1}")
        )
        traffic.daemon.send_signal(1)
    traffic.reload(CONFIGURATION.replace("binds = 2", "binds = 3"))
    assert traffic.bound(3) > binds
    traffic.flows()
    traffic.ends_well()
