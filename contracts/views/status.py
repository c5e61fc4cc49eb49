"""How a contract stands, in words: milestones, plans, invoices, what was agreed or decided.

Pure functions of a contract's state: whoever shows a contract asks here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from contracts.billing import account, keys
from contracts.billing.lines import total
from contracts.billing.state import BillingState
from contracts.contract.messages import SignatureReported
from contracts.contract.state import ContractState, MilestoneProgress, percent_billed
from contracts.handover import burn_rows, in_words
from contracts.invoice.state import InvoiceReport
from contracts.model import Contract, ExpensePlan, Frozen, Plan, RetainerPlan, TimePlan, UsagePlan
from contracts.money import Money


class PlanRow(Frozen):
    """A plan as people see it. `billed` is what it has billed or proposed, without tax; `next_on`
    the day its next period is billed, none once the plan is over."""

    key: str
    terms: str
    billed: Money
    next_on: date | None = None
    next_period: str = ""

    @property
    def next(self) -> str:
        return f"{self.next_on} ({self.next_period})" if self.next_on else "over"


class InvoiceRow(Frozen):
    """An invoice and what it is for. `status` is its stage, and what is parked of it. `amount` is
    without tax, negative for a credit note; `open`
    with tax."""

    number: int
    name: str
    title: str
    stage: str
    status: str
    amount: Money
    open: Money | None
    due_on: date | None


def milestone_status(state: ContractState, key: str) -> str:
    """A milestone's state in words: planned, reached, or how its invoice stands."""
    progress = state.milestones.get(key, MilestoneProgress())
    if progress.reached_on is None:
        return "planned"
    status = _fate(state, key) or f"reached {progress.reached_on}"
    return f"{status}, not reached after all: to be reviewed" if progress.under_review else status


def _fate(state: ContractState, milestone: str) -> str:
    """What became of a reached milestone; empty while no invoice bills it."""
    if state.billing is None:
        return ""
    number = account.milestone_invoice(state.billing, milestone)
    if number is not None:
        report = state.invoices[number]
        return f"{report.name}: {status_of(report)}"
    waivers = state.billing.waivers.get(keys.milestone(milestone), ())
    return f"not billed: {waivers[-1].by}: {waivers[-1].reason}" if waivers else ""


def plan_rows(state: ContractState) -> list[PlanRow]:
    """The plans that bill by period, in the contract's order."""
    contract, billing = state.contract, state.billing
    if contract is None or billing is None:
        return []
    dues = {due.plan: due for due in account.dues(billing, state.billing_day)}
    rows = []
    for plan in contract.plans:
        due = dues.get(plan.key)
        rows.append(
            PlanRow(
                key=plan.key,
                terms=plan_terms(plan),
                billed=_billed(billing, plan.key),
                next_on=due.on if due else None,
                next_period=due.period if due else "",
            )
        )
    return rows


def _billed(billing: BillingState, order_line: str) -> Money:
    """What a line of the order has billed or proposed."""
    found = (item for item in billing.invoices.values() if item.counts)
    lines = [line for item in found for line in item.lines if line.order_line == order_line]
    return total(lines, billing.contract.currency)


def plan_terms(plan: Plan) -> str:
    """What a plan bills, in a few words."""
    if isinstance(plan, TimePlan):
        return f"hours, each {plan.every}{_cap(plan.cap)}"
    if isinstance(plan, RetainerPlan):
        hours = f", {plan.included_hours:f} hours included" if plan.included_hours else ""
        when = "in advance" if plan.in_advance else "in arrears"
        return f"{plan.fee} each {plan.every} {when}{hours}"
    if isinstance(plan, UsagePlan):
        least = f", at least {plan.minimum}" if plan.minimum else ""
        total_least = f", at least {plan.commitment} in all" if plan.commitment else ""
        return f"{plan.unit}, each {plan.every}{least}{total_least}"
    return f"{_expenses(plan)}, each {plan.every}{_cap(plan.cap)}"


