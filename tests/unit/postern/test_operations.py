import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from admin_api.operations import OperationRefusedError
from gateway.domain.errors import Refusal, RefusalCode
from gateway.domain.identity import StoredAccount
from gateway.domain.lifecycle import MessageState
from gateway.domain.outcome import Deferred, Sent
from postern.operations import LiveOperations
from tests.support.clock import settle
from tests.support.hearts import CONFIGURATION, RunningHeart, running_heart


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[RunningHeart]:
    async with running_heart(tmp_path) as running:
        yield running


@pytest.fixture
def operations(running: RunningHeart) -> LiveOperations:
    return live(running)


def live(running: RunningHeart) -> LiveOperations:
    links = [
        {"peer": "127.0.0.1:5", "system_id": "acme", "state": "bound_trx"},
        {"peer": "127.0.0.1:6", "system_id": "acme", "state": "bound_rx"},
        {"peer": "127.0.0.1:7", "system_id": "", "state": "open"},
    ]
    return LiveOperations(running.heart, lambda: links, lambda: {"smpp": "127.0.0.1:2775"})


def refused(what: str) -> Any:
    return pytest.raises(OperationRefusedError, match=what)


# -- accounts ------------------------------------------------------------------------------------


def account(operations: LiveOperations, name: str) -> dict[str, Any]:
    accounts: Any = operations.accounts()["accounts"]
    return next(a for a in accounts if a["name"] == name)


async def test_accounts(operations: LiveOperations) -> None:
    acme = account(operations, "acme")
    assert acme["enabled"] is True
    assert {k: acme[k] for k in ("currency", "balance", "held", "available", "limit")} == {
        "currency": "EUR", "balance": "100", "held": "0", "available": "100", "limit": "0",
    }  # fmt: skip
    assert acme["senders"] == ["ACME", "NEWS"]


async def test_top_up_is_stored_and_live(running: RunningHeart, operations: LiveOperations) -> None:
    facts = await operations.top_up("acme", "5.25", "bank transfer 77")
    assert (facts["amount"], facts["balance"]) == ("5.25", "105.25")
    assert account(operations, "acme")["balance"] == "105.25"
    statement: Any = await operations.statement("acme", 10, None)
    assert [(x["kind"], x["amount"], x["balance"], x["note"]) for x in statement["lines"]] == [
        ("top_up", "5.25", "105.25", "bank transfer 77"),
        ("opening", "100", "100", ""),
    ]
    assert await running.heart.store.ledger.verify() == []


async def test_topped_up_credit_can_be_spent_at_once(
    running: RunningHeart, operations: LiveOperations
) -> None:
    text, poor = "hello", {"account": "poor", "sender": "ANY"}
    for _ in range(2):
        assert not isinstance(await running.send(text, **poor), Refusal)
    refusal = await running.send(text, **poor)
    assert isinstance(refusal, Refusal)
    assert refusal.code == RefusalCode.NO_CREDIT
    await operations.top_up("poor", "0.50", "")
    assert not isinstance(await running.send(text, **poor), Refusal)
    assert await running.heart.store.ledger.verify() == []


async def test_taking_away(running: RunningHeart, operations: LiveOperations) -> None:
    facts = await operations.top_up("acme", "-40", "correction")
    assert facts["balance"] == "60"
    statement: Any = await operations.statement("acme", 1, None)
    assert statement["lines"][0]["kind"] == "adjustment"
    assert await running.heart.store.ledger.verify() == []


async def test_no_more_is_taken_than_is_available(
    running: RunningHeart, operations: LiveOperations
) -> None:
    with refused("acme has 100 EUR available and a limit of 0: take less"):
        await operations.top_up("acme", "-100.01", "")
    assert account(operations, "acme")["balance"] == "100"
    assert (await operations.top_up("poor", "-1.05", ""))["available"] == "-1"


async def test_a_refusal_of_the_store_leaves_memory_as_it_was(
    running: RunningHeart, operations: LiveOperations
) -> None:
    """Memory thinks there is more than the row has."""
    acme = running.heart.directory.by_name["acme"]
    acme.balance_micros += 50_000_000
    with refused("take less"):
        await operations.top_up("acme", "-120", "")
    assert acme.balance_micros == 150_000_000


