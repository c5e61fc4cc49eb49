"""The sales order in Odoo: its lines, deliveries, changes and figures, and the audit record."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities import odoo_records as records
from activities import odoo_work as work
from activities.failures import BusinessRefusal
from activities.odoo_balances import is_ours
from activities.odoo_buttons import press
from activities.odoo_catalogue import Catalogue
from activities.odoo_master import Done
from activities.odoo_messages import post_once
from contracts.billing.lines import InvoiceKind
from contracts.billing.order import OrderLine, order_lines
from contracts.identifiers import contract_workflow_id
from contracts.model import Contract, Key
from contracts.money import Money
from contracts.odoo_totals import InvoiceTotals, LineTotals, OrderTotals
from contracts.ownership import create_once
from gateways.odoo import OdooClient

_CENT = Decimal("0.01")
_CONFIRMED = ("sale", "done")
_LINE_FIELDS = ["name", "product_uom_qty", "qty_delivered", "qty_invoiced", "price_unit"]
_ORDER_FIELDS = [
    "name",
    "state",
    "amount_untaxed",
    "currency_id",
    "order_line",
    "project_account_id",
]
_INVOICE_FIELDS = [
    "name",
    "state",
    "move_type",
    "invoice_origin",
    "reversed_entry_id",
    "amount_untaxed",
    "amount_total",
    "amount_residual",
    "currency_id",
]


class OrderRequest(BaseModel):
    contract: Contract
    company_id: int
    partner_id: int
    project_id: int


class OrderRef(BaseModel):
    """The order, and its lines' ids in Odoo by their keys."""

    order_id: int
    lines: dict[Key, int] = {}


class ConfirmRequest(BaseModel):
    """The order and the project of a contract that work is to begin on."""

    contract: Contract
    order_id: int
    project_id: int


class Confirmed(BaseModel):
    """The order's number; the ids of its lines, of the milestones and of the tasks of plans, by
    their keys; and where the project's costs and revenues meet in Odoo."""

    name: str
    analytic_account_id: int
    lines: dict[Key, int]
    milestones: dict[Key, int]
    tasks: dict[Key, int]


class OrderCancel(BaseModel):
    order_id: int


class OrderChange(BaseModel):
    """Two versions of a contract: the order is to follow the later one."""

    before: Contract
    after: Contract
    order_id: int


class DeliveredRequest(BaseModel):
    """How much was delivered so far of lines that Odoo cannot count itself, by their keys."""

    legal_entity: str
    contract_id: str
    quantities: dict[Key, Decimal]


class Notification(BaseModel):
    """A note for people of the firm, by e-mail address; with none it is only noted. `subject` is
    unique on the order."""

    order_id: int
    people: tuple[str, ...] = ()
    subject: str
    text: str


class OrderTotalsRequest(BaseModel):
    """`lines` are the order lines' ids by their keys."""

    order_id: int
    lines: dict[Key, int]


class AuditRequest(BaseModel):
    """The audit record as text, its SHA-256, and what the note about it says."""

    legal_entity: str
    contract_id: str
    order_id: int
    file_name: str
    content: str
    sha256: str
    text: str


