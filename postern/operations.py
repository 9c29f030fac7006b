"""The operator's verbs on a live daemon: what the control socket and the metrics ask of the heart.

A change is written to the store first and then made in memory in the same turn of the loop, so that
it is visible at once and survives a restart.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence

from admin_api.operations import Facts, Gauges, OperationRefusedError
from conf.accounts import MAX_SENDER_OCTETS
from gateway.domain.account import Account
from gateway.domain.errors import CreditConflict, StoreRejected
from gateway.domain.fate import WORDS
from gateway.domain.identity import CredentialKind, Origin, StoredCredential
from gateway.domain.message import Message
from gateway.domain.money import format_amount, parse_amount
from gateway.flow.cancellation import Cancellation, CancelVerdict
from gateway.flow.lane import Lane
from gateway.flow.senders import SenderDecision
from gateway.policy.numbering import NumberPlan
from gateway.ports import SenderVerdict
from postern import __version__
from postern.block_operations import BlockOperations
from postern.explanation import Explanation, ProviderView, Rulebook
from postern.facts import (
    Names,
    account_facts,
    cancelled_facts,
    iso,
    lane_facts,
    lane_reason,
    lane_state,
    message_facts,
    message_keys,
    sender_facts,
    token_facts,
    tokens_of,
)
from postern.gauges import live_gauges
from postern.heart import Heart
from postern.store_probe import StoreProbe
from postern.webhook_operations import WebhookOperations

TOKEN_OCTETS = 32  # 43 URL-safe characters
MOST_NAMED = 20
_MOST_NAME = 64

Connections = Callable[[], Sequence[Mapping[str, object]]]
Addresses = Callable[[], Mapping[str, str]]


class LiveOperations:
    """`admin_api.operations.Operations` over one running heart.

    `smpp_connections` lists the customers' links, `addresses` names where the doors listen.
    """

    def __init__(self, heart: Heart, smpp_connections: Connections, addresses: Addresses) -> None:
        self._heart = heart
        self._smpp_connections = smpp_connections
        self._addresses = addresses
        self._numbers = NumberPlan()
        self._cancellation = Cancellation(
            heart.store.messages,
            heart.journal,
            heart.dispatcher,
            heart.backlogs,
            accounts=heart.directory.accounts,
            credentials=heart.directory.credentials,
        )
        self._blocks = BlockOperations(heart.blocking, self._numbers, heart.clock)
        self._webhooks = WebhookOperations(heart.store.webhooks, heart.fates, heart.clock)
        self._started = heart.clock.monotonic()
        self._probe = StoreProbe(heart.journal, heart.clock, heart.supervisor)

    # -- state -----------------------------------------------------------------------------------

    def gauges(self) -> Gauges:
        """Live figures."""
        uptime_s = self._heart.clock.monotonic() - self._started
        return live_gauges(self._heart, self._smpp_connections(), uptime_s)

    async def store_writable(self) -> bool:
        """A recent probe's answer, see `StoreProbe`."""
        return await self._probe.is_writable()

    def status(self) -> Facts:
        """The daemon itself."""
        gauges = self.gauges()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(gauges.uptime_s, 1),
            "listen": dict(self._addresses()),
            "store_available": gauges.store_available,
            "journal_pending": gauges.journal_pending,
            "waiting": gauges.waiting,
            "in_memory": gauges.in_memory,
            "connections": [dict(link) for link in self._smpp_connections()],
        }

    # -- accounts --------------------------------------------------------------------------------

    def accounts(self) -> Facts:
        """All accounts, by name."""
        accounts = sorted(self._heart.directory.accounts.values(), key=lambda a: a.name)
        return {"accounts": [account_facts(account) for account in accounts]}

    async def top_up(self, account: str, amount: str, note: str) -> Facts:
        """Adds to a balance, or takes from it."""
        found = self._account(account)
        try:
            micros = parse_amount(amount)
        except ValueError as error:
            raise OperationRefusedError(f"amount: {error}") from None
        if not micros:
            raise OperationRefusedError("amount: 0 moves nothing")
        async with self._heart.directory.balance_lock:
            if micros > 0:
                await self._move(found, micros, note)
                found.balance_micros += micros
            else:
                await self._take(found, micros, note)
        return {"amount": format_amount(micros), "note": note, **account_facts(found)}

    async def _take(self, account: Account, micros: int, note: str) -> None:
        """Out of memory first, so that nobody spends meanwhile what is taken away."""
        if account.available_micros + micros < account.limit_micros:
            raise _not_enough(account)
        account.balance_micros += micros
        try:
            await self._move(account, micros, note)
        except BaseException:
            account.balance_micros -= micros
            raise

    async def _move(self, account: Account, micros: int, note: str) -> None:
        heart = self._heart
        try:
            await heart.store.ledger.top_up(account.id, micros, note, heart.clock.now_ms())
        except CreditConflict:
            raise _not_enough(account) from None
        except StoreRejected as error:
            raise OperationRefusedError(str(error)) from None

    async def statement(self, account: str, limit: int, before: int | None) -> Facts:
        """Ledger lines, newest first; `next_before` asks for the next page."""
        found = self._account(account)
        lines = await self._heart.store.ledger.statement(found.id, before, limit)
        return {
            "account": found.name,
            "currency": found.currency,
            "lines": [
                {
                    "id": line.id,
                    "at": iso(line.at_ms),
                    "kind": line.kind.name.lower(),
                    "amount": format_amount(line.amount_micros),
                    "messages": line.message_count,
                    "balance": format_amount(line.balance_micros),
                    "note": line.note,
                }
                for line in lines
            ],
            "next_before": lines[-1].id if len(lines) == limit else None,
        }

    # -- tokens ----------------------------------------------------------------------------------

    async def tokens(self, account: str) -> Facts:
        """The account's API tokens."""
        found = self._account(account)
        rows = await self._heart.store.accounts.load_credentials()
        return {
            "account": found.name,
            "tokens": [token_facts(row) for row in tokens_of(rows, found)],
        }

    async def create_token(self, account: str, name: str) -> Facts:
        """A token for every REST door and scope, in the form `<number>|<secret>`."""
        heart, found = self._heart, self._account(account)
        # Its row will have this number, so that the token names it; nothing depends on that.
        number = max(heart.directory.credentials, default=0) + 1
        name = name or f"token-{number}"
        if len(name) > _MOST_NAME or not name.isprintable():
            raise OperationRefusedError(
                f"token name: at most {_MOST_NAME} printable characters, not {name!r}"
            )
        secret = f"{number}|{secrets.token_urlsafe(TOKEN_OCTETS)}"
        digest = heart.passwords.digest(secret)
        try:
            id = await heart.store.accounts.create_token(found.id, name, digest)
        except StoreRejected as error:
            raise OperationRefusedError(f"{error}: choose another name") from None
        heart.directory.add_token(id, found, name, digest)
        return {"account": found.name, "id": id, "name": name, "token": secret}

    async def revoke_token(self, account: str, token: str) -> Facts:
        """By name, or by id when no enabled token has that name."""
        heart, found = self._heart, self._account(account)
        rows = tokens_of(await heart.store.accounts.load_credentials(), found)
        row = _token_named(rows, token)
        if row is None:
            raise OperationRefusedError(
                f"account {found.name} has no token {token!r}; "
                + _those_that_exist("its enabled tokens", [r.name for r in rows if r.enabled])
            )
        if row.origin == Origin.FILE:
            raise OperationRefusedError(
                f"token {row.name} is declared in the configuration file: take it out there and "
                "reload the daemon (SIGHUP)"
            )
        if not await heart.store.accounts.revoke_credential(row.id):
            raise OperationRefusedError(f"token {row.name} (id {row.id}) is already revoked")
        heart.directory.revoke(heart.directory.credentials[row.id])
        return {"account": found.name, "id": row.id, "name": row.name, "revoked": True}

    # -- senders ---------------------------------------------------------------------------------

    async def senders(self, account: str | None) -> Facts:
        """Sender ids with the state of both stages."""
        heart, accounts = self._heart, self._heart.directory.accounts
        wanted = None if account is None else self._account(account).id
        await heart.senders.count_messages()
        return {
            "senders": [
                sender_facts(row, accounts[row.account_id], heart.public_ids)
                for row in await heart.store.senders.load_senders(wanted)
            ]
        }

    async def set_sender(self, account: str, name: str, state: str, reason: str) -> Facts:
        """Our decision about a sender, or the provider's; approving makes one that is new."""
        found = self._account(account)
        try:
            decision = SenderDecision(state)
        except ValueError:
            words = ", ".join(SenderDecision)
            raise OperationRefusedError(f"state must be one of {words}, not {state!r}") from None
        _check_sender(name)
        row = await self._heart.senders.decide(found, name, decision, reason)
        if isinstance(row, SenderVerdict):
            raise OperationRefusedError(await self._why_no_sender(found, name, row))
        return {
            "account": found.name,
            "sender": name,
            "state": state,
            "reason": reason,
            "may_send": row.may_send,
        }

    async def _why_no_sender(self, account: Account, name: str, verdict: SenderVerdict) -> str:
        if verdict == SenderVerdict.DECLARED:
            return (
                f"sender {name} is declared in the configuration file: take it out there and "
                "reload the daemon (SIGHUP)"
            )
        if verdict == SenderVerdict.NOT_VERIFIED:
            return f"sender {name} is not approved: the provider is asked after `sender approve`"
        rows = await self._heart.store.senders.load_senders(account.id)
        return f"account {account.name} has no sender {name!r}; " + _those_that_exist(
            "its senders", [row.name for row in rows]
        )

    # -- recipients ------------------------------------------------------------------------------

    async def block(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        """Nothing more is accepted for these recipients."""
        return await self._blocks.block(self._optional_account(account), numbers, region)

    async def unblock(self, account: str | None, numbers: Sequence[str], region: str) -> Facts:
        """What is accepted from now on goes out again."""
        return await self._blocks.unblock(self._optional_account(account), numbers, region)

    async def blocked(self, account: str | None, after: str, limit: int) -> Facts:
        """A page of the blocklist."""
        return await self._blocks.page(
            self._optional_account(account), after, limit, self._names().accounts
        )

    # -- webhooks --------------------------------------------------------------------------------

    async def webhooks(self, account: str | None, state: str, limit: int) -> Facts:
        """Notifications over HTTP that are owed or were given up."""
        found = self._optional_account(account)
        return await self._webhooks.page(
            None if found is None else found.id, state, limit, self._names().accounts
        )

    async def replay(
        self, account: str | None, since: str, delivery: int | None, states: str
    ) -> Facts:
        """They are due at once, as if they had never been tried."""
        found = self._optional_account(account)
        return await self._webhooks.replay(
            None if found is None else found.id, since, delivery, states
        )

    # -- messages --------------------------------------------------------------------------------

    async def message(self, message_id: str) -> Facts:
        """One message and its timeline."""
        heart = self._heart
        for key in self._keys(message_id):
            row = await heart.store.messages.message(key)
            if row is not None:
                return message_facts(row, await heart.store.messages.events(key), self._names())
        raise _no_message(message_id)

    async def cancel(self, message_id: str) -> Facts:
        """Money and notification follow as for every other end."""
        for key in self._keys(message_id):
            cancelled = await self._cancellation.cancel(key)
            if cancelled is None:
                continue
            if cancelled.verdict != CancelVerdict.CANCELLED:
                raise OperationRefusedError(f"message {message_id} {self._why_not(*cancelled)}")
            return cancelled_facts(cancelled.message)
        raise _no_message(message_id)

    def _why_not(self, verdict: CancelVerdict, message: Message) -> str:
        provider = self._heart.fates.provider_names.get(message.provider_id, "") or "a provider"
        match verdict:
            case CancelVerdict.HAS_ENDED:
                word = WORDS[message.state].word
                return f"has ended: it was {word} at {iso(message.final_at_ms)}"
            case CancelVerdict.HAS_LEFT:
                return f"has left: {provider} took it at {iso(message.sent_at_ms)}"
            case CancelVerdict.PART_HAS_LEFT:
                return f"has left in part: {provider} took some of it, the rest must follow"
        return f"is being sent: {provider} has it and has not answered yet"

    def _keys(self, message_id: str) -> list[int]:
        keys = message_keys(message_id, self._heart.public_ids)
        if not keys:
            raise OperationRefusedError(
                f"{message_id!r} is no message id: give 16 hex digits, a decimal number or a UUID"
            )
        return keys

    def _names(self) -> Names:
        directory = self._heart.directory
        return Names(
            {account.id: account.name for account in directory.accounts.values()},
            {credential.id: credential.name for credential in directory.credentials.values()},
            self._heart.fates.provider_names,
            self._heart.public_ids,
        )

    # -- providers -------------------------------------------------------------------------------

    async def providers(self) -> Facts:
        """Every declared provider."""
        return {
            "waiting": self._heart.dispatcher.waiting_for_any(),
            "providers": [lane_facts(lane) for lane in self._lanes()],
        }

    async def pause(self, provider: str) -> Facts:
        """What is at the provider still gets its answer; the rest moves to others or waits."""
        return await self._set_paused(provider, paused=True)

    async def resume(self, provider: str) -> Facts:
        """What waits leaves at once."""
        return await self._set_paused(provider, paused=False)

    async def _set_paused(self, provider: str, *, paused: bool) -> Facts:
        lane = self._lane(provider)
        await self._heart.store.providers.set_paused(lane.id, paused)
        lane.paused = paused
        self._heart.dispatcher.room_changed(lane)
        return lane_facts(lane)

    # -- dry run ---------------------------------------------------------------------------------

    def explain(self, account: str, sender: str, to: str, text: str) -> Facts:
        """From the tables admission and dispatch use now."""
        found, directory = self._account(account), self._heart.directory
        rules = Rulebook(
            numbers=self._numbers,
            routes=self._heart.switchboard.routes,
            tariff=self._heart.switchboard.tariff,
            account_names={each.id: each.name for each in directory.accounts.values()},
            provider=self._provider_view,
            knows_credit=True,
            is_blocked=self._heart.blocklist.blocked,
        )
        return {"source": "daemon", **Explanation(rules, found, sender, to, text).facts()}

    def _provider_view(self, provider_id: int) -> ProviderView:
        lane = self._heart.dispatcher.lanes.get(provider_id)
        if lane is None:
            return ProviderView(name=f"provider {provider_id}", state="ended")
        return ProviderView(name=lane.name, state=lane_state(lane), reason=lane_reason(lane))

    # -- names -----------------------------------------------------------------------------------

    def _account(self, name: str) -> Account:
        by_name = self._heart.directory.by_name
        if name not in by_name:
            raise OperationRefusedError(
                f"there is no account {name!r}; " + _those_that_exist("accounts", by_name)
            )
        return by_name[name]

    def _optional_account(self, name: str | None) -> Account | None:
        return None if name is None else self._account(name)

    def _lanes(self) -> list[Lane]:
        return [lane for lane in self._heart.dispatcher.lanes.values() if lane.enabled]

    def _lane(self, name: str) -> Lane:
        for lane in self._lanes():
            if lane.name == name:
                return lane
        raise OperationRefusedError(
            f"there is no provider {name!r}; "
            + _those_that_exist("providers", [lane.name for lane in self._lanes()])
        )


def _token_named(rows: Iterable[StoredCredential], name: str) -> StoredCredential | None:
    tokens = [row for row in rows if row.kind == CredentialKind.TOKEN]
    for row in tokens:
        if row.enabled and row.name == name:
            return row
    return next((row for row in tokens if name in (row.name, str(row.id))), None)


def _check_sender(name: str) -> None:
    is_plain = name.isascii() and name.isprintable() and name == name.strip()
    if not is_plain or not 1 <= len(name) <= MAX_SENDER_OCTETS:
        raise OperationRefusedError(
            f"sender {name!r}: 1 to {MAX_SENDER_OCTETS} printable ASCII characters, no space first "
            "or last"
        )


def _not_enough(account: Account) -> OperationRefusedError:
    return OperationRefusedError(
        f"account {account.name} has {format_amount(account.available_micros)} {account.currency} "
        f"available and a limit of {format_amount(account.limit_micros)}: take less"
    )


def _no_message(message_id: str) -> OperationRefusedError:
    return OperationRefusedError(f"there is no message {message_id}: it may have been purged")


def _those_that_exist(what: str, names: Iterable[str]) -> str:
    known = sorted(names)
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f"{what}: {', '.join(known[:MOST_NAMED]) or 'none'}{more}"