@pytest.mark.parametrize(("amount", "balance"), [("5", "105"), ("-5", "95")])
async def test_a_move_while_balances_are_read_again_is_not_lost(
    running: RunningHeart,
    operations: LiveOperations,
    monkeypatch: pytest.MonkeyPatch,
    amount: str,
    balance: str,
) -> None:
    """After a conflict the gateway reads the rows: what it has read must not outlive the move."""
    directory, store = running.heart.directory, running.heart.store
    load = store.accounts.load
    moves: list[asyncio.Task[object]] = []

    async def slow_load() -> list[StoredAccount]:
        rows = await load()
        moves.append(asyncio.create_task(operations.top_up("acme", amount, "")))
        await settle()
        return rows

    async def stored_at_once(*_move: object) -> None:
        pass

    monkeypatch.setattr(store.accounts, "load", slow_load)
    monkeypatch.setattr(store.ledger, "top_up", stored_at_once)
    await directory.reload_balances(frozenset({directory.by_name["acme"].id}))
    await asyncio.gather(*moves)
    assert account(operations, "acme")["balance"] == balance


@pytest.mark.parametrize("amount", ["0", "0.0", "x", "", "1e3x", "0.0000001", "NaN", "1e99"])
async def test_amounts_that_are_none(operations: LiveOperations, amount: str) -> None:
    with refused("amount"):
        await operations.top_up("acme", amount, "")
    assert account(operations, "acme")["balance"] == "100"


async def test_unknown_account_names_those_that_exist(operations: LiveOperations) -> None:
    with refused("there is no account 'nobody'; accounts: acme, poor"):
        await operations.top_up("nobody", "1", "")
    with refused("accounts: acme, poor"):
        await operations.statement("nobody", 1, None)


async def test_statement_in_pages(operations: LiveOperations) -> None:
    for amount in ("1", "2", "3"):
        await operations.top_up("acme", amount, "")
    first: Any = await operations.statement("acme", 2, None)
    assert [line["amount"] for line in first["lines"]] == ["3", "2"]
    second: Any = await operations.statement("acme", 2, first["next_before"])
    assert [line["amount"] for line in second["lines"]] == ["1", "100"]
    third: Any = await operations.statement("acme", 2, second["next_before"])
    assert (third["lines"], third["next_before"]) == ([], None)


# -- tokens --------------------------------------------------------------------------------------


async def test_token_opens_at_once(running: RunningHeart, operations: LiveOperations) -> None:
    facts = await operations.create_token("acme", "shop")
    number, _, secret = str(facts["token"]).partition("|")
    assert (number, len(secret)) == (str(facts["id"]), 43)
    credential = running.heart.directory.token(str(facts["token"]))
    assert credential is not None
    assert (credential.name, credential.account.name) == ("shop", "acme")
    assert running.heart.directory.token(secret) is None


async def test_token_opens_after_a_restart_and_is_not_stored_in_clear(tmp_path: Path) -> None:
    async with running_heart(tmp_path) as running:
        token = str((await live(running).create_token("acme", "shop"))["token"])
    async with running_heart(tmp_path) as running:
        credential = running.heart.directory.token(token)
        assert credential is not None
        assert credential.account.name == "acme"
    stored = (tmp_path / "postern.db").read_bytes()
    assert b"shop" in stored
    assert token.partition("|")[2].encode() not in stored


async def test_token_names(operations: LiveOperations) -> None:
    first = await operations.create_token("acme", "")
    assert first["name"] == f"token-{first['id']}"
    await operations.create_token("acme", "shop")
    with refused("already has a token named 'shop': choose another name"):
        await operations.create_token("acme", "shop")
    assert (await operations.create_token("poor", "shop"))["account"] == "poor"
    for bad in ("x" * 65, "a\nb"):
        with refused("token name"):
            await operations.create_token("acme", bad)
    with refused("accounts: acme, poor"):
        await operations.create_token("nobody", "")


