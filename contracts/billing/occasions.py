"""Occasions: which differences become an invoice now, and which keys go on it together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from contracts.billing import keys, pots
from contracts.billing.drafting import Drafter
from contracts.billing.entitlements import ZERO
from contracts.billing.index import Index
from contracts.billing.lines import rounded
from contracts.billing.reading import Read, read_kind, reads
from contracts.billing.state import BillingState
from contracts.billing.terms import (
    DAY,
    due_after,
    in_advance,
    is_alive,
    is_read,
    latest,
    life_of,
    period_of,
    tracks_of,
)
from contracts.model import Frozen, Key
from contracts.money import Money

SETTLEMENT = "settlement"


class OccasionKind(StrEnum):
    """`settlement` is all that is left once everything else is billed."""

    DEPOSIT = "deposit"
    MILESTONE = "milestone"
    PERIOD = "period"
    RETAINAGE = "retainage"
    CREDIT = "credit"
    SETTLEMENT = "settlement"


class Occasion(Frozen):
    """What becomes one invoice or credit note. `amount` is the difference of its own keys, before
    caps, deposit and retainage. `credited_number` is the invoice that a credit takes back."""

    key: str
    title: str
    kind: OccasionKind
    due_on: date
    plans: tuple[Key, ...] = ()
    milestone: Key | None = None
    credited_number: int = 0
    amount: Money


class Pending(NamedTuple):
    """An occasion with the keys that are its own, and the plans and kinds whose bill it is."""

    occasion: Occasion
    keys: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()


def pending(billing: BillingState, index: Index, today: date) -> list[Pending]:
    """What may be proposed now, oldest first."""
    found = [*_singles(billing, index), *_periods(billing, index, today)]
    found += [*_releases(billing, index, today), *_credits(billing, index)]
    if not found:
        found = [*_settlement(billing, index, today)]
    return sorted(found, key=lambda item: (item.occasion.due_on, item.occasion.key))


def _occasion(
    billing: BillingState,
    index: Index,
    kind: OccasionKind,
    key: str,
    title: str,
    due_on: date,
    own: tuple[str, ...],
    **more: Any,
) -> Occasion:
    """An occasion of these keys. Its fields are right by construction, so they are not checked."""
    currency = billing.contract.currency
    amount = sum((index.differences.get(item) or ZERO for item in own), ZERO)
    money = Money(rounded(amount, currency), currency)
    fields: dict[str, Any] = {"key": key, "title": title, "kind": kind, "due_on": due_on}
    return Occasion.model_construct(None, **fields, amount=money, **more)


def _singles(billing: BillingState, index: Index) -> Iterator[Pending]:
    """The deposit and the milestones, an invoice each."""
    for key in index.differences:
        if index.account(key).open:
            continue
        if key == keys.DEPOSIT:
            due, title = billing.deposit_on or billing.started_on, "Deposit"
            what = _occasion(billing, index, OccasionKind.DEPOSIT, key, title, due, (key,))
            yield Pending(what, (key,))
        elif keys.kind_of(key) == keys.MILESTONE:
            name = keys.plan_of(key)
            item, entitled = billing.contract.milestone(name), index.entitled.get(key)
            first = billing.invoices.get(index.account(key).first)
            due = entitled.due_on if entitled else first.due_on if first else billing.started_on
            title, kind = item.name if item else name, OccasionKind.MILESTONE
            what = _occasion(billing, index, kind, key, title, due, (key,), milestone=name)
            yield Pending(what, (key,))


# --- periods ----------------------------------------------------------------------------------


def _periods(billing: BillingState, index: Index, today: date) -> Iterator[Pending]:
    """What is due on one day is one invoice, whichever plans it comes from. A plan with a problem
    is left to an invoice of its own, so that it holds up no other."""
    days: dict[date, dict[str, list[str]]] = {}
    for key, due in due_keys(billing, index, today):
        days.setdefault(due, {}).setdefault(keys.plan_of(key), []).append(key)
    for due, own in sorted(days.items()):
        plans = sorted(own)
        held = [plan for plan in plans if _has_problem(billing, index, plan, own[plan], due)]
        rest = [plan for plan in plans if plan not in held]
        if rest:
            yield _bill(billing, index, f"period:{due}", due, rest, own)
        for plan in held:
            yield _bill(billing, index, f"period:{due}:{plan}", due, [plan], own)


def _bill(
    billing: BillingState,
    index: Index,
    key: str,
    due: date,
    plans: list[str],
    found: dict[str, list[str]],
) -> Pending:
    own = tuple(item for plan in plans for item in sorted(found[plan]))
    tracks: list[str] = []
    names: dict[str, None] = {}
    for plan in plans:
        for kind in tracks_of(latest(billing, plan)):
            if due_after(billing, plan, kind, due - DAY) == due:
                tracks.append(f"{plan}:{kind}")
                advance = in_advance(latest(billing, plan), kind)
                period = period_of(billing, plan, due if advance else due - DAY)
                names[period.period.name if period else f"{due}"] = None
    late = all(_due_of(index, item) != due for item in own)
    title = (", ".join(names) or f"{due}") + (" (approved late)" if late else "")
    kind = OccasionKind.PERIOD
    what = _occasion(billing, index, kind, key, title, due, own, plans=tuple(plans))
    return Pending(what, own, tuple(tracks))


def due_keys(billing: BillingState, index: Index, today: date) -> Iterator[tuple[str, date]]:
    """The differences that plans bill by now, each with the day whose bill it is on: the day its
    period is due, or if that bill is made the next one of the plan. What nobody has read yet,
    fees to be given back, and what comes after a plan's last bill are left out."""
    for key, change in index.differences.items():
        kind = keys.kind_of(key)
        if kind not in keys.BY_PERIOD or index.account(key).open:
            continue
        if kind == keys.FEE and change is not None and change < 0:
            continue
        plan = keys.plan_of(key)
        due = _bill_day(billing, index, plan, kind, _due_of(index, key), today)
        if due is not None:
            yield key, due
    for plan, versions in billing.plans.items():
        terms = versions[-1].plan
        if pots.cap_of(terms) is None or not is_alive(billing, plan):
            continue
        if pots.room(billing, index, plan) > 0:
            first = life_of(billing, plan)[0]
            due = _bill_day(billing, index, plan, tracks_of(terms)[0], first, today)
            if due is not None:
                yield f"{keys.CAP}:{plan}", due


