"""States, lists and findings as tables for a terminal. Nothing here asks or decides anything."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from contracts.approvals import HASH_PREFIX
from contracts.contract.state import ContractState, ContractVersion, money_table
from contracts.contract.waits import contract_waits
from contracts.exception_codes import BY_CODE
from contracts.handover import in_words
from contracts.invoice import collecting
from contracts.invoice.state import InvoiceState
from contracts.invoice.waits import invoice_waits
from contracts.journal import Journal
from contracts.parking import Action
from contracts.views.status import (
    conditions,
    delivery,
    invoice_rows,
    milestone_status,
    not_billed,
    plan_rows,
)
from starters.cli.tables import (
    Pairs,
    Styled,
    Table,
    View,
    Words,
    age,
    moment,
    problems,
    verdict,
)
from starters.client import ParkedStep
from starters.client.references import short

if TYPE_CHECKING:
    from contracts.closeout import Check
    from contracts.views.choices import Choice
    from contracts.views.statement import Statement
    from starters.client import Attempt, ChangePreview

_LATEST = 10


# --- contracts ----------------------------------------------------------------------------------


def contract(
    state: ContractState, name: str, zone: str, trying: Sequence[Attempt] = ()
) -> list[View]:
    """Everything about one contract on one page, its times in the given zone."""
    known, odoo = state.contract, state.odoo
    title = known.title if known else str(state.contract_data.get("title") or "")
    return [
        Words(f"{title or 'Contract'} ({name})", "bold"),
        Pairs(
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
        *_tries(trying, zone),
        *_sentences(conditions(state)),
        *_parked_steps(state, name, zone),
        *_milestones(state),
        *_plans(state),
        *_invoices(state),
        *_figures(state),
        *_sentences(delivery(state)),
        *_sentences(f"Not billed: {text}" for text in not_billed(state)),
        _journal(state.journal, zone),
    ]


def _sentences(items: Iterable[str]) -> list[View]:
    return [Words(item) for item in items]


def _milestones(state: ContractState) -> list[View]:
    rows = [
        (item.key, item.name, item.amount, item.due_on or "", milestone_status(state, item.key))
        for item in (state.contract.milestones if state.contract else ())
    ]
    return [Table(("Milestone", "Name", ">Amount", "Due", "State"), rows)] if rows else []


def _plans(state: ContractState) -> list[View]:
    rows = [(item.key, item.terms, item.billed, item.next) for item in plan_rows(state)]
    return [Table(("Plan", "Terms", ">Billed", "Next"), rows)] if rows else []


def _invoices(state: ContractState) -> list[View]:
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
    return [Table(columns, rows)] if rows else []


def _figures(state: ContractState) -> list[View]:
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
    return [Table(columns, [row]), Words("Paid, open and overdue are with tax.", "dim")]


def versions(items: Sequence[ContractVersion]) -> View:
    """The contract's history: what each version changed."""
    return Table(
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


def change(found: ChangePreview) -> list[View]:
    """What a change order would change, before anybody confirms it."""
    order, before = found.order, found.before
    figures = [
        ("Fixed price", f"{before.fixed_price} -> {found.after.fixed_price}"),
        ("Change", found.difference),
        ("Approved as", f"{found.weight} (change of the price and the largest other amount)"),
    ]
    return [
        Words(f"Change order {order.number} of {before.contract_id}: {order.reason}", "bold"),
        *_sentences(f"- {text}" for text in found.changes),
        Pairs(figures),
    ]


def statement(found: Statement) -> list[View]:
    """Where the contract's money stands: each line, and the parts that make its value."""
    lines = (
        (item.key, item.name, item.planned, item.earned, item.billed) for item in found.positions
    )
    parts: list[tuple[object, object]] = [
        ("Planned: fixed prices not reached", found.planned),
        ("Earned, to be proposed", found.earned),
        ("Proposed, not issued yet", found.proposed),
        ("Invoiced", found.invoiced),
        ("Credited", -found.credited),
        ("Held back, to be released", found.retained),
        ("Deposit not deducted yet", -found.deposit_left),
        _bold("Value as amended", found.value),
    ]
    return [
        Words(f"Statement of {found.contract_id}, version {found.version} (without tax)", "bold"),
        Table(("Line", "", ">Planned", ">Earned", ">Billed"), lines),
        Table(("What", ">Amount"), parts),
        *_sentences(found.signed),
        *_sentences(
            f"Not billed: {item.what}: {item.amount} ({item.reason})" for item in found.not_billed
        ),
        *_sentences(f"{row.name}: {in_words(row)}" for row in found.burn),
        *(
            Words(f"The sums do not agree: {wrong}. A defect of c2c, report it.", "bold red")
            for wrong in found.violations
        ),
    ]


def checks(items: Sequence[Check]) -> View:
    """The close-out's checklist; a contract closes once all of it passes."""
    return Table(
        ("Checked", "", "What is off"),
        (
            (item.name, verdict("ok" if item.passes else "off"), "\n".join(item.problems))
            for item in items
        ),
    )


# --- invoices -----------------------------------------------------------------------------------


def invoice(state: InvoiceState, name: str, trying: Sequence[Attempt] = ()) -> list[View]:
    """Everything about one invoice on one page."""
    from contracts.views.details import agreements  # late: all rules come with it

    zone = state.policy.calendar.time_zone if state.policy else "UTC"
    posted = collecting.posted(state)
    kind = "credit note" if collecting.is_credit_note(state) else "invoice"
    number = posted.number if posted else "not posted yet"
    approvals = state.approval_round.approvals if state.approval_round else []
    given = ", ".join(f"{item.by} ({moment(item.at, zone)})" for item in approvals)
    approve = f"To approve: c2c approvals approve {name} --by PERSON"
    return [
        Words(f"{state.proposal.customer_name}: {kind} {name} ({number})", "bold"),
        Pairs(
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
        *_tries(trying, zone),
        *_sentences(agreements(state)),
        *_parked_steps(state, name, zone),
        _lines(state),
        *_balance(state),
        *([Words(approve, "dim")] if state.open_round else []),
        _journal(state.journal, zone),
    ]


def _lines(state: InvoiceState) -> View:
    """The lines without tax, and once Odoo has a draft its taxes and the total with them."""
    from contracts.views.details import signed  # late, as above

    content, odoo_totals = state.proposal, state.odoo_totals
    rows: list[tuple[object, object]] = [(line.description, line.amount) for line in content.lines]
    rows.append(_bold("Total without tax", content.amount))
    if odoo_totals:
        sign = -1 if content.amount.amount < 0 else 1
        rows += [(tax.name, signed(tax.amount, sign)) for tax in odoo_totals.taxes]
        rows.append(_bold("Total with tax", signed(odoo_totals.total, sign)))
    return Table(("Line", ">Amount"), rows)


def _balance(state: InvoiceState) -> list[View]:
    posted = collecting.posted(state)
    if posted is None:
        return []
    figures = {
        ">Total with tax": posted.total,
        ">Paid": collecting.paid(state, posted),
        ">Credited": collecting.credited(state, posted),
        **({">Written off": posted.written_off} if posted.written_off else {}),
        ">Open": posted.residual,
    }
    return [Table(tuple(figures), [tuple(figures.values())])]


# --- exceptions ---------------------------------------------------------------------------------


def exceptions(items: Sequence[ParkedStep]) -> View:
    return Table(
        ("*Of", "Step", ">Age", "Responsible", "What is wrong", "Possible"),
        (
            (
                short(item.workflow_id),
                item.exception.step,
                age(item.exception.since),
                item.exception.responsible,
                item.exception.coded,
                ", ".join(item.possible),
            )
            for item in items
        ),
    )


def _parked_steps(state: ContractState | InvoiceState, name: str, zone: str) -> list[View]:
    if not state.exceptions:
        return []
    from contracts.views.choices import choices  # late: all rules come with it

    steps = [ParkedStep(name, item, choices(state, item)) for item in state.exceptions]
    return [view for step in steps for view in parked(step, zone)]


def parked(step: ParkedStep, zone: str) -> list[View]:
    """One parked step: what is wrong, what to do, and the commands that decide it."""
    item = step.exception
    offending = f"{item.field} = {item.value}" if item.value else item.field
    known = BY_CODE.get(item.code)  # none for a code of an older release
    uncertain = ["It may have happened all the same: only a retry looks first."]
    commands = [f"  {_command(choice, step)}" for choice in step.choices]
    return [
        Words(f"Parked: {item.doing} ({item.step})", "bold yellow"),
        Pairs(
            [
                ("Code", item.code),
                ("What", "" if item.problems else item.message),
                ("Means", known.meaning if known else ""),
                ("To do", known.remedy.replace("`", "") if known else ""),
                ("Field", "" if item.problems else offending),
                ("Since", f"{moment(item.since, zone)} ({age(item.since)})"),
                ("Responsible", item.responsible),
                ("Attempts", item.attempts),
            ]
        ),
        *([problems(item.problems)] if item.problems else []),
        *_sentences(uncertain if item.uncertain else []),
        # Left to the terminal to wrap: a folded command cannot be copied.
        Words("\n".join(["To decide:", *commands, ""]), "dim", wrap=False),
    ]


def _command(choice: Choice, step: ParkedStep) -> str:
    of, name = short(step.workflow_id), shlex.quote(step.exception.step)
    command = f"c2c exceptions {choice.action} {of} --step {name} --by PERSON"
    match choice.action:
        case Action.AMEND:
            return f"{command} --set {choice.path or 'PATH'}=VALUE"
        case Action.SKIP:
            return f"{command} --reason WHY"
    return command


# --- shared -------------------------------------------------------------------------------------


def _tries(items: Sequence[Attempt], zone: str) -> list[View]:
    """What is tried again by itself, and why it failed: which system is down."""
    found: list[View] = []
    for item in items:
        then = f", again at {moment(item.next_at, zone)}" if item.next_at else ", under way"
        text = f"{short(item.workflow_id)} tries {item.activity} again"
        found.append(Words(f"{text} (attempt {item.attempt}{then}): {item.failure}", "yellow"))
    return found


def _journal(journal: Journal, zone: str) -> View:
    latest = reversed(journal.entries[-_LATEST:])
    rows = ((moment(entry.at, zone), entry.text) for entry in latest)
    return Table((f"*Latest ({zone})", ""), rows)


def _bold(name: str, amount: object) -> tuple[object, object]:
    return Styled(name, "bold"), Styled(amount, "bold")
