"""States, lists and findings as tables for a terminal. Nothing here asks or decides anything."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from contracts.approvals import HASH_PREFIX
from contracts.closeout import Check
from contracts.contract.state import ContractState, ContractVersion, money_table
from contracts.contract.waits import contract_waits
from contracts.exception_codes import BY_CODE
from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.invoice.waits import invoice_waits
from contracts.journal import Journal
from contracts.parking import Action, StepException
from contracts.views.choices import Choice, choices
from contracts.views.details import agreements, signed
from contracts.views.statement import Statement
from contracts.views.status import conditions, invoice_rows, milestone_status, not_billed, plan_rows
from starters.cli.tables import Table, Words, age, cleaned, moment, pairs, problems, table
from starters.client import Attempt, ChangePreview, ParkedStep
from starters.client.references import short

_LATEST = 10


# --- contracts ----------------------------------------------------------------------------------


def contract(
    state: ContractState, workflow_id: str, zone: str, trying: Sequence[Attempt] = ()
) -> RenderableType:
    """Everything about one contract on one page, its times in the given zone."""
    known = state.contract
    title = known.title if known else str(state.contract_data.get("title") or "")
    odoo = state.odoo
    parts: list[RenderableType] = [
        Words(f"{title or 'Contract'} ({short(workflow_id)})", "bold"),
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
    parts += tries(trying, zone)
    parts += _sentences(conditions(state))
    parts += _parked_steps(state, workflow_id, zone)
    parts += [*_milestones(state), *_plans(state), *_invoices(state), *_figures(state)]
    parts += _sentences(f"Not billed: {text}" for text in not_billed(state))
    parts.append(_journal(state.journal, zone))
    return Group(*parts)


def _sentences(items: Iterable[str]) -> list[RenderableType]:
    return [Words(item) for item in items]


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
            item.status,
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
    return [table(columns, [row]), Words("Paid, open and overdue are with tax.", "dim")]


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
    parts: list[RenderableType] = [Words(title, "bold")]
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
        ("Earned, to be proposed", found.earned),
        ("Proposed, not issued yet", found.proposed),
        ("Invoiced", found.invoiced),
        ("Credited", -found.credited),
        ("Held back, to be released", found.retained),
        ("Deposit not deducted yet", -found.deposit_left),
        (Text("Value as amended", style="bold"), Text(str(found.value), style="bold")),
    ]
    parts: list[RenderableType] = [
        Words(f"Statement of {found.contract_id}, version {found.version} (without tax)", "bold"),
        lines,
        table(("What", ">Amount"), rows),
    ]
    parts += _sentences(
        f"Not billed: {item.what}: {item.amount} ({item.reason})" for item in found.not_billed
    )
    for violation in found.violations:
        wrong = f"The sums do not agree: {violation}. A defect of c2c, report it."
        parts.append(Words(wrong, "bold red"))
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


def invoice(
    state: InvoiceState, workflow_id: str, trying: Sequence[Attempt] = ()
) -> RenderableType:
    """Everything about one invoice on one page."""
    zone = state.policy.calendar.time_zone if state.policy else "UTC"
    posted = collecting.posted(state)
    number = posted.number if posted else "not posted yet"
    kind = "credit note" if collecting.is_credit_note(state) else "invoice"
    title = f"{state.proposal.customer_name}: {kind} {short(workflow_id)} ({number})"
    approvals = state.approval_round.approvals if state.approval_round else []
    given = ", ".join(f"{item.by} ({moment(item.at, zone)})" for item in approvals)
    parts: list[RenderableType] = [
        Words(title, "bold"),
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
    parts += tries(trying, zone)
    parts += _sentences(agreements(state))
    parts += _parked_steps(state, workflow_id, zone)
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
            Words(f"To approve: c2c approvals approve {short(workflow_id)} --by PERSON", "dim")
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
                ", ".join(choice.action for choice in item.choices),
            )
            for item in items
        ),
    )


def _coded(item: StepException) -> str:
    """What is wrong, with its code; many messages end with it already."""
    code = f"[{item.code}]"
    return item.message if code in item.message else f"{item.message} {code}"


def _parked_steps(
    state: ContractState | InvoiceState, workflow_id: str, zone: str
) -> list[RenderableType]:
    steps = [ParkedStep(workflow_id, item, choices(state, item)) for item in state.exceptions]
    return [parked(step, zone) for step in steps]


def parked(step: ParkedStep, zone: str) -> RenderableType:
    """One parked step: what is wrong, what to do, and the commands that decide it."""
    item = step.exception
    offending = f"{item.field} = {item.value}" if item.value else item.field
    parts: list[RenderableType] = [
        Words(f"Parked: {item.doing} ({item.step})", "bold yellow"),
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
    commands = [f"  {_command(choice, step)}" for choice in step.choices]
    if item.uncertain:
        parts.append(Words("It may have happened all the same: only a retry looks first."))
    # Left to the terminal to wrap: a folded command cannot be copied.
    decide = cleaned("\n".join(["To decide:", *commands, ""]))
    parts.append(Text(decide, style="dim", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def _explained(code: str) -> list[tuple[str, str]]:
    """What the table of codes says about one; nothing about a code of an older release."""
    known = BY_CODE.get(code)
    if known is None:
        return []
    return [("Means", known.meaning), ("To do", known.remedy.replace("`", ""))]


def _command(choice: Choice, step: ParkedStep) -> str:
    of, name = short(step.workflow_id), shlex.quote(step.exception.step)
    command = f"c2c exceptions {choice.action} {of} --step {name} --by PERSON"
    match choice.action:
        case Action.AMEND:
            return f"{command} --set {choice.path or 'PATH'}=VALUE"
        case Action.SKIP:
            return f"{command} --reason WHY"
    return command


def tries(items: Sequence[Attempt], zone: str) -> list[RenderableType]:
    """What is tried again by itself, and why it failed: which system is down."""
    found: list[RenderableType] = []
    for item in items:
        then = f", again at {moment(item.next_at, zone)}" if item.next_at else ", under way"
        text = f"{short(item.workflow_id)} tries {item.activity} again"
        found.append(Words(f"{text} (attempt {item.attempt}{then}): {item.failure}", "yellow"))
    return found


# --- shared -------------------------------------------------------------------------------------


def _journal(journal: Journal, zone: str) -> RenderableType:
    latest = reversed(journal.entries[-_LATEST:])
    return table(
        (f"*Latest ({zone})", ""), ((moment(entry.at, zone), entry.text) for entry in latest)
    )
