"""`postern send`: one message through a door, as a customer would send it."""

import argparse
from pathlib import Path
from typing import NamedTuple

from conf.settings import Settings
from postern.commands.clock import clock
from postern.commands.control_client import ControlClient
from postern.commands.failure import UNREACHABLE, CommandError, DaemonAbsentError
from postern.commands.options import add_config, add_json, config_path
from postern.commands.output import print_json
from postern.commands.sending import Draft, Say, Sending
from postern.commands.settings import load_settings

WAIT_S = 10.0
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class SmppDoor(NamedTuple):
    """Where to bind, and as whom."""

    host: str
    port: int
    system_id: str
    password: str


class ExoSendDoor(NamedTuple):
    """Base URL and token."""

    url: str
    token: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The message, and the door; without a door it is the first credential of the configuration."""
    parser.add_argument("--to", required=True, metavar="NUMBER")
    parser.add_argument("--text", required=True)
    parser.add_argument(
        "--from", dest="sender", default="", metavar="SENDER", help="default: the account's own"
    )
    door = parser.add_mutually_exclusive_group()
    door.add_argument("--smpp", metavar="HOST:PORT", help="bind there")
    door.add_argument("--exosend", metavar="URL", help="REST, such as http://127.0.0.1:8080")
    door.add_argument(
        "--door", choices=("smpp", "exosend"), help="which door of the configuration (default: any)"
    )
    parser.add_argument("--system-id", default="", help="for --smpp")
    parser.add_argument("--password", default="", help="for --smpp")
    parser.add_argument("--token", default="", help="for --exosend")
    parser.add_argument(
        "--wait-receipt",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help="0 does not wait (default: %(default)s)",
    )
    add_config(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Sends; 0 when accepted and, where a receipt was awaited, delivered."""
    door, sender = _door(args)
    draft = Draft(sender=sender, to=args.to, text=args.text, wait_s=max(0.0, args.wait_receipt))
    say: Say = _nothing if args.json else _show
    sending = _send(door, draft, say)
    is_done = sending.is_delivered or not draft.wait_s
    if args.json:
        print_json(sending.facts())
    elif not is_done and sending.receipt is None:
        print(f"no receipt within {draft.wait_s:g} s; the message stays accepted")
    return 0 if is_done else 1


def _show(line: str) -> None:
    print(line, flush=True)


def _nothing(_line: str) -> None:
    pass


def _send(door: SmppDoor | ExoSendDoor, draft: Draft, say: Say) -> Sending:
    if isinstance(door, SmppDoor):
        from postern.commands.send_smpp import SmppSending

        return SmppSending(draft, say, clock().monotonic).run(*door)
    from postern.commands.send_exosend import send

    return send(draft, say, door.url, door.token)


# -- which door ----------------------------------------------------------------------------------


def _door(args: argparse.Namespace) -> tuple[SmppDoor | ExoSendDoor, str]:
    """The door of the command line, or of the configuration; and the sender."""
    if args.smpp is not None:
        if not args.sender:
            raise CommandError("--from: SMPP has no default sender: give one", UNREACHABLE)
        host, port = _host_and_port(args.smpp)
        return SmppDoor(host, port, args.system_id, args.password), args.sender
    if args.exosend is not None:
        return ExoSendDoor(args.exosend, args.token), args.sender
    return _configured_door(config_path(args), args.door, args.sender)


def _configured_door(
    config: Path, wanted: str | None, sender: str
) -> tuple[SmppDoor | ExoSendDoor, str]:
    """The first account with a credential for a door that listens."""
    settings = load_settings(config)
    listen = _addresses(config, settings)
    for account in settings.accounts:
        default = sender or next((s for s in account.senders if s != "*"), "")
        if "smpp" in listen and wanted in (None, "smpp") and account.smpp:
            credential = account.smpp[0]
            host, port = _host_and_port(listen["smpp"])
            password = credential.password.reveal()
            return SmppDoor(host, port, credential.system_id, password), default
        if "http" in listen and wanted in (None, "exosend"):
            for token in account.token:
                if not token.doors or "exosend" in token.doors:
                    scheme = "https" if settings.listen.tls else "http"
                    host, port = _host_and_port(listen["http"])
                    return ExoSendDoor(_url(scheme, host, port), token.secret.reveal()), sender
    raise CommandError(
        f"{config}: no account has a credential for {wanted or 'a door'} that listens: "
        "give --smpp or --exosend",
        UNREACHABLE,
    )


def _addresses(config: Path, settings: Settings) -> dict[str, str]:
    """Where the doors listen: as the daemon says, since port 0 is a free one; else as declared."""
    try:
        listen: dict[str, str] = ControlClient(config).call("status")["listen"]
    except DaemonAbsentError:
        declared = {"smpp": settings.listen.smpp, "http": settings.listen.http}
        return {name: str(at) for name, at in declared.items() if at is not None and at.port}
    return listen


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise CommandError(f"{address!r} is no address: must be HOST:PORT", UNREACHABLE)
    return _ANY_HOST.get(host, host), int(port)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
