"""The door to billing by difference: all that the contract's agenda calls.

    to bill(key) = entitled(key) less waivers - billed(key)

What a contract may bill is derived from its terms and the facts; what is billed is the sum of the
parts on proposed and issued invoices and credit notes. A correction, a late approval, a changed
price and a rejected bill are all the same difference. Every function is pure: it takes a frozen
`BillingState` and returns a new one. Days are those of the legal entity's calendar; amounts are
without tax.

The way of an invoice: `reads` says what must be read in Odoo first, `occasions` what may be
proposed, `compose` makes the invoice, `propose` enters it, `issued` or `rejected` ends it.

Changed since the first draft of this page: `reads` has `closing`, for the last look before the
contract closes; `credit_service` names the day; a `Composition` may have no proposal (there is
nothing to invoice: propose it all the same); what people ask is in `contracts.billing.totals`
but imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from contracts.billing import keys, pots
from contracts.billing.checks import check
from contracts.billing.composing import Composer, Composition
from contracts.billing.crediting import creditable as left_to_credit
from contracts.billing.crediting import credited_invoice
from contracts.billing.expenses import Expense
from contracts.billing.folding import fold
from contracts.billing.index import (
    Index,
    add_to_sum,
    changed,
    index_of,
    sum_up,
    touch_invoice,
    touch_keys,
    touch_periods,
)
from contracts.billing.lines import QUANTITY_UNIT
from contracts.billing.occasions import (
    Occasion,
    OccasionKind,
    Read,
    ReadKind,
    due_keys,
    first_of,
    is_settling,
    last_looks,
    next_day,
    pending,
)
from contracts.billing.occasions import reads as reads_due
from contracts.billing.state import (
    BillingState,
    CapAllowance,
    CreditRequest,
    EarlyEnd,
    Hours,
    Invoice,
    InvoiceStatus,
    NotPossible,
    ServiceCredit,
    Spent,
    Waiver,
)
from contracts.billing.terms import DAY, due_after, latest, life_of, next_versions, tracks_of
from contracts.billing.time import TimeEntry
from contracts.billing.totals import Sums, Unbilled, delivered, is_over, open_ends, sums, unbilled
from contracts.billing.usage import UsageRecord
from contracts.model import Contract, RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money
from contracts.problems import Problem

__all__ = [
    "BillingState",
    "Composition",
    "NotPossible",
    "Occasion",
    "OccasionKind",
    "Read",
    "ReadKind",
    "Sums",
    "Unbilled",
    "check",
    "delivered",
    "fold",
    "is_over",
    "next_day",
    "open_ends",
    "sums",
    "unbilled",
]

MAX_USAGE_RECORDS = 10_000
"""Of a contract at a time: they travel with its workflow's state."""

# --- terms ------------------------------------------------------------------------------------


def begin(contract: Contract, on: date) -> BillingState:
    """The billing of a contract that starts; its deposit is due that day."""
    billing = BillingState(contract=contract, version=0, started_on=on)
    return adopt(billing, contract, on)


def adopt(billing: BillingState, contract: Contract, on: date) -> BillingState:
    """A new version of the terms, in force from `on`: change order, renewal, early end, or the
    early end withdrawn. What is proposed already keeps the version it was proposed with."""
    new_deposit = contract.deposit is not None and billing.deposit_on is None
    return changed(
        billing,
        None,
        contract=contract,
        version=billing.version + 1,
        plans=next_versions(billing, contract, on),
        deposit_on=on if new_deposit else billing.deposit_on,
        looked=(),
    )


def end_early(billing: BillingState, on: date, *, fee: bool) -> BillingState:
    """The contract (adopt the terms that end on that day as well) is over early. With `fee` the
    terms' fee for it is owed."""
    return changed(billing, None, early_end=EarlyEnd(on=on, fee=fee), looked=())


def withdraw_end(billing: BillingState) -> BillingState:
    """The early end is withdrawn (adopt the prolonged terms as well)."""
    return changed(billing, None, early_end=None, looked=())


