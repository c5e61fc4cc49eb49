"""What follows from a contract's billing, remembered for as long as the billing is the same.

The rules ask for it after every event, and most events leave the billing as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from contracts.billing import account
from contracts.billing.account import Composition, Due, Occasion, Read
from contracts.billing.state import BillingState
from contracts.problems import Problem

R = TypeVar("R")

_KEPT = 8
"""Answers of each function: several contracts take turns in one process."""


def remembered(derive: Callable[..., R]) -> Callable[..., R]:
    """Keep the latest answers of a pure function: for the very same first argument (it is frozen),
    and equal others."""
    kept: list[tuple[Any, tuple[Any, ...], R]] = []

    @functools.wraps(derive)
    def ask(about: Any, *others: Any) -> R:
        for known, arguments, answer in kept:
            if known is about and arguments == others:
                return answer
        answer = derive(about, *others)
        kept[:] = [(about, others, answer), *kept[: _KEPT - 1]]
        return answer

    return ask


@remembered
def reads(billing: BillingState, today: date) -> tuple[Read, ...]:
    """What must be read in Odoo before all that is due can be billed."""
    return account.reads(billing, today)


@remembered
def occasions(billing: BillingState, today: date) -> tuple[Occasion, ...]:
    """What may be proposed, an invoice each, oldest first."""
    return account.occasions(billing, today)


@remembered
def composed(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion, or the problems that a person must solve first."""
    return account.compose(billing, occasion, number, today)


@remembered
def violations(billing: BillingState, today: date) -> list[str]:
    """Every invariant of the billing that does not hold, in words."""
    return account.check(billing, today)


@remembered
def next_day(billing: BillingState, today: date) -> date | None:
    """The next day after `today` on which time alone makes something due."""
    return account.next_day(billing, today)


@remembered
def is_over(billing: BillingState, today: date) -> bool:
    """Whether nothing is left to read, bill or decide, and nothing will come by itself."""
    return account.is_over(billing, today)


@remembered
def sums(billing: BillingState, today: date) -> account.Sums:
    """Where the contract's money stands."""
    return account.sums(billing, today)


@remembered
def delivered(billing: BillingState) -> dict[str, Decimal]:
    """Delivered quantities by order line, of the lines whose delivery Odoo learns from us."""
    return account.delivered(billing)


@remembered
def undecided(billing: BillingState) -> tuple[int, ...]:
    """The rejected proposals that a person still has to decide on."""
    return account.undecided(billing)


@remembered
def dues(billing: BillingState, today: date) -> tuple[Due, ...]:
    """When each plan is billed next after a day, earliest first; none for a plan that is over."""
    return account.dues(billing, today)


@remembered
def repriced(billing: BillingState, today: date) -> tuple[account.Repriced, ...]:
    """What re-invoicing would change, where new terms count for what is billed by earlier ones."""
    return account.repriced(billing, today)
