"""The contract's sales order in Odoo: created, confirmed, changed, delivered and cancelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from temporalio import activity

from activities import metrics
from activities.done import Done
from activities.failures import BusinessRefusal
from activities.odoo import external_ids, milestones, order_rows, tasks
from activities.odoo.buttons import press
from activities.odoo.catalogue import Catalogue
from activities.odoo.contexts import UNTRACKED
from activities.odoo.needs import SALES, UPSERT, Need
from activities.odoo.partners import for_partner
from contracts.billing.order import OrderLine, order_lines
from contracts.contract.state import OdooRefs, require_id
from contracts.identifiers import contract_workflow_id
from contracts.model import Contract, Key
from contracts.money import Money
from contracts.ownership import create_once
from gateways.fields import names
from gateways.odoo import OdooClient

_CONFIRMED = ("sale", "done")
_ORDER_FIELDS = names("name state amount_untaxed currency_id order_line project_account_id")

NEEDS = (
    Need("sale.order", _ORDER_FIELDS, access=SALES, methods=("action_confirm", "action_cancel")),
    Need(
        "sale.order",
        names("""
            partner_id company_id project_id pricelist_id
            client_order_ref origin payment_term_id order_line
        """),
        access=SALES,
        rights=UPSERT,
    ),
    order_rows.LINES,
    Need("sale.order.line", ("qty_delivered",), access=SALES, rights=UPSERT),
)


class OrderRef(BaseModel):
    """The order, and its lines' ids in Odoo by their keys."""

    order_id: int
    lines: dict[Key, int] = {}


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


class OdooOrders:
    """Activities on the `odoo-finance` task queue: the contract's sales order."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue) -> None:
        self._odoo = odoo
        self._catalogue = catalogue

    @activity.defn
    def cancel_order(self, request: OrderCancel) -> Done:
        """Cancel the order, as compensation; an order already cancelled is a success."""
        order = request.order_id
        if _state(self._odoo, order) != "cancel":
            press(
                self._odoo,
                "sale.order",
                "action_cancel",
                order,
                is_pressed=lambda: _state(self._odoo, order) == "cancel",
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
        header: dict[str, Any] = {
            "id": external_ids.order_id(after.legal_entity, after.contract_id)
        }
        if after.purchase_order != before.purchase_order:
            header["client_order_ref"] = after.purchase_order
        if after.payment_term != before.payment_term:
            header["payment_term_id"] = after.payment_term
        lines = order_rows.changed_lines(before, after)
        if lines or len(header) > 1:
            rows = _rows(self._catalogue, after, lines, header)
            self._odoo.load("sale.order", rows, create_once=create_once("order.lines"))
            metrics.orders_amended.add(1, {"currency": after.currency})
        _checked(self._odoo, change.order_id, after.fixed_price)
        return OrderRef(order_id=change.order_id, lines=_line_ids(self._odoo, after))

    @activity.defn
    def set_delivered(self, request: DeliveredRequest) -> Done:
        """Write what was delivered so far; for lines that neither milestones nor timesheets
        deliver in Odoo."""
        keys = (request.legal_entity, request.contract_id)
        rows = [
            {"id": external_ids.order_line_id(*keys, key), "qty_delivered": quantity}
            for key, quantity in request.quantities.items()
        ]
        once = create_once("order_line.delivered")
        self._odoo.load("sale.order.line", rows, create_once=once)
        return Done()


def create_order(
    odoo: OdooClient, catalogue: Catalogue, contract: Contract, made: OdooRefs
) -> None:
    """Create the sales order with a line for everything that can be billed."""
    keys, company = (contract.legal_entity, contract.contract_id), require_id(made.company_id)
    header: dict[str, Any] = {
        "id": external_ids.order_id(*keys),
        "company_id/.id": company,
        # The project's analytic account comes to the lines with it.
        "project_id/.id": require_id(made.project_id),
        "pricelist_id/.id": _price_list(catalogue, contract.currency, company),
        "client_order_ref": contract.purchase_order,
        "origin": contract_workflow_id(*keys),
        "payment_term_id": contract.payment_term,
    }
    once = create_once("order.terms")

    def load(partner: int) -> int:
        named = {**header, "partner_id/.id": partner}
        rows = _rows(catalogue, contract, order_lines(contract), named)
        [loaded] = odoo.load("sale.order", rows, create_once=once, context=UNTRACKED)
        return loaded

    of = ("project.project", require_id(made.project_id))
    made.order_id = for_partner(odoo, require_id(made.partner_id), of, load)


def confirm_order(odoo: OdooClient, contract: Contract, made: OdooRefs) -> None:
    """Confirm the order, then plan its work: the milestones and the tasks.

    In this order: Odoo confirms a quotation unasked once a task is tied to its line. Refuses
    `order_total_differs` if the order's total is not the fixed price, and
    `analytic_account_missing` if its project has no place for costs.
    """
    order_id, project = require_id(made.order_id), require_id(made.project_id)
    order = _checked(odoo, order_id, contract.fixed_price)
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
            odoo,
            "sale.order",
            "action_confirm",
            order_id,
            is_pressed=lambda: _state(odoo, order_id) in _CONFIRMED,
            context=UNTRACKED,
        )
        metrics.orders_confirmed.add(1, {"currency": contract.currency})
    made.order_name, made.analytic_account_id = order["name"], account[0]
    made.order_line_ids = _line_ids(odoo, contract, order["order_line"])
    made.milestone_ids = milestones.plan(odoo, contract, project)
    made.task_ids = tasks.plan(odoo, contract, project)
    made.order_confirmed = True


def _rows(
    catalogue: Catalogue,
    contract: Contract,
    lines: Sequence[OrderLine],
    header: Mapping[str, Any],
) -> list[dict[str, Any]]:
    products = catalogue.product_ids({line.service_code for line in lines})
    return order_rows.order_rows(contract, lines, header, products)


def _line_ids(
    odoo: OdooClient, contract: Contract, lines: Sequence[int] | None = None
) -> dict[str, int]:
    """The ids of the order's lines by their keys; `lines` are all it has, in its own order."""
    keys = [line.key for line in order_lines(contract)]
    if lines is not None and len(lines) == len(keys):
        return dict(zip(keys, lines, strict=True))
    # Loading nothing but an external id writes nothing: it answers which record that is.
    rows = [
        {"id": external_ids.order_line_id(contract.legal_entity, contract.contract_id, key)}
        for key in keys
    ]
    ids = odoo.load("sale.order.line", rows, create_once=True)
    return dict(zip(keys, ids, strict=True))


def _state(odoo: OdooClient, order_id: int) -> str:
    [order] = odoo.read("sale.order", [order_id], ["state"])
    return str(order["state"])


def _checked(odoo: OdooClient, order_id: int, value: Money) -> dict[str, Any]:
    """The order; a business failure if it was cancelled or has another total."""
    [order] = odoo.read("sale.order", [order_id], _ORDER_FIELDS)
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


def _price_list(catalogue: Catalogue, currency: str, company_id: int) -> int:
    """A price list in the currency: in Odoo an order has its currency from nowhere else."""
    found = catalogue.price_list(currency, company_id)
    if found is None:
        raise BusinessRefusal(
            "price_list_missing",
            f"Odoo has no price list in {currency}; add one (its prices do not matter)",
            field="currency",
            value=currency,
        )
    return found