def _due_of(index: Index, key: str) -> date:
    entitled = index.entitled.get(key)
    return entitled.due_on if entitled else date.min


def _bill_day(
    billing: BillingState, index: Index, plan: str, kind: str, due: date, today: date
) -> date | None:
    """The first day on or after `due` whose bill is not made; None if that day is not come or not
    read yet, or after the plan's last."""
    track = f"{plan}:{kind}"
    done, empty = index.done.get(track, frozenset()), billing.empty.get(track, ())
    day = due_after(billing, plan, kind, due) if due == date.min else due
    while day is not None and (day in done or day in empty):
        day = due_after(billing, plan, kind, day)
    if day is None or day > today:
        return None
    until = billing.read_until.get(plan, date.min)
    return None if kind in keys.READ and until < day - DAY else day


def _has_problem(billing: BillingState, index: Index, plan: str, own: list[str], due: date) -> bool:
    """Whether a person has to decide before these keys of a plan are billed."""
    if any(key in index.differences and index.differences[key] is None for key in own):
        return True
    if pots.cap_of(latest(billing, plan)) is None or pots.is_allowed(billing, plan, due):
        return False
    drafts = Drafter(billing, index).plan_lines(plan, own)
    return pots.cap_change(billing, index, plan, drafts) < 0


# --- the end ----------------------------------------------------------------------------------


def _releases(billing: BillingState, index: Index, today: date) -> Iterator[Pending]:
    """Retainage that is to be paid out, all of it on one invoice."""
    numbers = pots.released(billing, index, today, settling=is_settling(billing, index, today))
    if not numbers:
        return
    retainage = billing.contract.retainage
    due = min(today, retainage.release_on if retainage and retainage.release_on else today)
    count = 1 + sum(item.occasion.startswith("retainage:") for item in billing.invoices.values())
    amount = sum((pots.held(index, number) for number in numbers), ZERO)
    what = Occasion(
        key=f"retainage:{count}",
        title="Retainage released",
        kind=OccasionKind.RETAINAGE,
        due_on=due,
        amount=Money(amount, billing.contract.currency),
    )
    yield Pending(what, tuple(keys.retainage(number) for number in numbers))


def _credits(billing: BillingState, index: Index) -> Iterator[Pending]:
    """The credits that people asked for, once nothing else of their invoices is on its way."""
    for request in billing.credit_requests.values():
        invoice = billing.invoices.get(request.number)
        if request.carried_by or invoice is None:
            continue
        if any(index.account(k).open for k in invoice.by_key if keys.kind_of(k) not in keys.POTS):
            continue
        what = Occasion(
            key=request.key,
            title=f"Credit of {invoice.title}",
            kind=OccasionKind.CREDIT,
            due_on=request.on,
            credited_number=request.number,
            amount=Money(-(request.amount or ZERO), billing.contract.currency),
        )
        yield Pending(what)


def _settlement(billing: BillingState, index: Index, today: date) -> Iterator[Pending]:
    own = tuple(sorted(index.differences))
    if not is_settling(billing, index, today) or not (own or pots.to_settle(billing, index)):
        return
    ends = [life_of(billing, plan.key)[1] for plan in billing.contract.plans]
    due = max((end + DAY for end in ends if end is not None), default=today)
    kind, title = OccasionKind.SETTLEMENT, "Final settlement"
    yield Pending(_occasion(billing, index, kind, SETTLEMENT, title, due, own), own)


def is_settling(billing: BillingState, index: Index, today: date) -> bool:
    """Whether everything that is planned is billed and only the settlement is left."""
    if any(item.is_open for item in billing.invoices.values()) or billing.credit_requests:
        return False
    for item in billing.contract.milestones:
        key = keys.milestone(item.key)
        is_waived = index.account(key).off >= item.amount.amount > 0
        if key in index.differences or (item.key not in billing.reached and not is_waived):
            return False
    if keys.DEPOSIT in index.differences or reads(billing, today):
        return False
    for plan in billing.contract.plans:
        last = life_of(billing, plan.key)[1]
        if last is None or last >= today:
            return False
    return next(due_keys(billing, index, today), None) is None


def last_looks(billing: BillingState, index: Index, today: date) -> tuple[Read, ...]:
    """Once nothing is left to bill: every plan to its end once more, if it was not read since the
    last invoice."""
    if pending(billing, index, today) or not is_settling(billing, index, today):
        return ()
    found: list[Read] = []
    for plan in billing.contract.plans:
        first, last = life_of(billing, plan.key)
        if is_read(plan) and last and last >= first and plan.key not in billing.looked:
            found.append(Read(plan=plan.key, kind=read_kind(plan), until=last))
    return tuple(found)
