"""The sales order's lines: what changes, and as rows to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from activities.odoo import external_ids
from activities.odoo.needs import SALES, UPSERT, Need
from contracts.billing.order import OrderLine, order_lines
from contracts.model import Contract
from gateways.fields import names

LINES = Need(
    "sale.order.line",
    names("product_id name product_uom_qty price_unit"),
    access=SALES,
    rights=UPSERT,
)
"""What the rows below take to be loaded."""


def order_rows(
    contract: Contract,
    lines: Sequence[OrderLine],
    header: Mapping[str, Any],
    products: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The lines as rows to load, the first with the order's own columns before it; `products` are
    ids by service code. Without lines, a row of the order alone."""
    rows = [
        {
            "order_line/id": external_ids.order_line_id(
                contract.legal_entity, contract.contract_id, line.key
            ),
            "order_line/product_id/.id": products[line.service_code],
            "order_line/name": line.name,
            "order_line/product_uom_qty": line.quantity,
            "order_line/price_unit": line.unit_price,
        }
        for line in lines
    ]
    return [{**header, **rows[0]}, *rows[1:]] if rows else [dict(header)]


def changed_lines(before: Contract, after: Contract) -> list[OrderLine]:
    """The order lines that a change order adds, changes, or (with quantity 0) drops."""
    old = {line.key: line for line in order_lines(before)}
    new = {line.key: line for line in order_lines(after)}
    changed = [line for key, line in new.items() if line != old.get(key)]
    dropped = [line._replace(quantity=Decimal(0)) for key, line in old.items() if key not in new]
    return [*changed, *dropped]
