"""The directory: live accounts and credentials, and how declared objects become them.

Applying a declaration is idempotent: what is new is made, what changed is changed in place (bound
links and waiting messages keep their objects), what is no longer declared is disabled at once and
never deleted.  A changed opening `credit` is a warning, not a top-up.  It has two steps: `declare`
writes to the store and may fail, `adopt` changes memory and cannot; so a declaration that fails
halfway changes nothing that is alive.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.domain.account import ANY_SENDER, Account, Credential
from gateway.domain.declared import AccountSpec, KeyPairSpec, SmppCredentialSpec, TokenSpec
from gateway.domain.errors import ConfigurationError, StoreUnavailable
from gateway.domain.identity import (
    CredentialKind,
    Origin,
    SenderState,
    SenderVerification,
    StoredAccount,
    StoredCredential,
    StoredSender,
)
from gateway.domain.money import format_amount
from gateway.flow.passwords import Passwords
from gateway.ports import AccountStore, Clock, SenderStore

log = logging.getLogger("postern.directory")

_PIECE_LENGTH = 12_000  # characters of a contact group taken together


class AccountDirectory:
    """`ports.Directory`.

    `on_disabled(credential)` is called for each way in that was closed, `on_report_urls(urls)` with
    those that are new after a declaration.
    """

    def __init__(
        self, store: AccountStore, senders: SenderStore, passwords: Passwords, clock: Clock
    ) -> None:
        self._store = store
        self._senders = senders
        self._passwords = passwords
        self._clock = clock
        self._by_digest: dict[bytes, Credential] = {}
        self._by_system_id: dict[str, Credential] = {}
        self._by_api_key: dict[str, Credential] = {}
        self._templates: dict[tuple[int, int], str] = {}  # by account and number
        self._contact_groups: dict[tuple[int, int], str] = {}
        self._of_file: set[int] = set()  # accounts, and their credentials
        self._credentials_of_file: set[int] = set()
        self._default_of_file: dict[int, str] = {}  # the first sender, by account
        self.accounts: dict[int, Account] = {}
        self.by_name: dict[str, Account] = {}
        self.credentials: dict[int, Credential] = {}
        self.webhook_secrets: dict[tuple[int, str], str] = {}
        self.webhook_urls: dict[int, tuple[str, ...]] = {}
        self.report_urls: dict[int, str] = {}  # of EasySendSMS delivery reports
        self.on_report_urls: Callable[[Collection[str]], None] = lambda _: None
        self.on_disabled: Callable[[Credential], None] = lambda _: None
        # Held while a row and its object are moved or compared outside of the commit groups: an
        # operator's top-up between the reading of a row and its use would be lost or count twice.
        self.balance_lock = asyncio.Lock()

    # -- ports.Directory -------------------------------------------------------------------------

    def token(self, secret: str) -> Credential | None:
        """The credential of an API token, or None (unknown, revoked, disabled)."""
        return self._usable(self._by_digest.get(self._passwords.digest(secret)))

    def any_token(self, secret: str) -> Credential | None:
        """As `token`, but for a door that tells what is disabled from what is unknown."""
        return self._by_digest.get(self._passwords.digest(secret))

    def key_pair(self, api_key: str, api_token: str) -> Credential | None:
        """The credential of an API key with its token, enabled or not; None: one of them is wrong.

        The time it takes does not tell which.
        """
        credential = self._by_api_key.get(api_key)
        digest = self._passwords.digest(api_token)
        expected = digest[::-1] if credential is None else credential.digest
        return credential if hmac.compare_digest(digest, expected) else None

    def smpp(self, system_id: str) -> Credential | None:
        """The enabled credential of a system_id, or None."""
        return self._usable(self._by_system_id.get(system_id))

    def template(self, account: Account, id: int) -> str | None:
        """The account's stored text of that number, or None."""
        return self._templates.get((account.id, id))

    def contact_group(self, account: Account, id: int) -> Iterable[Sequence[str]] | None:
        """The numbers of the account's contact group, about a thousand at a time, or None."""
        lines = self._contact_groups.get((account.id, id))
        return None if lines is None else _pieces(lines)

    async def check_password(self, credential: Credential, password: str) -> bool:
        """Whether `password` opens `credential`."""
        return await self._passwords.check(credential, password)

    @staticmethod
    def _usable(credential: Credential | None) -> Credential | None:
        if credential is None or not credential.enabled or not credential.account.enabled:
            return None
        return credential

    def report_url(self, account_id: int) -> str:
        """Where the account's EasySendSMS delivery reports go; empty = nowhere."""
        return self.report_urls.get(account_id, "")

    def webhook_secret(self, account_id: int, url: str) -> str | None:
        """The signing secret of an account's webhook, or None when it is no longer declared."""
        return self.webhook_secrets.get((account_id, url))

    # -- start and reload ------------------------------------------------------------------------

    async def load(self) -> None:
        """Reads everything the store knows; nothing of the file's is usable before `adopt`."""
        for row in await self._store.load():
            self._account_of(row).enabled = row.enabled and row.origin == Origin.STORE
        for stored in await self._store.load_credentials():
            self._credential_of(stored)
        self._adopt_senders(await self._senders.load_senders())

    async def declare(self, specs: tuple[AccountSpec, ...]) -> "DeclaredAccounts":
        """Writes the declared accounts and their ways in to the store; memory stays as it is.

        Raises:
            ConfigurationError: a declaration contradicts what is stored.
            StoreUnavailable: the store is away; the next declaration repairs what it has half.
        """
        self._check_currencies(specs)
        senders = await self._senders.load_senders()
        declared = DeclaredAccounts(specs)
        for spec in specs:
            row = await self._store.declare(
                spec.name,
                spec.currency,
                spec.limit_micros,
                spec.credit_micros,
                self._clock.now_ms(),
            )
            declared.rows.append(row)
            _warn_of_credit(spec, row)
            await self._declare_senders(row.id, spec.senders, senders)
            for number, token in enumerate(spec.tokens, 1):
                digest = self._passwords.digest(token.secret)
                name = _token_name(token, number, digest)
                declared.token_ids[digest] = await self._store.declare_credential(
                    row.id, CredentialKind.TOKEN, name
                )
            for pair in spec.key_pairs:
                declared.key_pair_ids[pair.api_key] = await self._store.declare_credential(
                    row.id, CredentialKind.KEY_PAIR, pair.api_key
                )
            for credential in spec.smpp:
                declared.smpp_ids[credential.system_id] = await self._store.declare_credential(
                    row.id, CredentialKind.SMPP, credential.system_id
                )
        await self._store.disable_undeclared([spec.name for spec in specs])
        await self._store.disable_undeclared_credentials(declared.credential_ids())
        declared.senders = await self._senders.load_senders()
        return declared

    def adopt(self, declared: "DeclaredAccounts") -> None:
        """Makes the live objects what `declare` has written, all in one turn of the loop."""
        accounts = set()
        for spec, row in zip(declared.specs, declared.rows, strict=True):
            account = self._adopt_account(spec, row)
            accounts.add(account.id)
            for number, token in enumerate(spec.tokens, 1):
                self._adopt_token(account, token, number, declared.token_ids)
            for pair in spec.key_pairs:
                self._adopt_key_pair(account, pair, declared.key_pair_ids[pair.api_key])
            for credential in spec.smpp:
                self._adopt_smpp(account, credential, declared.smpp_ids[credential.system_id])
        credentials = declared.credential_ids()
        for account_id in self._of_file - accounts:
            self.accounts[account_id].enabled = False
        for gone in self._credentials_of_file - credentials:
            self._disable(self.credentials[gone])
        self._of_file, self._credentials_of_file = accounts, credentials
        for unusable in [c for c in self.credentials.values() if not c.account.enabled]:
            self.on_disabled(unusable)
        self._adopt_senders(declared.senders)
        self._adopt_webhooks(declared.specs)
        self._adopt_report_urls(declared.specs)
        self._adopt_stored_texts(declared.specs)

    def _check_currencies(self, specs: tuple[AccountSpec, ...]) -> None:
        """Before anything is written: what the store would refuse halfway."""
        for spec in specs:
            known = self.by_name.get(spec.name)
            if known is not None and known.currency != spec.currency:
                raise ConfigurationError(
                    f"account {spec.name!r} holds {known.currency}, the file says {spec.currency}: "
                    "the currency of an account cannot change; use another name"
                )

    async def _declare_senders(
        self, account_id: int, senders: tuple[str, ...], rows: list[StoredSender]
    ) -> None:
        now_ms = self._clock.now_ms()
        before = {
            row.name
            for row in rows
            if row.account_id == account_id and row.origin == Origin.FILE and row.may_send
        }
        verified = SenderVerification.VERIFIED
        for sender in senders:
            if sender not in before:
                await self._senders.set_sender(
                    account_id, sender, SenderState.APPROVED, verified, "", Origin.FILE, now_ms
                )
        for gone in before - set(senders):
            await self._senders.set_sender(
                account_id, gone, SenderState.REJECTED, verified, "no longer declared",
                Origin.FILE, now_ms,
            )  # fmt: skip

    def _adopt_account(self, spec: AccountSpec, row: StoredAccount) -> Account:
        account = self._account_of(row)
        account.enabled = True
        account.limit_micros = spec.limit_micros
        account.region = spec.region
        account.rate_per_s = spec.rate_per_s
        account.requests_per_min = spec.requests_per_min
        account.number_check = spec.number_check
        account.charge_at = spec.charge_at
        account.refund = spec.refund
        self._default_of_file[account.id] = next((s for s in spec.senders if s != ANY_SENDER), "")
        return account

    def _adopt_token(
        self, account: Account, spec: TokenSpec, number: int, ids: dict[bytes, int]
    ) -> None:
        digest = self._passwords.digest(spec.secret)
        credential = self._credential(ids[digest], account, _token_name(spec, number, digest))
        credential.digest = digest
        credential.door_names = spec.doors
        credential.scopes = spec.scopes
        credential.ip_allow = spec.ip_allow
        self._by_digest[digest] = credential

    def _adopt_key_pair(self, account: Account, spec: KeyPairSpec, id: int) -> None:
        credential = self._credential(id, account, spec.api_key)
        credential.digest = self._passwords.digest(spec.api_token)
        credential.account_sid = spec.account_sid
        credential.error_codes = spec.error_codes
        credential.ip_allow = spec.ip_allow
        self._by_api_key[spec.api_key] = credential

    def _adopt_smpp(self, account: Account, spec: SmppCredentialSpec, id: int) -> None:
        credential = self._credential(id, account, spec.system_id)
        credential.digest = self._passwords.digest(spec.password)
        credential.max_binds = spec.max_binds
        credential.window = spec.window
        credential.rate_per_s = spec.rate_per_s
        credential.message_id_format = spec.message_id_format
        credential.receipt_keep_s = spec.receipt_keep_s
        credential.ip_allow = spec.ip_allow
        self._by_system_id[spec.system_id] = credential

    def _adopt_webhooks(self, specs: tuple[AccountSpec, ...]) -> None:
        """All at once: a delivery that found no secret meanwhile would be given up."""
        secrets: dict[tuple[int, str], str] = {}
        urls: dict[int, tuple[str, ...]] = {}
        for spec in specs:
            account = self.by_name[spec.name]
            if spec.webhooks:
                urls[account.id] = tuple(hook.url for hook in spec.webhooks)
            for hook in spec.webhooks:
                secrets[account.id, hook.url] = hook.secret
        self.webhook_secrets, self.webhook_urls = secrets, urls

    def _adopt_report_urls(self, specs: tuple[AccountSpec, ...]) -> None:
        before = set(self.report_urls.values())
        self.report_urls = {
            self.by_name[spec.name].id: spec.report_url for spec in specs if spec.report_url
        }
        self.on_report_urls(set(self.report_urls.values()) - before)

    def _adopt_stored_texts(self, specs: tuple[AccountSpec, ...]) -> None:
        ids = [(spec, self.by_name[spec.name].id) for spec in specs]
        self._templates = {
            (account_id, template.id): template.content
            for spec, account_id in ids
            for template in spec.templates
        }
        self._contact_groups = {
            (account_id, group.id): group.lines
            for spec, account_id in ids
            for group in spec.contact_groups
        }

    # -- single changes by an operator -----------------------------------------------------------

    def add_token(self, id: int, account: Account, name: str, digest: bytes) -> Credential:
        """A token made by command, already stored."""
        credential = self._credential(id, account, name)
        credential.digest = digest
        self._by_digest[digest] = credential
        return credential

    def revoke(self, credential: Credential) -> None:
        """A credential disabled by command, already stored."""
        self._disable(credential)

    async def reload_senders(self) -> None:
        """After a sender was approved or rejected."""
        self._adopt_senders(await self._senders.load_senders())

    async def reload_balances(
        self,
        account_ids: frozenset[int],
        uncommitted: Callable[[int], tuple[int, int]] = lambda _: (0, 0),
    ) -> None:
        """After somebody else moved these balances: the rows are right, but for what is to come.

        `uncommitted(account_id)`: what memory has moved and the rows do not show yet.
        """
        async with self.balance_lock:
            try:
                rows = await self._store.load()
            except StoreUnavailable:
                return  # the next conflict asks again
            for row in rows:
                if row.id in account_ids:
                    account = self.accounts[row.id]
                    balance_micros, held_micros = uncommitted(row.id)
                    account.balance_micros = row.balance_micros + balance_micros
                    account.held_micros = row.held_micros + held_micros

    # -- live objects ----------------------------------------------------------------------------

    def _account_of(self, row: StoredAccount) -> Account:
        account = self.accounts.get(row.id)
        if account is None:
            account = Account(row.id, row.name, row.currency)
            account.balance_micros = row.balance_micros
            account.held_micros = row.held_micros
            account.limit_micros = row.limit_micros
            self.accounts[row.id] = account
            self.by_name[row.name] = account
        return account

    def _credential(self, id: int, account: Account, name: str) -> Credential:
        credential = self.credentials.get(id)
        if credential is None:
            credential = self.credentials[id] = Credential(id, account, name)
        credential.enabled = True
        return credential

    def _credential_of(self, row: StoredCredential) -> None:
        credential = self._credential(row.id, self.accounts[row.account_id], row.name)
        credential.enabled = row.enabled and row.origin == Origin.STORE
        if row.digest is not None:
            credential.digest = row.digest
        if row.password_hash is not None:
            credential.password_hash = row.password_hash
        if row.kind == CredentialKind.TOKEN and row.digest is not None:
            self._by_digest[row.digest] = credential
        elif row.kind == CredentialKind.SMPP and credential.enabled:
            self._by_system_id[row.name] = credential

    def _disable(self, credential: Credential) -> None:
        credential.enabled = False
        self.on_disabled(credential)

    def _adopt_senders(self, rows: list[StoredSender]) -> None:
        """What may send; the default is the one chosen through an API, else the file's first."""
        approved: dict[int, set[str]] = {}
        chosen: dict[int, str] = {}
        for row in rows:
            if row.may_send:
                approved.setdefault(row.account_id, set()).add(row.name)
                if row.is_default:
                    chosen[row.account_id] = row.name
        for account in self.accounts.values():
            account.senders = approved.get(account.id, set())
            account.any_sender = ANY_SENDER in account.senders
            declared = self._default_of_file.get(account.id, "")
            account.default_sender = chosen.get(account.id, declared)


