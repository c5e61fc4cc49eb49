"""The baseline: what a competent engineer at a firm would write instead of the product.

A plain script of single odoo-client-lib calls on a pool of threads: what can be looked up once is
looked up once, arguments go by name (which spares the library a call), a record is made by a call
of its own, and what is made is read back where its id or number is needed. It makes the records
that the product makes; it has nothing that helps where a call fails half way.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import odoolib

from benchmarks.frame import Bench
from benchmarks.remote import Remote
from contracts.model import JsonObject

T = TypeVar("T")

THREADS = (1, 2, 4, 8)
"""The numbers of threads that are tried for the best."""

COMPANY = "Northwind Consulting"
PAYMENT_TERM = "30 Days"
_INVOICE = "account.move"


async def best_threads(bench: Bench, unit: str, rate: Callable[[int], Awaitable[float]]) -> int:
    """The number of threads that a script does most with: `rate` is how many a `unit` it does with
    so many threads."""
    tried = THREADS[1:3] if bench.quick else THREADS
    rates = {threads: await rate(threads) for threads in tried}
    best = max(tried, key=lambda threads: rates[threads])
    shown = ", ".join(f"{threads}: {found:.3g}" for threads, found in rates.items())
    bench.say(f"script, {unit} by threads: {shown}; best {best}")
    return best


@dataclass(frozen=True)
class Part:
    """A milestone that the script has made, and what its invoice needs to know."""

    key: str
    milestone_id: int
    line_id: int
    amount: float


@dataclass(frozen=True)
class Order:
    """A contract that the script has entered."""

    contract_id: str
    partner_id: int
    parts: tuple[Part, ...]


class Script:
    """The script's functions on one Odoo; each is called from many threads."""

    def __init__(self, odoo: Remote) -> None:
        address = urlsplit(odoo.url)
        self._odoo = odoolib.get_connection(
            hostname=address.hostname,
            port=address.port,
            protocol="json2",
            database=odoo.database,
            password=odoo.key(),
        )
        self._company = self._id_of("res.company", "name", COMPANY)
        self._term = self._id_of("account.payment.term", "name", PAYMENT_TERM)
        self._prices = self._id_of("product.pricelist", "name", "EUR")
        self._currency = self._id_of("res.currency", "name", "EUR")
        self._countries: dict[str, int] = {
            row["code"]: row["id"] for row in self._all("res.country", "code")
        }
        self._products: dict[str, int] = {
            row["default_code"]: row["id"] for row in self._all("product.product", "default_code")
        }

    def _id_of(self, model: str, field: str, value: str) -> int:
        found = self._odoo.get_model(model).search_read(
            domain=[(field, "=", value)], fields=["id"], limit=1
        )
        return int(found[0]["id"])

    def _all(self, model: str, field: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._odoo.get_model(model).search_read(
            domain=[(field, "!=", False)], fields=[field]
        )
        return found

    def _create(self, model: str, **values: Any) -> int:
        [made] = self._odoo.get_model(model).create(vals_list=[values])
        return int(made)

    # --- from signature to confirmed order ----------------------------------------------------

    def onboard(self, contract: JsonObject) -> Order:
        """Customer, project, order with its lines, milestones, confirmation, tasks."""
        partner = self._customer(contract["customer"])
        project = self._create(
            "project.project",
            name=f"{contract['title']} ({contract['contract_id']})",
            partner_id=partner,
            company_id=self._company,
            allow_milestones=True,
            allow_billable=True,
        )
        order = self._order(contract, partner, project)
        lines = self._odoo.get_model("sale.order.line").search_read(
            domain=[("order_id", "=", order)], fields=["id"], order="id"
        )
        parts = tuple(
            Part(item["key"], self._milestone(item, project, row["id"]), row["id"], _amount(item))
            for item, row in zip(contract["milestones"], lines, strict=True)
        )
        self._odoo.get_model("sale.order").action_confirm(ids=[order])
        for item, part in zip(contract["milestones"], parts, strict=True):
            self._create(
                "project.task",
                name=item["name"],
                project_id=project,
                milestone_id=part.milestone_id,
                sale_line_id=part.line_id,
            )
        return Order(contract["contract_id"], partner, parts)

    def _customer(self, customer: JsonObject) -> int:
        found = self._odoo.get_model("res.partner").search_read(
            domain=[("email", "=", customer["billing_email"]), ("parent_id", "=", False)],
            fields=["id"],
            limit=1,
        )
        if found:
            return int(found[0]["id"])
        return self._create(
            "res.partner",
            name=customer["name"],
            is_company=True,
            email=customer["billing_email"],
            country_id=self._countries[customer["country"]],
            street=customer["street"],
            city=customer["city"],
            zip=customer["zip"],
        )

    def _order(self, contract: JsonObject, partner: int, project: int) -> int:
        product = self._products[contract["services"][0]["code"]]
        return self._create(
            "sale.order",
            partner_id=partner,
            company_id=self._company,
            project_id=project,
            pricelist_id=self._prices,
            payment_term_id=self._term,
            origin=contract["contract_id"],
            order_line=[
                (
                    0,
                    0,
                    {
                        "product_id": product,
                        "name": item["name"],
                        "product_uom_qty": 1,
                        "price_unit": _amount(item),
                    },
                )
                for item in contract["milestones"]
            ],
        )

    def _milestone(self, item: JsonObject, project: int, line: int) -> int:
        return self._create(
            "project.milestone",
            name=item["name"],
            project_id=project,
            sale_line_id=line,
            quantity_percentage=1,
        )

    # --- from a milestone to its posted invoice -----------------------------------------------

    def reach(self, part: Part) -> None:
        """The milestone was delivered."""
        milestones = self._odoo.get_model("project.milestone")
        milestones.write(ids=[part.milestone_id], vals={"is_reached": True})

    def draft(self, order: Order, part: Part) -> int:
        """The invoice of one milestone, from its order line."""
        return self._create(_INVOICE, **self._invoice(order, part))

    def _invoice(self, order: Order, part: Part) -> dict[str, Any]:
        line = {
            "product_id": self._products["BUILD"],
            "quantity": 1,
            "price_unit": part.amount,
            "sale_line_ids": [(6, 0, [part.line_id])],
        }
        return {
            "move_type": "out_invoice",
            "partner_id": order.partner_id,
            "company_id": self._company,
            "currency_id": self._currency,
            "invoice_date": datetime.now(UTC).date().isoformat(),
            "invoice_payment_term_id": self._term,
            "invoice_origin": f"{order.contract_id}/{part.key}",
            "invoice_line_ids": [(0, 0, line)],
        }

    def post(self, invoice: int) -> str:
        """Post it and read its number back."""
        moves = self._odoo.get_model(_INVOICE)
        moves.action_post(ids=[invoice])
        posted = moves.read(ids=[invoice], fields=["name", "state", "amount_total"])
        return str(posted["name"])

    def send(self, invoice: int) -> None:
        """Mail it to the customer."""
        wizard = self._create("account.move.send.wizard", move_id=invoice)
        self._odoo.get_model("account.move.send.wizard").action_send_and_print(ids=[wizard])

    def bill(self, order: Order, part: Part) -> int:
        """From the reached milestone to the posted invoice."""
        self.reach(part)
        invoice = self.draft(order, part)
        self.post(invoice)
        return invoice

    # --- the same in groups, which costs Odoo least -------------------------------------------

    def draft_together(self, parts: Sequence[tuple[Order, Part]]) -> list[int]:
        """Reach these milestones and make their invoices, in two calls."""
        milestones = self._odoo.get_model("project.milestone")
        milestones.write(ids=[part.milestone_id for _, part in parts], vals={"is_reached": True})
        values = [self._invoice(order, part) for order, part in parts]
        made: list[int] = self._odoo.get_model(_INVOICE).create(vals_list=values)
        return made

    def post_together(self, invoices: Sequence[int]) -> None:
        """Post these and read their numbers back, in two calls."""
        moves = self._odoo.get_model(_INVOICE)
        moves.action_post(ids=list(invoices))
        moves.search_read(
            domain=[("id", "in", list(invoices))], fields=["name", "state", "amount_total"]
        )


def _amount(item: JsonObject) -> float:
    return float(item["amount"])


async def on_threads(
    threads: int, work: Callable[..., T], items: Iterable[Sequence[Any]]
) -> tuple[list[T], float]:
    """Do the work for each item (its arguments) on so many threads: the answers, and seconds."""
    stopped = threading.Event()

    def one(arguments: Sequence[Any]) -> T:
        if stopped.is_set():
            raise asyncio.CancelledError
        return work(*arguments)

    def all_of_them() -> list[T]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, items))

    started = time.perf_counter()
    try:
        return await asyncio.to_thread(all_of_them), time.perf_counter() - started
    finally:
        stopped.set()
