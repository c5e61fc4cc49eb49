"""What re-invoicing would change: a version for earlier days leaves what is proposed alone."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from contracts.billing import keys
from contracts.billing.entitlements import ZERO, Entitlement, of_fact, of_periods
from contracts.billing.ledger import Ledger, target
from contracts.billing.posting import answered
from contracts.money import Money


class Repriced(NamedTuple):
    """What an invoice bills of a plan by earlier terms, and what it would bill by the present."""

    number: int
    plan: str
    billed: Money
    at_present: Money

    @property
    def difference(self) -> Money:
        return self.at_present - self.billed


@answered
def repriced(ledger: Ledger) -> tuple[Repriced, ...]:
    """By invoice and plan, where the present terms would bill something else; in their order."""
    found: dict[tuple[int, str], tuple[Decimal, Decimal]] = {}
    for plan, terms in ledger.index.terms.items():
        for key, entitled in _present(ledger, plan) if len(terms.versions) > 1 else ():
            account, known = ledger.account(key), ledger.entitled.get(key)
            before = known.amount or ZERO if known else ZERO
            if account.amount and entitled.amount is not None and entitled.amount != before:
                change = target(key, entitled.amount, account) - target(key, before, account)
                of = (account.first, plan)
                billed, at_present = found.get(of, (ZERO, ZERO))
                found[of] = (billed + account.amount, at_present + account.amount + change)
    return tuple(
        Repriced(number, plan, ledger.money(billed), ledger.money(at_present))
        for (number, plan), (billed, at_present) in sorted(found.items())
        if billed != at_present
    )


def _present(ledger: Ledger, plan: str) -> Iterator[tuple[str, Entitlement]]:
    """What a plan's keys that are billed would be entitled to if nothing were proposed."""
    terms, sums = ledger.terms(plan), ledger.index.sums.get(plan, {})
    yield from of_periods(terms, ledger.today, sums, lambda key: None, ledger.currency).items()
    for key in ledger.accounts:
        if keys.kind_of(key) in (keys.HOURS, keys.EXPENSE) and keys.plan_of(key) == plan:
            entitled = of_fact(ledger.state, ledger.index.terms, key, None)
            if entitled is not None:
                yield key, entitled
