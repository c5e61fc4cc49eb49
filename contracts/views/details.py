"""Current details: what an operations person sees of a workflow at a glance, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contracts.approvals import HASH_PREFIX, ApprovalRound
from contracts.contract.state import ContractState, money_table
from contracts.contract.waits import contract_waits
from contracts.invoice import collecting
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceState
from contracts.invoice.waits import invoice_waits
from contracts.journal import Journal
from contracts.money import Money
from contracts.parking import Action, StepException, Waiting
from contracts.validation import show
from contracts.views import layout
from contracts.views.choices import Choice, choices
from contracts.views.status import (
    conditions,
    delivery,
    invoice_rows,
    milestone_status,
    not_billed,
    plan_rows,
)

_LATEST = 8
_MAX_ROWS = 60
_MAX_PLANS = 20
_MAX_INVOICES = 15
_MAX_SENTENCES = 12
_MAX_PROBLEMS = 20
_MAX_SENTENCE = 300
_MAX_MESSAGE = 1_000
_TABLE_WIDTH = 96
_MAX_BYTES = 18_000
"""Temporal keeps 20 KB of details; the text is cut well before."""


def contract_details(state: ContractState) -> str:
    """The whole contract on one page: stage, waiting, what was decided, what is billed and how,
    money, what happened last."""
    contract = state.contract
    title = contract.title if contract else state.contract_data.get("title", "")
    parts = [f"## {title or 'Contract'} ({state.contract_id})"]
    if contract:
        version = f" · version {contract.version}" if contract.version > 1 else ""
        heading = f"**{contract.customer.name}** · {contract.value} · {state.legal_entity}"
        parts.append(heading + version)
    parts.append(
        _standing(str(state.stage), contract_waits(state)[1], state.waiting, state.time_zone)
    )
    parts += _exceptions(state, state.time_zone)
    parts.append(_sentences(conditions(state)))
    if contract:
        parts += [_milestones(state), _plans(state), _invoices(state), _money(state)]
    parts.append(_sentences(delivery(state)))
    parts.append(_sentences(not_billed(state), "Not billed: "))
    if state.odoo.order_name:
        parts.append(f"Odoo: order **{state.odoo.order_name}**, project {state.odoo.project_name}")
    parts.append(_journal(state.journal, state.time_zone))
    return _cut(parts)


def invoice_details(state: InvoiceState) -> str:
    """One invoice on one page: stage, who must act, the amounts, ready-to-paste approval."""
    proposal = state.proposal
    zone = state.policy.calendar.time_zone if state.policy else "UTC"
    name = (state.balance.number if state.balance else "") or f"proposal {proposal.number}"
    parts = [
        f"## {proposal.customer_name}: {name}",
        _standing(str(state.stage), invoice_waits(state)[1], state.waiting, zone),
    ]
    if collecting.is_credit_note(state):
        credited = f" of invoice {proposal.credited_number}" if proposal.credited_number else ""
        parts.append(f"**Credit note**{credited}: {_cell(proposal.reason) or 'no reason given'}")
    if state.next_action_at:
        parts.append(f"**Next action:** {_when(state.next_action_at, zone)}")
    parts += _exceptions(state, zone)
    parts.append(_lines(state))
    if state.open_round:
        parts.append(_approval(state.open_round))
    if state.balance and state.balance.posted:
        parts.append(_balance(state, state.balance))
    parts += agreements(state)
    parts.append(_journal(state.journal, zone))
    return _cut(parts)


def agreements(state: InvoiceState) -> list[str]:
    """What was agreed about a posted invoice, or is asked for, one sentence each."""
    told = []
    if state.dispute:
        dispute = state.dispute
        words = f"Disputed since {dispute.opened_on}: {dispute.amount} ({dispute.reason})"
        told.append(f"{words}; accepted: {dispute.accepted}" if dispute.accepted else words)
    if state.revised_due_on:
        told.append(f"Due date revised to {state.revised_due_on}")
    if state.promise:
        promise = state.promise
        told.append(f"Promised: {promise.amount} until {promise.on}, noted by {promise.by}")
    if state.promises_broken:
        told.append(f"Promises broken: {state.promises_broken}")
    for where, hold in (("", state.hold), (" of the whole contract", state.contract_hold)):
        if hold:
            until = f" until {hold.until}" if hold.until else ""
            told.append(f"Reminders{where} on hold{until}, by {hold.by}: {hold.reason}")
    if state.write_off:
        asked = state.write_off
        told.append(f"Write-off of {asked.amount} asked for by {asked.by}: {asked.reason}")
    return told


def _standing(stage: str, waits_for: str, waiting: Waiting, zone: str) -> str:
    since = f", since {_when(waiting.since, zone)}" if waiting.since else ""
    return f"**Stage:** {stage}  \n**Waits for:** {waits_for}{since}"


def _lines(state: InvoiceState) -> str:
    """The lines without tax, and as soon as Odoo has a draft its taxes and the total with them."""
    proposal, odoo_totals = state.proposal, state.odoo_totals
    rows: list[tuple[str, object]] = [(line.description, line.amount) for line in proposal.lines]
    rows.append(("Total without tax", proposal.amount))
    if odoo_totals:
        sign = -1 if proposal.amount.amount < 0 else 1
        rows += [(tax.name, signed(tax.amount, sign)) for tax in odoo_totals.taxes]
        rows.append(("Total with tax", signed(odoo_totals.total, sign)))
    return _table(("Line", ">Amount"), rows)


def signed(amount: Money, sign: int) -> Money:
    """An amount of an invoice as it stands in the contract's books: credit notes are negative."""
    return -amount if sign < 0 else amount


