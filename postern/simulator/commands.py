"""`postern simulate smsc` and `postern simulate http`: one carrier in the foreground."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict

import uvloop

from gateway.ports import Clock
from gateway.runtime.clock import LoopClock
from gateway.runtime.log import configure
from gateway.runtime.supervisor import Supervisor
from postern.simulator.behaviour import MAGIC_NUMBERS, Behaviour, IdFormat
from postern.simulator.ending import Ending
from postern.simulator.garbage import HTTP_KINDS, SMPP_KINDS, Garbage
from postern.simulator.http_carrier import SimulatedHttpCarrier
from postern.simulator.inbox import Inbox, build_inbox_app
from postern.simulator.smsc import SimulatedSmsc
from postern.simulator.tally import Tally
from protocols.http.listener import HttpListener
from protocols.smpp.charset import DEFAULT_CHARSETS

SMSC_PORT = 2776
HTTP_PORT = 8081


def add_arguments(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `simulate` with its two carriers to the subcommands of `postern`."""
    simulate = subparsers.add_parser("simulate", help="run a simulated carrier until Ctrl-C")
    carriers = simulate.add_subparsers(dest="carrier", required=True, metavar="CARRIER")
    smsc = carriers.add_parser("smsc", help="an SMSC that takes any bind")
    _add_common(smsc, SMSC_PORT, "smsc")
    smsc.add_argument("--system-id", default="", help="the only system_id let in (default: any)")
    smsc.add_argument("--password", default="", help="the only password let in (default: any)")
    smsc.add_argument(
        "--charset",
        choices=sorted(DEFAULT_CHARSETS),
        default="gsm",
        help="meaning of data_coding 0 (default: %(default)s)",
    )
    _add_garbage(smsc, SMPP_KINDS)
    for name, text in (
        ("unbind-after", "unbind a connection after its N-th message"),
        ("stop-reading-after", "read nothing more of a connection after its N-th message"),
        ("ignore-binds", "do not answer the first N binds"),
        ("refuse-binds", "refuse the N binds after those"),
    ):
        smsc.add_argument(f"--{name}", type=int, default=0, metavar="N", help=text)
    smsc.add_argument(
        "--bind-status",
        type=_number,
        default=0x0D,
        metavar="STATUS",
        help="command_status of refused binds (default: 0x0d)",
    )
    http = carriers.add_parser("http", help="an HTTP carrier with a JSON interface")
    _add_common(http, HTTP_PORT, "http")
    http.add_argument("--secret", default="", help="bearer token that requests must carry")
    http.add_argument("--callback", default="", metavar="URL", help="where receipts go by default")
    _add_garbage(http, HTTP_KINDS)
    http.set_defaults(
        unbind_after=0, stop_reading_after=0, ignore_binds=0, refuse_binds=0, bind_status=0x0D
    )


def _add_garbage(parser: argparse.ArgumentParser, kinds: Sequence[Garbage]) -> None:
    parser.add_argument(
        "--garbage",
        choices=[str(kind) for kind in kinds],
        help="send garbage with, or instead of, answers",
    )
    parser.add_argument(
        "--garbage-every",
        type=int,
        default=1,
        metavar="N",
        help="to each N-th message (default: 1)",
    )


def _add_common(parser: argparse.ArgumentParser, port: int, name: str) -> None:
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    option("--port", type=_port, default=port, help="0 takes a free one (default: %(default)s)")
    option("--inbox-port", type=_port, default=0, help="port of GET /inbox (default: a free one)")
    option("--name", default=name, help="the provider that the inbox shows (default: %(default)s)")
    option("--json", action="store_true", help="print the addresses and the count as JSON")
    option(
        "--receipt-delay",
        type=_delay_range,
        default=(0.2, 0.5),
        metavar="SECONDS[-SECONDS]",
        help="wait before a receipt (default: 0.2-0.5)",
    )
    option("--late-by", type=float, default=10.0, metavar="SECONDS", help="added for ...0003")
    option("--answer-delay", type=float, default=0.0, metavar="SECONDS", help="wait before answers")
    option(
        "--reject-status",
        type=_number,
        default=0,
        metavar="STATUS",
        help="answer submits with this command_status (such as 0x45) or HTTP status",
    )
    option("--reject-every", type=int, default=1, metavar="N", help="but only each N-th submit")
    option("--throttle-every", type=int, default=0, metavar="N", help="throttle each N-th submit")
    silence = parser.add_mutually_exclusive_group()
    silence.add_argument(
        "--never-answer",
        dest="silence_every",
        action="store_const",
        const=1,
        default=0,
        help="take messages without an answer",
    )
    silence.add_argument(
        "--silence-every",
        type=int,
        default=0,
        metavar="N",
        help="take each N-th message without an answer",
    )
    option(
        "--drop-after",
        type=int,
        default=0,
        metavar="N",
        help="cut a connection instead of answering its N-th message",
    )
    option("--receipt-first", action="store_true", help="send receipts before the answers")
    option("--duplicate-receipts", type=int, default=0, metavar="N", help="repeat receipts N times")
    option(
        "--stray-receipts",
        type=int,
        default=0,
        metavar="N",
        help="send N receipts for messages of nobody with each receipt",
    )
    ids = [_word(format) for format in IdFormat]
    option("--response-ids", choices=ids, default="decimal", help="ids in answers")
    option("--receipt-ids", choices=ids, default="decimal", help="ids in receipts")


