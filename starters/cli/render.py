"""States, lists and findings as tables for a terminal. Nothing here asks or decides anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.approvals import HASH_PREFIX
from contracts.closeout import Check
from contracts.contract.state import ContractState, ContractVersion, money_table
from contracts.exception_codes import BY_CODE
from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.journal import Journal
from contracts.parking import Action, StepException
from contracts.problems import Problem
from contracts.views.details import agreements, contract_waits, invoice_waits, signed
from contracts.views.statement import Statement
from contracts.views.status import (
    conditions,
    invoice_rows,
    milestone_status,
    not_billed,
    plan_rows,
)
from starters.client import ChangePreview, ContractRow, ParkedStep
from starters.client.references import short
from starters.findings import Change, Did, Finding, Verdict

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LATEST = 10
_VERDICT_STYLE = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.MISSING: "bold red"}
_DID_STYLE = {Did.CREATED: "green", Did.UPDATED: "yellow", Did.UNCHANGED: "dim"}


def cleaned(value: object) -> str:
    """A value as text that cannot steer the terminal: it may come from a customer's record."""
    return _CONTROL.sub("�", str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; a column whose name starts with `>` holds figures, `*` names people will copy.

    A narrow terminal folds everything but the names.
    """
    result = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in columns:
        result.add_column(
            name.lstrip(">*"),
            justify="right" if name.startswith(">") else "left",
            overflow="fold",
            no_wrap=name.startswith("*"),
        )
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else cleaned(cell) for cell in row))
    return result


def pairs(items: Iterable[tuple[str, object]]) -> Table:
    """Names and values below each other; those without a value are left out."""
    result = Table.grid(padding=(0, 2))
    result.add_column(style="dim", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in items:
        if value not in (None, ""):
            result.add_row(name, value if isinstance(value, Text) else cleaned(value))
    return result


def age(since: datetime | None, now: datetime | None = None) -> str:
    """How long ago, to the unit that matters: `12 min`, `5 h`, `3 d`."""
    if since is None:
        return ""
    minutes = int(((now or datetime.now(UTC)) - since).total_seconds() // 60)
    if minutes < 60:
        return f"{max(minutes, 0)} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} d"


def moment(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


# --- contracts ----------------------------------------------------------------------------------


def contracts(rows: Sequence[ContractRow]) -> RenderableType:
    return table(
        ("*Contract", "Customer", "Stage", "Waits for", "Since", ">Value", ">Open"),
        (
            (
                short(row.workflow_id),
                row.customer,
                row.stage,
                _waiting(row.waiting_on),
                age(row.waiting_since),
                row.value or "",
                row.due or "",
            )
            for row in rows
        ),
    )


def contract(state: ContractState, workflow_id: str, zone: str) -> RenderableType:
    """Everything about one contract on one page, its times in the given zone."""
    known = state.contract
    title = known.title if known else str(state.contract_data.get("title") or "")
    odoo = state.odoo
    parts: list[RenderableType] = [
        Text(cleaned(f"{title or 'Contract'} ({short(workflow_id)})"), style="bold"),
        pairs(
            [
                ("Customer", known.customer.name if known else ""),
                ("Stage", state.stage),
                ("Waits for", contract_waits(state)[1]),
                ("Agreed", known.value if known else ""),
                ("Version", known.version if known and known.version > 1 else ""),
                ("Signed", known.signed_on if known else ""),
                ("Source", f"{state.source.system} {state.source.id}"),
                ("Odoo order", odoo.order_name),
                ("Odoo project", odoo.project_name),
            ]
        ),
    ]
    parts += _sentences(conditions(state))
    parts += [parked(item, workflow_id, zone) for item in state.exceptions]
    parts += [*_milestones(state), *_plans(state), *_invoices(state), *_figures(state)]
    parts += _sentences(f"Not billed: {text}" for text in not_billed(state))
    parts.append(_journal(state.journal, zone))
    return Group(*parts)


def _sentences(items: Iterable[str]) -> list[RenderableType]:
    return [Text(cleaned(item)) for item in items]


def _milestones(state: ContractState) -> list[RenderableType]:
    if state.contract is None or not state.contract.milestones:
        return []
    rows = (
        (item.key, item.name, item.amount, item.due_on or "", milestone_status(state, item.key))
        for item in state.contract.milestones
    )
    return [table(("Milestone", "Name", ">Amount", "Due", "State"), rows)]


def _plans(state: ContractState) -> list[RenderableType]:
    rows = [(item.key, item.terms, item.billed, item.next) for item in plan_rows(state)]
    return [table(("Plan", "Terms", ">Billed", "Next"), rows)] if rows else []


def _invoices(state: ContractState) -> list[RenderableType]:
    rows = [
        (
            item.number,
            item.name,
            item.title,
            item.stage,
            item.amount,
            item.open if item.open is not None else "",
            item.due_on or "",
        )
        for item in invoice_rows(state)
    ]
    columns = (">No.", "Invoice", "For", "Stage", ">Without tax", ">Open with tax", "Due")
    return [table(columns, rows)] if rows else []


def _figures(state: ContractState) -> list[RenderableType]:
    money = money_table(state)
    if money is None or not state.invoices:
        return []
    columns = (">Value", ">Invoiced", ">Credited", ">To invoice", ">Paid", ">Open", ">Overdue")
    row = (
        money.value,
        money.invoiced,
        money.credited,
        money.to_invoice,
        money.paid,
        money.open,
        money.overdue,
    )
    return [table(columns, [row]), Text("Paid, open and overdue are with tax.", style="dim")]


def versions(items: Sequence[ContractVersion]) -> RenderableType:
    """The contract's history: what each version changed."""
    return table(
        (">Version", "On", "By", "Approved by", "Why", "What changed", ">Fixed price"),
        (
            (
                item.version,
                item.on,
                item.by,
                item.approved,
                item.reason,
                "\n".join(item.changes),
                item.fixed_price,
            )
            for item in items
        ),
    )


def change(found: ChangePreview) -> RenderableType:
    """What a change order would change, before anybody confirms it."""
    order = found.order
    title = f"Change order {order.number} of {found.before.contract_id}: {order.reason}"
    parts: list[RenderableType] = [Text(cleaned(title), style="bold")]
    parts += _sentences(f"  {text}" for text in found.changes)
    figures = [
        ("Fixed price", f"{found.before.fixed_price} -> {found.after.fixed_price}"),
        ("Change", found.difference),
        ("Approved as", f"{found.weight} (change of the price and the largest other amount)"),
    ]
    return Group(*parts, pairs(figures))


def statement(found: Statement) -> RenderableType:
    """Where the contract's money stands: each line, and the parts that make its value."""
    lines = table(
        ("Line", "", ">Planned", ">Earned", ">Billed"),
        ((item.key, item.name, item.planned, item.earned, item.billed) for item in found.positions),
    )
    rows: list[tuple[object, object]] = [
        ("Planned: fixed prices not reached", found.planned),
        ("Earned, to be proposed", found.ready),
        ("Proposed, not issued yet", found.proposed),
        ("Invoiced", found.invoiced),
        ("Credited", -found.credited),
        ("Deductions and fees to come", found.pending),
        ("Held back, to be released", found.retained),
        ("Deposit not deducted yet", -found.deposit_left),
        (Text("Value as amended", style="bold"), Text(str(found.value), style="bold")),
    ]
    parts: list[RenderableType] = [
        Text(
            cleaned(f"Statement of {found.contract_id}, version {found.version} (without tax)"),
            style="bold",
        ),
        lines,
        table(("What", ">Amount"), rows),
    ]
    parts += _sentences(
        f"Not billed: {item.what}: {item.amount} ({item.reason})" for item in found.not_billed
    )
    if not found.difference.is_zero:
        wrong = f"The parts miss the value by {found.difference}: a defect of c2c, report it."
        parts.append(Text(wrong, style="bold red"))
    return Group(*parts)


def checks(items: Sequence[Check]) -> RenderableType:
    """The close-out's checklist; a contract closes once all of it passes."""
    return table(
        ("Checked", "", "What is off"),
        (
            (
                item.name,
                Text("ok" if item.passes else "off", style="green" if item.passes else "bold red"),
                "\n".join(item.problems),
            )
            for item in items
        ),
    )


# --- invoices -----------------------------------------------------------------------------------


def invoice(state: InvoiceState, workflow_id: str) -> RenderableType:
    """Everything about one invoice on one page."""
    zone = state.policy.calendar.time_zone if state.policy else "UTC"
    posted = collecting.posted(state)
    number = posted.number if posted else "not posted yet"
    kind = "credit note" if collecting.is_credit_note(state) else "invoice"
    title = f"{state.proposal.customer_name}: {kind} {short(workflow_id)} ({number})"
    approvals = state.approval_round.approvals if state.approval_round else []
    given = ", ".join(f"{item.by} ({moment(item.at, zone)})" for item in approvals)
    parts: list[RenderableType] = [
        Text(cleaned(title), style="bold"),
        pairs(
            [
                ("Stage", state.stage),
                ("Waits for", invoice_waits(state)[1]),
                ("Next action", moment(state.next_action_at, zone) if state.next_action_at else ""),
                ("Reason", state.proposal.reason),
                ("Approved by", given),
                ("Rejected by", state.rejected_because),
                ("Hash", state.draft.approval_hash[:HASH_PREFIX] if state.draft else ""),
                ("Due", collecting.due_on(state) if posted else ""),
                ("Reminders", state.dunning.level or ""),
            ]
        ),
    ]
    parts += _sentences(agreements(state))
    parts += [parked(item, workflow_id, zone) for item in state.exceptions]
    parts.append(_lines(state))
    if posted:
        columns = [">Total with tax", ">Paid", ">Credited", ">Open"]
        paid, credited = collecting.paid(state, posted), collecting.credited(state, posted)
        row: list[object] = [posted.total, paid, credited, posted.residual]
        if posted.written_off:
            columns.insert(3, ">Written off")
            row.insert(3, posted.written_off)
        parts.append(table(columns, [row]))
    if state.open_round:
        parts.append(
            Text(f"To approve: c2c approvals approve {short(workflow_id)} --by PERSON", style="dim")
        )
    parts.append(_journal(state.journal, zone))
    return Group(*parts)


def _lines(state: InvoiceState) -> Table:
    """The lines without tax, and once Odoo has a draft its taxes and the total with them."""
    content, odoo_totals = state.proposal, state.odoo_totals
    rows: list[tuple[object, object]] = [(line.description, line.amount) for line in content.lines]
    total = Text(str(content.amount), style="bold")
    rows.append((Text("Total without tax", style="bold"), total))
    if odoo_totals:
        sign = -1 if content.amount.amount < 0 else 1
        rows += [(tax.name, signed(tax.amount, sign)) for tax in odoo_totals.taxes]
        with_tax = Text(str(signed(odoo_totals.total, sign)), style="bold")
        rows.append((Text("Total with tax", style="bold"), with_tax))
    return table(("Line", ">Amount"), rows)


# --- exceptions ---------------------------------------------------------------------------------


def exceptions(items: Sequence[ParkedStep]) -> RenderableType:
    return table(
        ("*Of", "Step", ">Age", "Responsible", "What is wrong", "Possible"),
        (
            (
                short(item.workflow_id),
                item.exception.step,
                age(item.exception.since),
                item.exception.responsible,
                _coded(item.exception),
                ", ".join(item.exception.allowed),
            )
            for item in items
        ),
    )


def _coded(item: StepException) -> str:
    """What is wrong, with its code; many messages end with it already."""
    code = f"[{item.code}]"
    return item.message if code in item.message else f"{item.message} {code}"


def parked(item: StepException, workflow_id: str, zone: str) -> RenderableType:
    """One parked step: what is wrong, what to do, and the commands that decide it."""
    offending = f"{item.field} = {item.value}" if item.value else item.field
    parts: list[RenderableType] = [
        Text(cleaned(f"Parked: {item.doing} ({item.step})"), style="bold yellow"),
        pairs(
            [
                ("Code", item.code),
                ("What", "" if item.problems else item.message),
                *_explained(item.code),
                ("Field", "" if item.problems else offending),
                ("Since", f"{moment(item.since, zone)} ({age(item.since)})"),
                ("Responsible", item.responsible),
                ("Attempts", item.attempts),
            ]
        ),
    ]
    if item.problems:
        parts.append(problems(item.problems))
    commands = "\n".join(f"  {_command(action, item, workflow_id)}" for action in item.allowed)
    # Left to the terminal to wrap: a folded command cannot be copied.
    decide = f"To decide:\n{cleaned(commands)}\n"
    parts.append(Text(decide, style="dim", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _explained(code: str) -> list[tuple[str, str]]:
    """What the table of codes says about one; nothing about a code of an older release."""
    known = BY_CODE.get(code)
    if known is None:
        return []
    return [("Means", known.meaning), ("To do", known.remedy.replace("`", ""))]


def _command(action: Action, item: StepException, workflow_id: str) -> str:
    command = f"c2c exceptions {action} {short(workflow_id)} --step {item.step} --by PERSON"
    match action:
        case Action.AMEND:
            field = item.problems[0].field if item.problems else item.field
            return f"{command} --set {field or 'PATH'}=VALUE"
        case Action.SKIP:
            return f"{command} --reason WHY"
    return command


def problems(items: Sequence[Problem]) -> RenderableType:
    return table(
        ("*Field", "Expected", "Found", "Code"),
        ((item.field, item.expected, item.value, item.code) for item in items),
    )


# --- the system ---------------------------------------------------------------------------------


def changes(items: Sequence[Change]) -> RenderableType:
    return table(
        ("What", "*Name", "Done", ""),
        (
            (item.kind, item.name, Text(item.did, style=_DID_STYLE[item.did]), item.detail)
            for item in items
        ),
    )


def findings(items: Sequence[Finding]) -> RenderableType:
    return table(
        ("Area", "Checked", "", "Found", "What to do"),
        (
            (
                item.area,
                item.subject,
                Text(item.verdict, style=_VERDICT_STYLE[item.verdict]),
                item.detail,
                item.remedy,
            )
            for item in items
        ),
    )


def verdict_of(items: Sequence[Finding]) -> str:
    """The outcome of a check in one sentence."""
    count = {verdict: sum(item.verdict is verdict for item in items) for verdict in Verdict}
    told = f"{count[Verdict.OK]} ok, {count[Verdict.WARN]} to look at"
    if count[Verdict.MISSING]:
        return f"Not ready: {count[Verdict.MISSING]} missing, {told}."
    return f"Ready: {told}."


# --- shared -------------------------------------------------------------------------------------


def _waiting(on: str) -> Text:
    return Text(cleaned(on), style="yellow" if on in ("exception", "credentials") else "")


def _journal(journal: Journal, zone: str) -> RenderableType:
    latest = reversed(journal.entries[-_LATEST:])
    return table(
        (f"*Latest ({zone})", ""), ((moment(entry.at, zone), entry.text) for entry in latest)
    )
