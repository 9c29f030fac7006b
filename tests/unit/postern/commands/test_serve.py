import errno
import socket
from argparse import Namespace
from pathlib import Path

import pytest

from gateway.domain.errors import StoreUnavailable
from postern import daemon
from postern.commands import serve
from postern.commands.failure import CommandError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(98, "error while attempting to bind on address ('127.0.0.1', 2775): in use"),
            "cannot listen on 127.0.0.1:2775: address already in use: stop what listens there, "
            "or change [listen]",
        ),
        (
            OSError(98, "Address already in use (while attempting to bind on address ('::1', 80))"),
            "cannot listen on ::1:80: address already in use: stop what listens there, "
            "or change [listen]",
        ),
        (
            OSError(13, "error while attempting to bind on address ('::1', 80, 0, 0): denied"),
            "cannot listen on ::1:80: permission denied",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "a host name of [listen] has no address: Name or service not known",
        ),
        (
            OSError(errno.EADDRINUSE, "control socket /x/postern.sock: another daemon answers"),
            "control socket /x/postern.sock: another daemon answers: stop what listens there, "
            "or change [listen]",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "/logs/messages.log"),
            "No such file or directory (/logs/messages.log)",
        ),
        (StoreUnavailable("postern.db is in use"), "postern.db is in use"),
    ],
)
def test_why_it_did_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    config = tmp_path / "postern.toml"
    config.touch()

    def fail(_settings: object) -> None:
        raise error

    monkeypatch.setattr(daemon, "serve", fail)
    monkeypatch.setattr("gateway.runtime.log.configure", lambda _level: None)
    with pytest.raises(CommandError) as failure:
        serve.run(Namespace(config=str(config)))
    assert str(failure.value) == f"{config}: {reason}"
    assert failure.value.exit_code == 1


def test_a_dead_service_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "postern.toml"
    config.touch()

    def fail(_settings: object) -> None:
        raise RuntimeError("a service died; see the log")

    monkeypatch.setattr(daemon, "serve", fail)
    monkeypatch.setattr("gateway.runtime.log.configure", lambda _level: None)
    with pytest.raises(CommandError, match="a service died; see the log"):
        serve.run(Namespace(config=str(config)))
