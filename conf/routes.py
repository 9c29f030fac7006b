"""`[[route]]` and `[[rate]]`: which way a message goes and what a part of it costs."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from conf.fields import Currency, Moment, Name, Prefix, Price, Title
from conf.section import Listed, Section
from gateway.domain.declared import RateSpec, RouteSpec

T = TypeVar("T")


def _routed(channel: str) -> str:
    if channel in ("hlr", "nv"):
        raise ValueError(f"{channel} is no message and has no route; only a [[rate]] can have it")
    if channel != "sms":
        raise ValueError("must be 'sms'")
    return channel


def _weighted(value: object) -> object:
    return {"provider": value} if isinstance(value, str) else value


def _some(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


class WeightedProvider(Section):
    """A provider of a tier: a name alone, or a table with its share of the tier's messages."""

    provider: Name
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1


Tier = Annotated[
    Listed[Annotated[WeightedProvider, BeforeValidator(_weighted)]], AfterValidator(_some)
]


class RouteSettings(Section):
    """`[[route]]`: conditions, and either `providers` (one tier, equal weights) or `tiers`."""

    name: Title | None = None
    channel: Annotated[str, AfterValidator(_routed)] = "sms"
    prefix: Prefix = ""
    account: Title | None = None
    sender: Annotated[str, Field(min_length=1, max_length=20)] | None = None
    providers: Annotated[Listed[Name], AfterValidator(_some)] | None = None
    tiers: Annotated[Listed[Tier], AfterValidator(_some)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.providers is None) == (self.tiers is None):
            raise ValueError("must have either providers or tiers")
        return self

    def weighted_tiers(self) -> tuple[tuple[tuple[str, int], ...], ...]:
        """The tiers, best first, each of (provider name, weight)."""
        if self.providers is not None:
            return (tuple((name, 1) for name in self.providers),)
        return tuple(tuple((p.provider, p.weight) for p in tier) for tier in self.tiers or ())

    def spec(self, number: int) -> RouteSpec:
        """What the heart asks for; the file's `number`-th route (from 1) when it has no name."""
        return RouteSpec(
            name=self.name or f"route-{number}",
            channel=self.channel,
            prefix=self.prefix,
            tiers=self.weighted_tiers(),
            account=self.account,
            sender=self.sender,
        )


class RateSettings(Section):
    """`[[rate]]`: the price of one part, or of one query of a number, from `valid_from` on.

    `price` is in micro-units, `valid_from` in UTC milliseconds.
    """

    channel: Literal["sms", "hlr", "nv"] = "sms"
    prefix: Prefix = ""
    price: Price
    currency: Currency = "EUR"
    valid_from: Moment | None = None

    def spec(self) -> RateSpec:
        """What the heart asks for."""
        return RateSpec(
            channel=self.channel,
            prefix=self.prefix,
            price_micros=self.price,
            currency=self.currency,
            valid_from_ms=self.valid_from or 0,
        )