def billed_keys(billing: BillingState) -> frozenset[str]:
    """The keys of milestones and plans, "deposit" and "retainage", of which something is billed or
    proposed: `changes.changed` refuses to change them."""
    index = index_of(billing)
    found = {keys.order_line_of(key) for key, account in index.accounts.items() if account.first}
    read = {plan for plan in billing.read_until if plan in billing.plans}
    return frozenset(found | read)


# --- facts ------------------------------------------------------------------------------------


def reach(billing: BillingState, milestone: str, on: date) -> BillingState:
    """A milestone is reached (again, after it was un-reached). Raises NotPossible for a key that
    the contract does not have. Repeating changes nothing."""
    if billing.contract.milestone(milestone) is None:
        raise NotPossible(f"the contract has no milestone {milestone}")
    if milestone in billing.reached:
        return billing
    touched = [keys.milestone(milestone)]
    return changed(
        billing,
        lambda index, new: touch_keys(index, new, touched),
        reached={**billing.reached, milestone: on},
    )


def unreach(billing: BillingState, milestone: str) -> BillingState:
    """A milestone is not reached after all. Its waivers end; what is billed of it becomes a credit
    note by difference, for finance to approve, or to reject and waive: then the invoice stands."""
    if milestone not in billing.reached:
        return billing
    key = keys.milestone(milestone)
    last = max(billing.invoices, default=0)
    return changed(
        billing,
        lambda index, new: touch_keys(index, new, [key]),
        reached={name: on for name, on in billing.reached.items() if name != milestone},
        waivers={name: found for name, found in billing.waivers.items() if name != key},
        waivers_ended={**billing.waivers_ended, key: max(last, 0)},
    )


def milestone_invoice(billing: BillingState, milestone: str) -> int | None:
    """The number of the proposed or issued invoice that bills a milestone; None if nothing of it
    is billed. Ask before `unreach`, where a person is to decide first."""
    account = index_of(billing).account(keys.milestone(milestone))
    return account.first or None if account.amount else None


def record_usage(billing: BillingState, record: UsageRecord) -> tuple[BillingState, bool]:
    """Take a metered record; the same id again replaces it. Also returns whether anything changed.

    Raises NotPossible for an unknown plan, a day outside the plan, a day whose period is folded,
    or too many records.
    """
    plan = billing.contract.plan(record.plan)
    if not isinstance(plan, UsagePlan):
        raise NotPossible(f"the contract has no usage plan {record.plan}")
    first_day, last_day = life_of(billing, plan.key)
    if record.on < first_day or (last_day is not None and record.on > last_day):
        days = f"from {first_day} to {last_day}" if last_day else f"from {first_day} on"
        raise NotPossible(f"{record.on} is outside the plan, {days}")
    known = billing.usage.get(plan.key, {})
    before = known.get(record.id)
    if before == record:
        return billing, False
    folded = billing.folded_until(plan.key)
    if folded is not None and min(record.on, before.on if before else record.on) <= folded:
        raise NotPossible(f"{record.on} is too late: usage until {folded} is settled for good")
    if before is None and sum(map(len, billing.usage.values())) >= MAX_USAGE_RECORDS:
        raise NotPossible(
            f"{MAX_USAGE_RECORDS} usage records are kept at most; report sums of days instead"
        )

    def touch(index: Index, new: BillingState) -> None:
        if before is not None:
            add_to_sum(index, new, plan.key, before.on, -before.quantity)
        add_to_sum(index, new, plan.key, record.on, record.quantity)
        touch_periods(index, new, plan.key)

    usage = {**billing.usage, plan.key: {**known, record.id: record}}
    return changed(billing, touch, usage=usage), True


