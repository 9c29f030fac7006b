"""The store: one facade over either engine, chosen by its URL."""

from pathlib import Path
from typing import Self

from gateway.domain.commit_group import CommitGroup
from gateway.domain.errors import ConfigurationError
from gateway.ports import Clock
from gateway.runtime.supervisor import Supervisor
from gateway.store.accounts import Accounts
from gateway.store.blocked import Blocked
from gateway.store.bulks import Bulks
from gateway.store.engine import Done, Engine
from gateway.store.ledger import Ledger
from gateway.store.messages import Messages
from gateway.store.migrate import apply_migrations, check_schema
from gateway.store.postgres import PostgresEngine
from gateway.store.providers import Providers
from gateway.store.retention import Retention
from gateway.store.secrets import Secrets
from gateway.store.senders import Senders
from gateway.store.sqlite import SqliteEngine
from gateway.store.webhook_deliveries import WebhookDeliveries


class Store:
    """Everything the daemon keeps.  Made by `open`; `applied_migrations` are those it applied."""

    def __init__(self, engine: Engine, *, clock: Clock, seal: bytes | None = None) -> None:
        self.applied_migrations: list[str] = []
        self.messages = Messages(engine)
        self.bulks = Bulks(engine)
        self.accounts = Accounts(engine, clock)
        self.senders = Senders(engine)
        self.blocked = Blocked(engine)
        self.ledger = Ledger(engine)
        self.providers = Providers(engine)
        self.webhooks = WebhookDeliveries(engine)
        self.secrets = Secrets(engine, seal)
        self.retention = Retention(engine)
        self._engine = engine

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        supervisor: Supervisor,
        migrate: bool = True,
        seal: bytes | None = None,
    ) -> Self:
        """Opens the store at `url` and brings its schema up to date.

        Args:
            url: `sqlite:///relative.db`, `sqlite:////absolute.db` or
                `postgresql://user:secret@host/db` (`?host=/dir` for a socket in that directory).
            clock: time, for dated rows and the waits of the engines.
            supervisor: maker of the engines' tasks.
            migrate: False refuses a store that lacks migrations instead of applying them.
            seal: what `[secrets] key_file` holds; see `gateway.store.secrets`.

        Raises:
            ConfigurationError: the URL or the key is no use, or the schema does not fit.
            StoreUnavailable: the store cannot be reached, or another daemon holds it.
        """
        engine = _engine(url, clock, supervisor)
        store = cls(engine, clock=clock, seal=seal)
        await engine.open()
        try:
            if migrate:
                store.applied_migrations = await apply_migrations(engine, clock.now_ms())
            else:
                await check_schema(engine)
        except BaseException:
            await engine.close()
            raise
        return store

    async def close(self) -> None:
        """Ends the running group and closes every connection.  Idempotent."""
        await self._engine.close()

    def commit(self, group: CommitGroup, done: Done) -> None:
        """`ports.CommitEngine.commit`."""
        self._engine.commit(group, done)


def _engine(url: str, clock: Clock, supervisor: Supervisor) -> Engine:
    scheme, separator, rest = url.partition("://")
    if separator and scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteEngine(Path(rest[1:]), clock=clock, supervisor=supervisor)
    if separator and scheme in ("postgresql", "postgres"):
        return PostgresEngine(url, clock=clock, supervisor=supervisor)
    raise ConfigurationError(
        "[store] url must be sqlite:///relative.db, sqlite:////absolute.db or "
        f"postgresql://user:secret@host/db; its scheme is {scheme!r}"
    )
