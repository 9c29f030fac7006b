"""Accounts and their credentials: what the directory loads and a reload changes.

Balances are here as rows only; commit groups and `gateway.store.ledger` move them.  Nothing is ever
deleted: messages and ledger lines name these ids for ever.
"""

from collections.abc import Collection

from gateway.domain.commit_group import LedgerKind
from gateway.domain.errors import ConfigurationError, StoreRejected
from gateway.domain.identity import (
    CredentialKind,
    Origin,
    StoredAccount,
    StoredCredential,
)
from gateway.ports import Clock
from gateway.store.engine import Engine, Row, Transaction
from gateway.store.ledger import add_line

_SELECT_ACCOUNT = (
    "SELECT id, name, currency, balance_micros, held_micros, limit_micros, opening_micros,"
    " origin, enabled FROM account"
)


class Accounts:
    """Tenants and their ways in."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def load(self) -> list[StoredAccount]:
        """All accounts, by id."""
        return [_account(row) for row in await self._engine.fetch(f"{_SELECT_ACCOUNT} ORDER BY id")]

    async def declare(
        self, name: str, currency: str, limit_micros: int, opening_micros: int, at_ms: int
    ) -> StoredAccount:
        """Makes the file's account `name`, or enables it and sets its limit.  Idempotent.

        The opening credit is applied once, when the row is made.  The caller warns when the row's
        `opening_micros` differs from what the file says now.

        Raises:
            ConfigurationError: the account exists in another currency.
        """
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch("SELECT id, currency FROM account WHERE name = ?", name)
            if not rows:
                account_id = await _insert(transaction, name, currency, limit_micros, at_ms)
                await _open(transaction, account_id, opening_micros, at_ms)
            else:
                account_id, stored_currency = rows[0]
                if stored_currency != currency:
                    raise ConfigurationError(
                        f"account {name!r} holds {stored_currency}, the file says {currency}: "
                        "the currency of an account cannot change; use another name"
                    )
                await transaction.execute(
                    "UPDATE account SET limit_micros = ?, origin = ?, enabled = 1 WHERE id = ?",
                    limit_micros,
                    Origin.FILE.value,
                    account_id,
                )
            rows = await transaction.fetch(f"{_SELECT_ACCOUNT} WHERE id = ?", account_id)
        return _account(rows[0])

    async def disable_undeclared(self, names: Collection[str]) -> list[str]:
        """Disables the file's accounts that are not in `names`; returns their names."""
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(
                "SELECT id, name FROM account WHERE origin = ? AND enabled = 1", Origin.FILE.value
            )
            gone = [(id, name) for id, name in rows if name not in names]
            for id, _ in gone:
                await transaction.execute("UPDATE account SET enabled = 0 WHERE id = ?", id)
        return [name for _, name in gone]

    # --- credentials ----------------------------------------------------------------------------

    async def load_credentials(self) -> list[StoredCredential]:
        """All credentials, by id, disabled ones included."""
        rows = await self._engine.fetch(
            "SELECT id, account_id, kind, name, digest, password_hash, settings, origin, enabled"
            " FROM credential ORDER BY id"
        )
        return [_credential(row) for row in rows]

    async def declare_credential(self, account_id: int, kind: CredentialKind, name: str) -> int:
        """Makes or enables the file's credential; returns its id.  Idempotent.

        Raises:
            ConfigurationError: an operator has made a credential with this name.
        """
        async with self._engine.transaction() as transaction:
            await _check_name_is_free(transaction, account_id, kind, name)
            rows = await transaction.fetch(
                "UPDATE credential SET enabled = 1"
                " WHERE account_id = ? AND kind = ? AND name = ? AND origin = ? RETURNING id",
                account_id,
                int(kind),
                name,
                Origin.FILE.value,
            )
            if not rows:
                rows = await self._insert_credential(
                    transaction, account_id, kind, name, None, Origin.FILE
                )
        credential_id: int = rows[0][0]
        return credential_id

    async def create_token(self, account_id: int, name: str, digest: bytes) -> int:
        """Stores an API token by its keyed digest; returns its id.

        Raises:
            StoreRejected: the account has an enabled token of this name, or there is no account.
        """
        async with self._engine.transaction() as transaction:
            taken = await transaction.fetch(
                "SELECT id FROM credential"
                " WHERE account_id = ? AND kind = ? AND name = ? AND enabled = 1",
                account_id,
                CredentialKind.TOKEN.value,
                name,
            )
            if taken:
                raise StoreRejected(f"the account already has a token named {name!r}")
            rows = await self._insert_credential(
                transaction, account_id, CredentialKind.TOKEN, name, digest, Origin.STORE
            )
        credential_id: int = rows[0][0]
        return credential_id

    async def revoke_credential(self, credential_id: int) -> bool:
        """Disables it for ever; False when it was not enabled."""
        async with self._engine.transaction() as transaction:
            changed = await transaction.execute(
                "UPDATE credential SET enabled = 0 WHERE id = ? AND enabled = 1", credential_id
            )
        return changed == 1

    async def disable_undeclared_credentials(self, ids: Collection[int]) -> list[int]:
        """Disables the file's credentials that are not in `ids`; returns their ids."""
        async with self._engine.transaction() as transaction:
            rows = await transaction.fetch(
                "SELECT id FROM credential WHERE origin = ? AND enabled = 1", Origin.FILE.value
            )
            gone = [id for (id,) in rows if id not in ids]
            for id in gone:
                await transaction.execute("UPDATE credential SET enabled = 0 WHERE id = ?", id)
        return gone

    async def _insert_credential(
        self,
        transaction: Transaction,
        account_id: int,
        kind: CredentialKind,
        name: str,
        digest: bytes | None,
        origin: Origin,
    ) -> list[tuple[int]]:
        return await transaction.fetch(
            "INSERT INTO credential (account_id, kind, name, digest, origin, created_at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            account_id,
            int(kind),
            name,
            digest,
            origin.value,
            self._clock.now_ms(),
        )


