"""Current details: what an operations person sees of a workflow at a glance, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from contracts.approvals import HASH_PREFIX
from contracts.journal import Journal
from contracts.parking import Action, StepException, Waiting
from contracts.receivable import CLEARED, PENDING, UNBILLED, InvoiceStage, ReceivableState
from contracts.state import ContractStage, ContractState, MilestoneProgress, money_table
from contracts.validation import show

_LATEST = 8
_MAX_ROWS = 60
_MAX_MESSAGE = 1_000
_MAX_BYTES = 18_000
"""Temporal keeps 20 KB of details; the text is cut well before."""


def contract_details(state: ContractState) -> str:
    """The whole contract on one page: stage, waiting, milestones, money, what happened last."""
    contract = state.contract
    title = contract.title if contract else state.document.get("title", "")
    parts = [f"## {title or 'Contract'} ({state.contract_id})"]
    if contract:
        parts.append(f"**{contract.customer.name}** · {contract.value} · {state.legal_entity}")
    parts.append(
        _standing(str(state.stage), contract_waits(state)[1], state.waiting, state.time_zone)
    )
    parts += _exceptions(state.exceptions, state.time_zone)
    if contract:
        parts.append(_milestones(state))
        parts.append(_money(state))
    if state.odoo.order_name:
        parts.append(f"Odoo: order **{state.odoo.order_name}**, project {state.odoo.project_name}")
    parts.append(_journal(state.journal, state.time_zone))
    return _cut(parts)


def contract_waits(state: ContractState) -> tuple[str | None, str]:
    """What the contract itself waits on: the WaitingOn value and a sentence."""
    if state.exceptions:
        return _waits_on_exception(state.exceptions)
    if state.stage in (ContractStage.CLOSED, ContractStage.CANCELLED):
        return None, "nothing, it has ended"
    done = CLEARED | UNBILLED
    pending = [n for n, item in state.invoices.items() if item.stage not in done]
    undecided = [str(n) for n, item in state.invoices.items() if item.stage in PENDING]
    if undecided:
        return "approval", f"proposal {', '.join(undecided)} to be approved"
    if state.stage is ContractStage.ACTIVE:
        planned = [key for key, item in state.milestones.items() if item.reached_on is None]
        if planned:
            return "milestone", f"a milestone to be reached: {', '.join(planned[:5])}"
    if pending:
        return "payment", f"invoice {', '.join(map(str, pending))} to be collected"
    if state.stage is ContractStage.CLOSING:
        return "settlement", "the settlement period of its invoices"
    return None, "the systems (no person is needed)"


def receivable_details(state: ReceivableState) -> str:
    """One invoice on one page: stage, who must act, the amounts, ready-to-paste approval."""
    proposal = state.proposal
    zone = state.policy.calendar.time_zone if state.policy else "UTC"
    name = (state.balance.number if state.balance else "") or f"proposal {proposal.number}"
    parts = [
        f"## {proposal.customer_name}: {name}",
        _standing(str(state.stage), receivable_waits(state)[1], state.waiting, zone),
    ]
    if state.next_action_at:
        parts.append(f"**Next action:** {_when(state.next_action_at, zone)}")
    parts += _exceptions(state.exceptions, zone)
    rows = "\n".join(f"| {_cell(line.description)} | {line.amount} |" for line in proposal.lines)
    parts.append(
        f"| Line | Amount |\n|---|--:|\n{rows}\n| **Total without tax** | {proposal.amount} |"
    )
    if state.stage is InvoiceStage.AWAITING_APPROVAL and state.requirement:
        parts.append(_approval(state))
    if state.balance and state.balance.posted:
        balance = state.balance
        parts.append(
            "| Total with tax | Paid | Credited | Open | Due | Reminders |\n"
            "|--:|--:|--:|--:|---|--:|\n"
            f"| {balance.total} | {balance.paid} | {balance.credited} | {balance.residual} "
            f"| {balance.due_on} | {state.dunning.level} |"
        )
    parts.append(_journal(state.journal, zone))
    return _cut(parts)


def receivable_waits(state: ReceivableState) -> tuple[str | None, str]:
    """What the invoice waits on: the WaitingOn value and a sentence."""
    if state.exceptions:
        return _waits_on_exception(state.exceptions)
    if state.stage is InvoiceStage.AWAITING_APPROVAL and state.requirement:
        missing = state.requirement.approvals - len({item.by for item in state.approvals})
        people = [*state.requirement.approvers]
        if state.escalated:
            people += state.requirement.escalate_to
        return "approval", f"{missing} approval(s) by {', '.join(dict.fromkeys(people))}"
    if state.stage is InvoiceStage.POSTED_NOT_DELIVERED:
        return "delivery", "the invoice to be delivered"
    if state.stage is InvoiceStage.IN_PAYMENT:
        return "payment", "the payment to reach the bank statement"
    if state.reminders_exhausted and state.stage is InvoiceStage.OVERDUE:
        return "collector", "a person to collect: every reminder was sent"
    if state.stage in (InvoiceStage.OPEN, InvoiceStage.PARTIALLY_PAID, InvoiceStage.OVERDUE):
        return "payment", "the customer's payment"
    if state.stage in (InvoiceStage.PAID, InvoiceStage.CREDITED):
        return "settlement", "the settlement period to end"
    return None, "the systems (no person is needed)"


def _standing(stage: str, waits_for: str, waiting: Waiting, zone: str) -> str:
    since = f", since {_when(waiting.since, zone)}" if waiting.since else ""
    return f"**Stage:** {stage}  \n**Waits for:** {waits_for}{since}"


def _waits_on_exception(exceptions: list[StepException]) -> tuple[str, str]:
    first = min(exceptions, key=lambda item: item.since)
    kind = first.kind if first.kind == "credentials" else "exception"
    return kind, f"{first.owner}: {first.doing}"


def _approval(state: ReceivableState) -> str:
    proposal = state.proposal
    example = {
        "decision": "approve",
        "by": "you@your.firm",
        "content_hash": proposal.content_hash[:HASH_PREFIX],
        "amount": str(proposal.amount),
    }
    given = ", ".join(f"{item.by} ({item.at:%Y-%m-%d})" for item in state.approvals) or "none yet"
    return (
        f"**Approvals:** {given}\n\nTo approve, send the Update `decide_approval` "
        f"(or the Signal `approval_decided`) with:\n\n```json\n{json.dumps(example)}\n```"
    )


def _exceptions(exceptions: Iterable[StepException], zone: str) -> list[str]:
    return [_exception(item, zone) for item in exceptions]


def _exception(item: StepException, zone: str) -> str:
    lines = [
        f"### Parked: {item.doing}",
        f"`{item.code}` · since {_when(item.since, zone)} · {item.owner} · attempt {item.attempts}",
    ]
    if item.message:
        lines.append(f"> {item.message[:_MAX_MESSAGE]}")
    if item.field:
        found = f" = `{show(item.value)}`" if item.value else ""
        lines.append(f"Field `{item.field}`{found}")
    lines += [f"- `{p.field}` expected {p.expected}, found `{p.value}`" for p in item.problems[:20]]
    example = {"action": item.allowed[0], "by": "you@your.firm", "step": item.step}
    if Action.AMEND in item.allowed and (item.problems or item.field):
        field = item.problems[0].field if item.problems else item.field
        example |= {"action": Action.AMEND, "changes": {field: "…"}}  # type: ignore[dict-item]
    lines.append(
        f"Possible: {', '.join(item.allowed)}. Send the Update `resolve_exception` with:\n\n"
        f"```json\n{json.dumps(example, ensure_ascii=False)}\n```"
    )
    return "\n\n".join(lines)


def _milestones(state: ContractState) -> str:
    rows = ["| Milestone | Amount | Due | State |", "|---|--:|---|---|"]
    items = state.contract.milestones if state.contract else ()
    for item in items[:_MAX_ROWS]:
        progress = state.milestones.get(item.key, MilestoneProgress())
        status = milestone_status(state, progress)
        rows.append(
            f"| {_cell(item.name)} (`{item.key}`) | {item.amount} | {item.due_on or ''} "
            f"| {status} |"
        )
    if len(items) > _MAX_ROWS:
        rows.append(f"| … {len(items) - _MAX_ROWS} more | | | |")
    return "\n".join(rows)


def milestone_status(state: ContractState, progress: MilestoneProgress) -> str:
    """A milestone's state in words: planned, reached, or its invoice's stage."""
    if progress.reached_on is None:
        return "planned"
    invoice = state.invoices.get(progress.proposal) if progress.proposal else None
    if invoice is None:
        return f"reached {progress.reached_on}"
    return f"{invoice.odoo_number or f'proposal {invoice.number}'}: {invoice.stage}"


def _money(state: ContractState) -> str:
    money = money_table(state)
    if money is None:
        return ""
    # Two columns: the UI shows details in a narrow pane.
    rows = {
        "Value": money.value,
        "Invoiced": money.invoiced,
        "Credited": money.credited,
        "To invoice": money.to_invoice,
        "Billed with tax": money.total,
        "Paid": money.paid,
        "**Open**": money.open,
        "**Overdue**": money.overdue,
    }
    lines = "\n".join(f"| {name} | {amount} |" for name, amount in rows.items())
    return f"| Money | Amount |\n|---|--:|\n{lines}"


def _journal(journal: Journal, zone: str) -> str:
    latest = reversed(journal.entries[-_LATEST:])
    return "\n".join(f"- {_when(entry.at, zone)} {entry.text}" for entry in latest)


def _when(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _cut(parts: list[str]) -> str:
    text = "\n\n".join(part for part in parts if part)
    encoded = text.encode()
    if len(encoded) <= _MAX_BYTES:
        return text
    return encoded[:_MAX_BYTES].decode(errors="ignore") + "\n…"


def _cell(text: str) -> str:
    """Text for a table's cell, where a bar or a line break would end it."""
    return " ".join(text.replace("|", "\\|").split())
