"""Builds the heart: every flow joined to its neighbours, in reading order of a message's way."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conf.settings import Settings
from gateway.domain.commit_group import EventKind, StoredMessage
from gateway.domain.keys import KeyMaker, PublicIds
from gateway.domain.message import Message
from gateway.flow.admission import Admission
from gateway.flow.backlog import Backlogs
from gateway.flow.blocking import Blocking
from gateway.flow.bulk_feeder import BulkFeeder
from gateway.flow.bulk_removal import BulkRemoval
from gateway.flow.bulks import Bulks
from gateway.flow.charges import Charges
from gateway.flow.directory import AccountDirectory
from gateway.flow.dispatcher import Dispatcher
from gateway.flow.fates import Fates
from gateway.flow.health import Health
from gateway.flow.journal import Journal
from gateway.flow.maintenance import Maintenance, ReceiptWindows
from gateway.flow.notifications import Notifications
from gateway.flow.outcomes import Outcomes
from gateway.flow.passwords import Passwords
from gateway.flow.queries import Queries
from gateway.flow.receipts import Receipts
from gateway.flow.restore import restored
from gateway.flow.senders import Senders
from gateway.flow.switchboard import Switchboard
from gateway.policy.blocklist import Blocklist
from gateway.policy.numbering import NumberPlan
from gateway.ports import Clock
from gateway.runtime.handover_log import HandoverLog
from gateway.runtime.message_log import MessageLog
from gateway.runtime.metrics import Counters
from gateway.runtime.supervisor import Supervisor
from gateway.store.store import Store

SECRET_OCTETS = 32
FOR_EVER_S = 100 * 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """The running flows and what they share."""

    store: Store
    clock: Clock
    supervisor: Supervisor
    counters: Counters
    directory: AccountDirectory
    senders: Senders
    passwords: Passwords
    public_ids: PublicIds
    switchboard: Switchboard
    journal: Journal
    message_log: MessageLog | None
    fates: Fates
    backlogs: Backlogs
    dispatcher: Dispatcher
    outcomes: Outcomes
    receipts: Receipts
    notifications: Notifications
    blocking: Blocking
    blocklist: Blocklist
    admission: Admission
    bulks: Bulks
    bulk_feeder: BulkFeeder
    bulk_removal: BulkRemoval
    charges: Charges
    queries: Queries
    maintenance: Maintenance


async def build_heart(
    settings: Settings,
    store: Store,
    clock: Clock,
    supervisor: Supervisor,
    handovers: HandoverLog | None = None,
) -> Heart:
    """Joins the flows; nothing runs yet, and only keys, secrets and the blocklist are loaded.

    Raises:
        StoreUnavailable: the store cannot be read.
        ConfigurationError: the store's secrets are sealed with another key.
    """
    counters = Counters()
    passwords = Passwords(
        await store.secrets.get_or_create("credential-digests", SECRET_OCTETS), _in_thread
    )
    directory = AccountDirectory(store.accounts, store.senders, passwords, clock)
    public_ids = PublicIds(await store.secrets.get_or_create("public-ids", SECRET_OCTETS))
    switchboard = Switchboard(clock)
    queue = settings.queue
    journal = Journal(
        store,
        clock,
        counters,
        max_pending=queue.max_uncommitted,
        first_group_id=clock.now_ms() << 20,
    )
    message_log = None
    if settings.log.message_log is not None:
        message_log = MessageLog(settings.log.message_log, clock, _in_thread)
    fates = Fates(journal, clock, counters, message_log)

    def admit(row: StoredMessage) -> Message:
        message = restored(row, directory.accounts, directory.credentials)
        if handovers is not None and handovers.was_handed_over(row.key):
            counters.resent_after_restart += 1
            detail = "on its way when the gateway died: it may arrive twice"
            fates.event(message, EventKind.RESENT_AFTER_RESTART, detail)
        clock.call_soon(dispatcher.readmitted, message)
        return message

    backlogs = Backlogs(
        store.messages,
        clock,
        spawn=supervisor.spawn,
        uncommitted_keys=journal.uncommitted_keys,
        admit=admit,
        most_in_memory=queue.max_ready,
        most_overall=queue.max_in_memory,
    )
    dispatcher = Dispatcher(journal, fates, backlogs, switchboard, clock, random.random)
    backlogs.stranded_providers = dispatcher.stranded_providers
    backlogs.is_any_open = dispatcher.is_any_open
    health = Health(dispatcher, clock, counters)
    outcomes = Outcomes(dispatcher, health, journal, fates, backlogs, clock, counters)
    dispatcher.on_nothing_left = outcomes.nothing_left
    known: dict[str, Any] = {
        "spawn": supervisor.spawn,
        "accounts": directory.accounts,
        "credentials": directory.credentials,
    }
    receipts = Receipts(store.messages, journal, fates, backlogs, clock, counters, **known)
    notifications = Notifications(store.messages, journal, fates, clock, counters, **known)
    keys = KeyMaker(last_key=await store.messages.last_key())
    blocking = Blocking(store.blocked)
    await blocking.load()
    numbers = NumberPlan()
    admission = Admission(
        journal,
        switchboard,
        numbers,
        blocking.blocklist,
        keys,
        clock,
        counters,
        validity_s=queue.validity_s,
    )
    bulk_feeder = BulkFeeder(
        store.bulks,
        journal,
        backlogs,
        keys,
        clock,
        accounts=directory.accounts,
        credentials=directory.credentials,
        validity_s=queue.validity_s,
        is_stopping=lambda: dispatcher.stopping,
    )
    bulk_removal = BulkRemoval(store.bulks, clock, first_key=keys.next(clock.now_ms()))
    bulks = Bulks(
        store.bulks,
        admission,
        journal,
        switchboard,
        numbers,
        blocking.blocklist,
        keys,
        clock,
        bulk_feeder,
        bulk_removal,
        counters,
    )
    maintenance = Maintenance(
        store.messages,
        store.retention,
        journal,
        dispatcher,
        fates,
        backlogs,
        clock,
        accounts=directory.accounts,
        credentials=directory.credentials,
        receipt_windows=ReceiptWindows(dispatcher),
        retention_s=settings.store.retention_days * 86_400 or FOR_EVER_S,
    )
    senders = Senders(store.senders, directory, journal, clock)
    maintenance.before_purge = senders.count_messages
    journal.on_accepted = dispatcher.accepted
    journal.on_recovered = dispatcher.resume

    async def reread_balances(account_ids: frozenset[int], done: Callable[[], None]) -> None:
        try:
            await directory.reload_balances(account_ids, journal.uncommitted_money)
        finally:
            done()

    journal.on_credit_conflict = lambda account_ids, done: supervisor.spawn(
        reread_balances(account_ids, done), name="reread-balances"
    )
    outcomes.take_parked = receipts.take_parked
    outcomes.on_held = maintenance.held
    if handovers is not None:
        dispatcher.note_handover = handovers.note
    fates.offer_notification = notifications.offer
    return Heart(
        store=store,
        clock=clock,
        supervisor=supervisor,
        counters=counters,
        directory=directory,
        senders=senders,
        passwords=passwords,
        public_ids=public_ids,
        switchboard=switchboard,
        journal=journal,
        message_log=message_log,
        fates=fates,
        backlogs=backlogs,
        dispatcher=dispatcher,
        outcomes=outcomes,
        receipts=receipts,
        notifications=notifications,
        blocking=blocking,
        blocklist=blocking.blocklist,
        admission=admission,
        bulks=bulks,
        bulk_feeder=bulk_feeder,
        bulk_removal=bulk_removal,
        charges=Charges(journal, keys, clock),
        queries=Queries(store.messages, backlogs, clock),
        maintenance=maintenance,
    )


def _in_thread(function: Callable[..., Any], *args: object) -> asyncio.Future[Any]:
    return asyncio.get_running_loop().run_in_executor(None, function, *args)
