"""Occasions: which differences become an invoice now, and which keys go on it together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

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
    keys: tuple[str, ...]
    tracks: tuple[str, ...]


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
    *,
    plans: tuple[str, ...] = (),
    milestone: str | None = None,
) -> Occasion:
    currency = billing.contract.currency
    amount = sum((index.differences.get(item) or ZERO for item in own), ZERO)
    money = Money(rounded(amount, currency), currency)
    return Occasion.model_construct(
        key=key,
        title=title,
        kind=kind,
        due_on=due_on,
        plans=plans,
        milestone=milestone,
        credited_number=0,
        amount=money,
    )


def _singles(billing: BillingState, index: Index) -> Iterator[Pending]:
    """The deposit and the milestones, an invoice each."""
    for key in index.differences:
        kind = keys.kind_of(key)
        if kind not in (keys.DEPOSIT, keys.MILESTONE) or index.account(key).open:
            continue
        if kind == keys.DEPOSIT:
            due = billing.deposit_on or billing.started_on
            own = (key,)
            what = _occasion(billing, index, OccasionKind.DEPOSIT, key, "Deposit", due, own)
        else:
            name = keys.plan_of(key)
            item, entitled = billing.contract.milestone(name), index.entitled.get(key)
            first = billing.invoices.get(index.account(key).first)
            due = entitled.due_on if entitled else first.due_on if first else billing.started_on
            title = item.name if item else name
            what = _occasion(
                billing, index, OccasionKind.MILESTONE, key, title, due, (key,), milestone=name
            )
        yield Pending(what, (key,), ())


# --- periods ----------------------------------------------------------------------------------


def _periods(billing: BillingState, index: Index, today: date) -> Iterator[Pending]:
    """What is due on one day is one invoice, whichever plans it comes from. A plan with a problem
    is left to an invoice of its own, so that it holds up no other."""
    days: dict[date, dict[str, list[str]]] = {}
    for key, due in due_keys(billing, index, today):
        days.setdefault(due, {}).setdefault(keys.plan_of(key), []).append(key)
    for due, plans in sorted(days.items()):
        held = [
            plan for plan in sorted(plans) if _has_problem(billing, index, plan, plans[plan], due)
        ]
        rest = [plan for plan in sorted(plans) if plan not in held]
        if rest:
            yield _bill(billing, index, f"period:{due}", due, rest, plans)
        for plan in held:
            yield _bill(billing, index, f"period:{due}:{plan}", due, [plan], plans)


def _bill(
    billing: BillingState,
    index: Index,
    key: str,
    due: date,
    plans: list[str],
    found: dict[str, list[str]],
) -> Pending:
    own = tuple(item for plan in plans for item in sorted(found[plan]))
    tracks = tuple(
        f"{plan}:{kind}"
        for plan in plans
        for kind in tracks_of(latest(billing, plan))
        if is_due_day(billing, plan, kind, due)
    )
    names: dict[str, None] = {}
    for track in tracks:
        plan, _, kind = track.partition(":")
        advance = in_advance(latest(billing, plan), kind)
        period = period_of(billing, plan, due if advance else due - DAY)
        names[period.period.name if period else f"{due}"] = None
    late = all(_due_of(index, item) != due for item in own)
    title = (", ".join(names) or f"{due}") + (" (approved late)" if late else "")
    what = _occasion(billing, index, OccasionKind.PERIOD, key, title, due, own, plans=tuple(plans))
    return Pending(what, own, tracks)


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
        due = _bill_day(billing, index, keys.plan_of(key), kind, _due_of(index, key))
        if due is not None and due <= today and _was_read(billing, key, kind, due):
            yield key, due
    for plan, terms in billing.plans.items():
        cap = pots.cap_of(terms[-1].plan)
        if cap is None or not is_alive(billing, plan):
            continue
        if pots.room(billing, index, plan) > 0:
            kind = tracks_of(terms[-1].plan)[0]
            due = _bill_day(billing, index, plan, kind, life_of(billing, plan)[0])
            while due is not None and due <= today and not _was_read(billing, plan, kind, due):
                due = None
            if due is not None and due <= today:
                yield f"{keys.CAP}:{plan}", due


def _due_of(index: Index, key: str) -> date:
    entitled = index.entitled.get(key)
    return entitled.due_on if entitled else date.min


def _bill_day(billing: BillingState, index: Index, plan: str, kind: str, due: date) -> date | None:
    """The first day on or after `due` whose bill is not made; None after the plan's last."""
    track = f"{plan}:{kind}"
    done, empty = index.done.get(track, frozenset()), billing.empty.get(track, ())
    day: date | None = due
    if due == date.min:
        day = due_after(billing, plan, kind, due)
    while day is not None and (day in done or day in empty):
        day = due_after(billing, plan, kind, day)
    return day