async def test_revoked_token_is_closed_at_once_and_for_ever(
    tmp_path: Path,
) -> None:
    closed = []
    async with running_heart(tmp_path) as running:
        operations = live(running)
        running.heart.directory.on_disabled = lambda credential: closed.append(credential.name)
        by_name = str((await operations.create_token("acme", "shop"))["token"])
        facts = await operations.create_token("acme", "mail")
        assert (await operations.revoke_token("acme", "shop"))["revoked"] is True
        assert (await operations.revoke_token("acme", str(facts["id"])))["name"] == "mail"
        assert running.heart.directory.token(by_name) is None
        assert running.heart.directory.token(str(facts["token"])) is None
        assert closed == ["shop", "mail"]
        with refused("already revoked"):
            await operations.revoke_token("acme", "shop")
    async with running_heart(tmp_path) as running:
        assert running.heart.directory.token(by_name) is None


async def test_a_name_can_be_used_again_after_revocation(operations: LiveOperations) -> None:
    first = await operations.create_token("acme", "shop")
    await operations.revoke_token("acme", "shop")
    second = await operations.create_token("acme", "shop")
    assert (await operations.revoke_token("acme", "shop"))["id"] == second["id"] != first["id"]


async def test_tokens_of_others_and_of_the_file_stay(operations: LiveOperations) -> None:
    await operations.create_token("poor", "theirs")
    with refused("account acme has no token 'theirs'; its enabled tokens: token-1-"):
        await operations.revoke_token("acme", "theirs")
    listed: Any = (await operations.tokens("acme"))["tokens"]
    assert [(t["origin"], t["enabled"]) for t in listed] == [("file", True)]
    with refused("declared in the configuration file: take it out there and reload"):
        await operations.revoke_token("acme", listed[0]["name"])


# -- senders -------------------------------------------------------------------------------------


async def test_approved_sender_works_at_once(
    running: RunningHeart, operations: LiveOperations
) -> None:
    refusal = await running.send(sender="FRESH")
    assert isinstance(refusal, Refusal)
    assert refusal.code == RefusalCode.SENDER_NOT_ALLOWED
    await operations.set_sender("acme", "FRESH", "approved", "contract 5")
    assert not isinstance(await running.send(sender="FRESH"), Refusal)
    await operations.set_sender("acme", "FRESH", "rejected", "complaints")
    assert isinstance(await running.send(sender="FRESH"), Refusal)
    listed: Any = (await operations.senders("acme"))["senders"]
    fresh = next(s for s in listed if s["name"] == "FRESH")
    assert (fresh["state"], fresh["reason"], fresh["origin"]) == (
        "rejected", "complaints", "command",
    )  # fmt: skip


async def test_approval_survives_a_restart(tmp_path: Path) -> None:
    async with running_heart(tmp_path) as running:
        await live(running).set_sender("acme", "FRESH", "approved", "")
    async with running_heart(tmp_path) as running:
        assert not isinstance(await running.send(sender="FRESH"), Refusal)


async def test_any_sender(running: RunningHeart, operations: LiveOperations) -> None:
    await operations.set_sender("acme", "*", "approved", "")
    assert not isinstance(await running.send(sender="WHATEVER"), Refusal)


async def test_senders_of_the_file_stay_the_files(
    running: RunningHeart, operations: LiveOperations
) -> None:
    with refused("declared in the configuration file"):
        await operations.set_sender("acme", "ACME", "rejected", "")
    await operations.set_sender("acme", "ACME", "approved", "")
    listed: Any = (await operations.senders("acme"))["senders"]
    assert {s["name"]: s["origin"] for s in listed} == {"ACME": "file", "NEWS": "file"}


async def test_senders_of_all_accounts(operations: LiveOperations) -> None:
    listed: Any = (await operations.senders(None))["senders"]
    assert {(s["account"], s["name"]) for s in listed} == {
        ("acme", "ACME"), ("acme", "NEWS"), ("poor", "*"),
    }  # fmt: skip


