"""What the declared objects must be to each other: unique, and naming only what is there.

Names are compared in the tables as written, so that a mistake elsewhere in an object hides nothing;
what has to be read first (secrets, dates) is compared among the sound objects.  Each check yields
findings: key path and reason.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from conf.accounts import AccountSettings
from conf.problems import key_path
from conf.providers import ProviderSettings
from conf.routes import RateSettings, RouteSettings

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

Tables = Mapping[str, object]  # the parsed file
Finding = tuple[str, str]  # key path, reason


class Item(NamedTuple, Generic[T]):
    """A sound object and its key path, such as `account[0]`."""

    key: str
    value: T


class Declarations(NamedTuple):
    """The objects of a file that are sound by themselves."""

    accounts: list[Item[AccountSettings]]
    providers: list[Item[ProviderSettings]]
    routes: list[Item[RouteSettings]]
    rates: list[Item[RateSettings]]


def errors(tables: Tables, declared: Declarations) -> Iterator[Finding]:
    """Contradictions: the file cannot be used."""
    yield from _repeated(_texts(tables, "account", "name"))
    yield from _repeated(_texts(tables, "account", "smpp", "system_id"))
    yield from _repeated(_texts(tables, "account", "exotel", "api_key"))
    yield from _repeated(_texts(tables, "provider", "name"))
    for key, account in _objects(tables, "account"):
        yield from _repeated(_texts(account, "senders", at=key))
        yield from _repeated(_texts(account, "token", "name", at=key))
        yield from _repeated(_texts(account, "webhook", "url", at=key))
        yield from _repeated(_ids(account, "template", at=key))
        yield from _repeated(_ids(account, "contact_group", at=key))
    yield from _repeated(_token_secrets(declared.accounts), lambda _: "the same secret")
    yield from _route_errors(tables)
    yield from _repeated(
        ((key, _rate_identity(rate)) for key, rate in declared.rates),
        lambda _: "a price for the same channel, prefix, currency and valid_from",
    )


def warnings(declared: Declarations) -> Iterator[Finding]:
    """What works, but hardly as meant."""
    priced = {rate.currency for _, rate in declared.rates if rate.channel == "sms"}
    for key, account in declared.accounts:
        if account.currency not in priced:
            yield (
                f"{key}.currency",
                f"no [[rate]] is in {account.currency}: every message of this account is refused",
            )
    used = {
        name for _, route in declared.routes for tier in route.weighted_tiers() for name, _ in tier
    }
    for key, provider in declared.providers:
        if provider.name not in used:
            yield f"{key}.name", f"no [[route]] names the provider {provider.name!r}"


def _route_errors(tables: Tables) -> Iterator[Finding]:
    accounts = {name for _, name in _texts(tables, "account", "name")}
    providers = {name for _, name in _texts(tables, "provider", "name")}
    yield from _repeated(_texts(tables, "route", "name"))
    for place, name in _texts(tables, "route", "account"):
        if name not in accounts:
            yield place, f"there is no [[account]] named {name!r}"
    for key, route in _objects(tables, "route"):
        places = [
            place
            for steps in (("providers",), ("tiers",), ("tiers", "provider"))
            for place in _texts(route, *steps, at=key)
        ]
        yield from _repeated(places)
        for place, name in places:
            if name not in providers:
                yield place, f"there is no [[provider]] named {name!r}"


def _token_secrets(accounts: Iterable[Item[AccountSettings]]) -> Iterator[tuple[str, Hashable]]:
    for key, account in accounts:
        for index, token in enumerate(account.token):
            yield f"{key}.token[{index}].secret", token.secret


def _rate_identity(rate: RateSettings) -> Hashable:
    return rate.channel, rate.prefix, rate.currency, rate.valid_from or 0


def _objects(tables: Tables, name: str) -> Iterator[tuple[str, Tables]]:
    """The tables of the array `name`, each with its key path."""
    array = tables.get(name)
    for index, table in enumerate(array if isinstance(array, list) else ()):
        if isinstance(table, dict):
            yield key_path(name, index), table


def _texts(value: object, *steps: str, at: str = "") -> Iterator[tuple[str, str]]:
    """Every non-empty text at the end of `steps` below `value`, through all arrays on the way."""
    if isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, *steps, at=f"{at}[{index}]")
    elif isinstance(value, dict) and steps:
        step, *rest = steps
        yield from _texts(value.get(step), *rest, at=f"{at}.{step}" if at else step)
    elif isinstance(value, str) and value and not steps:
        yield at, value


def _ids(table: Tables, array: str, *, at: str) -> Iterator[tuple[str, int]]:
    """The numbers of the tables in `array`, which is a part of `table`."""
    for key, item in _objects(table, array):
        id = item.get("id")
        if isinstance(id, int):
            yield f"{at}.{key}.id", id


def _repeated(
    places: Iterable[tuple[str, K]], describe: Callable[[K], str] = repr
) -> Iterator[Finding]:
    """The places whose value stood at an earlier one."""
    first: dict[K, str] = {}
    for place, value in places:
        earlier = first.setdefault(value, place)
        if earlier != place:
            yield place, f"{describe(value)} already stands at {earlier}"
