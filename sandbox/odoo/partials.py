"""What settles what, line by line: the reading of it, as reports in Odoo do it."""

from __future__ import annotations

from decimal import Decimal

from sandbox.odoo import pricing
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Row

PARTIAL = "account.partial.reconcile"


def match(env: Env, move_id: int, other_id: int | None, amount: Decimal) -> None:
    """Another document settles so much of a document: its earliest parts first."""
    if other_id is None:
        return  # A payment without an entry.
    for part in _receivables(env, move_id):
        for other in _receivables(env, other_id):
            taken = min(amount, _left(env, part), _left(env, other))
            if taken > 0:
                amount -= taken
                debit, credit = (part, other) if exact(part["balance"]) > 0 else (other, part)
                pair(env, debit["id"], credit["id"], taken)


def pair(env: Env, debit: int, credit: int, amount: Decimal) -> None:
    """A line settles so much of another, in their currency."""
    lines = env["account.move.line"].rows([debit, credit])
    moves = env["account.move"].rows(line["move_id"] for line in lines)
    share = amount / abs(exact(lines[0]["amount_currency"]))
    env[PARTIAL].add(
        {
            "debit_move_id": debit,
            "credit_move_id": credit,
            "debit_amount_currency": float(amount),
            "credit_amount_currency": float(amount),
            "amount": float(pricing.quantized(abs(exact(lines[0]["balance"])) * share, 2)),
            "max_date": max(move["date"] for move in moves),
            "company_id": moves[0]["company_id"],
        }
    )


def unmatch(env: Env, move_id: int, other_id: int | None) -> None:
    """Neither settles anything of the other any more."""
    ours, others = _ids(env, move_id), _ids(env, other_id) if other_id else []
    partials = env[PARTIAL]
    for debit, credit in ((ours, others), (others, ours)):
        partials.remove(
            partials.find([["debit_move_id", "in", debit], ["credit_move_id", "in", credit]])
        )


def _receivables(env: Env, move_id: int) -> list[Row]:
    lines = env["account.move.line"]
    return lines.rows(_ids(env, move_id, order="date_maturity, id"))


def _ids(env: Env, move_id: int, order: str = "id") -> list[int]:
    receivable = ["account_id.account_type", "=", "asset_receivable"]
    return env["account.move.line"].find([["move_id", "=", move_id], receivable], order=order)


def _left(env: Env, line: Row) -> Decimal:
    """What nothing settles yet of a line."""
    found = env.execute(
        "SELECT debit_amount_currency AS amount FROM account_partial_reconcile"
        " WHERE debit_move_id = ? OR credit_move_id = ?",
        (line["id"], line["id"]),
    )
    settled = sum((exact(row["amount"]) for row in found), Decimal(0))
    return abs(exact(line["amount_currency"])) - settled
