"""Sales orders: prices, confirmation, what is delivered, invoiced and still to invoice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sandbox.odoo import pricing, timesheets
from sandbox.odoo.companies import current_company
from sandbox.odoo.errors import UserError
from sandbox.odoo.masterdata import Partner, currency_decimals, currency_name
from sandbox.odoo.messages import Thread
from sandbox.odoo.pricing import exact
from sandbox.odoo.records import Model, Row, Values, on_records, rounded

VALID_DAYS = 30
QUANTITY_DECIMALS = 2


class SaleOrder(Thread):
    def defaults(self, values: Values) -> Values:
        partner = values.get("partner_id") or None
        start = self.env.today
        company = values.get("company_id") or current_company(self.env)
        pricelists = self.env["product.pricelist"].find(
            [["active", "=", True], ["company_id", "in", [company, False]]]
        )
        partners = self.env["res.partner"]
        assert isinstance(partners, Partner)
        terms = partner and partners.row(partner)["property_payment_term_id"]
        return {
            "date_order": self.env.timestamp[:19],
            "validity_date": str(start + timedelta(days=VALID_DAYS)),
            "partner_invoice_id": partner and partners.address(partner, "invoice"),
            "partner_shipping_id": partner and partners.address(partner, "delivery"),
            "pricelist_id": pricelists[0],
            "payment_term_id": terms,
            "user_id": self.env.uid,
            "team_id": self.env.xid("sales_team.team_sales_department"),
            "company_id": company,
            "fiscal_position_id": pricing.fiscal_position(self.env, partner, company),
        }

    def add(self, values: Values) -> int:
        """Name and currency are never the caller's: a sequence and the price list give them."""
        values = {name: value for name, value in values.items() if name != "currency_id"}
        if not values.get("pricelist_id", True):
            del values["pricelist_id"]
        return super().add(values)

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        for row in self.rows(ids):
            if row["name"] in (None, "New"):
                self.settle(row["id"], {"name": self._next_name()})
            currency = self.env["product.pricelist"].row(row["pricelist_id"])["currency_id"]
            self.settle(row["id"], {"currency_id": currency})
            self.env.touch("sale.order.line", self.links(row["id"], "order_line"))
        self.env.touch("sale.order", ids)

    def _next_name(self) -> str:
        rows = self.env.execute(
            "SELECT MAX(CAST(substr(name, 2) AS INTEGER)) AS last FROM sale_order"
            " WHERE name GLOB 'S[0-9]*'"
        )
        return f"S{(rows[0]['last'] or 0) + 1:05d}"

    def before_unlink(self, ids: list[int]) -> None:
        if any(row["state"] not in ("draft", "cancel") for row in self.rows(ids)):
            raise UserError(
                "You can not delete a sent quotation or a confirmed sales order."
                " You must first cancel it."
            )
        for order in ids:
            self.env["sale.order.line"].remove(self.links(order, "order_line"))

    def recompute(self, record_id: int) -> None:
        row = self.row(record_id)
        lines = self.env["sale.order.line"].rows(self.links(record_id, "order_line"))
        decimals = currency_decimals(self.env, row["currency_id"])
        sums = pricing.totals(
            [priced_line(self.env["sale.order.line"], i) for i in lines], decimals
        )
        self.settle(
            record_id,
            {
                "amount_untaxed": float(sums.untaxed),
                "amount_tax": float(sums.tax),
                "amount_total": float(sums.total),
                "invoice_status": _order_status(row, lines),
            },
        )

    def compute_amount_invoiced(self, row: Row) -> float:
        lines = self.env["sale.order.line"].rows(self.links(row["id"], "order_line"))
        return float(sum(exact(line["untaxed_amount_invoiced"]) for line in lines))

    @on_records
    def action_confirm(self, ids: list[int]) -> bool:
        self.check_access("write")
        if any(row["state"] not in ("draft", "sent") for row in self.rows(self.existing(ids))):
            raise UserError("Some orders are not in a state requiring confirmation.")
        self.put(ids, {"state": "sale", "date_order": self.env.timestamp[:19]})
        self.env.flush()
        return True

    @on_records
    def action_cancel(self, ids: list[int]) -> bool:
        self.check_access("write")
        for row in self.rows(self.existing(ids)):
            moves = self.env["account.move"]
            invoices = self.follow(row, ["order_line", "invoice_lines", "move_id"])
            drafts = [move["id"] for move in moves.rows(invoices) if move["state"] == "draft"]
            if drafts:
                moves.put(drafts, {"state": "cancel"})
        self.put(ids, {"state": "cancel"})
        self.env.flush()
        return True

    @on_records
    def action_draft(self, ids: list[int]) -> bool:
        self.check_access("write")
        rows = self.rows(self.existing(ids))
        orders = [row["id"] for row in rows if row["state"] in ("cancel", "sent")]
        self.put(orders, {"state": "draft"})
        self.env.flush()
        return True


