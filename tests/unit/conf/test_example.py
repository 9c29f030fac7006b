"""The example file and the reference page say of every key what the code says."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic_core import PydanticUndefined

from conf.accounts import AccountSettings
from conf.daemon import DaemonSettings
from conf.dialect_providers import (
    EasySendSmsProviderSettings,
    ExoSendProviderSettings,
    ExotelProviderSettings,
    MeSmsProviderSettings,
)
from conf.http_provider import HttpProviderSettings
from conf.providers import ProviderSettings, SmppProviderSettings
from conf.routes import RateSettings, RouteSettings
from conf.section import Section
from conf.settings import load
from protocols.http.template_text import PLACEHOLDERS

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "conf" / "postern.example.toml"
PAGE = ROOT / "docs" / "configuration.md"

# An option that is left out: `#key = value` or `#[table]`, no space after the sign.
COMMENTED = re.compile(r"^(\s*)#(?=\[|[a-z_]+ = )", re.MULTILINE)
# Of each provider, whatever its wire; `window` has a default for each wire.
COMMON = set(ProviderSettings.model_fields) - {"window"}


class Key(NamedTuple):
    """A key the code knows.  `table` is such as "account.smpp" or "provider smpp"."""

    table: str
    name: str
    default: Any  # PydanticUndefined = required, None = nothing


def sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def keys_of(table: str, model: type[Section], without: set[str] | None = None) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if without and name in without:
            continue
        for inner in sections_in(field.annotation):
            yield from keys_of(f"{table.partition(' ')[0]}.{name}".lstrip("."), inner)
        if table or not field.is_required():  # the tables of the daemon are no keys
            yield Key(table, field.alias or name, field.get_default(call_default_factory=True))


KEYS = [
    *keys_of("", DaemonSettings),
    *keys_of("account", AccountSettings),
    *keys_of("provider", ProviderSettings),
    *keys_of("provider smpp", SmppProviderSettings, COMMON),
    *keys_of("provider http", HttpProviderSettings, COMMON),
    *keys_of("provider exosend", ExoSendProviderSettings, COMMON),
    *keys_of("provider exotel", ExotelProviderSettings, COMMON),
    *keys_of("provider mesms", MeSmsProviderSettings, COMMON),
    *keys_of("provider easysendsms", EasySendSmsProviderSettings, COMMON),
    *keys_of("route", RouteSettings),
    *keys_of("rate", RateSettings),
]


def as_written(value: Any) -> Any:
    """Makes a default and its text in a file alike: arrays are tuples, amounts are texts."""
    if isinstance(value, tuple | list):
        return [as_written(item) for item in value]
    return value if isinstance(value, bool) else str(value)


def test_finds_the_keys() -> None:
    assert len(KEYS) == len({key[:2] for key in KEYS}) > 100
    assert Key("account.smpp", "window", 1000) in KEYS
    assert Key("provider smpp", "window", 10) in KEYS
    assert Key("provider.errors", "class", PydanticUndefined) in KEYS


# --- the example --------------------------------------------------------------------------------


class Line(NamedTuple):
    """A `key = value` of the example."""

    table: str
    name: str
    value: Any
    is_commented: bool


def lines_of(example: str) -> Iterator[Line]:
    table = wire = ""
    for line in example.splitlines():
        text = COMMENTED.sub("", line).strip()
        header = re.match(r"\[+([a-z_.]+)\]+", text)
        if header:
            table = header[1]
        elif re.match(r"[a-z_]+ = ", text):
            ((name, value),) = tomllib.loads(text).items()
            wire = value if name == "wire" else wire
            is_of_wire = table == "provider" and name not in COMMON
            place = f"provider {wire}" if is_of_wire else table
            yield Line(place, name, value, COMMENTED.match(line) is not None)


def test_the_example_loads_as_it_stands() -> None:
    settings = load(EXAMPLE, environ={})
    assert settings.warnings == ()
    assert [account.name for account in settings.accounts] == ["acme"]
    assert [provider.wire for provider in settings.providers] == ["smpp", "http"]


def test_the_example_loads_with_every_option(tmp_path: Path, pem_pair: tuple[bytes, bytes]) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "fullchain.pem").write_bytes(pem_pair[0])
    (tmp_path / "tls" / "privkey.pem").write_bytes(pem_pair[1])
    (tmp_path / "numbers.txt").write_text("66812345679\n")
    (tmp_path / "postern.key").write_text("0" * 64)
    (tmp_path / "postern.key").chmod(0o600)
    file = tmp_path / "postern.toml"
    file.write_text(COMMENTED.sub(r"\1", EXAMPLE.read_text("utf-8")), "utf-8")
    settings = load(file, environ={"ACME_WEBHOOK_SECRET": "s"})
    assert settings.warnings == ()
    assert settings.listen.tls is not None
    assert settings.accounts[0].webhook[0].secret.reveal() == "s"


def test_the_example_has_every_key_and_no_other() -> None:
    lines = list(lines_of(EXAMPLE.read_text("utf-8")))
    written = {line[:2] for line in lines}
    for line in lines:  # inline tables
        if line.name == "tiers":
            written |= {
                ("route.tiers", key) for item in line.value[0] if type(item) is dict for key in item
            }
    tables = {line.table for line in lines}
    known = {key[:2] for key in KEYS if f"{key.table.partition(' ')[0]}.{key.name}" not in tables}
    known |= {("route", "tiers")}
    assert written == known


def test_what_the_example_comments_out_is_the_default() -> None:
    defaults = {key[:2]: key.default for key in KEYS}
    wrong = [
        line
        for line in lines_of(EXAMPLE.read_text("utf-8"))
        if line.is_commented
        # Without a default there is an example in its place.
        and defaults[line[:2]] not in (PydanticUndefined, None, "", (), {})
        and as_written(line.value) != as_written(defaults[line[:2]])
    ]
    assert wrong == []


# --- the page -----------------------------------------------------------------------------------

TABLES = {"Before the first table": "", "A provider in `tiers`": "route.tiers"}


def rows_of(page: str) -> dict[tuple[str, str], str]:
    """The default column by table and key."""
    rows = {}
    for section in page.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        wire = re.search(r'wire = "(\w+)"', heading)
        table = TABLES.get(heading)
        if table is None:
            table = heading.split("`")[1].strip("[]") + (f" {wire[1]}" if wire else "")
        for name, default in re.findall(r"^\| `([a-z_]+)` \| (.+?) \| .+ \|$", text, re.MULTILINE):
            assert (table, name) not in rows, f"{table}.{name} stands twice"
            rows[table, name] = default
    return rows


def as_shown(default: Any) -> Any:
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    return "all defaults" if isinstance(default, Section) else as_written(default)


def as_read(shown: str) -> Any:
    if shown.startswith("`"):
        return as_written(tomllib.loads(f"x = {shown.strip('`')}")["x"])
    return shown


def test_the_page_has_every_key_with_its_default_and_no_other() -> None:
    rows = rows_of(PAGE.read_text("utf-8"))
    assert {place: as_read(shown) for place, shown in rows.items()} == {
        key[:2]: as_shown(key.default) for key in KEYS
    }


def test_the_page_explains_every_placeholder() -> None:
    rows = dict(re.findall(r"^\| `\{([a-zA-Z_.]+)\}` \| (.+?) \|$", PAGE.read_text("utf-8"), re.M))
    assert rows.pop("secret.NAME")
    assert rows == PLACEHOLDERS