def credit_service(
    billing: BillingState, plan: str, reference: str, reason: str, amount: Money, on: date
) -> tuple[BillingState, bool]:
    """Owe the customer a service credit, deducted from the next invoice that can bear it. A
    reference counts once. Raises NotPossible for an unknown plan or an amount not above zero."""
    if not isinstance(billing.contract.plan(plan), RetainerPlan):
        raise NotPossible(f"the contract has no retainer {plan}")
    if not amount.is_positive or amount.currency != billing.contract.currency:
        raise NotPossible(f"a service credit is above zero in {billing.contract.currency}")
    key = keys.service_credit(plan, reference)
    if key in billing.service_credits:
        return billing, False
    credit = ServiceCredit(
        plan=plan, reference=reference, reason=reason, amount=amount.amount, on=on
    )
    new = changed(
        billing,
        lambda index, new: touch_keys(index, new, [key]),
        service_credits={**billing.service_credits, key: credit},
    )
    return new, True


def release_retainage(billing: BillingState, on: date, reason: str) -> BillingState:
    """Pay out what is held back on issued invoices: becomes an occasion. Raises NotPossible if
    nothing is held."""
    index = index_of(billing)
    numbers = [
        item.number
        for item in pots.holding(billing, index)
        if item.status is InvoiceStatus.ISSUED and not item.released
    ]
    if not numbers:
        raise NotPossible("nothing is held back on issued invoices")
    return _released(billing, numbers, reason)


def _released(billing: BillingState, numbers: Iterable[int], reason: str) -> BillingState:
    invoices = dict(billing.invoices)
    for number in numbers:
        known = invoices[number]
        update = {"released": True, "release_reason": known.release_reason or reason}
        invoices[number] = known.model_copy(update=update)
    return changed(billing, lambda index, new: None, invoices=invoices)


def reads(billing: BillingState, today: date, *, closing: bool = False) -> tuple[Read, ...]:
    """What must be read from Odoo before the parts due by `today` can be billed.

    With `closing` also the last look: once nothing is left to bill, each plan is read to its end
    again, as hours and expenses may be approved late. Ask right before the contract closes.
    """
    found = reads_due(billing, today)
    if found or not closing:
        return found
    return last_looks(billing, index_of(billing, today), today)


def known_lines(billing: BillingState, plans: Collection[str]) -> tuple[int, ...]:
    """The timesheet lines known of these plans: the reader says which of them are gone."""
    return tuple(sorted(line for line, fact in billing.hours.items() if fact.plan in plans))


def known_expenses(billing: BillingState) -> tuple[int, ...]:
    """The expenses known: the reader says which of them are gone."""
    return tuple(sorted(billing.expenses))


def take_time(
    billing: BillingState,
    plans: Collection[str],
    entries: Iterable[TimeEntry],
    gone: Iterable[int],
    until: date,
) -> BillingState:
    """Approved hours as read from Odoo for these plans until a day, new or changed; `gone` are
    known lines that are deleted or no longer approved. "Read until" is a fact as well."""
    hours, before = dict(billing.hours), billing.hours
    latest_of = {entry.line_id: entry for entry in entries if entry.plan in plans}
    touched: list[tuple[int, str]] = []
    settled = _folded(billing, "lines")
    for line, entry in sorted(latest_of.items()):
        known = before.get(line)
        fact = _hours(entry, known)
        if line in settled or _is_folded(billing, fact):
            continue
        if fact != known and (known is not None or fact.hours):
            touched += [(line, item.plan) for item in (known, fact) if item]
            hours[line] = fact
    for line in sorted(set(gone) - latest_of.keys()):
        known = before.get(line)
        if known is not None and known.plan in plans and not _is_folded(billing, known):
            touched.append((line, known.plan))
            del hours[line]

    def touch(index: Index, new: BillingState) -> None:
        counted = {plan for _, plan in touched if isinstance(latest(new, plan), RetainerPlan)}
        touch_keys(index, new, dict.fromkeys(keys.hours(plan, line) for line, plan in touched))
        for plan in sorted(counted):
            sum_up(index, new, plan)
            touch_periods(index, new, plan)

    new = changed(billing, touch, hours=hours) if touched else billing
    return _read(new, sorted(plans), until)


def _hours(entry: TimeEntry, known: Hours | None) -> Hours:
    """The fact of an entry. The role is the one read first: a promotion changes no price."""
    same = known is not None and (known.person, known.email) == (entry.person, entry.email)
    role = known.role if known is not None and same else entry.role
    exact = entry.hours.quantize(QUANTITY_UNIT, rounding=ROUND_HALF_UP)
    return Hours(entry.plan, entry.on, exact, entry.person, entry.email, role)