def _word(format: IdFormat) -> str:
    return format.name.lower().replace("_", "-")


def _delay_range(text: str) -> tuple[float, float]:
    shortest, _, longest = text.partition("-")
    return float(shortest), float(longest or shortest)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port")
    return port


def _number(text: str) -> int:
    return int(text, 0)


def run(args: argparse.Namespace) -> int:
    """Runs the carrier until SIGINT or SIGTERM; 0, or 1 when it could not start."""
    try:
        behaviour = behaviour_of(args)
    except ValueError as error:
        print(f"postern simulate {args.carrier}: {error}", file=sys.stderr)
        return 1
    configure("WARNING")
    return uvloop.run(_serve(args, behaviour))


def behaviour_of(args: argparse.Namespace) -> Behaviour:
    """The script that the arguments describe.

    Raises:
        ValueError: its numbers do not fit together.
    """
    formats = {_word(format): format for format in IdFormat}
    return Behaviour(
        answer_delay_s=args.answer_delay,
        receipt_delay_s=args.receipt_delay,
        late_by_s=args.late_by,
        reject_status=args.reject_status,
        reject_every=args.reject_every,
        throttle_every=args.throttle_every,
        silence_every=args.silence_every,
        garbage=None if args.garbage is None else Garbage(args.garbage),
        garbage_every=args.garbage_every,
        drop_after=args.drop_after,
        unbind_after=args.unbind_after,
        stop_reading_after=args.stop_reading_after,
        ignore_binds=args.ignore_binds,
        refuse_binds=args.refuse_binds,
        bind_status=args.bind_status,
        response_ids=formats[args.response_ids],
        receipt_ids=formats[args.receipt_ids],
        receipt_first=args.receipt_first,
        duplicate_receipts=args.duplicate_receipts,
        stray_receipts=args.stray_receipts,
    )


async def _serve(args: argparse.Namespace, behaviour: Behaviour) -> int:
    loop = asyncio.get_running_loop()
    ending = Ending(loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.end)
    async with AsyncExitStack() as stack:
        try:
            facts, tally = await _start(args, behaviour, ending, stack)
        except OSError as error:
            print(f"postern simulate {args.carrier}: {error}", file=sys.stderr)
            print("Stop what listens there or choose another --port.", file=sys.stderr)
            return 1
        print(json.dumps(facts) if args.json else _description(args.carrier, facts), flush=True)
        exit_code = await ending.wait()
    print(json.dumps(asdict(tally)) if args.json else tally.line(), flush=True)
    return exit_code


async def _start(
    args: argparse.Namespace, behaviour: Behaviour, ending: Ending, stack: AsyncExitStack
) -> tuple[dict[str, str], Tally]:
    """Starts carrier and inbox; their addresses by name, and what the carrier counts."""
    inbox = Inbox()
    clock = LoopClock(asyncio.get_running_loop())
    carrier: SimulatedSmsc | SimulatedHttpCarrier
    if args.carrier == "smsc":
        carrier = _smsc(args, behaviour, inbox, clock)
    else:
        supervisor = Supervisor(ending.died)
        stack.push_async_callback(supervisor.stop)
        carrier = _http_carrier(args, behaviour, inbox, clock, supervisor)
    await carrier.start(args.host, args.port)
    stack.push_async_callback(carrier.stop)
    listener = HttpListener(build_inbox_app(inbox), args.host, args.inbox_port, drain_s=0.5)
    await listener.start()
    stack.push_async_callback(listener.stop)
    address = _authority(args.host, carrier.port)
    facts = {
        "address": address if args.carrier == "smsc" else f"http://{address}/send",
        "inbox": f"http://{_authority(args.host, listener.port)}/inbox",
    }
    return facts, carrier.tally


def _smsc(
    args: argparse.Namespace, behaviour: Behaviour, inbox: Inbox, clock: Clock
) -> SimulatedSmsc:
    return SimulatedSmsc(
        args.name,
        inbox=inbox,
        clock=clock,
        behaviour=behaviour,
        system_id=args.system_id,
        password=args.password,
        default_charset=args.charset,
    )


def _http_carrier(
    args: argparse.Namespace,
    behaviour: Behaviour,
    inbox: Inbox,
    clock: Clock,
    supervisor: Supervisor,
) -> SimulatedHttpCarrier:
    return SimulatedHttpCarrier(
        args.name,
        inbox=inbox,
        clock=clock,
        supervisor=supervisor,
        behaviour=behaviour,
        secret=args.secret,
        callback_url=args.callback,
    )


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _description(carrier: str, facts: dict[str, str]) -> str:
    title = "Simulated SMSC" if carrier == "smsc" else "Simulated HTTP carrier, POST JSON to"
    magic = [f"  ...{ending}  {meaning}" for ending, meaning in MAGIC_NUMBERS.items()]
    return "\n".join(
        [
            f"{title} {facts['address']}",
            f"Messages received: curl '{facts['inbox']}?after=0'",
            "Recipients by their last digits (all others are delivered):",
            *magic,
            "Ctrl-C stops.",
        ]
    )