async def _insert(
    transaction: Transaction, name: str, currency: str, limit_micros: int, at_ms: int
) -> int:
    rows = await transaction.fetch(
        "INSERT INTO account (name, currency, limit_micros, origin, created_at_ms)"
        " VALUES (?, ?, ?, ?, ?) RETURNING id",
        name,
        currency,
        limit_micros,
        Origin.FILE.value,
        at_ms,
    )
    account_id: int = rows[0][0]
    return account_id


async def _open(transaction: Transaction, account_id: int, opening_micros: int, at_ms: int) -> None:
    await transaction.execute(
        "UPDATE account SET opened = 1, opening_micros = ?, balance_micros = ? WHERE id = ?",
        opening_micros,
        opening_micros,
        account_id,
    )
    if opening_micros:
        await add_line(
            transaction, account_id, LedgerKind.OPENING, opening_micros, at_ms, "", opening_micros
        )


async def _check_name_is_free(
    transaction: Transaction, account_id: int, kind: CredentialKind, name: str
) -> None:
    """Refuses the file a name that a command has given away.

    A system_id is one for all accounts.  The file using it for another account is no hindrance:
    that one is no longer declared and is disabled by the same reload.
    """
    rows = await transaction.fetch(
        "SELECT account_id FROM credential"
        " WHERE kind = ? AND name = ? AND origin = ? AND enabled = 1",
        int(kind),
        name,
        Origin.STORE.value,
    )
    if any(kind == CredentialKind.SMPP or owner_id == account_id for (owner_id,) in rows):
        raise ConfigurationError(
            f"{kind.name.lower()} credential {name!r} of the file was already made by command: "
            "revoke that one or choose another name"
        )


def _account(row: Row) -> StoredAccount:
    *columns, origin, enabled = row
    return StoredAccount._make((*columns, Origin(origin), bool(enabled)))


def _credential(row: Row) -> StoredCredential:
    id, account_id, kind, *columns, origin, enabled = row
    return StoredCredential._make(
        (id, account_id, CredentialKind(kind), *columns, Origin(origin), bool(enabled))
    )
