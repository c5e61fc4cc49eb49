"""Occasions: which differences become an invoice now, and which keys go on it together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from contracts.billing import caps, deposits, keys, retainage
from contracts.billing.entitlements import ZERO
from contracts.billing.ledger import Ledger, credits_waiting, days_billed, kept
from contracts.billing.periods import DAY
from contracts.billing.posting import answered
from contracts.billing.reading import goes_on, reads
from contracts.model import UsagePlan
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


@dataclass(frozen=True, slots=True)
class Occasion:
    """What becomes one invoice or credit note. `own` are its keys and `amount` is their difference,
    before caps, deposit and retainage; `tracks` are the plans and kinds whose bill it is.
    `credited_number` is the invoice that a credit takes back."""

    key: str
    title: str
    kind: OccasionKind
    due_on: date
    amount: Money
    own: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    milestone: str | None = None
    tracks: tuple[str, ...] = ()
    credited_number: int = 0


@answered
def occasions(ledger: Ledger) -> tuple[Occasion, ...]:
    """What may be proposed on a day, an invoice each, oldest first. What waits for a reading, an
    open invoice or a person is left out; one plan's problem never holds up another."""
    found = [*_singles(ledger), *_periods(ledger), *_releases(ledger), *_credits(ledger)]
    if not found:
        found = [*_settlement(ledger)]
    return tuple(sorted(found, key=lambda item: (item.due_on, item.key)))


def _difference(ledger: Ledger, own: tuple[str, ...]) -> Money:
    return ledger.money(sum((ledger.change(key) for key in own), ZERO))


def _singles(ledger: Ledger) -> Iterator[Occasion]:
    """The deposit and the milestones, an invoice each."""
    state = ledger.state
    for key in ledger.differences:
        kind, own = keys.kind_of(key), (key,)
        if kind not in (keys.DEPOSIT, keys.MILESTONE) or ledger.account(key).open:
            continue
        amount = _difference(ledger, own)
        if kind == keys.DEPOSIT:
            due = state.deposit_on or state.started_on
            yield Occasion(key, "Deposit", OccasionKind.DEPOSIT, due, amount, own)
            continue
        name = keys.plan_of(key)
        item, entitled = state.contract.milestone(name), ledger.entitled.get(key)
        first = state.invoices.get(ledger.account(key).first)
        due = entitled.due_on if entitled else first.due_on if first else state.started_on
        title, what = item.name if item else name, OccasionKind.MILESTONE
        yield Occasion(key, title, what, due, amount, own, milestone=name)


# --- periods ----------------------------------------------------------------------------------


def _periods(ledger: Ledger) -> Iterator[Occasion]:
    """What is due on one day is one invoice, whichever plans it comes from. A plan with a problem
    is left to an invoice of its own, so that it holds up no other."""
    days: dict[date, dict[str, list[str]]] = {}
    for key, due in due_keys(ledger):
        days.setdefault(due, {}).setdefault(keys.plan_of(key), []).append(key)
    for due, own in sorted(days.items()):
        plans = sorted(own)
        held = [plan for plan in plans if caps.has_problem(ledger, plan, own[plan], due)]
        rest = {plan: own[plan] for plan in plans if plan not in held}
        if rest:
            yield _bill(ledger, f"period:{due}", due, rest)
        for plan in held:
            yield _bill(ledger, f"period:{due}:{plan}", due, {plan: own[plan]})


def _bill(ledger: Ledger, key: str, due: date, found: dict[str, list[str]]) -> Occasion:
    own = tuple(item for mine in found.values() for item in sorted(mine))
    tracks: list[str] = []
    names: dict[str, None] = {}
    for plan in found:
        terms = ledger.terms(plan)
        for kind in terms.kinds:
            if terms.bill_day_after(kind, due - DAY) == due:
                tracks.append(f"{plan}:{kind}")
                period = terms.period_of(due if terms.in_advance(kind) else due - DAY)
                names[period.period.name if period else f"{due}"] = None
    title = ", ".join(names) or f"{due}"
    if all(ledger.due_on(item) != due for item in own):
        title += " (approved late)"
    kind_of_all, amount = OccasionKind.PERIOD, _difference(ledger, own)
    return Occasion(
        key, title, kind_of_all, due, amount, own, plans=tuple(found), tracks=tuple(tracks)
    )