class SaleOrderLine(Model):
    def defaults(self, values: Values) -> Values:
        product_id = values.get("product_id") or None
        order = self.env["sale.order"].row(values["order_id"]) if values.get("order_id") else None
        found: Values = {"product_uom_id": self.env["uom.uom"].find([])[0]}
        found["product_uom_qty"] = 0.0 if values.get("display_type") else 1.0
        if product_id and order:
            product = self.env["product.product"].row(product_id)
            found["name"] = self.env["product.product"].display_name(product)
            found["price_unit"] = self._list_price(product, order)
            taxes = pricing.product_taxes(
                self.env, product_id, order["fiscal_position_id"], order["company_id"]
            )
            found["tax_ids"] = [(6, 0, taxes)]
            found["product_uom_id"] = product["uom_id"]
            found["qty_delivered_method"] = product["service_type"]
        if order and order["project_id"]:
            account = self.env["project.project"].row(order["project_id"])["account_id"]
            found["analytic_distribution"] = {str(account): 100} if account else False
        return found

    def _list_price(self, product: Row, order: Row) -> float:
        pricelist = self.env["product.pricelist"].row(order["pricelist_id"])
        target = currency_name(self.env, pricelist["currency_id"])
        decimals = currency_decimals(self.env, pricelist["currency_id"])
        return float(pricing.convert(exact(product["list_price"]), "EUR", target, decimals))

    def display_name(self, row: Row) -> str:
        order = self.env["sale.order"].row(row["order_id"])
        customer = self.env["res.partner"].row(order["partner_id"])["name"]
        products = self.env["product.product"].rows([row["product_id"]])
        what = self.env["product.product"].display_name(products[0]) if products else row["name"]
        return f"{order['name']} - {what} ({customer})"

    def add(self, values: Values) -> int:
        line_id = super().add(values)
        self.settle(line_id, {"technical_price_unit": self.row(line_id)["price_unit"]})
        return line_id

    def before_write(self, ids: list[int], values: Values) -> None:
        self._check_product(ids, values)
        self._reset_prices(ids, values)

    def _reset_prices(self, ids: list[int], values: Values) -> None:
        """Another quantity takes the list price again, unless the price was changed by hand."""
        if "product_uom_qty" not in values or "price_unit" in values:
            return
        for row in self.rows(ids):
            by_hand = row["price_unit"] != row["technical_price_unit"]
            same = row["product_uom_qty"] == float(values["product_uom_qty"] or 0)
            if by_hand or same or row["qty_invoiced"] > 0 or not row["product_id"]:
                continue
            product = self.env["product.product"].row(row["product_id"])
            price = self._list_price(product, self.env["sale.order"].row(row["order_id"]))
            self.settle(row["id"], {"price_unit": price, "technical_price_unit": price})

    def _check_product(self, ids: list[int], values: Values) -> None:
        if "product_id" not in values:
            return
        for row in self.rows(ids):
            order = self.env["sale.order"].row(row["order_id"])
            bound = order["state"] == "sale" and (row["qty_invoiced"] or row["qty_delivered"])
            if bound and row["product_id"] != (values["product_id"] or None):
                raise UserError("You cannot modify the product of this order line.")

    def after_change(self, ids: list[int], changed: set[str]) -> None:
        self.env.touch("sale.order.line", ids)
        self.env.touch("sale.order", {row["order_id"] for row in self.rows(ids)})

    def before_unlink(self, ids: list[int]) -> None:
        rows = self.rows(ids)
        orders = self.env["sale.order"].rows({row["order_id"] for row in rows})
        if any(order["state"] == "sale" for order in orders):
            raise UserError(
                "Once a sales order is confirmed, you can't remove one of its lines (we need to"
                " track if something gets invoiced or delivered).\n"
                "                Set the quantity to 0 instead."
            )
        self.env.touch("sale.order", {row["order_id"] for row in rows})

    def recompute(self, record_id: int) -> None:
        row = self.row(record_id)
        order = self.env["sale.order"].row(row["order_id"])
        decimals = currency_decimals(self.env, order["currency_id"])
        price = priced_line(self, row)
        subtotal, total = float(price.subtotal(decimals)), float(price.total(decimals))
        delivered = self._delivered(row)
        invoiced = invoiced_quantity(self, record_id)
        confirmed = order["state"] == "sale"
        changed = self.settle(
            record_id,
            {
                "state": order["state"],
                "price_subtotal": subtotal,
                "price_total": total,
                "price_tax": total - subtotal,
                "qty_delivered": float(delivered),
                "qty_invoiced": float(invoiced),
                "qty_to_invoice": float(delivered - invoiced) if confirmed else 0.0,
                "invoice_status": _line_status(confirmed, delivered, invoiced, row),
            }
            | self._untaxed(row, delivered, confirmed, decimals),
        )
        if changed:
            self.env.touch("sale.order", [row["order_id"]])

    def _delivered(self, row: Row) -> Decimal:
        """By the milestones or hours tied to the line, else as people enter it."""
        if row["qty_delivered_method"] == "timesheet":
            return timesheets.hours_of(self.env, row["id"])
        milestones = self.env["project.milestone"]
        ids = milestones.find([["sale_line_id", "=", row["id"]], ["is_reached", "=", True]])
        if not ids and not milestones.find([["sale_line_id", "=", row["id"]]], limit=1):
            return (
                exact(row["qty_delivered"]) if row["qty_delivered_method"] == "manual" else exact(0)
            )
        share = sum(exact(reached["quantity_percentage"]) for reached in milestones.rows(ids))
        return pricing.quantized(share * exact(row["product_uom_qty"]), QUANTITY_DECIMALS)

    def _untaxed(self, row: Row, delivered: Decimal, confirmed: bool, decimals: int) -> Values:
        """Amounts before tax: on posted invoices, and delivered but not on them."""
        moves = self.env["account.move.line"]
        invoiced = Decimal(0)
        for line in moves.rows(self.links(row["id"], "invoice_lines")):
            move = self.env["account.move"].row(line["move_id"])
            if move["state"] == "posted":
                sign = -1 if move["move_type"] == "out_refund" else 1
                invoiced += sign * exact(line["price_subtotal"])
        taxes = self.env["account.tax"].rows(self.links(row["id"], "tax_ids"))
        quantity = float(delivered)
        worth = pricing.priced(quantity, row["price_unit"], row["discount"], taxes).base
        due = worth - invoiced if confirmed else Decimal(0)
        return {
            "untaxed_amount_invoiced": float(invoiced),
            "untaxed_amount_to_invoice": rounded(due, decimals),
        }