def _expenses(plan: ExpensePlan) -> str:
    return f"expenses plus {plan.markup:f} %" if plan.markup else "expenses at cost"


def _cap(cap: Money | None) -> str:
    return f", at most {cap}" if cap else ""


def invoice_rows(state: ContractState) -> list[InvoiceRow]:
    """The contract's invoices, by number."""
    billed = state.billing.invoices if state.billing else {}
    return [
        InvoiceRow(
            number=number,
            name=item.name,
            title=billed[number].title if number in billed else "",
            stage=item.stage,
            status=status_of(item),
            amount=item.amount,
            open=item.residual,
            due_on=item.due_on,
        )
        for number, item in sorted(state.invoices.items())
    ]


def status_of(report: InvoiceReport) -> str:
    """The stage of an invoice, and what of it waits for a person."""
    parked = ", ".join(f"{item.doing.lower()} [{item.code}]" for item in report.exceptions)
    return f"{report.stage}, parked: {parked}" if parked else str(report.stage)


def delivery(state: ContractState) -> list[str]:
    """How the project stands, a sentence each: its people, and its burn beside the budget; empty
    for a contract without a hand-over."""
    contract, plan = state.contract, state.handed_over
    if contract is None or plan is None:
        return []
    manager = plan.manager or "a manager to be named"
    staffed = f"staffed since {state.staffed_on}" if state.staffed_on else "not staffed yet"
    found = [f"Project: {manager}, {staffed}"]
    if state.burn is not None:
        rows = burn_rows(contract, state.burn)
        shown = rows if len(rows) > 2 else rows[-1:]
        found += [f"{row.name}: {in_words(row)}" for row in shown]
        billed = percent_billed(state)
        if billed is not None:
            found.append(f"Billed: {billed} % of the value; burn as of {state.burn.as_of:%Y-%m-%d}")
    return found


def conditions(state: ContractState) -> list[str]:
    """What was decided or is pending about the contract, a sentence each; the gravest first."""
    contract = state.contract
    found = [*_ending(state), *_pending(state), *signature(state), *_holds(state)]
    if contract is not None and state.billing is not None:
        found += [*_money_kept(state, contract), *_limits(state, contract)]
        found += [*_renewal(state, contract), *_unproposed(state), *_repriced(state)]
    return found


def not_billed(state: ContractState) -> list[str]:
    """What was earned and will not be billed, and why."""
    if state.billing is None:
        return []
    found = account.unbilled(state.billing, state.billing_day)
    return [f"{item.what}: {item.amount} ({item.reason})" for item in found]


def _ending(state: ContractState) -> Iterator[str]:
    if state.cancel is not None:
        yield _by("Cancelled", state.cancel.by, state.cancel.reason)
    if state.termination is not None:
        request = state.termination
        verb = "Ended" if state.terminated else "Ends"
        agreed = ", as agreed" if request.agreed else ""
        words = f"{verb} early on {request.on} by the {request.side}{agreed}"
        yield _by(words, request.by, request.reason)
    if state.notice is not None:
        notice = state.notice
        yield f"Notice given by the {notice.side} on {notice.on} ({notice.by}): it is not renewed"


def _by(words: str, by: str, reason: str) -> str:
    return f"{words} ({by}): {reason}" if reason else f"{words} ({by})"


def signature(state: ContractState) -> list[str]:
    """Who signed where, and the signed document in Odoo; nothing where no envelope is known and
    nobody has said anything."""
    found = state.signature
    sentences = [_reported(report) for report in (found.reported,) if report is not None]
    if found.confirmed is not None:
        on = f" on {found.confirmed.on}" if found.confirmed.on else ""
        sentences.append(_by(f"Signed{on}", found.confirmed.by, found.confirmed.reason))
    if found.late is not None:
        sentences.append(f"Came too late: {_reported(found.late)}")
    if found.attached is not None:
        name, sha256 = found.attached.name, found.attached.sha256
        sentences.append(f"Attached to the order: {name}, SHA-256 {sha256}")
    if found.not_attached:
        sentences.append(f"The signed document is not attached ({found.not_attached})")
    return sentences


