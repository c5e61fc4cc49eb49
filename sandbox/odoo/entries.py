"""Journal entries that are no invoices: their lines, their balance, what they settle."""

from __future__ import annotations

from decimal import Decimal

from sandbox.odoo import pricing, settlements
from sandbox.odoo.companies import company_currency
from sandbox.odoo.errors import UserError
from sandbox.odoo.masterdata import currency_decimals, currency_name
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Model, Row, Values

ALREADY = "You are trying to reconcile some entries that are already reconciled."


def line_values(env: Env, move: Row, values: Values) -> Values:
    """Debit, credit and both amounts of a new line, from whichever of them are given."""
    currency = currency_name(env, move["currency_id"])
    own = company_currency(env, move["company_id"])
    given = exact(values.get("debit")) - exact(values.get("credit"))
    in_currency = exact(values.get("amount_currency"))
    if given:
        balance, in_currency = given, in_currency or pricing.exchange(given, own, currency)
    else:
        balance = pricing.exchange(in_currency, currency, own)
    decimals = currency_decimals(env, move["currency_id"])
    return balanced(pricing.quantized(balance, 2), pricing.quantized(in_currency, decimals))


def balanced(balance: Decimal, in_currency: Decimal) -> Values:
    return {
        "balance": float(balance),
        "debit": float(max(balance, Decimal(0))),
        "credit": float(max(-balance, Decimal(0))),
        "amount_currency": float(in_currency),
    }


def check_balance(env: Env, move_id: int) -> None:
    lines = env["account.move.line"]
    rows = lines.rows(lines.find([["move_id", "=", move_id]]))
    if sum((exact(row["balance"]) for row in rows), Decimal(0)):
        raise UserError("The entry is not balanced.")


def amounts(env: Env, move_id: int) -> Values:
    """The total of an entry with lines; the entry of a payment has none and keeps its own."""
    lines = env["account.move.line"]
    rows = lines.rows(lines.find([["move_id", "=", move_id]]))
    if not rows:
        return {}
    total = sum((max(exact(row["amount_currency"]), Decimal(0)) for row in rows), Decimal(0))
    return {"amount_total": float(total)}


def next_name(env: Env, move: Row, day: str) -> str:
    """Miscellaneous entries are numbered within a month."""
    code = env["account.journal"].row(move["journal_id"])["code"]
    prefix = f"{code}/{day[:4]}/{day[5:7]}/"
    return f"{prefix}{highest(env, prefix, move['journal_id']) + 1:04d}"


def highest(env: Env, prefix: str, journal_id: int) -> int:
    """The highest number a journal gave under a prefix such as `INV/2026/`."""
    rows = env.execute(
        "SELECT MAX(CAST(substr(name, ?) AS INTEGER)) AS last FROM account_move"
        " WHERE substr(name, 1, ?) = ? AND journal_id = ?",
        (len(prefix) + 1, len(prefix), prefix, journal_id),
    )
    return int(rows[0]["last"] or 0)


def is_receivable(env: Env, line: Row) -> bool:
    """Whether a line can be settled against others."""
    account = env["account.account"].rows([line["account_id"]] if line["account_id"] else [])
    return bool(account) and account[0]["account_type"] == "asset_receivable"


def assign(moves: Model, invoice_id: int, line_id: int) -> None:
    """Settle a document with the open part of a credit note's, an entry's or a payment's
    receivable line."""
    env = moves.env
    line = env["account.move.line"].row(env["account.move.line"].existing([line_id])[0])
    invoice, credit = moves.row(invoice_id), moves.row(line["move_id"])
    if invoice["move_type"] == "out_refund" and not credit["origin_payment_id"]:
        invoice, credit = credit, invoice
    open_invoice = _open_part(env, invoice)
    open_credit = _open_part(env, credit)
    if not open_invoice and not open_credit:
        raise UserError(ALREADY)
    if invoice["currency_id"] != credit["currency_id"]:
        raise UserError("The stand-in settles documents of one currency only.")
    amount = min(open_invoice, open_credit)
    if amount > 0 and credit["origin_payment_id"]:
        settlements.settle(env, invoice["id"], amount, payment_id=credit["origin_payment_id"])
    elif amount > 0:
        settlements.settle(env, invoice["id"], amount, refund_id=credit["id"])


def _open_part(env: Env, credit: Row) -> Decimal:
    if credit["move_type"] != "entry":
        return exact(credit["amount_residual"])
    lines = env["account.move.line"]
    rows = [row for row in lines.rows(lines.find([["move_id", "=", credit["id"]]]))]
    total = sum(
        (exact(row["amount_currency"]) for row in rows if is_receivable(env, row)), Decimal(0)
    )
    return abs(total) - settlements.settled(env, credit["id"])
