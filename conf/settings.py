"""The configuration file as one frozen value.

`load` reads everything before it complains: wrong types, unknown keys, secrets that cannot be had
and objects that contradict each other end in one SettingsError that names each with its key.
"""

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from conf.accounts import AccountSettings
from conf.daemon import (
    CallbackSettings,
    DaemonSettings,
    DrainSettings,
    HttpSettings,
    ListenSettings,
    LogSettings,
    QueueSettings,
    SecretsSettings,
    SmppSettings,
    StoreSettings,
)
from conf.dialect_providers import (
    EasySendSmsProviderSettings,
    ExoSendProviderSettings,
    ExotelProviderSettings,
    MeSmsProviderSettings,
)
from conf.hlr import HlrSettings
from conf.http_provider import HttpProviderSettings
from conf.problems import Problem, SettingsError, key_path, problems_of
from conf.providers import ProviderSettings, SmppProviderSettings
from conf.references import Declarations, Finding, Item, errors, warnings
from conf.routes import RateSettings, RouteSettings
from conf.secrets import Secret
from conf.section import Section, Source
from gateway.domain.declared import Declared

PROVIDERS: dict[str, type[ProviderSettings]] = {
    "smpp": SmppProviderSettings,
    "http": HttpProviderSettings,
    "exosend": ExoSendProviderSettings,
    "exotel": ExotelProviderSettings,
    "mesms": MeSmsProviderSettings,
    "easysendsms": EasySendSmsProviderSettings,
}
ARRAYS = ("account", "provider", "route", "rate")