def take_expenses(
    billing: BillingState,
    plan: str,
    expenses: Iterable[Expense],
    gone: Iterable[int],
    until: date,
) -> BillingState:
    """Approved expenses as read from Odoo for a plan until a day, as `take_time`. An expense stays
    with the plan that had it first."""
    facts, before = dict(billing.expenses), billing.expenses
    found = {item.expense_id: item for item in expenses if item.plan == plan}
    touched: list[str] = []
    settled = _folded(billing, "expenses")
    for number, item in sorted(found.items()):
        known = before.get(number)
        by = f"{item.employee}, {item.on}" if item.employee else f"{item.on}"
        fact = Spent(plan, item.on, item.cost.amount, f"{item.description} ({by})")
        if number in settled or _is_folded(billing, fact):
            continue
        is_news = known is None or (known.plan == plan and known != fact)
        if is_news and (known is not None or fact.cost):
            facts[number] = fact
            touched.append(keys.expense(plan, number))
    for number in sorted(set(gone) - found.keys()):
        known = before.get(number)
        if known is not None and known.plan == plan and not _is_folded(billing, known):
            facts[number] = known._replace(cost=Decimal(0))
            touched.append(keys.expense(plan, number))
    new = billing
    if touched:
        new = changed(billing, lambda index, s: touch_keys(index, s, touched), expenses=facts)
    return _read(new, [plan], until)


def _folded(billing: BillingState, what: str) -> frozenset[int]:
    """The timesheet lines or expenses that are dealt with for good."""
    return frozenset(n for item in billing.folded.values() for n in getattr(item, what))


def _is_folded(billing: BillingState, fact: Hours | Spent) -> bool:
    folded = billing.folded_until(fact.plan)
    return folded is not None and fact.on <= folded


def _read(billing: BillingState, plans: Iterable[str], until: date) -> BillingState:
    """These plans are read until a day. Days whose bill has nothing on it are made by that."""
    before = billing.read_until
    plans = [plan for plan in plans if plan in billing.plans]
    known = {plan: max(until, before.get(plan, until)) for plan in plans}
    looked, today = billing.looked, max(until + DAY, index_of(billing).horizon)
    if is_settling(billing, index_of(billing, today), today):
        # Nothing else was left: that was the last look.
        over = [plan for plan in plans if (end := life_of(billing, plan)[1]) and end <= until]
        looked = tuple(sorted({*looked, *over}))
    new = changed(billing, lambda i, s: None, read_until={**before, **known}, looked=looked)
    empty = dict(new.empty)
    index = index_of(new, today)
    due = {
        (keys.plan_of(key), keys.kind_of(key), day)
        for key, day in due_keys(new, index, until + DAY)
    }
    for plan in plans:
        for kind in tracks_of(latest(new, plan)):
            if kind == keys.FEE:
                continue
            track, last = f"{plan}:{kind}", before.get(plan)
            day = due_after(new, plan, kind, last + DAY if last else date.min)
            while day is not None and day <= until + DAY:
                if (plan, kind, day) not in due and day not in index.done.get(track, ()):
                    empty[track] = (*empty.get(track, ()), day)
                day = due_after(new, plan, kind, day)
    return changed(new, lambda i, s: None, empty=empty) if empty != new.empty else new


# --- invoices ---------------------------------------------------------------------------------


def occasions(billing: BillingState, today: date) -> tuple[Occasion, ...]:
    """What may be proposed now, an invoice each, oldest first. What waits for a reading, an open
    invoice or a person is left out; one plan's problem never holds up another."""
    found = pending(billing, index_of(billing, today), today)
    return tuple(item.occasion for item in found)