def _balance(state: InvoiceState, balance: InvoiceBalance) -> str:
    rows: list[tuple[str, object]] = [
        ("Total with tax", balance.total),
        ("Paid", collecting.paid(state, balance)),
        ("Credited", collecting.credited(state, balance)),
    ]
    if balance.written_off:
        rows.append(("Written off", balance.written_off))
    contested = collecting.disputed(state, balance)
    if contested:
        rows.append(("Disputed", contested))
    rows += [
        ("Open", balance.residual),
        ("Due", collecting.due_on(state) or ""),
        ("Reminders", state.dunning.level),
    ]
    return _table(("Balance", ">"), rows)


def _approval(approval_round: ApprovalRound) -> str:
    subject = approval_round.subject
    example = {
        "decision": "approve",
        "by": "you@your.firm",
        "content_hash": subject.content_hash[:HASH_PREFIX],
        "amount": str(subject.amount),
    }
    given = (
        ", ".join(f"{item.by} ({item.at:%Y-%m-%d})" for item in approval_round.approvals)
        or "none yet"
    )
    return (
        f"**Approvals of {_cell(subject.title)}:** {given}\n\nTo approve, send the Update "
        "`decide_approval` (or the Signal `approval_decided`) with:\n\n"
        f"```json\n{json.dumps(example)}\n```"
    )


def _exceptions(state: ContractState | InvoiceState, zone: str) -> list[str]:
    return [_exception(item, choices(state, item), zone) for item in state.exceptions]


def _exception(item: StepException, possible: Sequence[Choice], zone: str) -> str:
    lines = [
        f"### Parked: {item.doing}",
        f"`{item.code}` · since {_when(item.since, zone)} · {item.responsible}"
        f" · attempt {item.attempts}",
    ]
    if item.message:
        lines.append(f"> {item.message[:_MAX_MESSAGE]}")
    if item.field:
        found = f" = `{show(item.value)}`" if item.value else ""
        lines.append(f"Field `{item.field}`{found}")
    shown = item.problems[:_MAX_PROBLEMS]
    lines += [f"- `{p.field}` expected {p.expected}, found `{p.value}`" for p in shown]
    if len(item.problems) > len(shown):
        lines.append(f"- … {len(item.problems) - len(shown)} more")
    if not possible:
        return "\n\n".join(lines)
    actions = ", ".join(choice.action for choice in possible)
    example = json.dumps(_example(item, possible), ensure_ascii=False)
    lines.append(
        f"Possible: {actions}. Send the Update `resolve_exception` with:\n\n```json\n{example}\n```"
    )
    return "\n\n".join(lines)


def _example(item: StepException, possible: Sequence[Choice]) -> dict[str, Any]:
    """A resolution to paste: the correction where a value is wrong, else what comes first."""
    corrections = [choice for choice in possible if choice.path]
    choice = (corrections or possible)[0]
    example: dict[str, Any] = {"action": choice.action, "by": "you@your.firm", "step": item.step}
    if choice.action is Action.SKIP:
        example["reason"] = "…"
    if choice.action is Action.AMEND:
        example["changes"] = {choice.path or "…": "…"}
    return example


def _sentences(items: list[str], lead: str = "") -> str:
    lines = [f"- {lead}{_cell(item)[:_MAX_SENTENCE]}" for item in items[:_MAX_SENTENCES]]
    if len(items) > _MAX_SENTENCES:
        lines.append(f"- … {len(items) - _MAX_SENTENCES} more")
    return "\n".join(lines)


def _milestones(state: ContractState) -> str:
    items = state.contract.milestones if state.contract else ()
    rows = [
        (
            f"{item.name} ({item.key})",
            item.amount,
            item.due_on or "",
            milestone_status(state, item.key),
        )
        for item in items[:_MAX_ROWS]
    ]
    return _table(("Milestone", ">Amount", "Due", "State"), rows, len(items))


def _plans(state: ContractState) -> str:
    items = plan_rows(state)
    rows = [(item.key, item.terms, item.billed, item.next) for item in items[:_MAX_PLANS]]
    return _table(("*Plan", "Terms", ">Billed", "Next"), rows, len(items))


def _invoices(state: ContractState) -> str:
    """The latest invoices, the newest first."""
    items = invoice_rows(state)[::-1]
    rows = [
        (
            item.name,
            item.title,
            item.amount,
            item.open if item.open is not None else "",
            item.status,
        )
        for item in items[:_MAX_INVOICES]
    ]
    return _table(("*Invoice", "For", ">Without tax", ">Open", "State"), rows, len(items))


def _money(state: ContractState) -> str:
    money = money_table(state)
    if money is None:
        return ""
    rows = (
        ("Value", money.value),
        ("Invoiced", money.invoiced),
        ("Credited", money.credited),
        ("To invoice", money.to_invoice),
        ("Billed with tax", money.total),
        ("Paid", money.paid),
        ("Open", money.open),
        ("Overdue", money.overdue),
    )
    return _table(("Money", ">Amount"), rows)


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


def _table(names: Sequence[str], rows: Sequence[Sequence[object]], of: int | None = None) -> str:
    """A table as text: the Temporal UI runs the cells of Markdown's tables together. `of` is how
    many rows there are in all; nothing where there are none."""
    if not rows:
        return ""
    text = layout.text_table(names, rows, _TABLE_WIDTH).replace("```", "` ` `")
    left = (of or len(rows)) - len(rows)
    more = f"\n… {left} more" if left > 0 else ""
    return f"```\n{text}{more}\n```"


def _cell(text: str) -> str:
    """Text for a table's cell, where a bar or a line break would end it."""
    return " ".join(text.replace("|", "\\|").split())
