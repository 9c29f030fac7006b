from collections.abc import Iterator

import pytest

from tests.support.processes import DemoProcess
from tests.support.smpp_customer import SmppCustomer


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProcess]:
    """One demo for the tests of a module: each uses recipients of its own."""
    with DemoProcess(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def esme(demo: DemoProcess) -> Iterator[SmppCustomer]:
    """A bound transceiver of the demo's account."""
    host, port, system_id, password = demo.smpp()
    with SmppCustomer(host, port) as customer:
        assert customer.bind(system_id, password) == 0
        yield customer
