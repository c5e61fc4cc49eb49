"""Customer invoices and credit notes, posting, numbering and lock dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from sandbox.odoo import entries, pricing, settlements, terms
from sandbox.odoo.companies import (
    INCOME,
    PRODUCT_ACCOUNTS,
    RECEIVABLE,
    TAX,
    account_of,
    company_currency,
    company_values,
    current_company,
    journal_of,
)
from sandbox.odoo.entries import balanced
from sandbox.odoo.errors import UserError
from sandbox.odoo.masterdata import currency_decimals, currency_name
from sandbox.odoo.messages import Thread
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Model, Row, Values, on_records
from sandbox.odoo.sales import priced_line

SALES = ("out_invoice", "out_refund")
LOCKS = {"fiscalyear_lock_date": "Global Lock Date", "hard_lock_date": "Hard Lock Date"}
SALE_LOCKS = LOCKS | {"sale_lock_date": "Sales Lock Date"}
TAX_LOCK = {"tax_lock_date": "Tax Return Lock Date"}
FROZEN_ONCE_POSTED = (
    "invoice_line_ids",
    "line_ids",
    "invoice_date",
    "date",
    "partner_id",
    "invoice_payment_term_id",
    "currency_id",
    "fiscal_position_id",
)
PREFIXES = {"out_invoice": "INV", "out_refund": "RINV"}
DRAFT_TITLES = {
    "out_invoice": "Draft Invoice",
    "out_refund": "Draft Credit Note",
    "entry": "Draft Entry",
}
NOT_LAST = (
    "You cannot delete this entry, as it has already consumed a sequence number and is not the last"
    " one in the chain. You should probably revert it instead."
)


class Move(Thread):
    def defaults(self, values: Values) -> Values:
        sale = values["move_type"] in SALES
        partner = values.get("partner_id") or None
        start = values.get("invoice_date") or str(self.env.today)
        company = self._company(values)
        found: Values = {
            "date": start,
            "journal_id": journal_of(self.env, company, "sale" if sale else "general"),
            "company_id": company,
            "currency_id": company_values(self.env, company)["currency_id"],
        }
        if sale:
            found |= {
                "invoice_user_id": self.env.uid,
                "team_id": self.env.xid("sales_team.team_sales_department"),
                "partner_bank_id": self._bank_account(company),
                **self._of_partner(partner, company),
            }
        return found

    def _company(self, values: Values) -> int:
        """The company named, else the journal's, else the one the call acts in."""
        if values.get("company_id"):
            return int(values["company_id"])
        if values.get("journal_id"):
            return int(self.env["account.journal"].row(values["journal_id"])["company_id"])
        return current_company(self.env)

    def _bank_account(self, company: int) -> int | bool:
        """The firm's own, which its customers pay to."""
        owner = self.env["res.company"].row(company)["partner_id"]
        found = self.env["res.partner.bank"].find(
            [["partner_id", "=", owner], ["active", "=", True]], order="sequence, id"
        )
        return found[0] if found else False

    def _of_partner(self, partner: int | None, company: int) -> Values:
        """What an invoice takes over from its customer."""
        row = self.env["res.partner"].row(partner) if partner else {}
        return {
            "partner_shipping_id": partner,
            "commercial_partner_id": row.get("commercial_partner_id"),
            "invoice_partner_display_name": row.get("name"),
            "fiscal_position_id": pricing.fiscal_position(self.env, partner, company),
            "invoice_payment_term_id": row.get("property_payment_term_id"),
        }

    def display_name(self, row: Row) -> str:
        title = DRAFT_TITLES[row["move_type"]] if row["state"] == "draft" else ""
        number = row["name"] or ("" if title else "/")
        ref = f"({row['ref']})" if row["ref"] else ""
        return " ".join(filter(None, (title, number, ref)))

    def before_write(self, ids: list[int], values: Values) -> None:
        frozen = [name for name in values if name in FROZEN_ONCE_POSTED]
        rows = self.rows(ids)
        for row in rows:
            if frozen and values.get("state", row["state"]) == "posted":
                raise UserError(
                    "You cannot modify the following readonly fields on a posted move: "
                    + ", ".join(frozen)
                )
        if values.get("invoice_date"):
            values.setdefault("date", values["invoice_date"])
        for row in rows:
            if row["move_type"] not in SALES or "partner_id" not in values:
                continue
            if row["partner_id"] != (values["partner_id"] or None):
                taken = self._of_partner(values["partner_id"] or None, row["company_id"])
                for name, value in taken.items():
                    values.setdefault(name, value)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        self.env.touch("account.move", ids)
        for row in self.rows(ids):
            if row["move_type"] == "entry":
                entries.check_balance(self.env, row["id"])
        if changed & {"state", "move_type"}:
            self._touch_orders(ids)

    def _touch_orders(self, ids: list[int]) -> None:
        for row in self.rows(ids):
            self.env.touch("sale.order.line", self.follow(row, ["line_ids", "sale_line_ids"]))

    def before_unlink(self, ids: list[int]) -> None:
        for row in self.rows(ids):
            if row["state"] == "posted":
                raise UserError(
                    "You can't delete a posted journal item. Don’t play games with your accounting"
                    " records; reset the journal entry to draft before deleting it."
                )
            prefix, slash, number = (row["name"] or "").rpartition("/")
            if slash and entries.highest(self.env, prefix + slash, row["journal_id"]) > int(number):
                raise UserError(NOT_LAST)
        self._touch_orders(ids)
        for row in self.rows(ids):
            settlements.undo(self.env, "move_id", row["id"])
            settlements.undo(self.env, "refund_id", row["id"])
            self.env["account.move.line"].remove(self.links(row["id"], "line_ids"))

    # Stored derived values.

    def recompute(self, record_id: int) -> None:
        row = self.row(record_id)
        if row["move_type"] not in SALES:
            self.settle(record_id, entries.amounts(self.env, record_id))
            self._settle_open(record_id)
            return
        lines = self.env["account.move.line"]
        products = [
            line
            for line in lines.rows(self.links(record_id, "invoice_line_ids"))
            if line["display_type"] == "product"
        ]
        decimals = currency_decimals(self.env, row["currency_id"])
        priced = [priced_line(lines, line) for line in products]
        totals = pricing.totals(priced, decimals)
        if row["state"] == "draft":
            self.settle(record_id, {"invoice_date_due": str(self._due(row, totals.total)[-1][0])})
        source, own = self._currencies(row)
        booked = pricing.totals([line.exchanged(source, own) for line in priced], 2)
        self._settle_lines(row, list(zip(products, priced, strict=True)), totals, booked)
        self._settle_amounts(row, totals, booked, decimals)
        self._settle_open(record_id)

    def _settle_open(self, move_id: int) -> None:
        lines = MoveLine(self.env, self.env["account.move.line"].schema)
        for line in self.links(move_id, "line_ids"):
            lines.settle_open(line)

    def _due(self, row: Row, total: Decimal) -> list[tuple[date, Decimal]]:
        """Installments. Without a term an invoice is due on the day it was given, or else on the
        day it is made, as in Odoo."""
        term = row["invoice_payment_term_id"]
        start = date.fromisoformat(row["invoice_date"] or str(self.env.today))
        if not term:
            due = row["invoice_date_due"]
            return [(date.fromisoformat(due or self._due_without_term(row)), total)]
        name = self.env["account.payment.term"].row(term)["name"]
        return terms.installments(
            name, start, total, currency_decimals(self.env, row["currency_id"])
        )

    def _due_without_term(self, row: Row) -> str:
        if row["move_type"] == "out_refund" and row["reversed_entry_id"]:
            return str(row["invoice_date"])
        return str(self.env.today)

    def _currencies(self, row: Row) -> tuple[str, str]:
        """The document's currency and that of its company's books."""
        own = company_currency(self.env, row["company_id"])
        return currency_name(self.env, row["currency_id"]), own

    def _settle_lines(
        self,
        row: Row,
        products: list[tuple[Row, pricing.PricedLine]],
        totals: pricing.Totals,
        booked: pricing.Totals,
    ) -> None:
        """Amounts of the product lines, then the tax and payment term lines that balance them;
        `booked` are the totals in the company's currency."""
        lines = self.env["account.move.line"]
        decimals = currency_decimals(self.env, row["currency_id"])
        sign = -1 if row["move_type"] == "out_invoice" else 1
        amounts = zip(booked.bases, totals.bases, strict=True)
        for (line, price), (balance, in_currency) in zip(products, amounts, strict=True):
            subtotal, with_tax = price.subtotal(decimals), price.total(decimals)
            values = {"price_subtotal": float(subtotal), "price_total": float(with_tax)}
            values |= balanced(sign * balance, sign * in_currency)
            lines.settle(line["id"], values | _dated(row))
        wanted = self._tax_lines(row, totals, booked, sign)
        wanted += self._term_lines(row, totals.total, booked.total, -sign)
        self._replace_generated(row["id"], [line | _dated(row) for line in wanted])

    def _tax_lines(
        self, row: Row, totals: pricing.Totals, booked: pricing.Totals, sign: int
    ) -> list[Values]:
        taxes = self.env["account.tax"]
        return [
            {
                "display_type": "tax",
                "name": taxes.row(tax_id)["name"],
                "sequence": 10000,
                "account_id": account_of(self.env, row["company_id"], TAX),
                "tax_line_id": tax_id,
                "tax_base_amount": float(sign * booked.taxed[tax_id]),
                **balanced(sign * booked.taxes.get(tax_id, Decimal(0)), sign * amount),
            }
            for tax_id, amount in totals.taxes.items()
        ]

    def _term_lines(
        self, row: Row, total: Decimal, company_total: Decimal, sign: int
    ) -> list[Values]:
        """The receivable, one line an installment; the last balances the entry."""
        parts = self._due(row, total)
        source, own = self._currencies(row)
        balances = [pricing.convert(amount, source, own, 2) for _, amount in parts[:-1]]
        balances.append(company_total - sum(balances, Decimal(0)))
        title = ""
        if row["payment_reference"]:
            title = " - ".join(filter(None, (row["ref"], row["payment_reference"])))
        return [
            {
                "display_type": "payment_term",
                "name": _installment_name(title, number, len(parts)),
                "sequence": 12000,
                "date_maturity": str(due),
                "account_id": account_of(self.env, row["company_id"], RECEIVABLE),
                **balanced(sign * balance, sign * amount),
            }
            for number, ((due, amount), balance) in enumerate(zip(parts, balances, strict=True), 1)
        ]

    def _generated(self, move_id: int) -> list[int]:
        domain = [["move_id", "=", move_id], ["display_type", "in", ["tax", "payment_term"]]]
        return self.env["account.move.line"].find(domain, order="sequence, id")

    def _replace_generated(self, move_id: int, wanted: list[Values]) -> None:
        """Bring the generated lines to `wanted`, keeping those that are already right, and the
        accounts that people chose."""
        lines = self.env["account.move.line"]
        existing = self._generated(move_id)
        for line_id, values in zip(existing, wanted, strict=False):
            there = lines.row(line_id)
            if there["display_type"] == values["display_type"]:
                values = values | {"account_id": there["account_id"]}
            lines.settle(line_id, values)
        lines.remove(existing[len(wanted) :])
        for values in wanted[len(existing) :]:
            lines.add(values | {"move_id": move_id, "quantity": 0.0, "price_unit": 0.0})

    def _settle_amounts(
        self, row: Row, totals: pricing.Totals, booked: pricing.Totals, decimals: int
    ) -> None:
        sign = 1 if row["move_type"] == "out_invoice" else -1
        residual = totals.total - settlements.settled(self.env, row["id"])
        share = residual / totals.total if totals.total else Decimal(0)
        values = {
            "amount_untaxed": float(totals.untaxed),
            "amount_tax": float(totals.tax),
            "amount_total": float(totals.total),
            "amount_residual": float(pricing.quantized(residual, decimals)),
            "amount_untaxed_signed": float(sign * booked.untaxed),
            "amount_total_signed": float(sign * booked.total),
            "amount_residual_signed": float(sign * pricing.quantized(booked.total * share, 2)),
            "payment_state": settlements.payment_state(self.env, row, totals.total, residual),
        }
        if self.settle(row["id"], values):
            payments = settlements.payments_of(self.env, row["id"])
            self.env.touch("account.payment", payments)

    def compute_status_in_payment(self, row: Row) -> str:
        if row["payment_state"] in ("partial", "paid", "in_payment", "reversed"):
            return str(row["payment_state"])
        if row["state"] == "posted" and row["is_move_sent"]:
            return "sent"
        return str(row["state"])

    def compute_show_payment_term_details(self, row: Row) -> bool:
        """Only of open invoices; a discount for early payment shows too, which no term here has."""
        is_open = row["payment_state"] in ("not_paid", "partial")
        domain = [["move_id", "=", row["id"]], ["display_type", "=", "payment_term"]]
        parts = len(self.env["account.move.line"].find(domain)) if is_open else 0
        return row["move_type"] == "out_invoice" and parts > 1

    # Buttons.

    @on_records
    def action_post(self, ids: list[int]) -> bool:
        self.check_access("write")
        self.post(self.existing(ids))
        return False

    def post(self, ids: list[int]) -> None:
        self._check_postable(ids)
        for record_id in ids:
            row = self.row(record_id)
            if row["move_type"] in SALES and not row["invoice_date"]:
                self.put([record_id], {"invoice_date": str(self.env.today)})
                self.env.flush()
            self._post_one(self.row(record_id))
        self.env.flush()
        for row in self.rows(ids):
            if row["reversed_entry_id"] and row["move_type"] == "out_refund":
                settlements.match_refund(self.env, row["reversed_entry_id"], row["id"])
        self.env.flush()

    def _check_postable(self, ids: list[int]) -> None:
        problems: dict[str, None] = {}
        rows = self.rows(ids)
        for row in rows:
            if row["move_type"] in SALES and row["amount_total"] < 0:
                problems[
                    "You cannot validate an invoice with a negative total amount. You should create"
                    " a credit note instead. Use the action menu to transform it into a credit note"
                    " or refund."
                ] = None
            if row["move_type"] in SALES and not row["partner_id"]:
                problems[
                    "The 'Customer' field is required to validate the invoice.\nYou probably don't"
                    " want to explain to your auditor that you invoiced an invisible man :)"
                ] = None
        for row in rows:
            if row["state"] != "draft":
                name = row["name"] or False
                problems[f"The entry {name} (id {row['id']}) must be in draft."] = None
            if not self.links(row["id"], "invoice_line_ids"):
                problems["Even magicians can't post nothing!"] = None
        if problems:
            # The real server joins a set, in no particular order.
            raise UserError("\n".join(sorted(problems)))

    def _post_one(self, row: Row) -> None:
        values: Values = {"state": "posted", "posted_before": True, "checked": True}
        day = self._accounting_date(row)
        if str(day) != row["date"]:
            values["date"] = str(day)
        self._check_lock(row | {"date": str(day)})
        year = str(day)[:4]
        if not row["name"] or row["name"].split("/")[1] != year:
            values["name"] = self._next_name(row, str(day))
        if row["move_type"] == "out_invoice" and not row["payment_reference"]:
            values["payment_reference"] = values.get("name", row["name"])
        self._update_posted(row["id"], values)
        if row["partner_id"]:
            partner = self.env["res.partner"].row(row["partner_id"])
            rank = {"customer_rank": partner["customer_rank"] + 1}
            if row["move_type"] in SALES:
                self.env["res.partner"].settle(row["partner_id"], rank)

    def _next_name(self, row: Row, day: str) -> str:
        if row["move_type"] == "entry":
            return entries.next_name(self.env, row, day)
        prefix = f"{PREFIXES[row['move_type']]}/{day[:4]}/"
        return f"{prefix}{entries.highest(self.env, prefix, row['journal_id']) + 1:05d}"

    def _update_posted(self, record_id: int, values: Values) -> None:
        """Posting itself may set the date, which nobody may change afterwards."""
        self.settle(record_id, values)
        self.after_change([record_id], set(values))

    def _accounting_date(self, row: Row) -> date:
        """The invoice's date, or the first open day's period end when its own is locked."""
        day = date.fromisoformat(row["invoice_date"] or row["date"])
        locked = [lock for _, lock in self._locks(row) if day <= lock]
        if not locked or row["move_type"] not in SALES:
            return day
        first_open = max(locked) + timedelta(days=1)
        return min(self.env.today, date(first_open.year, 12, 31))

    def compute_tax_lock_date_message(self, row: Row) -> str | None:
        """What posting would do to the accounting date, whichever lock is in the way."""
        violated = self._violated(row)
        if not violated:
            return None
        day = self._accounting_date(row)
        return (
            f"The date is being set prior to: {_listed(violated)}."
            f" The Journal Entry will be accounted on {day:%m/%d/%Y} upon posting."
        )

    def _locks(self, row: Row) -> Iterable[tuple[str, date]]:
        company = company_values(self.env, row["company_id"])
        labels = SALE_LOCKS if row["move_type"] in SALES else LOCKS
        if self._is_taxed(row):
            labels = labels | TAX_LOCK
        for name, label in labels.items():
            if company[name]:
                yield label, date.fromisoformat(company[name])

    def _is_taxed(self, row: Row) -> bool:
        """Whether a tax return would show it, be the tax of 0 % or not."""
        lines = self.env["account.move.line"]
        return any(lines.links(line, "tax_ids") for line in self.links(row["id"], "line_ids"))

    def _violated(self, row: Row) -> list[tuple[str, date]]:
        day = date.fromisoformat(row["date"])
        return [(label, lock) for label, lock in self._locks(row) if day <= lock]

    def _check_lock(self, row: Row) -> None:
        violated = self._violated(row)
        if violated:
            raise UserError(
                f"You cannot add/modify entries prior to and inclusive of: {_listed(violated)}."
            )

    @on_records
    def js_assign_outstanding_line(self, ids: list[int], line_id: int) -> None:
        """Settle an invoice with what is open of a credit note or an entry."""
        self.check_access("write")
        entries.assign(self, self.single(ids), line_id)
        self.env.flush()

    @on_records
    def button_draft(self, ids: list[int]) -> None:
        self.check_access("write")
        rows = self.rows(self.existing(ids))
        if any(row["state"] not in ("posted", "cancel") for row in rows):
            raise UserError("Only posted/cancelled journal entries can be reset to draft.")
        self._leave_posted(rows, "draft")

    @on_records
    def button_cancel(self, ids: list[int]) -> None:
        self.check_access("write")
        rows = self.rows(self.existing(ids))
        if any(row["state"] == "cancel" for row in rows):
            raise UserError("Only draft journal entries can be cancelled.")
        for row in rows:
            settlements.undo(self.env, "move_id", row["id"])
            settlements.undo(self.env, "refund_id", row["id"])
        self._leave_posted(rows, "cancel")

    def _leave_posted(self, rows: list[Row], state: str) -> None:
        for row in rows:
            if row["state"] == "posted":
                self._check_lock(row)
        self.put([row["id"] for row in rows], {"state": state})
        self.env.flush()


