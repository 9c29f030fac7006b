"""One load, as a process of its own; prints one JSON line.

python -m benchmarks.load smpp --port PORT --connections 4 --window 100 --count 60000 --receipts
python -m benchmarks.load rest --port PORT --connections 10 --count 20000 --per-request 1
"""

import argparse
import gc
from dataclasses import asdict

import uvloop

from benchmarks.control import say
from benchmarks.esme import SENDER, EsmeLoad, EsmeOptions, EsmeReport
from benchmarks.rest_api import Api
from benchmarks.rest_client import RestLoad, RestOptions, RestReport


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Customer load over SMPP or REST")
    doors = parser.add_subparsers(dest="door", required=True)
    smpp = doors.add_parser("smpp")
    smpp.add_argument("--system-id", default="bench")
    smpp.add_argument("--password", default="bench")
    smpp.add_argument("--window", type=int, default=10, help="unanswered submit_sm per connection")
    smpp.add_argument("--rate", type=int, default=0, help="messages per second, 0 = no pace")
    smpp.add_argument("--receipts", action="store_true", help="ask for receipts and await them")
    rest = doors.add_parser("rest")
    rest.add_argument("--token", required=True)
    rest.add_argument("--api", type=Api, choices=list(Api), default=Api.EXOSEND)
    rest.add_argument("--per-request", type=int, default=1, help="recipients per request")
    for door in (smpp, rest):
        door.add_argument("--port", type=int, required=True)
        door.add_argument("--connections", type=int, default=1)
        door.add_argument("--count", type=int, required=True, help="messages")
        door.add_argument("--offset", type=int, default=0, help="number of the first destination")
        door.add_argument("--sender", default=SENDER, help="a sender of the account")
        door.add_argument("--timeout", type=float, default=20, help="seconds without progress")
    return parser


async def _run(options: argparse.Namespace) -> EsmeReport | RestReport:
    if options.door == "rest":
        return await RestLoad(
            RestOptions(
                port=options.port,
                token=options.token,
                connections=options.connections,
                per_request=options.per_request,
                count=options.count,
                offset=options.offset,
                timeout_s=options.timeout,
                sender=options.sender,
                api=options.api,
            )
        ).run()
    return await EsmeLoad(
        EsmeOptions(
            port=options.port,
            system_id=options.system_id,
            password=options.password,
            connections=options.connections,
            window=options.window,
            count=options.count,
            rate_per_s=options.rate,
            offset=options.offset,
            with_receipts=options.receipts,
            timeout_s=options.timeout,
            sender=options.sender,
        )
    ).run()


def main() -> None:
    """Runs the load to its end."""
    options = _parser().parse_args()
    gc.freeze()  # what is imported by now never becomes garbage
    say(asdict(uvloop.run(_run(options))))


if __name__ == "__main__":
    main()