async def test_bad_senders(operations: LiveOperations) -> None:
    for bad in ("", " A", "x" * 21, "Zażółć", "a\nb"):
        with refused("1 to 20 printable ASCII"):
            await operations.set_sender("acme", bad, "approved", "")
    with refused("has no sender 'NOPE'; its senders: ACME, NEWS"):
        await operations.set_sender("acme", "NOPE", "rejected", "")
    with refused("must be one of approved, rejected, verified, refused, not 'maybe'"):
        await operations.set_sender("acme", "X", "maybe", "")
    with refused("accounts: acme, poor"):
        await operations.senders("nobody")


# -- messages ------------------------------------------------------------------------------------


async def delivered(running: RunningHeart) -> int:
    message = await running.send()
    assert not isinstance(message, Refusal)
    await running.settle("first")
    await running.receive("first", f"first-{message.key:x}-0", MessageState.DELIVERED)
    await running.idle()
    return message.key


async def test_message_by_every_form_of_its_id(
    running: RunningHeart, operations: LiveOperations
) -> None:
    key = await delivered(running)
    uuid = running.heart.public_ids.encode("message", key)
    for form in (f"{key:016x}", f"{key:016X}", str(key), uuid, uuid.replace("-", "")):
        facts: Any = await operations.message(form)
        assert (facts["id"], facts["uuid"]) == (f"{key:016x}", uuid)


async def test_message_facts(running: RunningHeart, operations: LiveOperations) -> None:
    facts: Any = await operations.message(str(await delivered(running)))
    expected = {
        "account": "acme", "credential": "acme", "door": "smpp", "sender": "ACME",
        "recipient": "+37120000000", "state": "delivered", "final": True, "parts": 1,
        "price": "0.02", "money": "charged", "provider": "first", "alphabet": "gsm7",
    }  # fmt: skip
    assert {name: facts[name] for name in expected} == expected
    steps = [step["event"] for step in facts["timeline"]]
    assert steps[:3] == ["accepted", "sent", "delivered"]
    times = [step["at"] for step in facts["timeline"][:3]]
    assert times == sorted(times)
    assert "hello" not in str(facts)


async def test_deviations_stand_on_the_timeline(
    running: RunningHeart, operations: LiveOperations
) -> None:
    message = await running.send()
    assert not isinstance(message, Refusal)
    running.wires["second"].up = running.wires["third"].up = False
    await running.settle("first", Deferred("link_lost"))
    await running.idle()
    facts: Any = await operations.message(f"{message.key:016x}")
    assert (facts["state"], facts["attempts"]) == ("queued", 1)
    assert [(s["event"], s["detail"]) for s in facts["timeline"]] == [
        ("accepted", "smpp by acme"),
        ("retry", "first: link_lost"),
    ]


async def test_parts_are_listed(running: RunningHeart, operations: LiveOperations) -> None:
    message = await running.send("x" * 200)
    assert not isinstance(message, Refusal)
    await running.settle("first")
    await running.idle()
    facts: Any = await operations.message(f"{message.key:016x}")
    assert facts["parts"] == 2
    assert [(p["n"], p["provider"], p["state"]) for p in facts["part_list"]] == [
        (1, "first", "sent"), (2, "first", "sent"),
    ]  # fmt: skip


async def test_messages_that_are_not_there(
    running: RunningHeart, operations: LiveOperations
) -> None:
    key = await delivered(running)
    forged = running.heart.public_ids.encode("message", key)[:-1] + "x"
    for no_id in ("", "hello", forged, "-1", "1" * 20, "f" * 16):
        with refused("is no message id"):
            await operations.message(no_id)
    with refused("there is no message 12345"):
        await operations.message("12345")