@kept
def due_keys(ledger: Ledger) -> tuple[tuple[str, date], ...]:
    """The differences that plans bill by now, each with the day whose bill it is on: the day its
    period is due, or if that bill is made the next one of the plan. What nobody has read yet,
    fees to be given back, and what comes after a plan's last bill are left out."""
    found: list[tuple[str, date]] = []
    for key in ledger.differences:
        kind = keys.kind_of(key)
        if kind not in keys.BY_PERIOD or ledger.account(key).open or ledger.is_given_back(key):
            continue
        due = _bill_day(ledger, keys.plan_of(key), kind, ledger.due_on(key))
        if due is not None:
            found.append((key, due))
    for plan, terms in ledger.index.terms.items():
        if terms.cap is not None and terms.is_alive and caps.room(ledger, plan) > 0:
            due = _bill_day(ledger, plan, terms.kinds[0], terms.first)
            if due is not None:
                found.append((keys.cap(plan), due))
    return tuple(found)


def _bill_day(ledger: Ledger, plan: str, kind: str, due: date) -> date | None:
    """The first day on or after `due` whose bill is not made; None if that day is not come or not
    read yet. Of a plan that is over, what came late is left to the settlement if that is next."""
    terms, billed = ledger.terms(plan), days_billed(ledger).get(f"{plan}:{kind}", ())
    day = terms.due_after(kind, due) if due == date.min else due
    next_day = terms.bill_day_after if goes_on(ledger) else terms.due_after
    while day is not None and day in billed:
        day = next_day(kind, day)
    if day is None or day > ledger.today:
        return None
    until = ledger.state.read_until.get(plan, date.min)
    return None if kind in keys.READ and until < day - DAY else day


# --- releases, credits, the end -----------------------------------------------------------------


def _releases(ledger: Ledger) -> Iterator[Occasion]:
    """Retainage that is to be paid out, all of it on one invoice."""
    numbers = retainage.to_release(ledger, settling=is_settling(ledger))
    if not numbers:
        return
    state, kind = ledger.state, OccasionKind.RETAINAGE
    agreed = state.contract.retainage
    due = min(ledger.today, agreed.release_on if agreed and agreed.release_on else ledger.today)
    count = 1 + sum(item.occasion.startswith("retainage:") for item in state.invoices.values())
    amount = ledger.money(sum((retainage.held(ledger, number) for number in numbers), ZERO))
    own = tuple(keys.retainage(number) for number in numbers)
    yield Occasion(f"retainage:{count}", "Retainage released", kind, due, amount, own)


def _credits(ledger: Ledger) -> Iterator[Occasion]:
    """The credits that people asked for, once nothing else of their invoices is on its way."""
    for request in credits_waiting(ledger):
        invoice = ledger.state.invoices.get(request.number)
        if invoice is None:
            continue
        own = (key for key in invoice.by_key if keys.kind_of(key) not in keys.POTS)
        if any(ledger.account(key).open for key in own):
            continue
        title, amount = f"Credit of {invoice.title}", ledger.money(-(request.amount or ZERO))
        kind, number = OccasionKind.CREDIT, request.number
        yield Occasion(request.key, title, kind, request.on, amount, credited_number=number)


def _settlement(ledger: Ledger) -> Iterator[Occasion]:
    own = tuple(sorted(ledger.differences))
    if not is_settling(ledger) or not (own or _is_pot_left(ledger)):
        return
    ends = [ledger.terms(plan.key).last for plan in ledger.state.contract.plans]
    due = max((end + DAY for end in ends if end is not None), default=ledger.today)
    kind, amount = OccasionKind.SETTLEMENT, _difference(ledger, own)
    yield Occasion(SETTLEMENT, "Final settlement", kind, due, amount, own)


def _is_pot_left(ledger: Ledger) -> bool:
    """Whether a pot has something left that only the settlement brings."""
    plans = ledger.index.terms
    return (
        bool(deposits.to_settle(ledger))
        or any(commitment_change(ledger, plan) for plan in plans)
        or any(caps.room(ledger, plan) for plan in plans)
        or any(retainage.change_of(ledger, n) > 0 for n in retainage.numbers(ledger))
    )


def commitment_change(ledger: Ledger, plan: str) -> Decimal:
    """What is missing to a plan's commitment once it is over. Use that was given away counts."""
    terms, missing = ledger.terms(plan), ZERO
    usage = terms.latest
    if terms.is_alive and isinstance(usage, UsagePlan) and usage.commitment is not None:
        prefix = f"{keys.USAGE}:{plan}:"
        used = (e.amount or ZERO for k, e in ledger.entitled.items() if k.startswith(prefix))
        counted = sum(used, terms.folded.used if terms.folded else ZERO)
        missing = max(usage.commitment.amount - counted, ZERO)
    return ledger.change_of_pot(keys.commitment(plan), missing)


@kept
def is_settling(ledger: Ledger) -> bool:
    """Whether everything that is planned is billed and only the settlement is left."""
    state, today = ledger.state, ledger.today
    if any(item.is_open for item in state.invoices.values()) or state.credit_requests:
        return False
    if goes_on(ledger) or keys.DEPOSIT in ledger.differences:
        return False
    return not reads(state, today) and not due_keys(ledger)
