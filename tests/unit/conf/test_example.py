"""The example file and the reference page say of every key what the code says."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from pydantic_core import PydanticUndefined

from conf.accounts import AccountSettings
from conf.daemon import DaemonSettings
from conf.http_provider import HttpProviderSettings
from conf.providers import ProviderSettings, SmppProviderSettings
from conf.routes import RateSettings, RouteSettings
from conf.section import Section
from conf.settings import load

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "conf" / "postern.example.toml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

# An option that is left out: `#key = value` or `#[table]`, no space after the sign.
COMMENTED = re.compile(r"^(\s*)#(?=\[|[a-z_]+ = )", re.MULTILINE)
# The keys of one table of which only one may be given, or a table given once at most.
EITHER = (
    'header = "X-Message-Id"',
    "regex = ",
    'path = "status"\n',
    'equals = ["ok", 0]',
    'text = "{text}"',
)


class Key(NamedTuple):
    table: str  # as headed in the page: `account.smpp`, `provider smpp`
    name: str
    default: Any  # as the file would write it; None = nothing, PydanticUndefined = required


def keys_of(table: str, model: type[Section], skip: type[Section] | None = None) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if skip is not None and name in skip.model_fields and name != "window":
            continue
        inner = next(sections_in(field.annotation), None)
        if inner is not None:
            path = f"{table}.{name}" if table else name
            yield from keys_of(re.sub(r"^provider \w+", "provider", path), inner)
            if not table:
                continue
        default = field.get_default(call_default_factory=True)
        yield Key(table, field.alias or name, default)


def sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


KEYS = [
    *keys_of("", DaemonSettings),
    *keys_of("account", AccountSettings),
    *(key for key in keys_of("provider", ProviderSettings)),
    *keys_of("provider smpp", SmppProviderSettings, ProviderSettings),
    *keys_of("provider http", HttpProviderSettings, ProviderSettings),
    *keys_of("route", RouteSettings),
    *keys_of("rate", RateSettings),
]


def test_there_are_keys() -> None:
    assert len(KEYS) > 100
    assert len({key[:2] for key in KEYS}) == len(KEYS)


# --- the example --------------------------------------------------------------------------------


def test_the_example_loads_as_it_stands() -> None:
    settings = load(ROOT / "conf" / "postern.example.toml", environ={})
    assert settings.warnings == ()
    assert [account.name for account in settings.accounts] == ["acme"]
    assert [provider.wire for provider in settings.providers] == ["smpp", "http"]


def example_with_every_option() -> str:
    """The example with what is commented out put in, but for keys that exclude each other."""
    lines = COMMENTED.sub(r"\1", EXAMPLE).splitlines(keepends=True)
    return "".join(line for line in lines if not line.strip().startswith(("header = ", "regex = ")))


def test_the_example_loads_with_every_option(tmp_path: Path, pem_pair: tuple[bytes, bytes]) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "fullchain.pem").write_bytes(pem_pair[0])
    (tmp_path / "tls" / "privkey.pem").write_bytes(pem_pair[1])
    (tmp_path / "postern.key").write_text("0" * 64)
    (tmp_path / "postern.key").chmod(0o600)
    file = tmp_path / "postern.toml"
    file.write_text(example_with_every_option(), encoding="utf-8")
    settings = load(file, environ={"ACME_WEBHOOK_SECRET": "s"})
    assert settings.warnings == ()
    assert settings.listen.tls is not None
    assert settings.accounts[0].webhook[0].secret.reveal() == "s"


class Line(NamedTuple):
    table: str
    name: str
    value: Any
    is_commented: bool


def example_lines() -> list[Line]:
    found, table, wire = [], "", ""
    for line in EXAMPLE.splitlines():
        commented = COMMENTED.match(line) is not None
        text = COMMENTED.sub("", line).strip()
        header = re.match(r"\[+([a-z.]+)\]+", text)
        assignment = re.match(r"[a-z_]+ = ", text)
        if header:
            table = header[1]
        elif assignment and not text.startswith("#"):
            ((name, value),) = tomllib.loads(text).items()
            wire = value if name == "wire" else wire
            found.append(Line(table, name, value, commented))
            if table == "provider":
                found.append(Line(f"provider {wire}", name, value, commented))
            for item in (item for tier in value for item in tier) if name == "tiers" else ():
                if isinstance(item, dict):
                    found += [Line("route.tiers", *pair, False) for pair in item.items()]
    return found


LINES = example_lines()
TABLES = {line.table for line in LINES}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.table}.{key.name}")
def test_the_example_has_every_key(key: Key) -> None:
    if f"{key.table.partition(' ')[0]}.{key.name}" in TABLES:
        return  # stands as a table
    lines = [line for line in LINES if line[:2] == key[:2]]
    assert lines, f"{key.name} is missing"
    if key.default is PydanticUndefined:
        return
    for line in lines:
        if line.is_commented and key.default not in (None, "", (), {}):
            assert as_file(line.value) == as_file(key.default)


def test_the_example_has_no_other_key() -> None:
    known = {key[:2] for key in KEYS}
    assert [line[:2] for line in LINES if line.table != "provider" and line[:2] not in known] == []


def as_file(value: Any) -> Any:
    """A default and the file's way to write it, made alike: amounts are texts, arrays are lists."""
    if isinstance(value, tuple | list):
        return [as_file(item) for item in value]
    return value if isinstance(value, bool) else str(value)


# --- the page -----------------------------------------------------------------------------------


def page_rows() -> dict[tuple[str, str], str]:
    """The default column by (table, key)."""
    rows, table = {}, ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            table = table_of(line.removeprefix("## "))
        row = re.match(r"\| `([a-z_]+)` \| (.+?) \| .+ \|$", line)
        if row:
            rows[table, row[1]] = row[2]
    return rows


def table_of(heading: str) -> str:
    names = {"Before the first table": "", "A provider in `tiers`": "route.tiers"}
    if heading in names:
        return names[heading]
    wire = re.search(r'wire = "(\w+)"', heading)
    return heading.split("`")[1].strip("[]") + (f" {wire[1]}" if wire else "")


ROWS = page_rows()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.table}.{key.name}")
def test_the_page_has_every_key_with_its_default(key: Key) -> None:
    shown = ROWS[key.table, key.name]
    if key.default is PydanticUndefined:
        assert shown == "required"
    elif key.default is None or key.name == "valid_from":
        assert shown == "none"
    elif isinstance(key.default, Section):
        assert shown == "all defaults"
    else:
        assert as_file(tomllib.loads(f"x = {shown.strip('`')}")["x"]) == as_file(key.default)


def test_the_page_has_no_other_key() -> None:
    assert set(ROWS) == {key[:2] for key in KEYS}
