"""What is to be approved, for those who approve it: the terms it follows from, and what changed
since they saw it."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple

from contracts.approvals import Subject
from contracts.billing import keys
from contracts.billing.lines import InvoiceProposal
from contracts.model import Contract
from contracts.money import Money
from contracts.views.status import plan_terms

_MAX_CHANGES = 40


class Change(NamedTuple):
    """A line before and now, "" for one that was not there, or is gone."""

    before: str
    now: str


def changes(before: Subject, now: Subject) -> list[Change]:
    """The amounts and the lines that are others now, in their order; of very many the first."""
    found = [
        Change(_named(name, one), _named(name, other))
        for name, one, other in (
            ("without tax", before.amount, now.amount),
            ("with tax", before.total, now.total),
        )
        if one != other
    ]
    matcher = SequenceMatcher(None, before.details, now.details, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            found += _paired(before.details[i:j], now.details[k:m])
    if len(found) > _MAX_CHANGES:
        left = len(found) - _MAX_CHANGES
        return [*found[:_MAX_CHANGES], Change("", f"and {left} more changes")]
    return found


def _paired(before: tuple[str, ...], now: tuple[str, ...]) -> list[Change]:
    """Lines in the same place belong together."""
    most = max(len(before), len(now))
    padded = [(*lines, *[""] * (most - len(lines))) for lines in (before, now)]
    return [Change(*pair) for pair in zip(*padded, strict=True)]


def _named(name: str, amount: Money | None) -> str:
    return f"{name}: {amount}" if amount is not None else ""


# --- the terms that an invoice follows from -------------------------------------------------------


def terms(contract: Contract, proposal: InvoiceProposal) -> list[tuple[str, str]]:
    """What the contract says about each line of the order that the proposal bills: its name, and
    the terms in words."""
    keys_billed = dict.fromkeys(line.order_line for line in proposal.lines)
    return [_terms_of(contract, key) for key in keys_billed]


def _terms_of(contract: Contract, order_line: str) -> tuple[str, str]:
    milestone, plan = contract.milestone(order_line), contract.plan(order_line)
    if milestone is not None:
        due = f", due {milestone.due_on}" if milestone.due_on else ""
        return f"Milestone {milestone.name}", f"{milestone.amount} when it is reached{due}"
    if plan is not None:
        return contract.service(plan.service).description, plan_terms(plan)
    if order_line == keys.DEPOSIT and contract.deposit is not None:
        return "Deposit", "as agreed, set off against later invoices"
    return order_line.replace("_", " ").capitalize(), "as the contract provides"
