"""The keys that everything is billed under: `kind:plan:rest`, stable for the contract's life.

A base key has one fact of its own. A pot (cap, retainage, deducted deposit, commitment, rounding)
is a function of the sums to date.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

MILESTONE = "milestone"
DEPOSIT = "deposit"
RETAINAGE = "retainage"
HOURS = "hours"
FEE = "fee"
OVERAGE = "overage"
USAGE = "usage"
COMMITMENT = "commitment"
EXPENSE = "expense"
CAP = "cap"
SERVICE_CREDIT = "service_credit"
TERMINATION = "termination"
ROUNDING = "rounding"
SETTLED = "settled"
"""What is left of a plan's keys of periods that are folded."""
DEDUCTED = "deposit:deducted"

POTS = frozenset({DEDUCTED, RETAINAGE, COMMITMENT, CAP, ROUNDING, SETTLED})
NEGATIVE = frozenset({DEDUCTED, RETAINAGE, CAP, SERVICE_CREDIT})
"""Kinds that only ever deduct: their entitlements are zero or below."""
RETAINED = frozenset({MILESTONE, HOURS})
"""Kinds of which retainage is held back."""
BY_PERIOD = (FEE, HOURS, OVERAGE, USAGE, EXPENSE)
"""Kinds that plans bill by period, in the order of their lines."""
OF_PERIODS = (FEE, OVERAGE, USAGE)
"""Kinds of which there is one key a period."""
READ = frozenset({HOURS, OVERAGE, EXPENSE})
"""Kinds whose facts are read from Odoo before they are billed."""


@lru_cache(maxsize=20_000)
def kind_of(key: str) -> str:
    """The kind of a key."""
    return DEDUCTED if key == DEDUCTED else key.partition(":")[0]


def plan_of(key: str) -> str:
    """What follows the kind: the plan's key, or the milestone's."""
    return key.split(":", 2)[1]


def rest_of(key: str) -> str:
    """The line, the expense, the reference or the first day of a plan's key."""
    return key.split(":", 2)[2]


def day_of(key: str) -> date:
    """The first day of the period that a fee, overage or usage is of."""
    return date.fromisoformat(rest_of(key))


def milestone(name: str) -> str:
    return f"{MILESTONE}:{name}"


def hours(plan: str, line: int) -> str:
    return f"{HOURS}:{plan}:{line}"


def expense(plan: str, number: int) -> str:
    return f"{EXPENSE}:{plan}:{number}"


def by_period(kind: str, plan: str, first: date) -> str:
    return f"{kind}:{plan}:{first}"


def service_credit(plan: str, reference: str) -> str:
    return f"{SERVICE_CREDIT}:{plan}:{reference}"


def retainage(number: int) -> str:
    return f"{RETAINAGE}:{number}"


def cap(plan: str) -> str:
    return f"{CAP}:{plan}"


def commitment(plan: str) -> str:
    return f"{COMMITMENT}:{plan}"


def rounding(order_line: str) -> str:
    return f"{ROUNDING}:{order_line}"


def order_line_of(key: str) -> str:
    """The key of the sales order's line that a key is billed on."""
    kind = kind_of(key)
    if kind == DEDUCTED:
        return DEPOSIT
    return kind if kind in (DEPOSIT, RETAINAGE, TERMINATION) else plan_of(key)
