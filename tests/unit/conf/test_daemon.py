from pathlib import Path

import pytest


def test_listens_where_told(load_text) -> None:
    listen = load_text('[listen]\nhttp = "[::1]:80"\nsmpp = "0.0.0.0:0"\nadmin = "a:0"').listen
    assert listen.http == ("::1", 80)
    assert listen.smpp == ("0.0.0.0", 0)
    assert listen.admin == ("a", 0)


def test_two_listeners_cannot_share_an_address(problems_in) -> None:
    assert problems_in('[listen]\nhttp = "127.0.0.1:80"\nadmin = "127.0.0.1:80"') == {
        "listen": "http and admin are both 127.0.0.1:80"
    }


def test_the_control_socket_can_be_moved_and_switched_off(load_text) -> None:
    assert load_text('[listen]\ncontrol = "/run/p.sock"').listen.control == Path("/run/p.sock")
    assert load_text('[listen]\ncontrol = ""').listen.control is None


def test_names_a_socket_path_that_is_too_long(problems_in) -> None:
    path = "/run/" + "x" * 103
    assert problems_in(f'[listen]\ncontrol = "{path}"') == {
        "listen.control": f"{path} is longer than a socket path may be, 107 octets"
    }
    assert problems_in("[listen]\ncontrol = false") == {
        "listen.control": 'must be a path, or "" for none'
    }


TLS = '[listen.tls]\ncert = "cert.pem"\nkey = "key.pem"\n'


def test_takes_a_certificate_and_its_key(
    load_text, tmp_path: Path, pem_pair: tuple[bytes, bytes]
) -> None:
    (tmp_path / "cert.pem").write_bytes(pem_pair[0])
    (tmp_path / "key.pem").write_bytes(pem_pair[1])
    tls = load_text(TLS).listen.tls
    assert tls is not None
    assert (tls.cert, tls.key) == (tmp_path / "cert.pem", tmp_path / "key.pem")


def test_names_a_certificate_that_cannot_be_used(
    problems_in, tmp_path: Path, pem_pair: tuple[bytes, bytes]
) -> None:
    missing = problems_in(TLS)
    assert set(missing) == {"listen.tls.cert", "listen.tls.key"}
    assert missing["listen.tls.cert"].startswith(f"cannot read {tmp_path}/cert.pem: No such file")
    (tmp_path / "cert.pem").write_bytes(pem_pair[0])
    (tmp_path / "key.pem").write_bytes(pem_pair[0])
    assert "are not a PEM certificate and its unencrypted key" in problems_in(TLS)["listen.tls"]
    assert problems_in('[listen.tls]\ncert = "cert.pem"') == {"listen.tls.key": "is missing"}


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("sqlite:///./p.db", "sqlite:///{0}/p.db"),
        ("sqlite:///data/p.db", "sqlite:///{0}/data/p.db"),
        ("sqlite:////var/lib/p.db", "sqlite:////var/lib/p.db"),
        ("postgresql://u:p@h/db", "postgresql://u:p@h/db"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db?host=/run/postgresql"),
    ],
)
def test_reads_store_urls(load_text, tmp_path: Path, url: str, read: str) -> None:
    settings = load_text(f'[store]\nurl = "{url}"')
    assert settings.store.url.reveal() == read.format(tmp_path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "is empty"),
        ("postern.db", "must start with sqlite:/// or postgresql://"),
        ("sqlite://p.db", "must start with sqlite:/// or postgresql://"),
        ("sqlite:///", "must name a database file: sqlite:///./postern.db"),
        ("sqlite:///:memory:", "must name a database file: sqlite:///./postern.db"),
        ("mysql://u:hidden@h/db", "must start with sqlite:/// or postgresql://"),
        ("postgresql://u:hidden@h", "must name host and database: "),
        ("postgresql:///db", "must name host and database: "),
        ("postgresql://[hidden/db", "is not a URL"),
    ],
)
def test_refuses_bad_store_urls_without_showing_them(problems_in, url: str, reason: str) -> None:
    problems = problems_in(f'[store]\nurl = "{url}"')
    assert list(problems) == ["store.url"]
    assert problems["store.url"].startswith(reason)
    assert "hidden" not in problems["store.url"]


@pytest.mark.parametrize(("text", "days"), [("90", 90), ("0.5", 0.5), ("0", 0)])
def test_retention_is_in_days_or_parts_of_one(load_text, text: str, days: float) -> None:
    assert load_text(f"[store]\nretention_days = {text}").store.retention_days == days


def test_a_store_url_may_come_from_elsewhere(load_text) -> None:
    settings = load_text(
        '[store]\nurl = { env = "DATABASE_URL" }', environ={"DATABASE_URL": "postgresql://h/db"}
    )
    assert settings.store.url.reveal() == "postgresql://h/db"


def test_the_seal_is_made_of_the_key_file(load_text, problems_in, tmp_path: Path) -> None:
    assert load_text("").secrets.seal is None
    key = tmp_path / "k"
    key.write_text("0123456789abcdefABCDEF" + "0" * 42 + "\n")
    seal = load_text('[secrets]\nkey_file = "k"').secrets.seal
    assert seal is not None
    assert (len(seal), seal[:4]) == (32, b"\x01\x23\x45\x67")
    for content in ("0" * 63, "g" * 64, "0" * 64 + "\n" + "0" * 64):
        key.write_text(content)
        assert problems_in('[secrets]\nkey_file = "k"') == {
            "secrets.key_file": (
                f"{key} must hold 64 hexadecimal digits: openssl rand -hex 32 makes them"
            )
        }
    key.unlink()
    assert problems_in('[secrets]\nkey_file = "k"') == {
        "secrets.key_file": f"cannot read {key}: No such file or directory"
    }
    assert problems_in("[secrets]\nkey_file = 3") == {"secrets.key_file": "must be a path"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[store]\nretention_days = -1", "store.retention_days"),
        ('[smpp]\nsystem_id = "sixteen-letters-"', "smpp.system_id"),
        ('[smpp]\ndefault_charset = "ucs2"', "smpp.default_charset"),
        ("[smpp]\nsession_init_s = 0", "smpp.session_init_s"),
        ("[http]\nmax_body_octets = 1", "http.max_body_octets"),
        ('[http]\npublic_url = "sms.example.com"', "http.public_url"),
        ("[queue]\nvalidity_s = 1.5", "queue.validity_s"),
        ("[queue]\nretry = [0]", "queue.retry[0]"),
        ('[log]\nlevel = "INFO"', "log.level"),
        ("[drain]\ndeadline_s = 0", "drain.deadline_s"),
        ("[callbacks]\nallow_private = 1", "callbacks.allow_private"),
    ],
)
def test_refuses_values_out_of_range(problems_in, text: str, key: str) -> None:
    assert list(problems_in(text)) == [key]