def _reported(report: SignatureReported) -> str:
    envelope = report.envelope
    at = envelope.completed_at or envelope.changed_at
    by = f" by {', '.join(envelope.signers)}" if envelope.signers and envelope.completed_at else ""
    why = f": {envelope.reason}" if envelope.reason else ""
    words = f"Envelope {envelope.envelope_id} of {report.system} is {envelope.status}"
    return f"{words} since {at:%Y-%m-%d %H:%M %Z}{by}{why}"


def _pending(state: ContractState) -> Iterator[str]:
    change = state.change
    if change is not None:
        needs = f"; needs {change.approval_round.missing}" if change.approval_round else ""
        order = change.order
        yield f"Change order {order.number} by {order.by} awaits approval: {order.reason}{needs}"
        yield from (f"Change order {order.number}: {text}" for text in change.changes)
    if (
        state.order_version
        and state.contract
        and state.order_version.version != state.contract.version
    ):
        yield f"The order in Odoo is still at version {state.order_version.version}"


def _holds(state: ContractState) -> Iterator[str]:
    for kind, hold in state.holds.items():
        until = f" until {hold.until}" if hold.until else ""
        yield _by(f"{kind.capitalize()} on hold{until}", hold.by, hold.reason)
    if state.odoo.project_suspended:
        late = [item.odoo_number for item in state.invoices.values() if item.suspends]
        unpaid = f": {', '.join(late)} unpaid" if late else ""
        yield f"Work is suspended{unpaid}"


def _money_kept(state: ContractState, contract: Contract) -> Iterator[str]:
    sums = account.sums(state.account, state.billing_day)
    left, held = sums.deposit_left, sums.retained
    if left.is_positive:
        yield f"Deposit not deducted yet: {left}"
    if held.is_positive:
        release_on = contract.retainage.release_on if contract.retainage else None
        due = f", to be released on {release_on}" if release_on else ""
        yield f"Held back: {held}{due}"
    for item in state.account.service_credits.values():
        key = keys.service_credit(item.plan, item.reference)
        if not any(key in invoice.by_key for invoice in state.account.invoices.values()):
            amount = Money(-item.amount, contract.currency)
            yield f"To be deducted from the next invoice: {item.reason}, {amount}"


def _limits(state: ContractState, contract: Contract) -> Iterator[str]:
    limit = contract.purchase_order_limit
    if limit is not None:
        used = account.sums(state.account, state.billing_day).committed
        yield f"Purchase order {contract.purchase_order}: {used} of {limit} billed or proposed"


def _renewal(state: ContractState, contract: Contract) -> Iterator[str]:
    renews = contract.term.auto_renew and contract.ends_on is not None and contract.plans
    if renews and contract.ends_on and state.notice is None and state.termination is None:
        last = contract.ends_on - timedelta(days=contract.term.notice_days)
        yield (
            f"Renewed for {contract.term.renew_months} months after {contract.ends_on}, unless "
            f"notice is given by {last}"
        )


def _unproposed(state: ContractState) -> Iterator[str]:
    for occasion in account.occasions(state.account, state.billing_day):
        yield f"To be proposed: {occasion.title}, {occasion.amount}"


def _repriced(state: ContractState) -> Iterator[str]:
    """A version for earlier days leaves alone what is proposed: a person decides."""
    for item in account.repriced(state.account, state.billing_day):
        sign = "+" if item.difference.is_positive else ""
        yield (
            f"Invoice {item.number} bills {item.billed} of {item.plan} by earlier terms; the "
            f"present ones come to {item.at_present} ({sign}{item.difference}): credit it with a "
            "new invoice to bill that"
        )