class OdooOrders:
    """Activities on the `odoo-finance` task queue: the contract's sales order."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue | None = None) -> None:
        """`catalogue` is the one of the worker's other activities, if they share it."""
        self._odoo = odoo
        self._catalogue = catalogue or Catalogue(odoo)

    def create_order(self, request: OrderRequest) -> OrderRef:
        """Create the sales order with a line for everything that can be billed."""
        contract = request.contract
        keys = (contract.legal_entity, contract.contract_id)
        header: dict[str, Any] = {
            "id": records.order_id(*keys),
            "partner_id/.id": request.partner_id,
            "company_id/.id": request.company_id,
            # The project's analytic account comes to the lines with it.
            "project_id/.id": request.project_id,
            "pricelist_id/.id": self._price_list(contract.currency, request.company_id),
            "client_order_ref": contract.purchase_order,
            "origin": contract_workflow_id(*keys),
            "payment_term_id": contract.payment_term,
        }
        rows = self._rows(contract, order_lines(contract), header)
        [order] = self._odoo.load(
            "sale.order",
            rows,
            create_once=create_once("order.terms"),
            context=records.UNTRACKED,
        )
        return OrderRef(order_id=order)

    def confirm_order(self, request: ConfirmRequest) -> Confirmed:
        """Confirm the order, then plan its work: the milestones and the tasks.

        In this order: Odoo confirms a quotation unasked once a task is tied to its line. Refuses
        `order_total_differs` if the order's total is not the fixed price, and
        `analytic_account_missing` if its project has no place for costs.
        """
        contract = request.contract
        order = self._checked(request.order_id, contract.fixed_price)
        account = order["project_account_id"]
        if not account:
            raise BusinessRefusal(
                "analytic_account_missing",
                f"the project of order {order['name']} has no analytic account in Odoo; "
                "switch its timesheets on there",
                field="project.account_id",
            )
        if order["state"] not in _CONFIRMED:
            press(
                self._odoo,
                "sale.order",
                "action_confirm",
                request.order_id,
                is_pressed=lambda: self._state(request.order_id) in _CONFIRMED,
                context=records.UNTRACKED,
            )
            metrics.orders_confirmed.add(1, {"currency": contract.currency})
        return Confirmed(
            name=order["name"],
            analytic_account_id=account[0],
            lines=self._line_ids(contract, order["order_line"]),
            milestones=self._planned(contract, request.project_id),
            tasks=self._tasks_of_plans(contract, request.project_id),
        )

    def _planned(self, contract: Contract, project_id: int) -> dict[str, int]:
        """The milestones, each with its task, as they are when the project begins."""
        rows = work.planned_rows(contract, project_id)
        once = create_once("milestone.name", "milestone.deadline", "task.name")
        ids = self._odoo.load(
            "project.milestone", rows, create_once=once, context=records.UNTRACKED
        )
        return dict(zip((item.key for item in contract.milestones), ids, strict=True))

    def _tasks_of_plans(self, contract: Contract, project_id: int) -> dict[str, int]:
        tasks = [task for task in work.tasks_of(contract) if not task.milestone]
        rows = work.task_rows(contract, project_id, tasks)
        ids = self._odoo.load("project.task", rows, create_once=create_once("task.name"))
        return dict(zip((task.key for task in tasks), ids, strict=True))

    @activity.defn
    def cancel_order(self, request: OrderCancel) -> Done:
        """Cancel the order, as compensation; an order already cancelled is a success."""
        if self._state(request.order_id) != "cancel":
            press(
                self._odoo,
                "sale.order",
                "action_cancel",
                request.order_id,
                is_pressed=lambda: self._state(request.order_id) == "cancel",
                context={"disable_cancel_warning": True},
            )
        return Done()

    @activity.defn
    def amend_order(self, change: OrderChange) -> OrderRef:
        """Let the confirmed order follow a change order: new lines, changed prices and names,
        purchase order and payment term; what was dropped is ordered 0 times, as Odoo keeps it.

        Refuses (`order_total_differs`) if it then totals other than the fixed price.
        """
        before, after = change.before, change.after
        header: dict[str, Any] = {"id": records.order_id(after.legal_entity, after.contract_id)}
        if after.purchase_order != before.purchase_order:
            header["client_order_ref"] = after.purchase_order
        if after.payment_term != before.payment_term:
            header["payment_term_id"] = after.payment_term
        lines = changed_lines(before, after)
        rows = self._rows(after, lines, header) if lines else [header]
        if lines or len(header) > 1:
            self._odoo.load("sale.order", rows, create_once=create_once("order.lines"))
            metrics.orders_amended.add(1, {"currency": after.currency})
        self._checked(change.order_id, after.fixed_price)
        return OrderRef(order_id=change.order_id, lines=self._line_ids(after))

    @activity.defn
    def set_delivered(self, request: DeliveredRequest) -> Done:
        """Write what was delivered so far; for lines that neither milestones nor timesheets
        deliver in Odoo."""
        keys = (request.legal_entity, request.contract_id)
        rows = [
            {"id": records.order_line_id(*keys, key), "qty_delivered": quantity}
            for key, quantity in request.quantities.items()
        ]
        once = create_once("order_line.delivered")
        self._odoo.load("sale.order.line", rows, create_once=once)
        return Done()

    @activity.defn
    def notify(self, request: Notification) -> Done:
        """Leave a note on the order, mailed to those of the people who are known to Odoo."""
        people = [("email", "in", sorted(request.people))]
        known = self._odoo.search_read("res.partner", people, ["id"]) if request.people else []
        post_once(
            self._odoo,
            "sale.order",
            request.order_id,
            subject=request.subject,
            body=request.text,
            partner_ids=[row["id"] for row in known],
            message_type="comment",
            subtype_xmlid="mail.mt_note",
        )
        return Done()

    # --- close-out --------------------------------------------------------------------------

    def figures(self, request: OrderTotalsRequest) -> OrderTotals:
        """Odoo's own figures of the order, its lines and everything invoiced or credited on it."""
        fields = ["amount_untaxed", "currency_id", "invoice_ids", "state", "origin"]
        [order] = self._odoo.read("sale.order", [request.order_id], fields)
        lines = self._odoo.search_read(
            "sale.order.line",
            [("order_id", "=", request.order_id), ("display_type", "=", False)],
            _LINE_FIELDS,
            order="id",
        )
        keys = {line: key for key, line in request.lines.items()}
        return OrderTotals(
            order_id=request.order_id,
            state=order["state"],
            total=Money.rounded(order["amount_untaxed"], order["currency_id"][1]),
            lines=tuple(_line_figures(row, keys) for row in lines),
            invoices=_invoices_figures(self._invoices(order)),
        )

    def _invoices(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What is tied to the order's lines, and what names the contract as its origin."""
        prefix = f"{order['origin']}/"
        found = self._odoo.search_read(
            "account.move",
            [
                ("move_type", "in", ["out_invoice", "out_refund"]),
                "|",
                ("id", "in", order["invoice_ids"]),
                ("invoice_origin", "=like", f"{prefix}%"),
            ],
            _INVOICE_FIELDS,
            order="id",
        )
        tied = set(order["invoice_ids"])
        # An underscore in a key stands for any letter in the search above.
        return [
            row
            for row in found
            if row["id"] in tied or str(row["invoice_origin"]).startswith(prefix)
        ]

    def attach_audit(self, request: AuditRequest) -> Done:
        """Attach the audit record to the order as a file, and say so in the chatter, once."""
        row = {
            "id": records.audit_id(request.legal_entity, request.contract_id),
            "name": request.file_name,
            "res_model": "sale.order",
            "res_id": request.order_id,
            "mimetype": "application/json",
            "datas": base64.b64encode(request.content.encode()).decode(),
        }
        once = create_once("audit_record")
        [attachment] = self._odoo.load("ir.attachment", [row], create_once=once)
        post_once(
            self._odoo,
            "sale.order",
            request.order_id,
            subject=f"{request.file_name} (SHA-256 {request.sha256})",
            body=request.text,
            message_type="comment",
            subtype_xmlid="mail.mt_note",
            attachment_ids=[attachment],
        )
        return Done()

    # --- shared -----------------------------------------------------------------------------

    def _rows(
        self, contract: Contract, lines: Iterable[OrderLine], header: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The lines as rows to load, the first with the order's own columns before it."""
        lines = list(lines)
        products = self._catalogue.product_ids({line.service_code for line in lines})
        rows = [
            {
                "order_line/id": records.order_line_id(
                    contract.legal_entity, contract.contract_id, line.key
                ),
                "order_line/product_id/.id": products[line.service_code],
                "order_line/name": line.name,
                "order_line/product_uom_qty": line.quantity,
                "order_line/price_unit": line.unit_price,
            }
            for line in lines
        ]
        return [{**header, **rows[0]}, *rows[1:]]

    def _line_ids(self, contract: Contract, lines: Sequence[int] | None = None) -> dict[str, int]:
        """The ids of the order's lines by their keys; `lines` are all it has, in its own order."""
        keys = [line.key for line in order_lines(contract)]
        if lines is not None and len(lines) == len(keys):
            return dict(zip(keys, lines, strict=True))
        # Loading nothing but an external id writes nothing: it answers which record that is.
        rows = [
            {"id": records.order_line_id(contract.legal_entity, contract.contract_id, key)}
            for key in keys
        ]
        ids = self._odoo.load("sale.order.line", rows, create_once=True)
        return dict(zip(keys, ids, strict=True))

    def _state(self, order_id: int) -> str:
        [order] = self._odoo.read("sale.order", [order_id], ["state"])
        return str(order["state"])

    def _checked(self, order_id: int, value: Money) -> dict[str, Any]:
        """The order; a business failure if it was cancelled or has another total."""
        [order] = self._odoo.read("sale.order", [order_id], _ORDER_FIELDS)
        total = Money.rounded(order["amount_untaxed"], order["currency_id"][1])
        if total != value:
            raise BusinessRefusal(
                "order_total_differs",
                f"the order in Odoo totals {total} without tax, the contract {value}",
                field="order.amount_untaxed",
                value=str(total),
            )
        if order["state"] == "cancel":
            raise BusinessRefusal("order_cancelled", "the order was cancelled in Odoo")
        return order

    def _price_list(self, currency: str, company_id: int) -> int:
        """A price list in the currency: in Odoo an order has its currency from nowhere else."""
        found = self._catalogue.price_list(currency, company_id)
        if found is None:
            raise BusinessRefusal(
                "price_list_missing",
                f"Odoo has no price list in {currency}; add one (its prices do not matter)",
                field="currency",
                value=currency,
            )
        return found


def changed_lines(before: Contract, after: Contract) -> list[OrderLine]:
    """The order lines that a change order adds, changes, or (with quantity 0) drops."""
    old = {line.key: line for line in order_lines(before)}
    new = {line.key: line for line in order_lines(after)}
    changed = [line for key, line in new.items() if line != old.get(key)]
    dropped = [
        line.model_copy(update={"quantity": Decimal(0)})
        for key, line in old.items()
        if key not in new
    ]
    return [*changed, *dropped]


def _line_figures(row: Mapping[str, Any], keys: Mapping[int, str]) -> LineTotals:
    return LineTotals(
        key=keys.get(row["id"], ""),
        name=row["name"],
        ordered=_quantity(row["product_uom_qty"]),
        delivered=_quantity(row["qty_delivered"]),
        invoiced=_quantity(row["qty_invoiced"]),
        unit_price=Decimal(str(row["price_unit"])),
    )


def _invoices_figures(rows: Sequence[Mapping[str, Any]]) -> tuple[InvoiceTotals, ...]:
    origins = {row["id"]: row["invoice_origin"] for row in rows}
    return tuple(
        _invoice_figures(row, is_ours(row["invoice_origin"], origins.get(_credited(row), "")))
        for row in rows
    )


def _credited(row: Mapping[str, Any]) -> int:
    """The id of the invoice a credit note takes back; 0 for none."""
    return int(row["reversed_entry_id"][0]) if row["reversed_entry_id"] else 0


def _invoice_figures(row: Mapping[str, Any], ours: bool) -> InvoiceTotals:
    currency = row["currency_id"][1]
    refund = row["move_type"] == "out_refund"
    return InvoiceTotals(
        invoice_id=row["id"],
        number=row["name"] if row["state"] == "posted" else "",
        kind=InvoiceKind.CREDIT_NOTE if refund else InvoiceKind.INVOICE,
        state=row["state"],
        ours=ours,
        untaxed=Money.rounded(row["amount_untaxed"], currency),
        total=Money.rounded(row["amount_total"], currency),
        residual=Money.rounded(row["amount_residual"], currency),
    )


def _quantity(number: float) -> Decimal:
    """Odoo adds quantities up as doubles; they have two decimals. Zero has no sign."""
    return Decimal(str(number)).quantize(_CENT) + 0