@dataclass(slots=True)
class DeclaredAccounts:
    """A declaration that is in the store: the rows of `specs`, and the ids of their ways in.

    Tokens are known by the digest of their secret.
    """

    specs: tuple[AccountSpec, ...]
    rows: list[StoredAccount] = field(default_factory=list)
    token_ids: dict[bytes, int] = field(default_factory=dict)
    key_pair_ids: dict[str, int] = field(default_factory=dict)
    smpp_ids: dict[str, int] = field(default_factory=dict)
    senders: list[StoredSender] = field(default_factory=list)

    def credential_ids(self) -> set[int]:
        """Ids of every declared way in."""
        return {*self.token_ids.values(), *self.key_pair_ids.values(), *self.smpp_ids.values()}


def _pieces(lines: str) -> Iterator[Sequence[str]]:
    """The lines of a text, about a thousand numbers at a time."""
    start = 0
    while start < len(lines):
        end = lines.find("\n", start + _PIECE_LENGTH)
        if end < 0:
            end = len(lines)
        yield lines[start:end].split("\n")
        start = end + 1


def _token_name(spec: TokenSpec, number: int, digest: bytes) -> str:
    """A changed secret is another credential: the old one is disabled with its digest."""
    return f"{spec.name or f'token-{number}'}-{digest.hex()[:12]}"


def _warn_of_credit(spec: AccountSpec, row: StoredAccount) -> None:
    if row.opening_micros != spec.credit_micros:
        log.warning(
            "account.credit_ignored",
            extra={
                "fields": {
                    "account": spec.name,
                    "credit": format_amount(spec.credit_micros),
                    "opened_with": format_amount(row.opening_micros),
                    "advice": "the opening credit is applied once; use `postern account topup`",
                }
            },
        )