def compose(
    billing: BillingState, occasion: str, number: int, today: date
) -> Composition | tuple[Problem, ...]:
    """The invoice of an occasion by its key, or the problems that a person must solve first: an
    hour without a rate (`rate_missing`), a cap that nobody let pass (`cap_reached`).

    `number` counts the contract's invoices from 1. Raises NotPossible if there is no such
    occasion now.
    """
    index = index_of(billing, today)
    found = first_of(pending(billing, index, today), occasion)
    if found is None:
        raise NotPossible(f"there is nothing to bill for {occasion}")
    return Composer(billing, index, found, number).compose(today)


def propose(billing: BillingState, composition: Composition) -> BillingState:
    """Enter a composed invoice as proposed; one without a proposal is settled by it. Raises
    NotPossible if its number is taken."""
    invoice = composition.invoice
    if invoice.number in billing.invoices:
        raise NotPossible(f"there is an invoice {invoice.number} already")
    requests = dict(billing.credit_requests)
    request = requests.pop(invoice.occasion, None)
    if request is not None and invoice.is_open:
        requests[request.key] = request.model_copy(update={"carried_by": invoice.number})
    new = _with(billing, invoice, credit_requests=requests, looked=())
    if invoice.occasion.partition(":")[0] != OccasionKind.RETAINAGE:
        return new
    # What is paid out is not held back again.
    numbers = [int(keys.plan_of(key)) for key in _own(invoice)]
    return _released(new, [number for number in numbers if number in new.invoices], "")


def issued(billing: BillingState, number: int) -> BillingState:
    """The invoice is posted. Repeating changes nothing."""
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return billing
    requests = {k: v for k, v in billing.credit_requests.items() if v.carried_by != number}
    new = invoice.model_copy(update={"status": InvoiceStatus.ISSUED})
    credited = billing.invoices.get(invoice.credited_number)
    again = credited.tracks if credited and invoice.reinvoice else ()
    read_until = _unread(billing, again)
    return _with(billing, new, credit_requests=requests, read_until=read_until)


def rejected(billing: BillingState, number: int) -> BillingState:
    """The proposal is rejected: its keys wait until `retry_rejected` or `waive_rejected`."""
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.status is not InvoiceStatus.PROPOSED:
        return billing
    return _with(billing, invoice.model_copy(update={"status": InvoiceStatus.REJECTED}))


def undecided(billing: BillingState) -> tuple[int, ...]:
    """The rejected proposals that a person still has to decide on."""
    return tuple(n for n, item in billing.invoices.items() if not item.counts)


def retry_rejected(billing: BillingState, number: int) -> BillingState:
    """Forget a rejected proposal: its differences are there again and are composed anew, from what
    is read anew."""
    invoice = _undecided(billing, number)
    requests = {
        key: item.model_copy(update={"carried_by": 0}) if item.carried_by == number else item
        for key, item in billing.credit_requests.items()
    }
    read_until = _unread(billing, invoice.tracks)
    return _without(billing, invoice, credit_requests=requests, read_until=read_until)


def waive_rejected(
    billing: BillingState, number: int, by: str, reason: str, on: date
) -> BillingState:
    """Waive what a rejected proposal billed, or refuse what it gave back. What it took along for
    other keys comes with the next invoice."""
    invoice = _undecided(billing, number)
    requests = {k: v for k, v in billing.credit_requests.items() if v.carried_by != number}
    waivers = dict(billing.waivers)
    for key in _own(invoice):
        amount, _ = invoice.by_key[key]
        if amount:
            new = Waiver(key=key, amount=amount, by=by, reason=reason, on=on)
            waivers[key] = (*waivers.get(key, ()), new)
    return _without(billing, invoice, credit_requests=requests, waivers=waivers)


def _own(invoice: Invoice) -> list[str]:
    """The keys that an invoice was about, without what it took along."""
    kind = invoice.occasion.partition(":")[0]
    if kind == OccasionKind.CREDIT:
        return []
    if kind == OccasionKind.SETTLEMENT:
        left_out = {keys.CAP, keys.ROUNDING, keys.RETAINAGE}
        return [key for key in invoice.by_key if keys.kind_of(key) not in left_out]
    if kind != OccasionKind.PERIOD:
        return [key for key in invoice.by_key if keys.kind_of(key) == kind]
    found = [key for key in invoice.by_key if keys.kind_of(key) in keys.BY_PERIOD]
    return [k for k in found if keys.kind_of(k) != keys.FEE or invoice.by_key[k][0] > 0]