def priced_line(lines: Model, row: Row) -> pricing.PricedLine:
    taxes = lines.env["account.tax"].rows(lines.links(row["id"], "tax_ids"))
    quantity = row["quantity"] if "quantity" in row else row["product_uom_qty"]
    return pricing.priced(quantity, row["price_unit"], row["discount"], taxes)


def invoiced_quantity(lines: Model, line_id: int) -> Decimal:
    """What invoices that are not cancelled bill of an order line, less credit notes."""
    rows = lines.env.execute(
        "SELECT invoiced.quantity, move.move_type FROM rel_sale_order_line__invoice_lines AS link"
        " JOIN account_move_line AS invoiced ON invoiced.id = link.other_id"
        " JOIN account_move AS move ON move.id = invoiced.move_id"
        " WHERE link.this_id = ? AND move.state IN ('draft', 'posted')",
        (line_id,),
    )
    signs = {"out_refund": -1}
    return sum(
        (signs.get(row["move_type"], 1) * exact(row["quantity"]) for row in rows), Decimal(0)
    )


def _line_status(confirmed: bool, delivered: Decimal, invoiced: Decimal, row: Row) -> str:
    if not confirmed:
        return "no"
    if delivered != invoiced:
        return "to invoice"
    return "invoiced" if invoiced >= exact(row["product_uom_qty"]) else "no"


def _order_status(order: Row, lines: list[Row]) -> str:
    if order["state"] != "sale":
        return "no"
    statuses = {line["invoice_status"] for line in lines}
    if "to invoice" in statuses:
        return "to invoice"
    return "invoiced" if statuses == {"invoiced"} else "no"


MODELS: dict[str, type[Model]] = {"sale.order": SaleOrder, "sale.order.line": SaleOrderLine}