async def test_a_message_that_waits_is_cancelled(
    running: RunningHeart, operations: LiveOperations
) -> None:
    for wire in running.wires.values():
        wire.up = False
    message = await running.send()
    assert not isinstance(message, Refusal)
    assert account(operations, "acme")["balance"] == "99.98"
    assert await operations.cancel(f"{message.key:016x}") == {
        "id": f"{message.key:016x}", "account": "acme", "state": "cancelled",
        "price": "0.02", "currency": "EUR", "money": "refunded",
    }  # fmt: skip
    assert account(operations, "acme")["balance"] == "100"
    facts: Any = await operations.message(str(message.key))
    assert (facts["state"], facts["money"]) == ("cancelled", "refunded")
    steps = [step["event"] for step in facts["timeline"]]
    assert steps[:3] == ["accepted", "cancelled", "cancelled"]
    assert await running.heart.store.ledger.verify() == []
    with refused(f"message {message.key} has ended: it was cancelled at 20"):
        await operations.cancel(str(message.key))


async def test_a_message_that_left_is_not_cancelled(
    running: RunningHeart, operations: LiveOperations
) -> None:
    long, short = await running.send("x" * 200), await running.send()
    assert not isinstance(long, Refusal)
    assert not isinstance(short, Refusal)
    with refused("is being sent: first has it and has not answered yet"):
        await operations.cancel(str(long.key))
    sink = running._sink("first")
    sink.settled(long, 0, Sent("a"))
    sink.settled(long, 1, Deferred("busy"))
    sink.settled(short, 0, Sent("b"))
    with refused("has left in part: first took some of it, the rest must follow"):
        await operations.cancel(str(long.key))
    with refused("has left: first took it at 20"):
        await operations.cancel(str(short.key))


async def test_an_id_that_names_no_message_is_not_cancelled(operations: LiveOperations) -> None:
    with refused("is no message id"):
        await operations.cancel("hello")
    with refused("there is no message 12345"):
        await operations.cancel("12345")


# -- providers -----------------------------------------------------------------------------------


async def test_paused_provider_gets_nothing(
    running: RunningHeart, operations: LiveOperations
) -> None:
    assert (await operations.pause("first"))["state"] == "paused"
    running.wires["second"].up = running.wires["third"].up = False
    assert not isinstance(await running.send(), Refusal)
    await running.idle()
    assert running.wires["first"].submitted == []
    assert operations.gauges().waiting == 1
    assert (await operations.resume("first"))["state"] == "up"
    assert len(running.wires["first"].submitted) == 1


async def test_pause_moves_messages_to_the_next_provider(
    running: RunningHeart, operations: LiveOperations
) -> None:
    await operations.pause("first")
    assert not isinstance(await running.send(), Refusal)
    await running.idle()
    arrived = [len(running.wires[name].submitted) for name in ("first", "second", "third")]
    assert arrived[0] == 0
    assert sum(arrived) == 1


async def test_pause_is_stored(running: RunningHeart, operations: LiveOperations) -> None:
    await operations.pause("second")
    rows = await running.heart.store.providers.load()
    assert {row.name for row in rows if row.paused} == {"second"}
    await operations.resume("second")
    rows = await running.heart.store.providers.load()
    assert not any(row.paused for row in rows)


async def test_providers(running: RunningHeart, operations: LiveOperations) -> None:
    running.wires["third"].up = False
    facts: Any = await operations.providers()
    assert [(p["name"], p["state"]) for p in facts["providers"]] == [
        ("first", "up"), ("second", "up"), ("third", "down"),
    ]  # fmt: skip
    assert facts["providers"][0]["wire"]["address"] == "127.0.0.1:1"


async def test_ended_providers_are_unknown(
    running: RunningHeart, operations: LiveOperations
) -> None:
    running.lane("third").enabled = False
    with refused("there is no provider 'third'; providers: first, second"):
        await operations.pause("third")


# -- state ---------------------------------------------------------------------------------------


async def test_gauges(running: RunningHeart, operations: LiveOperations) -> None:
    key = await delivered(running)
    await running.send()
    await running.settle("first")
    await running.idle()
    gauges = operations.gauges()
    first = gauges.providers[0]
    # The delivered one's id is kept to recognise a repeat, and is not awaited.
    assert f"first-{key:x}-0" in running.lane("first").ended
    assert (first.name, first.awaiting_receipts, first.links_up) == ("first", 1, 1)
    assert gauges.binds == {"acme": 2}
    assert gauges.available_micros == {"EUR": 99_960_000, "USD": 50_000}
    assert gauges.store_available


