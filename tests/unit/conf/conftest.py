from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conf.problems import SettingsError
from conf.settings import Settings, TemplateCheck, load

FILE = "postern.toml"
Load = Callable[..., Settings]
Problems = Callable[..., dict[str, str]]


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Loads a configuration given as text, from `tmp_path`, with an environment of its own."""

    def load_text(
        text: str,
        environ: Mapping[str, str] | None = None,
        check_template: TemplateCheck | None = None,
    ) -> Settings:
        file = tmp_path / FILE
        file.write_text(text, encoding="utf-8")
        return load(file, environ=environ or {}, check_template=check_template)

    return load_text


@pytest.fixture
def problems_in(load_text: Load) -> Problems:
    """The reason of each problem in a configuration, by key."""

    def problems_in(text: str, **options: object) -> dict[str, str]:
        with pytest.raises(SettingsError) as caught:
            load_text(text, **options)
        found = caught.value.problems
        assert all(problem.file.endswith(FILE) for problem in found)
        reasons = {problem.key: problem.reason for problem in found}
        assert len(reasons) == len(found), found
        return reasons

    return problems_in


@pytest.fixture(scope="session")
def pem_pair() -> tuple[bytes, bytes]:
    """A certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