def _listed(locks: list[tuple[str, date]]) -> str:
    return ", ".join(f"{label} ({lock:%m/%d/%Y})" for label, lock in locks)


class MoveLine(Model):
    def defaults(self, values: Values) -> Values:
        if values.get("display_type") != "product" or not values.get("move_id"):
            return {}
        move = self.env["account.move"].row(values["move_id"])
        if move["move_type"] == "entry":
            return entries.line_values(self.env, move, values)
        found: Values = {
            "quantity": 1.0,
            "account_id": account_of(self.env, move["company_id"], INCOME),
            "analytic_distribution": self._distribution_of_sale(values),
        }
        if values.get("product_id"):
            product = self.env["product.product"].row(values["product_id"])
            role = PRODUCT_ACCOUNTS.get(product["default_code"], INCOME)
            found["account_id"] = account_of(self.env, move["company_id"], role)
            target = currency_name(self.env, move["currency_id"])
            decimals = currency_decimals(self.env, move["currency_id"])
            price = pricing.convert(exact(product["list_price"]), "EUR", target, decimals)
            taxes = pricing.product_taxes(
                self.env, values["product_id"], move["fiscal_position_id"], move["company_id"]
            )
            found |= {
                "name": self.env["product.product"].display_name(product),
                "price_unit": float(price),
                "tax_ids": [(6, 0, taxes)],
                "product_uom_id": product["uom_id"],
            }
        return found

    def _distribution_of_sale(self, values: Values) -> dict[str, float] | bool:
        """The analytic accounts of the order line that is billed."""
        for command in values.get("sale_line_ids") or ():
            lines = self.env["sale.order.line"]
            for line in lines.rows(command[2] if command[0] == 6 else [command[1]]):
                found: dict[str, float] = lines.stored(line, lines.field("analytic_distribution"))
                return found or False
        return False

    def display_name(self, row: Row) -> str:
        move = self.env["account.move"].row(row["move_id"])
        ref = f"({move['ref']})" if move["ref"] else ""
        name = row["name"] if row["display_type"] == "product" else ""
        return " ".join(filter(None, (move["name"], ref, name)))

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            if row["display_type"] == "product":
                self.env.touch("account.move", [row["move_id"]])
            self.env.touch("sale.order.line", self.links(row["id"], "sale_line_ids"))

    def before_unlink(self, ids: list[int]) -> None:
        self.after_change(ids, set())

    @on_records
    def remove_move_reconcile(self, ids: list[int]) -> None:
        """What a payment settles is open again, and so is what settles the payment."""
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            payment = self.env["account.move"].row(row["move_id"])["origin_payment_id"]
            settlements.undo(self.env, "move_id", row["move_id"])
            if payment:
                settlements.undo(self.env, "payment_id", payment)
        self.env.flush()

    def settle_open(self, line_id: int) -> None:
        """Bring up to date what is open of a receivable line."""
        row = self.row(line_id)
        if not entries.is_receivable(self.env, row):
            return
        in_currency = self._open(row)
        amount = exact(row["amount_currency"])
        share = in_currency / amount if amount else Decimal(0)
        values = {
            "amount_residual_currency": float(in_currency),
            "amount_residual": float(pricing.quantized(exact(row["balance"]) * share, 2)),
            "reconciled": not in_currency,
        }
        self.settle(line_id, values)

    def _open(self, row: Row) -> Decimal:
        """In the document's currency: the earliest installments are settled first."""
        settled = settlements.settled(self.env, row["move_id"])
        parts = [["move_id", "=", row["move_id"]], ["account_id", "=", row["account_id"]]]
        for part in self.rows(self.find(parts, order="date_maturity, id")):
            amount = abs(exact(part["amount_currency"]))
            taken = min(settled, amount)
            if part["id"] == row["id"]:
                return (amount - taken) * (1 if row["amount_currency"] >= 0 else -1)
            settled -= taken
        return Decimal(0)


def _dated(row: Row) -> Values:
    return {"date": row["date"], "move_name": row["name"]}


def _installment_name(title: str, number: int, count: int) -> str:
    return title if count == 1 else f"{title} installment #{number}".strip()


MODELS: dict[str, type[Model]] = {"account.move": Move, "account.move.line": MoveLine}