async def test_disabled_accounts_do_not_count(tmp_path: Path) -> None:
    async with running_heart(tmp_path):
        pass
    without_poor = CONFIGURATION.replace('name = "poor"', 'name = "other"').replace(
        'account = "poor"', 'account = "other"'
    )
    async with running_heart(tmp_path, without_poor) as running:
        operations = live(running)
        assert account(operations, "poor")["enabled"] is False
        assert operations.gauges().available_micros == {"EUR": 100_000_000, "USD": 50_000}


async def test_status(operations: LiveOperations) -> None:
    facts: Any = operations.status()
    assert facts["listen"] == {"smpp": "127.0.0.1:2775"}
    assert len(facts["connections"]) == 3


async def test_store_is_writable(operations: LiveOperations) -> None:
    assert await operations.store_writable()


# -- dry run -------------------------------------------------------------------------------------


async def test_explain_uses_what_is_live(running: RunningHeart, operations: LiveOperations) -> None:
    await operations.set_sender("acme", "FRESH", "approved", "")
    await operations.pause("first")
    facts: Any = operations.explain("acme", "FRESH", "20000000", "hello")
    assert (facts["source"], facts["accepted"], facts["route"]) == ("daemon", True, "baltic")
    assert facts["credit"]["available"] == "100"
    assert [(p["provider"], p["verdict"]) for p in facts["providers"]] == [
        ("first", "paused"),
        ("second", "drawn for 75% of messages"),
        ("third", "drawn for 25% of messages"),
    ]


async def test_explain_changes_nothing(running: RunningHeart, operations: LiveOperations) -> None:
    operations.explain("acme", "ACME", "+37120000000", "hello")
    assert account(operations, "acme")["balance"] == "100"
    assert await running.heart.store.messages.last_key() == 0
    assert not running.heart.counters.accepted


async def test_explain_of_unknown_account(operations: LiveOperations) -> None:
    with refused("accounts: acme, poor"):
        operations.explain("nobody", "", "+1", "x")


QUESTIONS = [
    ("acme", "ACME", "+37120000000", "hello"),
    ("acme", "ACME", "20000000", "hello"),
    ("acme", "ACME", "0037120000000", "x" * 400),
    ("acme", "ACME", "+4915112345678", "żółw"),
    ("acme", "OTHER", "+37120000000", "hello"),
    ("acme", "OTHER", "12", ""),
    ("acme", "ACME", "12", "hello"),
    ("acme", "ACME", "hello", "hello"),
    ("acme", "ACME", "+37120000000", ""),
    ("acme", "ACME", "+37120000000", "a\x00b"),
    ("acme", "ACME", "+37120000000", "\ud800"),
    ("acme", "ACME", "12", "x" * 40_000),
    ("poor", "ANY", "+37120000000", "hello"),
    ("poor", "ANY", "+37120000000", "x" * 400),
    ("poor", "A\x00", "+37120000000", "hello"),
    ("poor", "ANY", "+4915112345678", "hello"),
]


@pytest.mark.parametrize(("name", "sender", "to", "text"), QUESTIONS)
async def test_explanation_agrees_with_admission(
    running: RunningHeart,
    operations: LiveOperations,
    name: str,
    sender: str,
    to: str,
    text: str,
) -> None:
    facts: Any = operations.explain(name, sender, to, text)
    result = await running.send(text, account=name, sender=sender, to=to)
    if isinstance(result, Refusal):
        assert not facts["accepted"]
        assert facts["refusal"]["code"] == result.code
    else:
        assert facts["accepted"], facts["refusal"]
        assert result.route is not None
        assert (facts["route"], facts["text"]["parts"]) == (result.route.name, result.part_count)
        assert facts["recipient"]["number"] == f"+{result.recipient}"
        assert facts["credit"]["after"] == account(operations, name)["available"]
