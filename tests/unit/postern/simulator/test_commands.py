import argparse
import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path

import aiohttp
import pytest

from postern.simulator import commands
from postern.simulator.behaviour import MAGIC_NUMBERS, Behaviour, IdFormat
from postern.simulator.commands import add_arguments, behaviour_of, run
from postern.simulator.garbage import Garbage
from protocols.smpp.constants import CommandId
from tests.support.esme import bound

LIMIT_S = 20.0
# What `postern` does with the arguments, without the rest of it.
MAIN = """
import argparse, sys
from postern.simulator.commands import add_arguments
parser = argparse.ArgumentParser()
add_arguments(parser.add_subparsers(required=True))
args = parser.parse_args()
sys.exit(args.run(args))
"""


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser.add_subparsers(required=True))
    return parser.parse_args(["simulate", *words])


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "simulate", *words, stdout=PIPE
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line_of(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().rstrip("\n")


async def rest_of(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.read()).decode()


@pytest.mark.parametrize("carrier", ["smsc", "http"])
def test_without_options_a_carrier_behaves_well(carrier: str) -> None:
    args = parse(carrier)

    assert behaviour_of(args) == Behaviour()
    assert args.host == "127.0.0.1"
    assert args.run is run


def test_every_option_of_the_script() -> None:
    words = (
        "smsc --answer-delay 1 --receipt-delay 2-3.5 --late-by 4 --reject-status 0x45"
        " --reject-every 5 --throttle-every 6 --silence-every 7 --garbage half --garbage-every 8"
        " --drop-after 9 --unbind-after 10 --stop-reading-after 11 --ignore-binds 12"
        " --refuse-binds 13 --bind-status 14 --response-ids padded-hex --receipt-ids upper-hex"
        " --receipt-first --duplicate-receipts 15 --stray-receipts 16"
    )

    assert behaviour_of(parse(*words.split())) == Behaviour(
        answer_delay_s=1.0,
        receipt_delay_s=(2.0, 3.5),
        late_by_s=4.0,
        reject_status=0x45,
        reject_every=5,
        throttle_every=6,
        silence_every=7,
        garbage=Garbage.HALF,
        garbage_every=8,
        drop_after=9,
        unbind_after=10,
        stop_reading_after=11,
        ignore_binds=12,
        refuse_binds=13,
        bind_status=14,
        response_ids=IdFormat.PADDED_HEX,
        receipt_ids=IdFormat.UPPER_HEX,
        receipt_first=True,
        duplicate_receipts=15,
        stray_receipts=16,
    )


@pytest.mark.parametrize("carrier", ["smsc", "http"])
def test_silence_may_be_for_every_message(carrier: str) -> None:
    assert behaviour_of(parse(carrier, "--never-answer")) == Behaviour(silence_every=1)


def test_one_receipt_delay_is_exact() -> None:
    assert behaviour_of(parse("http", "--receipt-delay", "1")).receipt_delay_s == (1.0, 1.0)


@pytest.mark.parametrize(
    "words",
    [
        ("smsc", "--port", "65536"),
        ("smsc", "--port", "-1"),
        ("smsc", "--charset", "klingon"),
        ("http", "--unbind-after", "1"),
        ("http", "--garbage", "sequence"),
        ("smsc", "--garbage", "redirect"),
        ("smsc", "--never-answer", "--silence-every", "2"),
        ("http", "--receipt-delay", "soon"),
    ],
)
def test_arguments_out_of_range_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parse(*words)


def test_an_impossible_script_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parse("smsc", "--receipt-delay", "3-2")) == 1
    assert "receipt delays 3.0 to 2.0 s" in capsys.readouterr().err


def test_a_taken_port_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "configure", lambda level: None)  # logging here is pytest's
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        assert run(parse("http", "--port", str(port))) == 1
    error = capsys.readouterr().err
    assert str(port) in error
    assert "--port" in error


def test_the_guide_names_every_option_and_magic_number() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "simulator.md").read_text("utf-8")
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    add_arguments(subparsers)
    (carriers,) = (
        action
        for action in subparsers.choices["simulate"]._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    options = {
        option
        for carrier in carriers.choices.values()
        for option in carrier._option_string_actions
        if option.startswith("--") and option != "--help"
    }

    assert len(options) > 15
    assert [option for option in sorted(options) if f"`{option}" not in guide] == []
    assert [digits for digits in MAGIC_NUMBERS if f"| `{digits}` |" not in guide] == []


def test_every_misbehaviour_has_its_line_in_the_guide() -> None:
    guide = (Path(__file__).parents[4] / "docs" / "providers-misbehaving.md").read_text("utf-8")
    options = {"--" + field.name.replace("_", "-") for field in fields(Behaviour)}
    # What only says how often, or how fast, or is called otherwise on the command line.
    options -= {"--garbage-every", "--answer-delay-s", "--receipt-delay-s", "--late-by-s"}
    options |= {"--answer-delay", "--receipt-delay", "--late-by", "--never-answer"}

    assert [option for option in sorted(options) if f"`{option}" not in guide] == []
    assert [kind for kind in Garbage if f"`{kind}`" not in guide.replace("--garbage ", "")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_smsc_runs_until_it_is_told_to_stop(number: signal.Signals) -> None:
    async with running("smsc", "--port", "0", "--json", "--receipt-delay", "0") as process:
        facts = json.loads(await line_of(process))
        host, _, port = facts["address"].partition(":")
        async with bound(int(port)) as esme:
            assert (await esme.submit("37120000000"))[0] == 0
            await esme.receipt()
            await esme.request(CommandId.ENQUIRE_LINK)  # after the answer to the receipt
        async with aiohttp.ClientSession() as session, session.get(facts["inbox"]) as response:
            assert len(await response.json()) == 1
        process.send_signal(number)
        tally = json.loads(await rest_of(process))

        assert host == "127.0.0.1"
        assert await process.wait() == 0
        assert tally["accepted"] == 1
        assert tally["receipts_taken"] == 1


async def test_an_http_carrier_tells_people_what_it_does() -> None:
    async with running("http", "--port", "0") as process:
        first = await line_of(process)
        url = first.split()[-1]
        body = {"to": "37120000001", "from": "POSTERN", "text": "hello"}
        async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
            assert response.status == 202
        process.send_signal(signal.SIGINT)
        rest = await rest_of(process)

    assert first.startswith("Simulated HTTP carrier, POST JSON to http://127.0.0.1:")
    assert "/inbox?after=0" in rest
    assert "...0001  is accepted, then fails" in rest
    assert rest.endswith(
        "1 submits: 1 accepted, 0 throttled, 0 rejected, 0 unanswered; 0 receipts sent, 0 taken\n"
    )
