"""Caps: what a plan bills now, and what its cap takes off that or leaves room for again.

The cap looks at what is billed in all and not at what happened last, so the order in which facts
arrive does not change what it comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from contracts.billing import keys
from contracts.billing.drafting import plan_lines, room_left
from contracts.billing.drafts import Draft, amount_of
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger
from contracts.billing.state import Invoice, InvoiceStatus
from contracts.model import TimePlan
from contracts.problems import Problem


class PlanBill(NamedTuple):
    """The lines of a plan, or the problems that a person must solve first; `warnings` are sentences
    to tell people."""

    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_bill(ledger: Ledger, plan: str, own: Iterable[str], due: date) -> PlanBill:
    """What a plan bills of these keys on a day, under its cap."""
    own = [key for key in own if keys.kind_of(key) != keys.CAP]
    unpriced = [key for key in own if ledger.differences.get(key, ZERO) is None]
    drafts = plan_lines(ledger, plan, (key for key in own if key not in unpriced))
    change = _cap_change(ledger, plan, drafts)
    problems = [_unpriced(ledger, plan, key) for key in unpriced]
    if change < 0 and not _is_allowed(ledger, plan, due, -change):
        problems.append(_over_cap(ledger, plan, -change))
    if problems:
        return PlanBill(problems=tuple(problems))
    warnings = _warnings(ledger, plan, amount_of(drafts) + change)
    return PlanBill(tuple(_under_cap(ledger, plan, drafts, change)), warnings=warnings)


def has_problem(ledger: Ledger, plan: str, own: Iterable[str], due: date) -> bool:
    """Whether a person has to decide before these keys of a plan are billed."""
    own = list(own)
    if ledger.terms(plan).cap is None:
        return any(ledger.differences.get(key, ZERO) is None for key in own)
    return bool(plan_bill(ledger, plan, own, due).problems)


def room(ledger: Ledger, plan: str) -> Decimal:
    """What was cut off before and is within the cap by now: to be billed after all."""
    return max(_cap_change(ledger, plan, ()), ZERO)


def room_in_the_end(ledger: Ledger, plan: str) -> Decimal:
    """The same once every open invoice is issued, as far as it is known today: what those cut off
    is then given back, too."""
    above, terms = above_cap(ledger, plan), ledger.index.terms.get(plan)
    if terms is None or not terms.is_alive or terms.cap is None:
        return max(above, ZERO)
    return max(min(_change(ledger, plan, terms.cap, ZERO, firm=False), above), ZERO)


def above_cap(ledger: Ledger, plan: str) -> Decimal:
    """How much of what a plan bills is cut off by its cap."""
    return -ledger.account(keys.cap(plan)).amount


def _is_allowed(ledger: Ledger, plan: str, due: date, over: Decimal) -> bool:
    """Whether somebody let what is due on a day be cut at the cap by this amount."""
    allowed = ledger.state.caps_allowed.get(plan)
    if allowed is None or due > allowed.on:
        return False
    return allowed.over is None or over <= allowed.over


# --- what the cap changes -----------------------------------------------------------------------


def _cap_change(ledger: Ledger, plan: str, drafts: Sequence[Draft]) -> Decimal:
    """By how much the cap changes a bill of these lines: below zero it cuts, above it gives back
    room. What is billed already is never cut, even if the cap was lowered."""
    terms = ledger.index.terms.get(plan)
    change = above_cap(ledger, plan)
    if terms is not None and terms.is_alive and terms.cap is not None:
        new = amount_of(drafts)
        change = min(_change(ledger, plan, terms.cap, new, firm=firm) for firm in (False, True))
    if change > 0:
        return min(change, _cut_for_good(ledger, plan))
    return max(change, -sum((max(draft.amount, ZERO) for draft in drafts), ZERO))


def _change(ledger: Ledger, plan: str, cap: Decimal, new: Decimal, *, firm: bool) -> Decimal:
    """The change, with all that is billed; or (`firm`) without what open invoices take back: they
    may still be refused. What was credited for good is not billed again in its place."""
    key = keys.cap(plan)
    spent, cut = ledger.billed_on(plan), ledger.account(key).amount
    for invoice in ledger.state.invoices.values():
        if invoice.waives and invoice.counts:
            net = (p.amount for p in invoice.parts if keys.order_line_of(p.key) == plan)
            cap -= max(-sum(net, ZERO), ZERO)
        elif firm and invoice.status is InvoiceStatus.PROPOSED:
            spent -= sum((min(amount, ZERO) for amount in _by_line(invoice, plan)), ZERO)
            cut -= sum((max(p.amount, ZERO) for p in invoice.parts if p.key == key), ZERO)
    after = spent + new
    return min(max(cap, ZERO), after) - after - cut


def _cut_for_good(ledger: Ledger, plan: str) -> Decimal:
    """How much there is to give back: what an open invoice cuts off is owed by nobody if that is
    rejected."""
    key = keys.cap(plan)
    open_ = (it for it in ledger.state.invoices.values() if it.status is InvoiceStatus.PROPOSED)
    uncertain = (min(p.amount, ZERO) for it in open_ for p in it.parts if p.key == key)
    return max(above_cap(ledger, plan) + sum(uncertain, ZERO), ZERO)


def _by_line(invoice: Invoice, plan: str) -> Iterable[Decimal]:
    """What each line of an invoice bills of a plan, before its cap."""
    of_line: dict[int, Decimal] = {}
    for position, key, amount, _ in invoice.parts:
        if keys.order_line_of(key) == plan and keys.kind_of(key) != keys.CAP:
            of_line[position] = of_line.get(position, ZERO) + amount
    return of_line.values()


# --- lines --------------------------------------------------------------------------------------


def _under_cap(ledger: Ledger, plan: str, drafts: list[Draft], change: Decimal) -> list[Draft]:
    if change < 0:
        # What exceeds the cap comes off the last positive lines.
        cut, _ = _smaller(plan, drafts[::-1], 1, -change, "up to the cap")
        return cut[::-1]
    # What a credit frees of the cap first sets off what was cut off before.
    found, left = _smaller(plan, drafts, -1, change, "less what the cap left uncharged")
    return [*found, room_left(ledger, plan, left)] if left else found


def _smaller(
    plan: str, drafts: list[Draft], sign: int, by: Decimal, why: str
) -> tuple[list[Draft], Decimal]:
    """The lines of this sign nearer to zero by an amount, and what is left of it."""
    found: list[Draft] = []
    for draft in drafts:
        part = min(sign * draft.amount, by)
        if part > 0:
            by -= part
            draft = draft.nearer_to_zero(part, keys.cap(plan), why)
        found.append(draft)
    return found, by


# --- what people are shown ----------------------------------------------------------------------


def _unpriced(ledger: Ledger, plan: str, key: str) -> Problem:
    fact = ledger.state.hours[int(keys.rest_of(key))]
    return Problem(
        code="rate_missing",
        field=f"time.{plan}.rates",
        value=f"{fact.person} ({fact.role}), {fact.on}",
        expected="a rate for this person, this role or all on that day",
    )


def _over_cap(ledger: Ledger, plan: str, over: Decimal) -> Problem:
    return Problem(
        code="cap_reached",
        field=f"{plan}.cap",
        value=str(ledger.money(over)),
        expected=f"at most {ledger.money(ledger.terms(plan).cap or ZERO)} in all: raise the cap by "
        "a change order and retry, or skip to bill only up to it",
    )


def _warnings(ledger: Ledger, plan: str, new: Decimal) -> tuple[str, ...]:
    """One sentence on the bill that passes the threshold; none before and none after."""
    terms = ledger.terms(plan).latest
    if not isinstance(terms, TimePlan) or terms.cap is None:
        return ()
    before = ledger.billed_on(plan) - above_cap(ledger, plan)
    after = before + new
    if not before < terms.cap.amount * terms.warn_at / 100 <= after:
        return ()
    name = ledger.state.contract.service(terms.service).description
    share = (after * 100 / terms.cap.amount).quantize(Decimal(1))
    used = f"{ledger.money(after)} of the cap of {terms.cap} is used, {share} %"
    return (f"{name}: {used} (plan {plan})",)