# Finds the mistakes in an HTTP provider's templates: (key path inside its table, reason).
TemplateCheck = Callable[[HttpProviderSettings], Iterable[Finding]]

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the file says; what it leaves out has its default.

    `providers` are of the classes in PROVIDERS.  `warnings` are for the operator's eyes; the daemon
    runs with them.
    """

    file: Path
    trusted_proxies: tuple[str, ...]
    listen: ListenSettings
    store: StoreSettings
    smpp: SmppSettings
    http: HttpSettings
    queue: QueueSettings
    log: LogSettings
    drain: DrainSettings
    callbacks: CallbackSettings
    hlr: HlrSettings
    secrets: SecretsSettings
    accounts: tuple[AccountSettings, ...]
    providers: tuple[ProviderSettings, ...]
    routes: tuple[RouteSettings, ...]
    rates: tuple[RateSettings, ...]
    warnings: tuple[Problem, ...] = ()

    def declared(self) -> Declared:
        """The objects the heart is asked for; secrets stand in it in clear."""
        return Declared(
            accounts=tuple(account.spec() for account in self.accounts),
            providers=tuple(provider.spec(self.queue.retry) for provider in self.providers),
            routes=tuple(route.spec(number) for number, route in enumerate(self.routes, 1)),
            rates=tuple(rate.spec() for rate in self.rates),
        )


def load(
    path: str | Path,
    *,
    environ: Mapping[str, str] | None = None,
    check_template: TemplateCheck | None = None,
) -> Settings:
    """Reads the file at `path`.

    Args:
        path: a TOML file; relative paths in it count from its directory.
        environ: where `{ env = "NAME" }` looks; the process's environment when left out.
        check_template: called for each HTTP provider, so that the mistakes in its templates are
            reported together with all others.

    Raises:
        SettingsError: the file cannot be read or used; holds every problem found.
    """
    file = Path(path).absolute()
    tables = _parse(file, str(path))
    source = Source(file.parent, os.environ if environ is None else environ)
    return _Reader(str(path), tables, source).read(file, check_template)


def _parse(file: Path, shown: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        reason = f"is not valid TOML: {error}"
    except RecursionError:
        reason = "is nested too deeply"
    raise SettingsError([Problem(shown, "", reason)])


class _Reader:
    """Reads the tables of one file and gathers what is wrong with them."""

    def __init__(self, shown: str, tables: dict[str, Any], source: Source) -> None:
        self._shown = shown
        self._tables = tables
        self._source = source
        self._problems: list[Problem] = []

    def read(self, file: Path, check_template: TemplateCheck | None) -> Settings:
        """The settings, or SettingsError with everything that was found."""
        daemon = self._daemon()
        accounts = list(self._items("account", lambda _: AccountSettings))
        providers = list(self._items("provider", self._provider_model))
        routes = list(self._items("route", lambda _: RouteSettings))
        rates = list(self._items("rate", lambda _: RateSettings))
        declared = Declarations(accounts, providers, routes, rates)
        self._problems += self._located(errors(self._tables, declared))
        if check_template is not None:
            self._problems += self._located(_template_errors(providers, check_template))
        if daemon is None or self._problems:
            raise SettingsError(self._problems)
        notes = [
            *_secret_warnings("", daemon),
            *(
                note
                for key, item in (*accounts, *providers)
                for note in _secret_warnings(key, item)
            ),
            *warnings(declared),
        ]
        return Settings(
            file=file,
            accounts=tuple(item.value for item in accounts),
            providers=tuple(item.value for item in providers),
            routes=tuple(item.value for item in routes),
            rates=tuple(item.value for item in rates),
            warnings=tuple(self._located(notes)),
            **dict(daemon),
        )

    def _daemon(self) -> DaemonSettings | None:
        """The daemon's own tables, empty where the file has none."""
        tables: dict[str, Any] = {
            name: {} for name in DaemonSettings.model_fields if name != "trusted_proxies"
        }
        tables |= {name: value for name, value in self._tables.items() if name not in ARRAYS}
        return self._section(DaemonSettings, tables)

    def _items(
        self, name: str, model_of: Callable[[Item[dict[str, Any]]], type[S] | None]
    ) -> Iterator[Item[S]]:
        """The sound tables of the array `name`."""
        tables = self._tables.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._problem(name, f"must be an array of tables: [[{name}]]")
            return
        for index, table in enumerate(tables):
            key = key_path(name, index)
            model = model_of(Item(key, table))
            value = None if model is None else self._section(model, table, name, index)
            if value is not None:
                yield Item(key, value)

    def _provider_model(self, item: Item[dict[str, Any]]) -> type[ProviderSettings] | None:
        wire = item.value.get("wire")
        model = PROVIDERS.get(wire) if isinstance(wire, str) else None
        if model is None:
            self._problem(f"{item.key}.wire", f"must be one of {', '.join(PROVIDERS)}")
        return model

    def _section(self, model: type[S], table: object, *steps: str | int) -> S | None:
        try:
            return model.model_validate(table, context=self._source)
        except ValidationError as error:
            self._problems += problems_of(error, model, self._shown, steps)
            return None

    def _problem(self, key: str, reason: str) -> None:
        self._problems.append(Problem(self._shown, key, reason))

    def _located(self, findings: Iterable[Finding]) -> list[Problem]:
        return [Problem(self._shown, key, reason) for key, reason in findings]


def _template_errors(
    providers: Iterable[Item[ProviderSettings]], check: TemplateCheck
) -> Iterator[Finding]:
    for key, provider in providers:
        if isinstance(provider, HttpProviderSettings):
            for inner, reason in check(provider):
                yield f"{key}.{inner}", reason


def _secret_warnings(key: str, value: object) -> Iterator[Finding]:
    """The warnings of all secrets below `value`, which stands at `key`."""
    match value:
        case Secret(warning=warning) if warning:
            yield key, warning
        case Section():
            for name, child in value:
                yield from _secret_warnings(f"{key}.{name}" if key else name, child)
        case tuple():
            for index, child in enumerate(value):
                yield from _secret_warnings(f"{key}[{index}]", child)
        case dict():
            for name, child in value.items():
                yield from _secret_warnings(f"{key}.{name}", child)
