"""What would become of a message, and why: the dry run behind `postern explain`.

The same questions as admission's, in its order, over the same tables; but it goes on after the
first refusal, so that an operator sees the whole way.  It changes nothing and asks no clock.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.domain.account import Account
from gateway.domain.errors import RefusalCode
from gateway.domain.message import Channel
from gateway.domain.money import format_amount
from gateway.domain.route import Route
from gateway.domain.sms_text import GSM_BASIC, GSM_EXTENSION, MAX_PARTS, is_storable, measure
from gateway.policy.numbering import NumberPlan
from gateway.policy.pricing import Tariff
from gateway.policy.routing import RouteTable

MOST_SHOWN_CHARACTERS = 10
_GSM = frozenset(GSM_BASIC.replace("\x1b", "")) | frozenset(GSM_EXTENSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderView:
    """A provider as the explanation sees it.

    `state`: up, down, paused, circuit open, circuit half-open, not declared, or not known (no
    daemon was asked).  `reason` says why, where that is known.
    """

    name: str
    state: str
    reason: str = ""

    @property
    def may_send(self) -> bool:
        """Whether it would get the message; one that is not known has the benefit of the doubt."""
        return self.state in ("up", "circuit half-open", "not known")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """The tables an answer comes from; without a daemon, credit and blocklist are not known."""

    numbers: NumberPlan
    routes: RouteTable
    tariff: Tariff
    account_names: Mapping[int, str]
    provider: Callable[[int], ProviderView]
    knows_credit: bool
    is_blocked: Callable[[int, str], bool] = lambda _account_id, _digits: False


@dataclass(slots=True, kw_only=True)
class _Refusal:
    code: RefusalCode
    reason: str


class Explanation:
    """One message's way through the rules; `facts` is the whole answer."""

    def __init__(self, rules: Rulebook, account: Account, sender: str, to: str, text: str) -> None:
        self._rules = rules
        self._account = account
        self._sender = sender or account.default_sender
        self._to = to
        self._text = text
        self._refusals: list[_Refusal] = []
        self._parts = 0

    def facts(self) -> dict[str, object]:
        """The answer, JSON-ready.  `refusal` is the first one: what a customer would be told."""
        account = self._account
        if not account.enabled:
            self._refuse(RefusalCode.ACCOUNT_DISABLED, f"account {account.name} is disabled")
        sender = self._sender_facts()
        text = self._text_facts()
        digits, recipient = self._recipient_facts()
        route = None
        if digits is not None:
            route = self._rules.routes.find(Channel.SMS, account.id, self._sender, digits)
            if route is None:
                self._refuse(RefusalCode.NO_ROUTE, "no route covers the recipient")
        price, cost = self._price_facts(digits)
        credit = self._credit_facts(cost)
        candidates = [] if route is None else self._candidates(route)
        refusal = self._refusals[0] if self._refusals else None
        return {
            "account": account.name,
            "accepted": refusal is None,
            "refusal": None
            if refusal is None
            else {"code": str(refusal.code), "reason": refusal.reason},
            "sender": sender,
            "recipient": recipient,
            "text": text,
            "route": None if route is None else route.name,
            "routes": list(self._route_facts(route, digits)),
            "price": price,
            "credit": credit,
            "provider": _chosen(candidates),
            "providers": candidates,
        }

    def _refuse(self, code: RefusalCode, reason: str) -> None:
        self._refusals.append(_Refusal(code=code, reason=reason))

    # -- sender, text, recipient -----------------------------------------------------------------

    def _sender_facts(self) -> dict[str, object]:
        account, sender = self._account, self._sender
        is_allowed = bool(sender) and (sender in account.senders or account.any_sender)
        if not sender:
            self._refuse(
                RefusalCode.SENDER_NOT_ALLOWED, "no sender was given and the account has no default"
            )
        elif not is_allowed:
            self._refuse(
                RefusalCode.SENDER_NOT_ALLOWED,
                f"{sender!r} is not an approved sender of {account.name}",
            )
        elif not is_storable(sender):
            self._refuse(RefusalCode.SENDER_INVALID, "U+0000 or a lone surrogate")
        return {"name": sender, "allowed": is_allowed, "approved": sorted(account.senders)}

    def _text_facts(self) -> dict[str, object] | None:
        text = self._text
        if not text:
            self._refuse(RefusalCode.TEXT_EMPTY, "no text")
            return None
        if not is_storable(text):
            self._refuse(RefusalCode.TEXT_INVALID, "U+0000 or a lone surrogate")
            return None
        alphabet, self._parts = measure(text)
        if self._parts > MAX_PARTS:
            self._refuse(RefusalCode.TEXT_TOO_LONG, f"{self._parts} parts, {MAX_PARTS} at most")
        outside = list(dict.fromkeys(c for c in text if c not in _GSM))
        return {
            "characters": len(text),
            "alphabet": alphabet.name.lower(),
            "not_gsm7": outside[:MOST_SHOWN_CHARACTERS],
            "parts": self._parts,
        }

    def _recipient_facts(self) -> tuple[str | None, dict[str, object]]:
        account, numbers = self._account, self._rules.numbers
        digits = numbers.normalise(self._to, account.region)
        accepted = digits is not None and numbers.accepts(digits, account.number_check)
        if not accepted:
            check = account.number_check.name.lower()
            self._refuse(RefusalCode.RECIPIENT_INVALID, f"{self._to!r} is not a {check} number")
        elif digits is not None and self._rules.is_blocked(account.id, digits):
            self._refuse(RefusalCode.RECIPIENT_BLOCKED, f"+{digits} is on the blocklist")
        facts: dict[str, object] = {
            "given": self._to,
            "number": None if digits is None else f"+{digits}",
            "read_as": None if digits is None else self._form(digits),
            "valid": accepted,
        }
        return (digits if accepted else None), facts

    def _form(self, digits: str) -> str:
        written = "".join(c for c in self._to if c.isdigit() or c == "+")
        if written.startswith("+") or written == f"00{digits}":
            return "international number"
        if written == digits:
            return "international number without +"
        return f"national number of {self._account.region}"

    # -- money -----------------------------------------------------------------------------------

    def _price_facts(self, digits: str | None) -> tuple[dict[str, object] | None, int | None]:
        if digits is None:
            return None, None
        currency = self._account.currency
        price = self._rules.tariff.price_micros("sms", currency, digits)
        if price is None:
            self._refuse(RefusalCode.NO_PRICE, f"no {currency} rate covers the recipient")
            return None, None
        cost = price * self._parts if self._parts else None  # no parts: the text was refused
        facts: dict[str, object] = {
            "per_part": format_amount(price),
            "cost": None if cost is None else format_amount(cost),
            "currency": currency,
        }
        return facts, cost

    def _credit_facts(self, cost: int | None) -> dict[str, object] | None:
        if not self._rules.knows_credit or cost is None:
            return None
        account = self._account
        after = account.available_micros - cost
        is_enough = not cost or after >= account.limit_micros
        if not is_enough:
            self._refuse(RefusalCode.NO_CREDIT, "the available amount is too low")
        return {
            "available": format_amount(account.available_micros),
            "limit": format_amount(account.limit_micros),
            "after": format_amount(after),
            "enough": is_enough,
        }

    # -- routes and providers --------------------------------------------------------------------

    def _route_facts(self, chosen: Route | None, digits: str | None) -> Iterator[dict[str, object]]:
        names = self._rules.account_names
        for route in self._rules.routes.routes:
            account = None if route.account_id is None else names.get(route.account_id, "?")
            yield {
                "name": route.name,
                "prefix": route.prefix,
                "account": account,
                "sender": route.sender,
                "verdict": "chosen"
                if route is chosen
                else self._passed_over(route, chosen, digits),
            }

    def _passed_over(self, route: Route, chosen: Route | None, digits: str | None) -> str:
        if digits is None:
            return "the recipient is not valid"
        if not digits.startswith(route.prefix):
            return "another prefix"
        if route.account_id not in (None, self._account.id):
            return "another account's"
        if route.sender not in (None, self._sender):
            return "another sender's"
        if chosen is not None and len(route.prefix) < len(chosen.prefix):
            return f"{chosen.name} has a longer prefix"
        if chosen is not None and _conditions(route) < _conditions(chosen):
            return f"{chosen.name} has more conditions"
        return "declared later"

    def _candidates(self, route: Route) -> list[dict[str, object]]:
        """Every provider of the route; the first tier with one that may send has the message."""
        found: list[dict[str, object]] = []
        is_open = True
        for number, tier in enumerate(route.tiers, 1):
            views = [(self._rules.provider(id), weight) for id, weight in tier]
            total = sum(weight for view, weight in views if view.may_send)
            for view, weight in views:
                if not view.may_send:
                    verdict = f"{view.state}: {view.reason}" if view.reason else view.state
                    share = 0.0
                elif not is_open:
                    verdict, share = "an earlier tier can send", 0.0
                elif weight == total:
                    verdict, share = "chosen", 1.0
                else:
                    share = weight / total
                    verdict = f"drawn for {share:.0%} of messages"
                found.append(
                    {
                        "tier": number,
                        "provider": view.name,
                        "weight": weight,
                        "state": view.state,
                        "share": round(share, 4),
                        "verdict": verdict,
                    }
                )
            is_open = is_open and not total
        return found


def _conditions(route: Route) -> int:
    return (route.account_id is not None) + (route.sender is not None)


def _chosen(candidates: list[dict[str, object]]) -> str | None:
    """The provider that is certain to be next; None when it is drawn, or none can send."""
    for candidate in candidates:
        if candidate["share"] == 1.0:
            return str(candidate["provider"])
    return None
