"""What the demo says once it runs: where everything is, and commands to copy."""

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from postern.demo_config import (
    ACCOUNT,
    FILE,
    HTTP_CARRIER,
    HTTP_FIRST_PREFIX,
    SENDER,
    SMPP_CARRIER,
    SYSTEM_ID,
)
from postern.simulator.behaviour import MAGIC_NUMBERS

RECIPIENT = "+37120000000"


def called_as(program: str) -> str:
    """How to call `postern` again, from the name it was started by (`sys.argv[0]`)."""
    if Path(program).name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m postern"
    return "postern" if shutil.which("postern") else shlex.quote(program)


def guide(facts: dict[str, Any], program: str) -> str:
    """The text for one running demo; `program` is how its user calls `postern`."""
    smpp = facts["smpp"]
    config = shlex.quote(f"{facts['data_dir']}/{FILE}")
    return "\n".join(
        [
            "Postern demo is running.  Ctrl-C drains and stops it, the next start resumes.",
            "",
            f"  ExoSend  {facts['exosend']['base_url']}",
            f"           token {facts['exosend']['token']}",
            f"  Exotel   {facts['exotel']['base_url']}",
            f"           key {facts['exotel']['api_key']}, token {facts['exotel']['api_token']}",
            f"  ME-SMS   {facts['mesms']['base_url']}",
            f"           x-api-key {facts['mesms']['api_key']}",
            f"  EasySendSMS  {facts['easysendsms']['base_url']}",
            f"           apikey {facts['easysendsms']['api_key']}",
            f"  SMPP     {smpp['host']}:{smpp['port']}",
            f"           system_id {smpp['system_id']}, password {smpp['password']}",
            f"  metrics  {facts['metrics']['url']}",
            f"  inbox    {facts['carrier']['inbox_url']}",
            f"  files    {facts['data_dir']}  (configuration, credentials, store, logs)",
            "",
            *_exosend_commands(facts),
            *_vendor_commands(facts),
            "Send over SMPP and wait for the receipt:",
            f"  {program} send --smpp {smpp['host']}:{smpp['port']} --system-id {SYSTEM_ID}"
            f" --password {smpp['password']} --from {SENDER} --to {RECIPIENT[1:]}"
            " --text 'Hello over SMPP' --wait-receipt 5",
            "What the simulated phones received:",
            f"  curl -s '{facts['carrier']['inbox_url']}?after=0'",
            "Look behind the counter:",
            f"  {program} account statement {ACCOUNT} -c {config}",
            f"  {program} provider list -c {config}",
            f"  curl -s {facts['metrics']['url']}",
            "",
            *_carriers(),
            "",
        ]
    )


def _exosend_commands(facts: dict[str, Any]) -> list[str]:
    base_url = facts["exosend"]["base_url"]
    token = f"-H 'Authorization: Bearer {facts['exosend']['token']}'"
    body = json.dumps({"recipient": RECIPIENT, "message": "Hello", "sender_id": SENDER})
    return [
        "Balance:",
        f"  curl -s {base_url}/balance {token}",
        "Send over ExoSend's API, then put the message_id of the answer into the second command:",
        f"  curl -s {base_url}/sms/send {token} -H 'Content-Type: application/json' -d '{body}'",
        f"  curl -s {base_url}/sms/MESSAGE_ID/status {token}",
    ]


def _vendor_commands(facts: dict[str, Any]) -> list[str]:
    """The same message over each of the other APIs."""
    exotel, mesms, easysendsms = facts["exotel"], facts["mesms"], facts["easysendsms"]
    number = RECIPIENT[1:]
    to_many = json.dumps({"sender": SENDER, "content": "Hello", "msisdns": [number]})
    to_list = json.dumps({"from": SENDER, "to": number, "text": "Hello", "type": "0"})
    is_json = "-H 'Content-Type: application/json'"
    return [
        "The same over the APIs of Exotel, ME-SMS and EasySendSMS:",
        f"  curl -s {exotel['base_url']}/Sms/send.json -u {exotel['api_key']}:{exotel['api_token']}"
        f" -d From={SENDER} -d To={RECIPIENT.replace('+', '%2B')} -d Body=Hello",
        f"  curl -s {mesms['base_url']}/sms/send -H 'x-api-key: {mesms['api_key']}' {is_json}"
        f" -d '{to_many}'",
        f"  curl -s {easysendsms['base_url']}/sms/send -H 'apikey: {easysendsms['api_key']}'"
        f" {is_json} -d '{to_list}'",
    ]


def _carriers() -> list[str]:
    return [
        f"Messages go by {SMPP_CARRIER}, those to +{HTTP_FIRST_PREFIX} by {HTTP_CARRIER};"
        " each takes over when the other fails.",
        "Receipts come within a second.  Recipients that end in these digits are special:",
        *(f"  {digits}  {meaning}" for digits, meaning in MAGIC_NUMBERS.items()),
    ]
