"""What settles an invoice: payments and credit notes, and the payment states that follow."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from sandbox.odoo import partials
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Row

Side = Literal["move_id", "payment_id", "refund_id"]


def settle(
    env: Env,
    move_id: int,
    amount: Decimal,
    *,
    payment_id: int | None = None,
    refund_id: int | None = None,
    is_paired: bool = False,
) -> None:
    """Record that a payment, or a credit note or entry (`refund_id`), covers this much of an
    invoice. `is_paired`: the caller has recorded which lines settle each other."""
    env.execute(
        "INSERT INTO sandbox_settlement (move_id, payment_id, refund_id, amount)"
        " VALUES (?, ?, ?, ?)",
        (move_id, payment_id, refund_id, float(amount)),
    )
    if not is_paired:
        partials.match(env, move_id, _counterpart(env, payment_id, refund_id), amount)
    _touch(env, move_id, refund_id, payment_id)


def undo(env: Env, side: Side, record_id: int) -> None:
    """Undo every settlement a document or a payment takes part in."""
    rows = env.execute(f"SELECT * FROM sandbox_settlement WHERE {side} = ?", (record_id,))
    for row in rows:
        env.execute("DELETE FROM sandbox_settlement WHERE id = ?", (row["id"],))
        other = _counterpart(env, row["payment_id"], row["refund_id"])
        partials.unmatch(env, row["move_id"], other)
        _touch(env, row["move_id"], row["refund_id"], row["payment_id"])


def undo_one(env: Env, move_id: int, side: Side, record_id: int, amount: Decimal) -> None:
    """Undo so much of what this record settles of a document."""
    rows = env.execute(
        f"SELECT * FROM sandbox_settlement WHERE move_id = ? AND {side} = ?"
        " ORDER BY amount <> ?, id",
        (move_id, record_id, float(amount)),
    )
    for row in rows:
        taken = min(amount, exact(row["amount"]))
        amount -= taken
        left = float(exact(row["amount"]) - taken)
        env.execute("UPDATE sandbox_settlement SET amount = ? WHERE id = ?", (left, row["id"]))
        _touch(env, row["move_id"], row["refund_id"], row["payment_id"])
    env.execute("DELETE FROM sandbox_settlement WHERE amount = 0")


def _counterpart(env: Env, payment_id: int | None, refund_id: int | None) -> int | None:
    """The entry of the payment, or else the credit note or entry."""
    payments = env["account.payment"].rows([payment_id] if payment_id else [])
    return payments[0]["move_id"] if payments else refund_id


def _touch(env: Env, move_id: int, refund_id: int | None, payment_id: int | None) -> None:
    payments = env["account.payment"].rows([payment_id] if payment_id else [])
    entries = [row["move_id"] for row in payments]
    env.touch("account.move", filter(None, [move_id, refund_id, *entries]))
    env.touch("account.payment", [row["id"] for row in payments])


def settled(env: Env, move_id: int) -> Decimal:
    """How much of a document is settled; a credit note counts what it settles of others, and so
    does the entry of a payment, which another payment may settle in turn."""
    payment = env["account.move"].row(move_id)["origin_payment_id"]
    by_it = paid_by(env, payment) if payment else Decimal(0)
    rows = env.execute(
        "SELECT amount FROM sandbox_settlement WHERE move_id = ? OR refund_id = ?",
        (move_id, move_id),
    )
    return sum((exact(row["amount"]) for row in rows), by_it)


def payments_of(env: Env, move_id: int) -> list[int]:
    rows = env.execute(
        "SELECT other_id, this_id FROM rel_account_payment__invoice_ids WHERE other_id = ?",
        (move_id,),
    )
    return [row["this_id"] for row in rows]


def payment_state(env: Env, move: Row, total: Decimal, residual: Decimal) -> str:
    """How a document stands: by what settles it, whatever state it is in itself."""
    rows = env.execute(
        "SELECT payment_id, refund_id FROM sandbox_settlement WHERE move_id = ?", (move["id"],)
    )
    if not total:
        return "paid" if move["state"] == "posted" else "not_paid"
    if residual == total:
        return "not_paid"
    if residual > 0:
        return "partial"
    if any(row["payment_id"] for row in rows):
        return "paid"
    credits = env["account.move"].rows(row["refund_id"] for row in rows)
    return "reversed" if any(row["move_type"] == "out_refund" for row in credits) else "paid"


def match_refund(env: Env, invoice_id: int, refund_id: int) -> None:
    """A posted credit note settles what is open of its invoice."""
    moves = env["account.move"]
    open_invoice = exact(moves.row(invoice_id)["amount_residual"])
    open_refund = exact(moves.row(refund_id)["amount_residual"])
    amount = min(open_invoice, open_refund)
    if amount > 0 and moves.row(invoice_id)["state"] == "posted":
        settle(env, invoice_id, amount, refund_id=refund_id)


def paid_by(env: Env, payment_id: int) -> Decimal:
    """How much of a payment is used."""
    rows = env.execute("SELECT amount FROM sandbox_settlement WHERE payment_id = ?", (payment_id,))
    return sum((exact(row["amount"]) for row in rows), Decimal(0))
