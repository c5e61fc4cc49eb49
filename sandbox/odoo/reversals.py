"""Credit notes made from invoices, and sending invoices."""

from __future__ import annotations

from html import escape
from typing import Any

from sandbox.odoo.companies import company_values, current_company
from sandbox.odoo.errors import UserError
from sandbox.odoo.messages import send_mail
from sandbox.odoo.records import Env, Model, Row, Values, on_records

HEAD = (
    *("move_type", "company_id", "partner_id", "currency_id", "fiscal_position_id"),
    *("invoice_payment_term_id", "invoice_origin"),
)
COPIED = ("product_id", "name", "quantity", "price_unit", "discount", "product_uom_id", "sequence")


class Reversal(Model):
    rec_name = "reason"

    def defaults(self, values: Values) -> Values:
        ids = self.env.context.get("active_ids", [])
        moves = self.env["account.move"].rows(self.env["account.move"].existing(ids))
        if any(move["state"] != "posted" for move in moves):
            raise UserError("To reverse a journal entry, it has to be posted first.")
        return {
            "move_ids": [(6, 0, ids)],
            "date": str(self.env.today),
            "company_id": moves[0]["company_id"] if moves else current_company(self.env),
        }

    def compute_residual(self, row: Row) -> float:
        moves = self.env["account.move"].rows(self.links(row["id"], "move_ids"))
        return float(moves[0]["amount_residual"]) if len(moves) == 1 else 0.0

    def compute_currency_id(self, row: Row) -> int:
        moves = self.env["account.move"].rows(self.links(row["id"], "move_ids"))
        return int(moves[0]["currency_id"] if moves else self._own_currency())

    def _own_currency(self) -> int:
        return int(company_values(self.env, current_company(self.env))["currency_id"])

    def compute_move_type(self, row: Row) -> str | bool:
        moves = self.env["account.move"].rows(self.links(row["id"], "move_ids"))
        return moves[0]["move_type"] if moves else False

    @on_records
    def reverse_moves(self, ids: list[int]) -> dict[str, Any]:
        """Draft credit notes of the moves."""
        self.check_access("write")
        row = self.row(self.single(ids))
        moves = self.env["account.move"].rows(self.links(row["id"], "move_ids"))
        made = [self._credit_note(row, move) for move in moves]
        self.env.flush()
        self._apply_links(row["id"], {"new_move_ids": [(6, 0, made)]})
        self.env.flush()
        return _action(made)

    @on_records
    def refund_moves(self, ids: list[int]) -> dict[str, Any]:
        return self.reverse_moves(ids)

    def _credit_note(self, wizard: Row, move: Row) -> int:
        ref = f"Reversal of: {move['name']}"
        return self._copy(
            move,
            {
                "move_type": "out_refund",
                "ref": f"{ref}, {wizard['reason']}" if wizard["reason"] else ref,
                "invoice_date": wizard["date"],
                "reversed_entry_id": move["id"],
                "invoice_payment_term_id": None,
                "journal_id": wizard["journal_id"],
            },
        )

    def _copy(self, move: Row, changes: Values) -> int:
        lines = self.env["account.move.line"]
        copies = []
        for line in lines.rows(self.env["account.move"].links(move["id"], "invoice_line_ids")):
            values = {name: line[name] for name in COPIED}
            for name in ("tax_ids", "sale_line_ids"):
                values[name] = [(6, 0, lines.links(line["id"], name))]
            copies.append((0, 0, values))
        values = {name: move[name] for name in HEAD}
        return self.env["account.move"].add(values | changes | {"invoice_line_ids": copies})


class Sending(Model):
    """What the wizards for one document and for many have in common."""

    rec_name = "id"

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            for move in self.env["account.move"].rows(self._documents(row)):
                if move["state"] != "posted":
                    raise UserError("You can't generate invoices that are not posted.")

    def _documents(self, row: Row) -> list[int]:
        raise NotImplementedError

    def _send(self, ids: list[int], body: str = "") -> None:
        self.check_access("write")
        moves = self.env["account.move"]
        for move in moves.rows(self._documents(self.row(self.single(ids)))):
            partner = self.env["res.partner"].row(move["partner_id"])
            if partner["email"]:
                self._mail(move, partner, body or _letter(self.env, move))
            moves.put([move["id"]], {"is_move_sent": True})
        self.env.flush()

    def _mail(self, move: Row, partner: Row, body: str) -> None:
        firm = company_values(self.env, move["company_id"])["name"]
        subject = f"{firm} {_kind(move)} (Ref {move['name']})"
        message_id = self.env["mail.message"].add(
            {
                "subject": subject,
                "body": body,
                "message_type": "comment",
                "subtype_id": self.env.required_xid("mail.mt_comment"),
                "model": "account.move",
                "res_id": move["id"],
                "partner_ids": [(6, 0, [partner["id"]])],
            }
        )
        attachment = f"{move['name'].replace('/', '_')}.pdf"
        send_mail(self.env, message_id, subject, [partner["id"]], attachment)


def _kind(move: Row) -> str:
    return "Credit Note" if move["move_type"] == "out_refund" else "Invoice"


def _letter(env: Env, move: Row) -> str:
    """What the mail says, unless somebody writes something else."""
    partner = env["res.partner"].row(move["partner_id"])
    firm = company_values(env, move["company_id"])["name"]
    currency = env["res.currency"].row(move["currency_id"])
    amount = f"{move['amount_total']:,.{currency['decimal_places']}f} {currency['symbol']}"
    return (
        f"<p>Dear {escape(partner['name'])},</p><p>Please find attached your"
        f" {_kind(move).lower()} {move['name']} of {amount} from {firm}.</p>"
    )


class SendWizard(Sending):
    def defaults(self, values: Values) -> Values:
        move = values.get("move_id")
        if not move:
            return {}
        return {"body": _letter(self.env, self.env["account.move"].row(move))}

    def _documents(self, row: Row) -> list[int]:
        return [row["move_id"]]

    @on_records
    def action_send_and_print(self, ids: list[int]) -> dict[str, Any]:
        self._send(ids, self.row(self.single(ids))["body"] or "")
        return {"type": "ir.actions.act_window_close"}


class SendBatchWizard(Sending):
    def _documents(self, row: Row) -> list[int]:
        return self.links(row["id"], "move_ids")

    @on_records
    def action_send_and_print(
        self, ids: list[int], force_synchronous: bool = False
    ) -> dict[str, Any] | None:
        if not force_synchronous:
            raise UserError("The stand-in has no scheduled jobs that would send them later.")
        if len(self.links(self.single(ids), "move_ids")) == 1:
            # So does Odoo 19 where it looks for customers without an address.
            raise AttributeError("'list' object has no attribute 'filtered'")
        self._send(ids)
        return None


def _action(ids: list[int]) -> dict[str, Any]:
    action: dict[str, Any] = {
        "name": "Reverse Moves",
        "type": "ir.actions.act_window",
        "res_model": "account.move",
    }
    if len(ids) == 1:
        return action | {
            "view_mode": "form",
            "res_id": ids[0],
            "context": {"default_move_type": "out_refund"},
        }
    return action | {"view_mode": "list,form", "domain": [["id", "in", ids]]}


MODELS: dict[str, type[Model]] = {
    "account.move.reversal": Reversal,
    "account.move.send.wizard": SendWizard,
    "account.move.send.batch.wizard": SendBatchWizard,
}
