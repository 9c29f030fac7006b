"""The directory: live accounts and credentials, and how declared objects become them.

Applying a declaration is idempotent: what is new is made, what changed is changed in place (bound
links and waiting messages keep their objects), what is no longer declared is disabled at once and
never deleted.  A changed opening `credit` is a warning, not a top-up.
"""

import logging
from collections.abc import Callable

from gateway.domain.account import ANY_SENDER, Account, Credential
from gateway.domain.declared import AccountSpec, SmppCredentialSpec, TokenSpec
from gateway.domain.errors import StoreUnavailable
from gateway.domain.identity import (
    CredentialKind,
    Origin,
    SenderState,
    StoredAccount,
    StoredCredential,
)
from gateway.domain.money import format_amount
from gateway.flow.passwords import Passwords
from gateway.ports import AccountStore, Clock

log = logging.getLogger("postern.directory")


class AccountDirectory:
    """`ports.Directory`.  `on_disabled(credential)` is called for each way in that was closed."""

    def __init__(self, store: AccountStore, passwords: Passwords, clock: Clock) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._by_digest: dict[bytes, Credential] = {}
        self._by_system_id: dict[str, Credential] = {}
        self._declared_senders: dict[int, set[str]] = {}
        self.accounts: dict[int, Account] = {}
        self.by_name: dict[str, Account] = {}
        self.credentials: dict[int, Credential] = {}
        self.webhook_secrets: dict[tuple[int, str], str] = {}
        self.webhook_urls: dict[int, tuple[str, ...]] = {}
        self.on_disabled: Callable[[Credential], None] = lambda _: None

    # -- ports.Directory -------------------------------------------------------------------------

    def token(self, secret: str) -> Credential | None:
        """The credential of an API token, or None (unknown, revoked, disabled)."""
        return self._usable(self._by_digest.get(self._passwords.digest(secret)))

    def smpp(self, system_id: str) -> Credential | None:
        """The enabled credential of a system_id, or None."""
        return self._usable(self._by_system_id.get(system_id))

    async def check_password(self, credential: Credential, password: str) -> bool:
        """Whether `password` opens `credential`."""
        return await self._passwords.check(credential, password)

    @staticmethod
    def _usable(credential: Credential | None) -> Credential | None:
        if credential is None or not credential.enabled or not credential.account.enabled:
            return None
        return credential

    # -- start and reload ------------------------------------------------------------------------

    async def load(self) -> None:
        """Reads everything the store knows; nothing of the file's is usable before `apply`."""
        for row in await self._store.load():
            self._account_of(row).enabled = row.enabled and row.origin == Origin.STORE
        for stored in await self._store.load_credentials():
            self._credential_of(stored)
        await self._load_senders()

    async def apply(self, specs: tuple[AccountSpec, ...]) -> None:
        """Makes the declared accounts and their ways in what `specs` says.

        Raises:
            ConfigurationError: a declaration contradicts what is stored.
        """
        declared: set[int] = set()
        for spec in specs:
            account = await self._apply_account(spec)
            for number, token in enumerate(spec.tokens, 1):
                declared.add(await self._apply_token(account, token, number))
            for credential in spec.smpp:
                declared.add(await self._apply_smpp(account, credential))
        for name in await self._store.disable_undeclared([spec.name for spec in specs]):
            self.by_name[name].enabled = False
        for gone in await self._store.disable_undeclared_credentials(declared):
            self._disable(self.credentials[gone])
        for unusable in [c for c in self.credentials.values() if not c.account.enabled]:
            self.on_disabled(unusable)
        await self._load_senders()
        self._apply_webhooks(specs)

    async def _apply_account(self, spec: AccountSpec) -> Account:
        row = await self._store.declare(
            spec.name, spec.currency, spec.limit_micros, spec.credit_micros, self._clock.now_ms()
        )
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
        account = self._account_of(row)
        account.enabled = True
        account.limit_micros = spec.limit_micros
        account.region = spec.region
        account.rate_per_s = spec.rate_per_s
        account.requests_per_min = spec.requests_per_min
        account.number_check = spec.number_check
        account.charge_at = spec.charge_at
        await self._apply_senders(account, spec.senders)
        return account

    async def _apply_senders(self, account: Account, senders: tuple[str, ...]) -> None:
        now_ms = self._clock.now_ms()
        before = self._declared_senders.get(account.id, set())
        for sender in senders:
            if sender not in before:
                await self._store.set_sender(
                    account.id, sender, SenderState.APPROVED, "", Origin.FILE, now_ms
                )
        for gone in before - set(senders):
            await self._store.set_sender(
                account.id, gone, SenderState.REJECTED, "no longer declared", Origin.FILE, now_ms
            )
        account.default_sender = next((s for s in senders if s != ANY_SENDER), "")

    async def _apply_token(self, account: Account, spec: TokenSpec, number: int) -> int:
        digest = self._passwords.digest(spec.secret)
        # A changed secret is another credential: the old one is disabled with its digest.
        name = f"{spec.name or f'token-{number}'}-{digest.hex()[:12]}"
        id = await self._store.declare_credential(account.id, CredentialKind.TOKEN, name)
        credential = self._credential(id, account, name)
        credential.digest = digest
        credential.door_names = spec.doors
        credential.scopes = spec.scopes
        self._by_digest[digest] = credential
        return id

    async def _apply_smpp(self, account: Account, spec: SmppCredentialSpec) -> int:
        id = await self._store.declare_credential(account.id, CredentialKind.SMPP, spec.system_id)
        credential = self._credential(id, account, spec.system_id)
        digest = self._passwords.digest(spec.password)
        if credential.digest and credential.digest != digest:
            self.on_disabled(credential)  # links bound with the old password end
        credential.digest = digest
        credential.max_binds = spec.max_binds
        credential.window = spec.window
        credential.rate_per_s = spec.rate_per_s
        credential.message_id_format = spec.message_id_format
        credential.receipt_keep_s = spec.receipt_keep_s
        credential.ip_allow = spec.ip_allow
        self._by_system_id[spec.system_id] = credential
        return id

    def _apply_webhooks(self, specs: tuple[AccountSpec, ...]) -> None:
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
        await self._load_senders()

    async def reload_balances(
        self,
        account_ids: frozenset[int],
        uncommitted: Callable[[int], tuple[int, int]] = lambda _: (0, 0),
    ) -> None:
        """After somebody else moved these balances: the rows are right, but for what is to come.

        `uncommitted(account_id)`: what memory has moved and the rows do not show yet.
        """
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

    async def _load_senders(self) -> None:
        approved: dict[int, set[str]] = {}
        self._declared_senders = {}
        for row in await self._store.load_senders():
            if row.state == SenderState.APPROVED:
                approved.setdefault(row.account_id, set()).add(row.name)
                if row.origin == Origin.FILE:
                    self._declared_senders.setdefault(row.account_id, set()).add(row.name)
        for account in self.accounts.values():
            account.senders = approved.get(account.id, set())
            account.any_sender = ANY_SENDER in account.senders