def _was_read(billing: BillingState, key: str, kind: str, due: date) -> bool:
    if kind not in (keys.HOURS, keys.OVERAGE, keys.EXPENSE):
        return True
    plan = keys.plan_of(key) if ":" in key else key
    until = billing.read_until.get(plan)
    return until is not None and until >= due - DAY


def is_due_day(billing: BillingState, plan: str, kind: str, day: date) -> bool:
    return due_after(billing, plan, kind, day - DAY) == day


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
    release_on = retainage.release_on if retainage else None
    due = today if release_on is None else min(release_on, today)
    count = 1 + sum(item.occasion.startswith("retainage:") for item in billing.invoices.values())
    own = tuple(keys.retainage(number) for number in numbers)
    amount = -sum((index.account(key).amount for key in own), ZERO)
    what = _occasion(
        billing, index, OccasionKind.RETAINAGE, f"retainage:{count}", "Retainage released", due, ()
    )
    money = Money(amount, billing.contract.currency)
    yield Pending(what.model_copy(update={"amount": money}), own, ())


def _credits(billing: BillingState, index: Index) -> Iterator[Pending]:
    """The credits that people asked for, once nothing else of their invoices is on its way."""
    for request in billing.credit_requests.values():
        invoice = billing.invoices.get(request.number)
        if request.carried_by or invoice is None:
            continue
        if any(index.account(key).open for key in invoice.by_key if _is_base(key)):
            continue
        amount = Money(-(request.amount or ZERO), billing.contract.currency)
        what = Occasion(
            key=request.key,
            title=f"Credit of {invoice.title}",
            kind=OccasionKind.CREDIT,
            due_on=request.on,
            credited_number=request.number,
            amount=amount,
        )
        yield Pending(what, (), ())


def _settlement(billing: BillingState, index: Index, today: date) -> Iterator[Pending]:
    if not is_settling(billing, index, today):
        return
    own = tuple(sorted(index.differences))
    if not own and not pots.to_settle(billing, index):
        return
    ends = [life_of(billing, plan.key)[1] for plan in billing.contract.plans]
    due = max((end + DAY for end in ends if end is not None), default=today)
    what = _occasion(
        billing, index, OccasionKind.SETTLEMENT, SETTLEMENT, "Final settlement", due, own
    )
    yield Pending(what, own, ())


def is_settling(billing: BillingState, index: Index, today: date) -> bool:
    """Whether everything that is planned is billed and only the settlement is left."""
    if any(item.is_open for item in billing.invoices.values()) or billing.credit_requests:
        return False
    for item in billing.contract.milestones:
        key = keys.milestone(item.key)
        if item.key not in billing.reached and not is_waived(index, key, item.amount.amount):
            return False
        if key in index.differences:
            return False
    if keys.DEPOSIT in index.differences or reads(billing, today):
        return False
    for plan in billing.contract.plans:
        last = life_of(billing, plan.key)[1]
        if last is None or last >= today:
            return False
    return not any(True for _ in due_keys(billing, index, today))


def _is_base(key: str) -> bool:
    return keys.kind_of(key) not in keys.POTS


def is_waived(index: Index, key: str, amount: Decimal) -> bool:
    return index.account(key).off >= amount > 0


def last_looks(billing: BillingState, index: Index, today: date) -> tuple[Read, ...]:
    """Once nothing is left to bill: every plan to its end once more, if it was not read since the
    last invoice."""
    if pending(billing, index, today) or not is_settling(billing, index, today):
        return ()
    found: list[Read] = []
    for plan in billing.contract.plans:
        first, last = life_of(billing, plan.key)
        if not is_read(plan) or last is None or last < first or plan.key in billing.looked:
            continue
        found.append(Read(plan=plan.key, kind=read_kind(plan), until=last))
    return tuple(found)


def first_of(items: Iterable[Pending], key: str) -> Pending | None:
    return next((item for item in items if item.occasion.key == key), None)
