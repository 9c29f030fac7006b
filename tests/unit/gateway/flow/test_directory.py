"""Declared and stored objects become live ones; what is gone is closed, never deleted."""

import asyncio
import logging
from dataclasses import replace

import pytest

from gateway.domain.account import Account, ChargeAt, Credential, NumberCheck, RefundPolicy
from gateway.domain.declared import (
    AccountSpec,
    ContactGroupSpec,
    SmppCredentialSpec,
    TemplateSpec,
    TokenSpec,
    WebhookSpec,
)
from gateway.domain.errors import ConfigurationError, StoreUnavailable
from gateway.domain.identity import CredentialKind, Origin, SenderState, SenderVerification
from gateway.flow.directory import AccountDirectory
from gateway.flow.passwords import Passwords
from tests.support.clock import FakeClock
from tests.support.heart import OPENING, account_spec
from tests.support.memory_store import MemoryStore

KEY = b"k" * 32


def no_thread(*_: object) -> "asyncio.Future[bool]":
    raise AssertionError("nothing is hashed here")


class Office:
    """A directory, its store, and the ways in that were closed."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.clock = FakeClock()
        self.store = store or MemoryStore(self.clock)
        self.passwords = Passwords(KEY, no_thread)
        self.directory = AccountDirectory(self.store, self.store, self.passwords, self.clock)
        self.closed: list[Credential] = []
        self.directory.on_disabled = self.closed.append

    async def apply(self, *specs: AccountSpec) -> None:
        self.directory.adopt(await self.directory.declare(specs))


@pytest.fixture
async def office() -> Office:
    made = Office()
    await made.directory.load()
    await made.apply(account_spec())
    made.closed.clear()
    return made


# --- applying -----------------------------------------------------------------------------------


async def test_a_declared_account_is_open(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    assert (acme.balance_micros, acme.enabled, acme.senders) == (OPENING, True, {"ACME"})
    token = office.directory.token("token-acme")
    bound = office.directory.smpp("acme")
    assert token is not None
    assert bound is not None
    assert token.account is bound.account is acme
    assert token is not bound


async def test_what_nobody_declared_opens_nothing(office: Office) -> None:
    assert office.directory.token("guess") is None
    assert office.directory.token("") is None
    assert office.directory.smpp("guess") is None


async def test_every_setting_arrives(office: Office) -> None:
    smpp = SmppCredentialSpec(
        system_id="acme", password="secret", max_binds=2, window=7, rate_per_s=9,
        message_id_format="uuid", receipt_keep_s=60, ip_allow=("10.0.0.0/8",),
    )  # fmt: skip
    token = TokenSpec(secret="token-acme", doors=frozenset({"exosend"}), scopes=frozenset({"send"}))
    await office.apply(
        account_spec(
            limit_micros=-5, region="CH", rate_per_s=3, requests_per_min=4,
            number_check=NumberCheck.VALID, charge_at=ChargeAt.DELIVERY,
            refund=RefundPolicy.NEVER, smpp=(smpp,), tokens=(token,),
        )
    )  # fmt: skip
    acme = office.directory.by_name["acme"]
    assert (acme.limit_micros, acme.region, acme.rate_per_s) == (-5, "CH", 3)
    assert (acme.requests_per_min, acme.number_check) == (4, NumberCheck.VALID)
    assert (acme.charge_at, acme.refund) == (ChargeAt.DELIVERY, RefundPolicy.NEVER)
    way = office.directory.smpp("acme")
    assert way is not None
    for name in ("max_binds", "window", "rate_per_s", "message_id_format", "receipt_keep_s"):
        assert getattr(way, name) == getattr(smpp, name)
    assert way.ip_allow == ("10.0.0.0/8",)
    key = office.directory.token("token-acme")
    assert key is not None
    assert (key.door_names, key.scopes) == (token.doors, token.scopes)


async def test_applying_again_changes_nothing(office: Office) -> None:
    directory = office.directory
    acme, token = directory.by_name["acme"], directory.token("token-acme")
    rows = dict(office.store.credential_rows)
    acme.balance_micros -= 10  # reserved meanwhile
    await office.apply(account_spec())
    assert directory.by_name["acme"] is acme
    assert directory.token("token-acme") is token
    assert acme.balance_micros == OPENING - 10
    assert office.store.credential_rows == rows
    assert office.closed == []


async def test_a_changed_setting_reaches_the_live_object(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(rate_per_s=50))
    assert acme.rate_per_s == 50


async def test_a_changed_credit_is_a_warning(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await office.apply(account_spec(credit_micros=2 * OPENING))
    assert [r.getMessage() for r in caplog.records] == ["account.credit_ignored"]
    assert office.directory.by_name["acme"].balance_micros == OPENING


# --- removing -----------------------------------------------------------------------------------


async def test_a_removed_account_is_closed_and_kept(office: Office) -> None:
    directory = office.directory
    ways = set(directory.credentials.values())
    await office.apply(account_spec("other"))
    assert directory.token("token-acme") is None
    assert directory.smpp("acme") is None
    assert set(office.closed) == ways
    assert directory.by_name["acme"].balance_micros == OPENING
    assert directory.smpp("other") is not None


async def test_an_account_that_returns_is_open_again_with_its_balance(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    acme.balance_micros = 5
    await office.apply()
    await office.apply(account_spec())
    assert office.directory.by_name["acme"] is acme
    assert (acme.enabled, acme.balance_micros) == (True, 5)
    assert office.directory.smpp("acme") is not None


async def test_a_removed_way_in_is_closed_alone(office: Office) -> None:
    token = office.directory.token("token-acme")
    await office.apply(account_spec(tokens=()))
    assert office.closed == [token]
    assert office.directory.token("token-acme") is None
    assert office.directory.smpp("acme") is not None


async def test_a_changed_token_is_another_credential(office: Office) -> None:
    old = office.directory.token("token-acme")
    await office.apply(account_spec(tokens=(TokenSpec(secret="fresh"),)))
    assert office.directory.token("token-acme") is None
    assert office.closed == [old]
    fresh = office.directory.token("fresh")
    assert fresh is not None
    assert fresh is not old


async def test_a_changed_password_closes_nothing_that_is_open(office: Office) -> None:
    way = office.directory.smpp("acme")
    assert way is not None
    changed = SmppCredentialSpec(system_id="acme", password="fresh")
    await office.apply(account_spec(smpp=(changed,)))
    assert office.directory.smpp("acme") is way
    assert office.closed == []
    assert await office.directory.check_password(way, "fresh")
    assert not await office.directory.check_password(way, "secret")


async def test_a_system_id_can_move_to_another_account(office: Office) -> None:
    before = office.directory.smpp("acme")
    moved = SmppCredentialSpec(system_id="acme", password="secret")
    await office.apply(account_spec(smpp=()), account_spec("other", smpp=(moved,)))
    after = office.directory.smpp("acme")
    assert after is not None
    assert after.account.name == "other"
    assert office.closed == [before]


# --- senders ------------------------------------------------------------------------------------


async def test_senders_follow_the_file(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(senders=("NEW", "ACME")))
    assert acme.senders == {"NEW", "ACME"}
    assert acme.default_sender == "NEW"
    await office.apply(account_spec(senders=("NEW",)))
    assert acme.senders == {"NEW"}
    assert office.store.sender_rows[acme.id, "ACME"].state == SenderState.REJECTED


async def test_any_sender_is_no_default(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(senders=("*", "ACME")))
    assert (acme.any_sender, acme.default_sender) == (True, "ACME")
    await office.apply(account_spec(senders=()))
    assert (acme.any_sender, acme.default_sender) == (False, "")


async def test_a_sender_approved_by_command_survives_a_reload(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await set_sender(office, acme, "SHOP")
    await set_sender(office, acme, "BANK", state=SenderState.PENDING)
    await set_sender(office, acme, "POST", verification=SenderVerification.PENDING)
    await office.directory.reload_senders()
    assert acme.senders == {"ACME", "SHOP"}
    await office.apply(account_spec())
    assert acme.senders == {"ACME", "SHOP"}


async def set_sender(
    office: Office,
    account: Account,
    name: str,
    state: SenderState = SenderState.APPROVED,
    verification: SenderVerification = SenderVerification.VERIFIED,
) -> int:
    """A row that is not of the file; returns its id."""
    await office.store.set_sender(account.id, name, state, verification, "", Origin.STORE, 1)
    return office.store.sender_rows[account.id, name].id


async def test_a_default_chosen_through_an_api_wins_while_it_may_send(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    shop = await set_sender(office, acme, "SHOP")
    await office.store.make_default(acme.id, shop)
    await office.directory.reload_senders()
    assert acme.default_sender == "SHOP"
    await office.apply(account_spec(senders=("NEW", "ACME")))
    assert acme.default_sender == "SHOP"
    await set_sender(office, acme, "SHOP", verification=SenderVerification.REJECTED)
    await office.directory.reload_senders()
    assert acme.default_sender == "NEW"
    await set_sender(office, acme, "SHOP")  # it does not come back unasked
    await office.directory.reload_senders()
    assert acme.default_sender == "NEW"


# --- webhooks -----------------------------------------------------------------------------------

HOOK = WebhookSpec(url="https://example.org/hook", secret="sealed")


async def test_webhooks_follow_the_file(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(webhooks=(HOOK,)))
    assert office.directory.webhook_urls == {acme.id: (HOOK.url,)}
    assert office.directory.webhook_secrets == {(acme.id, HOOK.url): "sealed"}
    await office.apply(account_spec())
    assert (office.directory.webhook_urls, office.directory.webhook_secrets) == ({}, {})


async def test_a_changed_secret_of_a_webhook_counts_at_once(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(webhooks=(HOOK,)))
    await office.apply(account_spec("first"), account_spec(webhooks=(replace(HOOK, secret="new"),)))
    assert office.directory.webhook_secrets == {(acme.id, HOOK.url): "new"}


async def test_report_urls_follow_the_file_and_new_ones_are_told(office: Office) -> None:
    told: list[list[str]] = []
    office.directory.on_report_urls = lambda urls: told.append(sorted(urls))
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(report_url="https://example.org/a"))
    assert office.directory.report_url(acme.id) == "https://example.org/a"
    same = account_spec(report_url="https://example.org/a")
    await office.apply(same, account_spec("other", report_url="https://example.org/b"))
    await office.apply(account_spec())
    assert office.directory.report_url(acme.id) == ""
    assert told == [["https://example.org/a"], ["https://example.org/b"], []]


# --- two steps ----------------------------------------------------------------------------------

OTHER_SPECS = (
    account_spec(
        rate_per_s=50, limit_micros=-7, senders=("NEW",), webhooks=(HOOK,),
        tokens=(TokenSpec(secret="fresh"),),
        smpp=(SmppCredentialSpec(system_id="acme", password="fresh", window=3),),
    ),
    account_spec("other"),
)  # fmt: skip


def alive(directory: AccountDirectory) -> object:
    """Everything that `OTHER_SPECS` change."""
    acme, way = directory.by_name["acme"], directory.smpp("acme")
    assert way is not None
    return (
        acme.rate_per_s, acme.limit_micros, set(acme.senders), acme.default_sender,
        way.window, way.digest, sorted(directory.by_name), dict(directory.webhook_secrets),
        directory.token("token-acme"), directory.token("fresh"),
    )  # fmt: skip


async def test_what_is_declared_is_alive_only_once_it_is_adopted(office: Office) -> None:
    before = alive(office.directory)
    declared = await office.directory.declare(OTHER_SPECS)
    assert alive(office.directory) == before
    assert office.closed == []
    office.directory.adopt(declared)
    acme, way = office.directory.by_name["acme"], office.directory.smpp("acme")
    assert way is not None
    assert (acme.rate_per_s, acme.limit_micros, acme.senders, way.window) == (50, -7, {"NEW"}, 3)
    assert office.directory.token("token-acme") is None
    assert office.directory.token("fresh") is not None


@pytest.mark.parametrize(
    "step",
    [
        "load_senders", "declare", "set_sender", "declare_credential", "disable_undeclared",
        "disable_undeclared_credentials",
    ],
)  # fmt: skip
async def test_a_declaration_that_fails_halfway_changes_nothing_and_can_be_repeated(
    office: Office, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    acme_specs, other_specs = OTHER_SPECS[:1], OTHER_SPECS
    before = alive(office.directory)
    real = getattr(office.store, step)
    calls = []

    async def failing(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 2 or step.startswith("disable"):
            raise StoreUnavailable("disk full")
        return await real(*args, **kwargs)

    monkeypatch.setattr(office.store, step, failing)
    with pytest.raises(StoreUnavailable):
        await office.directory.declare(other_specs)
    assert alive(office.directory) == before
    assert office.closed == []

    monkeypatch.setattr(office.store, step, real)
    await office.apply(*acme_specs)  # another file by now: "other" is in the store and not in it
    assert office.directory.by_name["acme"].senders == {"NEW"}
    assert office.directory.smpp("other") is None
    assert not any(row.enabled for row in office.store.account_rows.values() if row.name == "other")
    await office.apply(account_spec())
    assert office.directory.by_name["acme"].senders == {"ACME"}
    assert office.directory.token("token-acme") is not None
    assert office.directory.token("fresh") is None


async def test_a_changed_currency_is_found_before_anything_is_written(office: Office) -> None:
    rows = dict(office.store.account_rows)
    with pytest.raises(ConfigurationError, match=r"acme.*cannot change"):
        await office.directory.declare((account_spec("first"), account_spec(currency="USD")))
    assert office.store.account_rows == rows


# --- what an operator's command made ------------------------------------------------------------


async def test_a_token_made_by_command_opens_until_it_is_revoked(office: Office) -> None:
    directory = office.directory
    digest = office.passwords.digest("by-command")
    acme = directory.by_name["acme"]
    id = office.store.add_credential(
        acme.id, CredentialKind.TOKEN, "shop", Origin.STORE, digest=digest
    )
    made = directory.add_token(id, acme, "shop", digest)
    await office.apply(account_spec())
    assert directory.token("by-command") is made
    directory.revoke(made)
    assert directory.token("by-command") is None
    assert office.closed == [made]


async def test_a_removed_account_takes_its_stored_ways_along(office: Office) -> None:
    digest = office.passwords.digest("by-command")
    acme = office.directory.by_name["acme"]
    id = office.store.add_credential(
        acme.id, CredentialKind.TOKEN, "shop", Origin.STORE, digest=digest
    )
    made = office.directory.add_token(id, acme, "shop", digest)
    await office.apply()
    assert made in office.closed
    assert office.directory.token("by-command") is None
    await office.apply(account_spec())
    assert office.directory.token("by-command") is made


async def test_after_a_restart_only_stored_ways_are_open_before_the_file_is_applied(
    office: Office,
) -> None:
    acme = office.directory.by_name["acme"]
    digest = office.passwords.digest("by-command")
    office.store.add_credential(acme.id, CredentialKind.TOKEN, "t", Origin.STORE, digest=digest)
    office.store.add_credential(
        acme.id, CredentialKind.SMPP, "stored", Origin.STORE, password_hash="$argon2id$..."
    )
    fresh = Office(office.store)
    await fresh.directory.load()
    assert fresh.directory.token("by-command") is None  # its account is the file's
    assert fresh.directory.smpp("acme") is None
    await fresh.apply(account_spec())
    assert fresh.directory.token("by-command") is not None
    assert fresh.directory.smpp("stored") is not None
    assert fresh.directory.smpp("acme") is not None
    assert fresh.directory.by_name["acme"].senders == {"ACME"}


async def test_balances_moved_by_others_are_read_again(office: Office) -> None:
    acme = office.directory.by_name["acme"]
    await office.apply(account_spec(), account_spec("other"))
    other = office.directory.by_name["other"]
    acme.balance_micros = other.balance_micros = 1
    await office.directory.reload_balances(frozenset({acme.id}))
    assert (acme.balance_micros, other.balance_micros) == (OPENING, 1)


# --- templates and contact groups ---------------------------------------------------------------


async def test_templates_and_groups_are_found_by_account_and_number(office: Office) -> None:
    spec = account_spec()
    await office.apply(
        replace(
            spec,
            templates=(TemplateSpec(id=1, content="Hello"),),
            contact_groups=(ContactGroupSpec(id=7, lines="66812345678\n66812345679"),),
        ),
        AccountSpec(name="rival", templates=(TemplateSpec(id=1, content="Else"),)),
    )
    directory = office.directory
    acme, rival = directory.by_name["acme"], directory.by_name["rival"]
    assert directory.template(acme, 1) == "Hello"
    assert directory.template(rival, 1) == "Else"
    assert directory.template(acme, 7) is None
    assert list(directory.contact_group(acme, 7) or ()) == [["66812345678", "66812345679"]]
    assert directory.contact_group(rival, 7) is None

    await office.apply(spec)
    assert directory.template(acme, 1) is None
    assert directory.contact_group(acme, 7) is None


async def test_a_large_group_comes_in_pieces(office: Office) -> None:
    numbers = [f"668{n:08}" for n in range(25_000)]
    group = ContactGroupSpec(id=1, lines="\n".join(numbers))
    await office.apply(replace(account_spec(), contact_groups=(group,)))
    found = office.directory.contact_group(office.directory.by_name["acme"], 1)
    assert found is not None
    pieces = list(found)
    assert [number for piece in pieces for number in piece] == numbers
    assert 900 < max(map(len, pieces)) < 1100
