"""Registering payments against invoices, and undoing them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sandbox.odoo import settlements
from sandbox.odoo.companies import (
    RECEIVABLE,
    account_of,
    company_values,
    current_company,
    journal_of,
)
from sandbox.odoo.entries import highest
from sandbox.odoo.errors import UserError, ValidationError
from sandbox.odoo.invoices import NOT_LAST
from sandbox.odoo.messages import Thread
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Env, Model, Row, Values, on_records

RECEIVED, SENT = "inbound", "outbound"
ACTION = {
    "name": "Payments",
    "type": "ir.actions.act_window",
    "res_model": "account.payment",
    "context": {"create": False},
}


class PaymentRegister(Model):
    """The wizard, opened on the invoices that the context names."""

    rec_name = "communication"

    def defaults(self, values: Values) -> Values:
        if values.get("journal_id"):
            self.env["account.journal"].existing([values["journal_id"]])
        moves = self._moves_of_context()
        open_moves = [move for move in moves if move["amount_residual"]]
        if not open_moves:
            raise UserError(
                "There's nothing left to pay for the selected journal items, so no payment"
                " registration is necessary. You've got your finances under control like a boss!"
            )
        company = open_moves[0]["company_id"]
        journal = values.get("journal_id") or journal_of(self.env, company, "bank")
        way = SENT if open_moves[0]["move_type"] == "out_refund" else RECEIVED
        references = [_reference(move) for move in open_moves]
        return {
            "amount": float(sum(_due_now(self, move) for move in open_moves)),
            "payment_date": str(self.env.today),
            "communication": ", ".join(filter(None, references)),
            "currency_id": open_moves[0]["currency_id"],
            "journal_id": journal,
            "payment_method_line_id": _method(self.env, journal, way)["id"],
            "partner_id": open_moves[0]["commercial_partner_id"],
            "payment_type": way,
            "partner_type": "customer",
            "group_payment": len(open_moves) == 1,
            "company_id": company,
            "line_ids": [(6, 0, [line for move in open_moves for line in self._receivable(move)])],
        }

    def _moves_of_context(self) -> list[Row]:
        model, ids = self.env.context.get("active_model"), self.env.context.get("active_ids", [])
        if model not in ("account.move", "account.move.line"):
            raise UserError(
                "The register payment wizard should only be called on account.move or"
                " account.move.line records."
            )
        if model == "account.move.line":
            ids = [row["move_id"] for row in self.env["account.move.line"].rows(ids)]
        return self.env["account.move"].rows(self.env["account.move"].existing(ids))

    def _receivable(self, move: Row) -> list[int]:
        domain = [["move_id", "=", move["id"]], ["display_type", "=", "payment_term"]]
        return self.env["account.move.line"].find(domain)

    def _moves(self, row: Row) -> list[Row]:
        ids = self.follow(row, ["line_ids", "move_id"])
        return self.env["account.move"].rows(sorted(ids))

    @on_records
    def action_create_payments(self, ids: list[int]) -> dict[str, Any]:
        self.check_access("write")
        row = self.row(self.single(ids))
        moves = self._moves(row)
        if any(move["state"] == "cancel" for move in moves):
            raise UserError("You can not reconcile cancelled entries.")
        if len(moves) == 1 or row["group_payment"]:
            payments = [self._pay(row, moves, exact(row["amount"]), row["communication"])]
        else:
            latest_first = sorted(moves, key=lambda move: (move["date"], move["name"] or ""))
            payments = [
                self._pay(row, [move], _due_now(self, move), _reference(move))
                for move in reversed(latest_first)
            ]
        self.env.flush()
        if len(payments) == 1:
            return ACTION | {"view_mode": "form", "res_id": payments[0]}
        return ACTION | {"view_mode": "list,form", "domain": [["id", "in", payments]]}

    def _pay(self, wizard: Row, moves: list[Row], amount: Decimal, memo: str | None) -> int:
        if amount < 0:
            raise ValidationError(
                "The operation cannot be completed: The payment amount cannot be negative."
            )
        payments = self.env["account.payment"]
        payment_id = payments.add(
            {
                "amount": float(amount),
                "date": wizard["payment_date"],
                "memo": memo,
                "payment_type": wizard["payment_type"],
                "partner_id": moves[0]["commercial_partner_id"],
                "currency_id": wizard["currency_id"],
                "journal_id": wizard["journal_id"],
                "payment_method_line_id": wizard["payment_method_line_id"],
                "invoice_ids": [(6, 0, [move["id"] for move in moves])],
            }
        )
        payments.put([payment_id], {"state": "in_process"})
        self._settle(wizard, moves, amount, payment_id)
        return payment_id

    def _settle(self, wizard: Row, moves: list[Row], amount: Decimal, payment_id: int) -> None:
        """Oldest first; a difference marked as paid closes the invoices all the same."""
        write_off = wizard["payment_difference_handling"] == "reconcile"
        for move in moves:
            residual = exact(move["amount_residual"])
            part = residual if write_off else min(residual, amount)
            amount -= part
            if part > 0:
                settlements.settle(self.env, move["id"], part, payment_id=payment_id)


class Payment(Thread):
    def add(self, values: Values) -> int:
        """What a new payment says of its outstanding account is forgotten, as in Odoo."""
        return super().add({k: v for k, v in values.items() if k != "outstanding_account_id"})

    def defaults(self, values: Values) -> Values:
        company, journal = self._books(values)
        method = values.get("payment_method_line_id")
        methods = self.env["account.payment.method.line"]
        found = (
            methods.row(method) if method else _method(self.env, journal, values["payment_type"])
        )
        return {
            "date": str(self.env.today),
            "company_id": company,
            "currency_id": company_values(self.env, company)["currency_id"],
            "journal_id": journal,
            "payment_method_line_id": found["id"],
            "outstanding_account_id": found["payment_account_id"],
            "destination_account_id": account_of(self.env, company, RECEIVABLE),
        }

    def _books(self, values: Values) -> tuple[int, int]:
        """The company and the journal a payment belongs to."""
        if values.get("journal_id"):
            journal = self.env["account.journal"].row(values["journal_id"])
            return journal["company_id"], journal["id"]
        company = values.get("company_id") or current_company(self.env)
        return company, journal_of(self.env, company, "bank")

    def before_write(self, ids: list[int], values: Values) -> None:
        """A payment gets its entry, and with it its number, once it is under way."""
        if values.get("state") not in ("in_process", "paid"):
            return
        for row in self.rows(ids):
            if row["move_id"]:
                self._set_entry(row, "posted")
            else:
                self._make_entry(row)

    def _make_entry(self, row: Row) -> None:
        name = self._next_name(str(row["date"])[:4], row["journal_id"])
        received = row["amount"] if row["payment_type"] == RECEIVED else -row["amount"]
        sides = (
            (row["outstanding_account_id"], received),
            (row["destination_account_id"], -received),
        )
        entry = {
            "move_type": "entry",
            "name": name,
            "state": "posted",
            "date": row["date"],
            "ref": row["memo"],
            "journal_id": row["journal_id"],
            "partner_id": row["partner_id"],
            "currency_id": row["currency_id"],
            "posted_before": True,
            "company_id": row["company_id"],
            "origin_payment_id": row["id"],
            "line_ids": [
                (0, 0, {"account_id": account, "amount_currency": amount, "name": row["memo"]})
                for account, amount in sides
            ],
        }
        self.settle(row["id"], {"name": name, "move_id": self.env["account.move"].add(entry)})

    def _next_name(self, year: str, journal: int) -> str:
        code = self.env["account.journal"].row(journal)["code"]
        prefix = f"P{code}/{year}/"
        return f"{prefix}{highest(self.env, prefix, journal) + 1:05d}"

    def before_unlink(self, ids: list[int]) -> None:
        for row in self.rows(ids):
            if row["state"] in ("in_process", "paid"):
                raise ValidationError(
                    "A payment with an outstanding account cannot be confirmed without having a"
                    " journal entry."
                )
            settlements.undo(self.env, "payment_id", row["id"])
            if row["move_id"]:
                self.env["account.move"].remove([row["move_id"]])

    def recompute(self, record_id: int) -> None:
        """A payment under way counts as paid once its invoices are."""
        row = self.row(record_id)
        used = settlements.paid_by(self.env, record_id)
        values: Values = {"is_reconciled": bool(used) and used == exact(row["amount"])}
        if row["state"] in ("in_process", "paid"):
            invoices = self.env["account.move"].rows(self.links(record_id, "invoice_ids"))
            paid = bool(invoices) and all(move["payment_state"] == "paid" for move in invoices)
            values["state"] = "paid" if paid else "in_process"
        self.settle(record_id, values)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        if "state" in changed:
            self.env.touch("account.payment", ids)

    @on_records
    def action_post(self, ids: list[int]) -> None:
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            if row["state"] in ("draft", "in_process"):
                self.put([row["id"]], {"state": "in_process"})
        self.env.flush()

    @on_records
    def action_draft(self, ids: list[int]) -> None:
        """Back to draft. What it settled stays settled until it is cancelled, as in Odoo."""
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            self._set_entry(row, "draft")
        self.put(ids, {"state": "draft"})
        self.env.flush()

    @on_records
    def action_cancel(self, ids: list[int]) -> None:
        """Cancel: the invoices it settled are open again."""
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            entry = row["move_id"] and self.env["account.move"].row(row["move_id"])
            if entry and entry["state"] == "draft":
                prefix, number = entry["name"][:-5], int(entry["name"][-5:])
                if highest(self.env, prefix, entry["journal_id"]) > number:
                    raise UserError(NOT_LAST)
                self.settle(row["id"], {"move_id": None})
                self.env["account.move"].remove([entry["id"]])
            elif entry:
                self._set_entry(row, "cancel")
            settlements.undo(self.env, "payment_id", row["id"])
        self.put(ids, {"state": "canceled"})
        self.env.flush()

    def _set_entry(self, row: Row, state: str) -> None:
        if row["move_id"]:
            self.env["account.move"].settle(row["move_id"], {"state": state})


def _method(env: Env, journal: int, way: str) -> Row:
    """How money comes or goes by a journal: its first method of that kind."""
    methods = env["account.payment.method.line"]
    domain = [["journal_id", "=", journal], ["payment_type", "=", way]]
    return methods.row(methods.find(domain, order="id")[0])


def _reference(move: Row) -> str | None:
    found: str | None = move["payment_reference"] or move["ref"] or move["name"]
    return found


def _due_now(wizard: Model, move: Row) -> Decimal:
    """What to propose: everything overdue, else the next installment."""
    lines = wizard.env["account.move.line"]
    ids = lines.find(
        [["move_id", "=", move["id"]], ["display_type", "=", "payment_term"]],
        order="date_maturity, id",
    )
    open_parts = [
        (
            row["date_maturity"],
            abs(exact(lines.values(row, lines.field("amount_residual_currency")))),
        )
        for row in lines.rows(ids)
    ]
    open_parts = [(due, amount) for due, amount in open_parts if amount]
    today = str(wizard.env.today)
    overdue = [amount for due, amount in open_parts if due and due < today]
    if overdue:
        return sum(overdue, Decimal(0))
    return open_parts[0][1] if open_parts else exact(move["amount_residual"])


class Journal(Model):
    def after_change(self, ids: list[int], changed: set[str]) -> None:
        """What holds money comes with a way for it to come, and one for it to go."""
        methods = self.env["account.payment.method.line"]
        for row in self.rows(ids):
            holds_money = row["type"] in ("bank", "cash", "credit")
            if not holds_money or methods.find([["journal_id", "=", row["id"]]]):
                continue
            for way in (RECEIVED, SENT):
                method = {"name": "Manual Payment", "payment_type": way, "journal_id": row["id"]}
                methods.add(method)


MODELS: dict[str, type[Model]] = {
    "account.journal": Journal,
    "account.payment.register": PaymentRegister,
    "account.payment": Payment,
}
