"""What the tests on both Odoos say to them, in short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from contracts.model import JsonObject
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import OdooClient
from tests.world import unique

ADDRESS = "a@b.example"
"""Of every customer."""

COMPANY, UK = 1, 2
LOCK = "fiscalyear_lock_date"


def xid(kind: str) -> str:
    """An external id nobody used before."""
    return f"c2c.{unique(kind)}"


def refusal(call: Callable[[], object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        call()
    return caught.value


@contextmanager
def locked(odoo: OdooClient, admin: OdooClient, until: str, *, lock: str = LOCK) -> Iterator[None]:
    """The firm's books are locked up to a day. Odoo locks no period in which bank lines are on
    suspense: what other tests left there is removed."""
    waiting = [("is_reconciled", "=", False), ("company_id", "=", COMPANY), ("date", "<=", until)]
    line = "account.bank.statement.line"
    left = [row["id"] for row in odoo.search_read(line, waiting, ["id"])]
    if left:
        odoo.write(line, left, {"statement_id": False})
        odoo.call(line, "unlink", left)
    admin.write("res.company", [COMPANY], {lock: until})
    try:
        yield
    finally:
        admin.write("res.company", [COMPANY], {lock: False})


def business(call: Callable[[], object]) -> str:
    """The code of a refusal that needs a person."""
    error = refusal(call)
    assert error.kind is FailureKind.BUSINESS, error
    return error.code


def the(odoo: OdooClient, model: str, record: int, *fields: str) -> dict[str, Any]:
    [row] = odoo.read(model, [record], fields)
    return row


def product(odoo: OdooClient, code: str = "BUILD") -> int:
    [row] = odoo.search_read("product.product", [("default_code", "=", code)], ["id"])
    return int(row["id"])


def customer(odoo: OdooClient) -> int:
    [partner] = odoo.load(
        "res.partner",
        [
            {
                "id": xid("partner"),
                "name": unique("Acme"),
                "is_company": True,
                "email": ADDRESS,
            }
        ],
    )
    return partner


@dataclass
class Sale:
    """A quotation with two lines, as `load` made it."""

    rows: list[JsonObject]
    order: int
    lines: list[int]


def sale(odoo: OdooClient, currency: str = "EUR", price: str = "1000.00") -> Sale:
    name = unique("order")
    priced_in = [("currency_id.name", "=", currency), ("company_id", "=", COMPANY)]
    [pricelist] = odoo.search_read("product.pricelist", priced_in, ["id"])
    header = {
        "id": f"c2c.{name}",
        "partner_id/.id": customer(odoo),
        "pricelist_id/.id": pricelist["id"],
        "origin": name,
    }
    lines = [
        {
            "order_line/id": f"c2c.{name}-line-{number}",
            "order_line/product_id/.id": product(odoo),
            "order_line/name": f"Part {number}",
            "order_line/product_uom_qty": 1,
            "order_line/price_unit": price,
        }
        for number in (1, 2)
    ]
    rows = [header | lines[0], lines[1]]
    [order] = odoo.load("sale.order", rows)
    return Sale(rows, order, the(odoo, "sale.order", order, "order_line")["order_line"])


def invoice(
    odoo: OdooClient,
    currency: str = "EUR",
    price: str = "100.00",
    on: date = date(2026, 3, 2),
    code: str = "BUILD",
    kind: str = "Customer Invoice",
) -> int:
    """A draft invoice of one line."""
    row = {
        "id": xid("invoice"),
        "move_type": kind,
        "partner_id/.id": customer(odoo),
        "currency_id/id": f"base.{currency}",
        "invoice_date": on,
        "invoice_payment_term_id": "30 Days",
        "invoice_line_ids/id": xid("invoice-line"),
        "invoice_line_ids/product_id/.id": product(odoo, code),
        "invoice_line_ids/quantity": 1,
        "invoice_line_ids/price_unit": price,
    }
    [move] = odoo.load("account.move", [row])
    return move
