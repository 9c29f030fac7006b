"""What the guides say, as far as a program can check it."""

import hashlib
import hmac
import re
import runpy
import time
import tomllib
from pathlib import Path

import pytest

from conf.settings import load
from gateway.domain.errors import RefusalCode
from gateway.domain.fate import WORDS
from gateway.domain.lifecycle import FINAL_STATES, MOVES
from postern.daemon import check_template
from protocols.exosend.mapping import REFUSALS
from protocols.http.template_answer import ERROR_CLASSES
from protocols.http.template_text import PLACEHOLDERS
from protocols.http.webhook_event import sign
from protocols.smpp.mapping import REFUSAL_STATUS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_table_of_moves_is_the_state_machine() -> None:
    table = re.search(r"<!-- moves -->\n(.*?)<!-- /moves -->", text_of("ARCHITECTURE.md"), re.S)
    assert table is not None
    rows = [line.strip("| ").split("|") for line in table[1].splitlines()[2:]]
    documented = {
        cells[0].strip(): set(re.findall(r"[A-Z_]+", "|".join(cells[1:]))) for cells in rows
    }
    assert documented == {
        state.name: {after.name for after in moves} for state, moves in MOVES.items()
    }


def test_records_are_numbered_in_order() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    for number, record in enumerate(records, 1):
        assert record.name.startswith(f"{number:04d}-")
        title, _, status = record.read_text(encoding="utf-8").split("\n")[:3]
        assert title.startswith(f"# {number}. ")
        assert status == "Accepted."


def test_the_http_carrier_of_the_guide_is_a_valid_file(tmp_path: Path) -> None:
    [example] = code_blocks("docs/http-provider.md", "toml")
    file = tmp_path / "web.toml"
    file.write_text(example)
    environ = {"WEB_KEY": "key", "WEB_CALLBACK_TOKEN": "token"}
    settings = load(file, environ=environ, check_template=check_template)
    assert not settings.warnings
    assert settings.declared().providers[0].wire == "http"


def test_the_http_guide_has_every_placeholder_and_error_class() -> None:
    guide = text_of("docs/http-provider.md")
    missing = [f"`{{{name}}}`" for name in PLACEHOLDERS if f"`{{{name}}}`" not in guide]
    missing += [f"`{name}`" for name in ERROR_CLASSES if f"| `{name}` |" not in guide]
    assert missing == []


def test_the_smpp_guide_has_every_status_and_the_words_of_every_fate() -> None:
    guide = text_of("docs/smpp.md")
    for status in set(REFUSAL_STATUS.values()):
        assert f"`ESME_{status.name}`" in guide
    for state in FINAL_STATES:
        words = WORDS[state]
        assert re.search(
            rf"^\| {words.word}\b.*\| {words.smpp_stat} \| {words.smpp_message_state} \|$",
            guide,
            re.MULTILINE,
        )


def test_the_exosend_guide_has_the_status_of_every_refusal() -> None:
    guide = text_of("docs/exosend.md")
    for code in RefusalCode:
        assert f"| {REFUSALS[code].status} |" in guide


def test_the_receiver_of_the_webhook_guide_believes_our_signature_and_no_other(
    tmp_path: Path,
) -> None:
    [receiver] = code_blocks("docs/webhooks.md", "python")
    file = tmp_path / "receiver.py"
    file.write_text(receiver)
    is_genuine = runpy.run_path(str(file))["is_genuine"]
    now = int(time.time())
    body = b'{"event":"message.status"}'
    genuine = {
        "Postern-Timestamp": str(now),
        "Postern-Signature": sign("webhook-secret", now, body),
    }
    assert is_genuine(genuine, body)
    assert not is_genuine(genuine, body + b" ")
    assert not is_genuine({**genuine, "Postern-Timestamp": str(now - 1)}, body)
    old = {"Postern-Timestamp": "1000", "Postern-Signature": sign("webhook-secret", 1000, body)}
    assert not is_genuine(old, body)
    assert not is_genuine({}, body)


def test_the_signed_request_of_the_webhook_guide_is_right() -> None:
    guide = text_of("docs/webhooks.md")
    found = re.search(
        r"Postern-Timestamp: (\d+)\n.*?Postern-Signature: v1=(\w+)\n\n(\{.*?\})\n", guide, re.S
    )
    assert found is not None
    signed = f"{found[1]}.{found[3]}".encode()
    assert hmac.new(b"webhook-secret", signed, hashlib.sha256).hexdigest() == found[2]


def test_the_container_of_the_readme_has_absolute_paths() -> None:
    [block] = re.findall(r"^  ```toml\n(.*?)^  ```", text_of("README.md"), re.MULTILINE | re.DOTALL)
    tables = tomllib.loads(block)
    assert tables["store"]["url"].startswith("sqlite:////")
    assert tables["listen"]["control"].startswith("/")
    assert all(tables["listen"][door].startswith("0.0.0.0:") for door in ("http", "smpp", "admin"))
