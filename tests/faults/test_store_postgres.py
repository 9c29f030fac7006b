"""PostgreSQL goes away under a real daemon with real traffic: stopped, killed, silent in a COMMIT."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.smpp.constants import CommandStatus
from tests.faults.proxy_thread import ProxyThread
from tests.faults.store_site import MOST_ENQUIRY_S, SMPP_WINDOW, StoreSite
from tests.faults.store_traffic import Traffic
from tests.support.databases import PostgresServer, postgres_server
from tests.support.processes import until
from tests.support.severing_proxy import Cut

pytestmark = pytest.mark.slow

OUTAGE_S = 30.0
NEW_MESSAGES = b'COPY "message"'
# The journal gives a commit 3 s before it lets nobody else wait for it.
MOST_REFUSAL_S = 3.5
MOST_RECOVERY_S = 4.0  # the longest pauses of reconnecting and of trying again, and a start


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def new_database(server: PostgresServer) -> str:
    return asyncio.run(server.new_database())


def site_on(url: str, directory: Path) -> StoreSite:
    return StoreSite(directory, f'[store]\nurl = "{url}"\n')


def check_outage(
    site: StoreSite,
    traffic: Traffic,
    since: float,
    healed_at: float,
    most_enquiry_s: float = MOST_ENQUIRY_S,
) -> None:
    """What customers and operator saw of a fault that began at `since` and has ended."""
    seen = traffic.since(since)
    refused = [one for one in seen if not one.is_accepted]
    assert {one.status for one in refused} <= {CommandStatus.RSYSERR, 503}
    # Only who was in a COMMIT when the server went has to wait for it to come back.
    prompt = [one for one in refused if one.seconds < MOST_REFUSAL_S]
    first_no = min(one.sent_at + one.seconds for one in prompt)
    late = [one for one in seen if one.seconds >= MOST_REFUSAL_S]
    assert all(one.sent_at < first_no and one.sent_at + one.seconds > healed_at for one in late)
    enquiries = [seconds for sent_at, seconds in traffic.enquiries if sent_at >= since]
    assert max(enquiries) < most_enquiry_s
    back = min(one.sent_at + one.seconds for one in traffic.since(healed_at) if one.is_accepted)
    assert back - healed_at < MOST_RECOVERY_S
    [unavailable] = site.logged("store.unavailable")
    [recovered] = site.logged("store.recovered")
    assert unavailable["reason"]
    assert recovered["refused"] >= len(refused)


def test_a_server_that_is_gone_for_30_seconds(server: PostgresServer, tmp_path: Path) -> None:
    site = site_on(server.url(new_database(server)), tmp_path)
    with site.serving() as traffic:
        since = time.monotonic()
        server.crash()
        site.until_refusing(traffic, 200)
        status, reason = site.readiness()
        assert (status, reason.startswith("cannot be written: ")) == (503, True)
        assert site.metric("postern_store_available") == 0
        octets = site.metric("process_resident_memory_bytes")
        until("30 s", lambda: time.monotonic() - since >= OUTAGE_S, timeout_s=OUTAGE_S + 5)
        assert site.metric("process_resident_memory_bytes") < 1.1 * octets
        server.start()
        healed_at = time.monotonic()
        site.until_ready()
        site.until_accepting(traffic)
        check_outage(site, traffic, since, healed_at)
        assert site.logged("store.recovered")[0]["lasted_s"] >= OUTAGE_S - 5
        site.finish(traffic)


def test_the_backend_of_the_writer_is_killed(server: PostgresServer, tmp_path: Path) -> None:
    """The server then restarts itself, all its sessions with it."""
    database = new_database(server)
    site = site_on(server.url(database), tmp_path)
    with site.serving() as traffic:
        since = time.monotonic()
        os.kill(asyncio.run(backend_of_writer(server, database)), signal.SIGKILL)
        until("the loss", lambda: site.logged("store.reconnected"))
        site.until_accepting(traffic)
        site.until_ready()
        seen = traffic.since(since)
        assert max(one.seconds for one in seen) < MOST_REFUSAL_S
        assert max(s for at, s in traffic.enquiries if at >= since) < MOST_ENQUIRY_S
        site.finish(traffic)
        outages = [len(site.logged(f"store.{event}")) for event in ("unavailable", "recovered")]
        assert outages in ([0, 0], [1, 1])


async def backend_of_writer(server: PostgresServer, database: str) -> int:
    connection = await server.connect(database)
    pid: int = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'postern' AND datname = current_database()"
    )
    await connection.close()
    return pid


@pytest.mark.parametrize("window", [40, SMPP_WINDOW, 2 * SMPP_WINDOW])
def test_a_commit_in_doubt_holds_up_nobody_else(
    server: PostgresServer, tmp_path: Path, window: int
) -> None:
    """Those in it must wait for the truth; whoever sends much at once is answered all the same."""
    database = new_database(server)
    with ProxyThread(server.folder) as proxy:
        site = site_on(server.url(database, proxy.folder), tmp_path)
        with site.serving(window=window) as traffic:
            since = time.monotonic()
            # On disk, its answer lost, and nobody can ask while its session is still there.
            proxy.cut_next_commit("half", only_with=NEW_MESSAGES)
            site.until_refusing(traffic, 200, both=False)
            assert site.readiness()[0] == 503
            assert traffic.unanswered()
            proxy.end_sessions()
            healed_at = time.monotonic()
            site.until_ready()
            site.until_accepting(traffic)
            # We stop reading from a customer who sends more than his window.
            most_enquiry_s = MOST_ENQUIRY_S if window <= SMPP_WINDOW else MOST_REFUSAL_S
            check_outage(site, traffic, since, healed_at, most_enquiry_s)
            in_doubt = [one for one in traffic.accepted() if one.sent_at < healed_at - 1.0]
            told_at = max(one.sent_at + one.seconds for one in in_doubt)
            assert told_at > healed_at, "those in the commit were told the truth in the end"
            site.finish(traffic)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_commit_whose_answer_is_lost(server: PostgresServer, tmp_path: Path, cut: Cut) -> None:
    """The connection dies between COMMIT and its answer, and can be made again at once."""
    database = new_database(server)
    with ProxyThread(server.folder) as proxy:
        site = site_on(server.url(database, proxy.folder), tmp_path)
        with site.serving() as traffic:
            for times in range(1, 4):
                proxy.cut_next_commit(cut, only_with=NEW_MESSAGES)
                until(
                    "the loss",
                    lambda times=times: len(site.logged("store.reconnected")) == times,
                )
                site.until_accepting(traffic, 20)
            refused = [one for one in traffic.answers if not one.is_accepted]
            assert (refused == []) == (cut == "after")
            site.finish(traffic)