def _undecided(billing: BillingState, number: int) -> Invoice:
    invoice = billing.invoices.get(number)
    if invoice is None or invoice.counts:
        raise NotPossible(f"proposal {number} does not wait for a decision")
    return invoice


def _unread(billing: BillingState, tracks: Iterable[str]) -> dict[str, date]:
    """How far plans are read, without those that are to be read anew."""
    anew = {track.partition(":")[0] for track in tracks}
    return {plan: day for plan, day in billing.read_until.items() if plan not in anew}


def _with(billing: BillingState, invoice: Invoice, **update: object) -> BillingState:
    invoices = {**billing.invoices, invoice.number: invoice}
    return changed(
        billing, lambda i, new: touch_invoice(i, new, invoice), invoices=invoices, **update
    )


def _without(billing: BillingState, invoice: Invoice, **update: object) -> BillingState:
    invoices = {n: item for n, item in billing.invoices.items() if n != invoice.number}
    return changed(
        billing, lambda i, new: touch_invoice(i, new, invoice), invoices=invoices, **update
    )


def creditable(billing: BillingState, number: int) -> Money:
    """What of an issued invoice can still be credited. Raises NotPossible for anything else."""
    left = left_to_credit(billing, index_of(billing), number)
    return Money(left, billing.contract.currency)


def request_credit(
    billing: BillingState,
    number: int,
    on: date,
    reason: str,
    by: str,
    amount: Money | None = None,
    *,
    reinvoice: bool = False,
) -> BillingState:
    """Credit an issued invoice, in whole or by an amount: becomes an occasion. What is credited is
    waived, or with `reinvoice` billed anew once the credit note is issued, at the terms and facts
    of then. Raises NotPossible with the reason."""
    invoice = credited_invoice(billing, number)
    left = creditable(billing, number)
    whole = amount is None or amount == left
    wanted = left if amount is None else amount
    waiting = [item for item in billing.credit_requests.values() if item.number == number]
    # An invoice may come to nothing, its deposit deducted, and still be credited in whole.
    nothing = left.is_zero and not waiting and _is_untouched(billing, invoice)
    possible = wanted.currency == left.currency and wanted <= left
    if not possible or not (wanted.is_positive or (whole and nothing)):
        raise NotPossible(f"{left} of invoice {number} can still be credited, not {wanted}")
    if reinvoice and any(keys.kind_of(key) == keys.SETTLED for key in invoice.by_key):
        raise NotPossible(f"what invoice {number} bills is settled for good")
    if reinvoice and (not whole or waiting):
        raise NotPossible("only an invoice that is credited in whole can be issued anew")
    count = 1 + sum(item.credited_number == number for item in billing.invoices.values())
    key = f"credit:{number}:{count + len(waiting)}"
    request = CreditRequest(
        key=key,
        number=number,
        on=on,
        reason=reason,
        by=by,
        amount=None if whole else wanted.amount,
        reinvoice=reinvoice,
    )
    requests = {**billing.credit_requests, key: request}
    return changed(billing, lambda i, s: None, credit_requests=requests)


def _is_untouched(billing: BillingState, invoice: Invoice) -> bool:
    others = billing.invoices.values()
    return not any(item.credited_number == invoice.number and item.counts for item in others)


def allow_cap(billing: BillingState, plan: str, on: date, by: str, reason: str) -> BillingState:
    """Bill up to the cap what is due by `on`: a decision by name. What is above is listed by
    `unbilled`, and is billed after all if the cap is raised."""
    terms = billing.contract.plan(plan)
    if not isinstance(terms, TimePlan) and not hasattr(terms, "cap"):
        raise NotPossible(f"the contract has no plan {plan} with a cap")
    allowed = CapAllowance(plan=plan, on=on, by=by, reason=reason)
    return changed(billing, lambda i, s: None, caps_allowed={**billing.caps_allowed, plan: allowed})
