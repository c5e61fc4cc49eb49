"""Money: a Decimal at its currency's exponent, with the currency attached. Never a float."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.currencies import EXPONENTS

MAX_DIGITS = 15
"""Digits before the decimal point; Odoo keeps amounts in doubles, exact to about this many."""

_AMOUNT = r"[-+]?[0-9]+(?:\.[0-9]+)?"
_TEXT = re.compile(rf"^\s*(?P<amount>{_AMOUNT})(?:\s+(?P<currency>[A-Za-z]{{3}}))?\s*$")


def _known(code: str) -> str:
    if code not in EXPONENTS:
        raise PydanticCustomError(
            "currency_unknown", "an ISO 4217 currency code in capitals, such as EUR"
        )
    return code


Currency = Annotated[str, AfterValidator(_known)]
"""An active ISO 4217 alphabetic code."""


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added or compared."""


def _refuse(expected: str, code: str = "money_malformed") -> PydanticCustomError:
    return PydanticCustomError(code, "{expected}", {"expected": expected})


class Money(BaseModel):
    """An amount in a currency; written as text, `"4000.00 EUR"`, wherever it is serialised.

    Accepts that text, a mapping of amount and currency, or (where the validation context has a
    `currency`) a bare amount such as `"4000.00"`. Floats are refused: they cannot hold cents.
    """

    model_config = ConfigDict(frozen=True)

    amount: Decimal
    currency: Currency

    def __init__(self, amount: Decimal | int | str, currency: str) -> None:
        super().__init__(amount=amount, currency=currency)

    @model_validator(mode="wrap")
    @classmethod
    def _parse(
        cls, data: Any, handler: ModelWrapValidatorHandler[Money], info: ValidationInfo
    ) -> Money:
        if isinstance(data, Money):
            return data
        amount, currency = _split(data, info)
        parsed = handler({"amount": _decimal(amount), "currency": currency})
        exponent = EXPONENTS[parsed.currency]
        exact = parsed.amount.quantize(Decimal(1).scaleb(-exponent), rounding=ROUND_HALF_UP)
        if exact != parsed.amount:
            raise _refuse(f"at most {exponent} decimals in {parsed.currency}", "money_too_precise")
        # Frozen for others; normalising "4000" to "4000.00" keeps text and hashes stable.
        object.__setattr__(parsed, "amount", exact + 0)
        return parsed

    @model_serializer
    def _text(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"

    def __repr__(self) -> str:
        return f"Money({str(self)!r})"

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read `"4000.00 EUR"`. Raises pydantic's ValidationError with the expectation."""
        return cls.model_validate(text)

    @classmethod
    def zero(cls, currency: str) -> Money:
        return _zero(currency)

    @classmethod
    def rounded(cls, amount: Decimal | float | int, currency: str) -> Money:
        """The nearest amount, halves away from zero: of a remote's float, or of a share."""
        unit = Decimal(1).scaleb(-EXPONENTS[_known(currency)])
        return cls(Decimal(str(amount)).quantize(unit, rounding=ROUND_HALF_UP), currency)

    @classmethod
    def exact(cls, amount: Decimal, currency: str) -> Money:
        """An amount that is known to be one of the currency's: it is not checked again. Zero has
        no sign."""
        money = cls.__new__(cls)
        object.__setattr__(money, "__dict__", {"amount": amount + 0, "currency": currency})
        object.__setattr__(money, "__pydantic_fields_set__", _FIELDS)
        object.__setattr__(money, "__pydantic_extra__", None)
        object.__setattr__(money, "__pydantic_private__", None)
        return money

    @classmethod
    def total(cls, parts: Iterable[Money], currency: str) -> Money:
        """The sum of the parts; zero for none. Raises CurrencyMismatch."""
        zero, amount = cls.zero(currency), Decimal(0)
        for part in parts:
            amount += zero._same(part)
        return cls.exact(zero.amount + amount, currency)

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self} and {other} have different currencies")
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money.exact(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money.exact(self.amount - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money.exact(-self.amount, self.currency)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Money)
            and self.amount == other.amount
            and self.currency == other.currency
        )

    def __hash__(self) -> int:
        return hash((self.amount, self.currency))

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    @property
    def is_zero(self) -> bool:
        return self.amount == 0

    @property
    def is_positive(self) -> bool:
        return self.amount > 0

    def allocate(self, weights: Sequence[Decimal | int]) -> list[Money]:
        """Split into parts in proportion to the weights; the parts add up exactly.

        Each part is rounded to the nearest, and the last that has a weight takes the remainder;
        where the others would come to more than the whole, they are rounded towards zero. So no
        part has the wrong sign. Raises ValueError without a positive total weight or with a
        negative weight.
        """
        total = sum((Decimal(weight) for weight in weights), Decimal(0))
        if total <= 0 or any(weight < 0 for weight in weights):
            raise ValueError(f"cannot allocate {self} by the weights {list(weights)}")
        unit = Money.zero(self.currency).amount
        shares = [self.amount * weight / total for weight in weights]
        last = max(position for position, weight in enumerate(weights) if weight)
        for rounding in (ROUND_HALF_UP, ROUND_DOWN):
            parts = [share.quantize(unit, rounding) for share in shares]
            parts[last] += self.amount - sum(parts)
            if parts[last] * self.amount >= 0:
                break
        return [Money.exact(part, self.currency) for part in parts]


_FIELDS = {"amount", "currency"}


@cache
def _zero(currency: str) -> Money:
    return Money(0, currency)


def _split(data: Any, info: ValidationInfo) -> tuple[Any, Any]:
    default = (info.context or {}).get("currency") if isinstance(info.context, dict) else None
    if isinstance(data, dict):
        if not data.keys() <= {"amount", "currency"}:
            raise _refuse("nothing beside an amount and a currency")
        return data.get("amount"), data.get("currency", default)
    if isinstance(data, str):
        match = _TEXT.match(data)
        if match is None:
            raise _refuse('an amount such as "4000.00 EUR"')
        return match["amount"], (match["currency"] or default)
    return data, default


def _decimal(amount: Any) -> Decimal:
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int, str)):
        raise _refuse('the amount as text, such as "4000.00" (a JSON number cannot hold cents)')
    # Decimal itself would also read "1_000", "4e3" and digits of other scripts.
    if isinstance(amount, str) and not re.fullmatch(_AMOUNT, amount.strip()):
        raise _refuse('an amount such as "4000.00"')
    value = Decimal(amount)
    if not value.is_finite():
        raise _refuse("a finite amount")
    if value.adjusted() >= MAX_DIGITS:
        raise _refuse(f"an amount of at most {MAX_DIGITS} digits")
    return value
