"""The rules of a configuration file alone, for explanations without a running daemon.

What only the store knows is missing: balances, senders and pauses made by command, live links.
"""

from conf.settings import Settings
from gateway.domain.account import ANY_SENDER, Account
from gateway.domain.declared import AccountSpec
from gateway.domain.message import CHANNEL_NAMES
from gateway.domain.route import Route
from gateway.policy.numbering import NumberPlan
from gateway.policy.pricing import Tariff
from gateway.policy.routing import RouteTable
from postern.explanation import ProviderView, Rulebook


class DeclaredRules:
    """Accounts, routes and rates as `settings` declares them, priced at `now_ms`."""

    def __init__(self, settings: Settings, now_ms: int) -> None:
        declared = settings.declared()
        self.accounts = {
            spec.name: _account(id, spec) for id, spec in enumerate(declared.accounts, 1)
        }
        names = [spec.name for spec in declared.providers]
        provider_ids = {name: id for id, name in enumerate(names)}
        self.rules = Rulebook(
            numbers=NumberPlan(),
            routes=RouteTable(
                Route(
                    spec.name,
                    CHANNEL_NAMES[spec.channel],
                    spec.prefix,
                    tuple(
                        tuple((provider_ids[name], weight) for name, weight in tier)
                        for tier in spec.tiers
                    ),
                    None if spec.account is None else self.accounts[spec.account].id,
                    spec.sender,
                )
                for spec in declared.routes
            ),
            tariff=Tariff(declared.rates, now_ms),
            account_names={account.id: name for name, account in self.accounts.items()},
            provider=lambda id: ProviderView(name=names[id], state="not known"),
            knows_credit=False,
        )


def _account(id: int, spec: AccountSpec) -> Account:
    account = Account(id, spec.name, spec.currency)
    account.region = spec.region
    account.number_check = spec.number_check
    account.senders = set(spec.senders)
    account.any_sender = ANY_SENDER in spec.senders
    account.default_sender = next((s for s in spec.senders if s != ANY_SENDER), "")
    return account
