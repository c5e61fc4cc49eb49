"""The Odoo stand-in, held to answers measured on a real Odoo 19."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.odoo import OdooStore, odoo_app

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ONCE = {"noupdate": True, "mode": "update"}
BE_COMPANY = {"is_company": "1", "country_id/id": "base.be"}


class Odoo:
    """A caller of the stand-in, and its store and clock."""

    def __init__(self) -> None:
        self.now = NOON
        self.store = OdooStore(clock=lambda: self.now)
        self.transport = httpx.ASGITransport(odoo_app(self.store))
        self.keys = {login: self.store.issue_key(login) for login in ("c2c", "admin", "pm")}

    def post(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://odoo") as http:
                return await http.post(path, json=body, headers=headers)

        return asyncio.run(send())

    def answer(self, model: str, method: str, login: str = "c2c", **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.keys[login]}"}
        response = self.post(f"/json/2/{model}/{method}", headers, body)
        return response.status_code, response.json()

    def call(self, model: str, method: str, login: str = "c2c", **body: Any) -> Any:
        status, result = self.answer(model, method, login, **body)
        assert status == 200, result
        return result

    def refusal(self, model: str, method: str, login: str = "c2c", **body: Any) -> tuple[int, str]:
        status, result = self.answer(model, method, login, **body)
        assert set(result) == {"name", "message", "arguments", "context", "debug"}
        return status, result["message"]

    def load(self, model: str, *rows: dict[str, Any], once: bool = True) -> Any:
        fields = list(dict.fromkeys(name for row in rows for name in row))
        data = [[row.get(name, "") for name in fields] for row in rows]
        return self.call(model, "load", fields=fields, data=data, context=ONCE if once else {})

    def one(self, model: str, record_id: int, *fields: str) -> dict[str, Any]:
        [row] = self.call(model, "read", ids=[record_id], fields=list(fields))
        del row["id"]
        return dict(row)

    def partner(self, **values: Any) -> int:
        row = {"id": "c2c.acme", "name": "Acme", "email": "ap@acme.example", **BE_COMPANY}
        return int(self.load("res.partner", row | values)["ids"][0])

    def product(self, code: str = "BUILD") -> int:
        return int(self.call("product.product", "search", domain=[["default_code", "=", code]])[0])

    def order(self, *amounts: str, name: str = "order") -> int:
        head = {"id": f"c2c.{name}", "partner_id/.id": str(self.partner()), "origin": "C-1"}
        lines = [
            {
                "order_line/id": f"c2c.{name}_line{number}",
                "order_line/product_id/.id": str(self.product()),
                "order_line/name": f"Line {number}",
                "order_line/price_unit": amount,
            }
            for number, amount in enumerate(amounts, 1)
        ]
        return int(self.load("sale.order", head | lines[0], *lines[1:])["ids"][0])

    def invoice(self, name: str = "invoice", price: str = "100", **values: Any) -> int:
        row = {
            "id": f"c2c.{name}",
            "move_type": "Customer Invoice",
            "partner_id/.id": str(self.partner()),
            "invoice_date": "2026-11-10",
            "invoice_payment_term_id": "30 Days",
            "invoice_line_ids/id": f"c2c.{name}_line",
            "invoice_line_ids/product_id/.id": str(self.product()),
            "invoice_line_ids/price_unit": price,
        }
        return int(self.load("account.move", row | values)["ids"][0])

    def posted(self, name: str = "invoice", **values: Any) -> int:
        invoice = self.invoice(name, **values)
        assert self.call("account.move", "action_post", ids=[invoice]) is False
        return invoice

    def pay(self, *invoices: int, **values: Any) -> int:
        context = {"active_model": "account.move", "active_ids": list(invoices)}
        wizard = self.call(
            "account.payment.register", "create", vals_list=[values], context=context
        )
        action = self.call("account.payment.register", "action_create_payments", ids=wizard)
        return int(action["res_id"])

    def standing(self, invoice: int) -> tuple[str, float]:
        row = self.one("account.move", invoice, "payment_state", "amount_residual")
        return row["payment_state"], row["amount_residual"]


@pytest.fixture
def odoo() -> Iterator[Odoo]:
    odoo = Odoo()
    yield odoo
    odoo.store.close()


# --- the protocol ---------------------------------------------------------------------------


def test_calls_need_a_valid_key(odoo: Odoo) -> None:
    response = odoo.post("/json/2/res.users/context_get", {}, {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    odoo.keys["c2c"] = "nonsense"
    assert odoo.refusal("res.users", "context_get") == (401, "Invalid apikey")


def test_an_expired_key_is_refused_until_another_is_issued(odoo: Odoo) -> None:
    odoo.store.set_key_expiry("c2c", NOON + timedelta(hours=1))
    assert odoo.call("res.users", "context_get")["lang"] == "en_US"
    odoo.now = NOON + timedelta(hours=1)
    assert odoo.refusal("res.users", "context_get")[0] == 401
    odoo.keys["c2c"] = odoo.store.issue_key("c2c")
    assert odoo.call("res.users", "context_get")["tz"] == "Europe/Brussels"


@pytest.mark.parametrize(
    ("model", "method", "body", "status", "message"),
    [
        ("no.model", "read", {}, 404, "the model 'no.model' does not exist"),
        ("res.partner", "nope", {}, 404, "The method 'res.partner.nope' does not exist"),
        ("res.partner", "rows", {"ids": [1]}, 404, "The method 'res.partner.rows' does not exist"),
        ("res.partner", "write", {"ids": [1]}, 422, "missing a required argument: 'vals'"),
        ("res.partner", "search", {"ids": [1]}, 422, "cannot call res.partner.search with ids"),
        (
            "res.partner",
            "_write",
            {},
            403,
            "Private methods (such as 'res.partner._write') cannot be called remotely.",
        ),
        (
            "res.partner",
            "search",
            {"domain": [["nope", "=", 1]]},
            500,
            "Invalid field res.partner.nope in condition ('nope', '=', 1)",
        ),
    ],
)
def test_refusals_of_the_protocol(
    odoo: Odoo, model: str, method: str, body: dict[str, Any], status: int, message: str
) -> None:
    assert odoo.refusal(model, method, **body) == (status, message)


def test_another_database_is_not_found(odoo: Odoo) -> None:
    headers = {"X-Odoo-Database": "other", "Authorization": f"Bearer {odoo.keys['c2c']}"}
    response = odoo.post("/json/2/res.users/context_get", headers, {})
    assert response.status_code == 404
    assert "No database is selected" in response.text


def test_an_error_undoes_the_whole_call(odoo: Odoo) -> None:
    names = [{"name": "first"}, {"name": ""}]
    assert odoo.refusal("res.partner", "create", vals_list=names) == (
        422,
        "Contacts require a name",
    )
    assert odoo.call("res.partner", "search_count", domain=[["name", "=", "first"]]) == 0


def test_rights_follow_groups_and_can_be_taken(odoo: Odoo) -> None:
    status, message = odoo.refusal("product.product", "create", vals_list=[{"name": "x"}])
    assert (status, message.splitlines()[0]) == (
        403,
        "You are not allowed to create 'Product Variant' (product.product) records.",
    )
    assert odoo.refusal("account.move", "search", "pm", domain=[])[0] == 403
    odoo.store.deny("c2c", "account.move", ("write",))
    assert odoo.refusal("account.move", "write", ids=[1], vals={})[0] == 403
    assert odoo.call("account.move", "search", domain=[]) == []
    odoo.store.allow("c2c", "account.move")
    assert odoo.refusal("account.move", "write", ids=[99], vals={})[0] == 404


# --- load -----------------------------------------------------------------------------------


def test_load_creates_once_and_leaves_edits_alone(odoo: Odoo) -> None:
    partner = odoo.partner()
    odoo.call("res.partner", "write", ids=[partner], vals={"name": "Edited"})
    assert odoo.partner(name="Ignored") == partner
    assert odoo.one("res.partner", partner, "name") == {"name": "Edited"}
    row = {"id": "c2c.acme", "name": "Overwritten"}
    assert odoo.load("res.partner", row, once=False)["ids"] == [partner]
    assert odoo.one("res.partner", partner, "name") == {"name": "Overwritten"}


def test_load_makes_a_deleted_record_anew(odoo: Odoo) -> None:
    invoice = odoo.invoice()
    assert odoo.call("account.move", "unlink", ids=[invoice]) is True
    assert odoo.invoice() != invoice


def test_a_bad_row_saves_nothing_and_the_first_message_comes_twice(odoo: Odoo) -> None:
    good = {"id": "c2c.a", "name": "A", **BE_COMPANY}
    bad = {"id": "c2c.b", "name": "B", "vat": "BE0477472702", **BE_COMPANY}
    answer = odoo.load("res.partner", good, bad)
    text = (
        "\nThe VAT number [0477472702] for partner [B] does not seem to be valid."
        "  \nNote: the expected format is BE0477472701"
    )
    assert answer["ids"] is False
    assert [(m["record"], m["message"]) for m in answer["messages"]] == [(0, text), (1, text)]
    assert odoo.call("res.partner", "search_count", domain=[["name", "in", ["A", "B"]]]) == 0


def test_unknown_references_name_the_field(odoo: Odoo) -> None:
    row = {"id": "c2c.x", "name": "X", "country_id/id": "base.zz"}
    [message] = odoo.load("res.partner", row)["messages"]
    assert message["field"] == "country_id"
    assert message["message"] == (
        "No matching record found for external id 'base.zz' in field 'Country'"
    )
    assert message["moreinfo"]["domain"] == [["model", "=", "res.country"]]
    line = {"order_line/product_id/id": "c2c.nope", "order_line/name": "z"}
    head = {"id": "c2c.o", "partner_id/.id": str(odoo.partner())}
    [message] = odoo.load("sale.order", head | line)["messages"]
    assert message["message"] == (
        "No matching record found for external id 'c2c.nope' in field 'Order Lines/Product'"
    )


def test_rows_of_one_call_may_name_each_other(odoo: Odoo) -> None:
    parent = {"id": "c2c.parent", "name": "Parent", "parent_id/id": ""}
    child = {"id": "c2c.child", "name": "Child", "parent_id/id": "c2c.parent"}
    first, second = odoo.load("res.partner", parent, child)["ids"]
    assert odoo.one("res.partner", second, "parent_id", "display_name") == {
        "parent_id": [first, "Parent"],
        "display_name": "Parent, Child",
    }


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("is_reached", "maybe", "Unknown value 'maybe' for boolean field 'Reached'"),
        ("sequence", "x", "'x' does not seem to be an integer for field 'Sequence'"),
        (
            "deadline",
            "1/2/2026",
            "'1/2/2026' does not seem to be a valid date for field 'Deadline'",
        ),
        (
            "quantity_percentage",
            "half",
            "'half' does not seem to be a number for field 'Quantity (%)'",
        ),
    ],
)
def test_cells_that_cannot_be_read(odoo: Odoo, column: str, cell: str, message: str) -> None:
    [project] = odoo.load("project.project", {"id": "c2c.p", "name": "P"})["ids"]
    row = {"id": "c2c.m", "name": "M", "project_id/.id": str(project), column: cell}
    [found] = odoo.load("project.milestone", row)["messages"]
    assert (found["field"], found["message"]) == (column, message)


@pytest.mark.parametrize(
    ("number", "country", "stored"),
    [
        ("be 0477.472.701", "be", "BE0477472701"),
        ("FR23334175221", "be", "FR23334175221"),
        ("GR094259216", "gr", "EL094259216"),
        ("GB 980 7806 84", "uk", "GB980780684"),
        ("NO 995 525 828", "no", "NO995525828"),
        ("CHE-123.456.788 MWST", "ch", "CHE-123.456.788 MWST"),
        ("53 004 085 616", "au", "53004085616"),
        ("12-3456789", "us", "12-3456789"),
        ("BE0477472702", "us", "BE0477472702"),
        ("/", "be", "/"),
        ("DE136695977", "de", None),
        ("FR23334175222", "be", None),
        ("12345", "ua", None),
        ("N", "de", None),
    ],
)
def test_vat_numbers(odoo: Odoo, number: str, country: str, stored: str | None) -> None:
    row = {"id": "c2c.v", "name": "V", "country_id/id": f"base.{country}", "vat": number}
    ids = odoo.load("res.partner", row)["ids"]
    assert (ids and odoo.one("res.partner", ids[0], "vat")["vat"]) == (stored or False)


# --- orders, milestones, invoices -----------------------------------------------------------


def test_delivery_follows_reached_milestones_and_invoices_follow_delivery(odoo: Odoo) -> None:
    order = odoo.order("8000.00")
    [project] = odoo.load("project.project", {"id": "c2c.p", "name": "P"})["ids"]
    line = {"project_id/.id": str(project), "sale_line_id/id": "c2c.order_line1"}
    third = {"id": "c2c.m1", "name": "A", "quantity_percentage": "0.3333", **line}
    rest = {"id": "c2c.m2", "name": "B", "quantity_percentage": "0.6667", **line}
    first, second = odoo.load("project.milestone", third, rest)["ids"]
    assert odoo.call("sale.order", "action_confirm", ids=[order]) is True
    assert odoo.refusal("sale.order", "action_confirm", ids=[order]) == (
        422,
        "Some orders are not in a state requiring confirmation.",
    )
    odoo.call("project.milestone", "write", ids=[first], vals={"is_reached": True})
    assert odoo.one("project.milestone", first, "reached_date") == {"reached_date": "2026-11-22"}
    figures = ("qty_delivered", "qty_invoiced", "qty_to_invoice", "invoice_status")
    [sold] = odoo.one("sale.order", order, "order_line")["order_line"]
    assert list(odoo.one("sale.order.line", sold, *figures).values()) == [
        0.33, 0.0, 0.33, "to invoice",
    ]  # fmt: skip
    invoice = odoo.posted(
        price="2640",
        **{
            "invoice_line_ids/quantity": "0.33",
            "invoice_line_ids/sale_line_ids/id": "c2c.order_line1",
        },
    )
    assert list(odoo.one("sale.order.line", sold, *figures).values()) == [0.33, 0.33, 0.0, "no"]
    assert odoo.one("sale.order", order, "invoice_ids") == {"invoice_ids": [invoice]}
    odoo.call("project.milestone", "write", ids=[first], vals={"is_reached": False})
    assert odoo.one("sale.order.line", sold, "qty_to_invoice") == {"qty_to_invoice": -0.33}
    odoo.call("project.milestone", "write", ids=[first, second], vals={"is_reached": True})
    assert odoo.one("sale.order.line", sold, "qty_delivered") == {"qty_delivered": 1.0}


def test_a_task_on_a_quotation_confirms_it(odoo: Odoo) -> None:
    order = odoo.order("100")
    odoo.load("project.project", {"id": "c2c.p", "name": "P"})
    task = {"id": "c2c.t", "name": "T", "project_id/id": "c2c.p"}
    odoo.load("project.task", task | {"sale_line_id/id": "c2c.order_line1"})
    assert odoo.one("sale.order", order, "state") == {"state": "sale"}


def test_an_order_has_its_currency_from_its_price_list(odoo: Odoo) -> None:
    [yen, _] = odoo.call(
        "product.pricelist", "search", domain=[["currency_id.name", "=", "JPY"]], order="id"
    )
    head = {"id": "c2c.yen", "partner_id/.id": str(odoo.partner()), "pricelist_id/.id": str(yen)}
    head["currency_id/id"] = "base.EUR"
    line = {"order_line/name": "x", "order_line/product_id/.id": str(odoo.product())}
    [order] = odoo.load("sale.order", head | line | {"order_line/price_unit": "1000.5"})["ids"]
    row = odoo.one("sale.order", order, "currency_id", "amount_total")
    assert (row["currency_id"][1], row["amount_total"]) == ("JPY", 1001.0)


@pytest.mark.parametrize(
    ("code", "prices", "untaxed", "tax"),
    [
        ("BUILD", [0.333] * 3, 1.0, 0.0),
        ("BUILD", [10.005] * 7, 70.04, 0.0),
        ("TRAINING", [0.333] * 3, 1.0, 0.15),
        ("TRAINING", [10.005] * 7, 70.04, 10.51),
        ("TRAINING", [0.03] * 3, 0.09, 0.01),
    ],
)
def test_totals_round_the_exact_sum(
    odoo: Odoo, code: str, prices: list[float], untaxed: float, tax: float
) -> None:
    lines = [[0, 0, {"product_id": odoo.product(code), "price_unit": price}] for price in prices]
    partner = odoo.call("res.partner", "create", vals_list=[{"name": "Nowhere"}])[0]
    values = {"move_type": "out_invoice", "partner_id": partner, "invoice_line_ids": lines}
    [invoice] = odoo.call("account.move", "create", vals_list=[values])
    row = odoo.one("account.move", invoice, "amount_untaxed", "amount_tax")
    assert row == {"amount_untaxed": untaxed, "amount_tax": tax}
    move_lines = odoo.call(
        "account.move.line", "search_read", domain=[["move_id", "=", invoice]], fields=["balance"]
    )
    assert sum(round(line["balance"] * 100) for line in move_lines) == 0


def test_exports_carry_no_tax(odoo: Odoo) -> None:
    product = {"invoice_line_ids/product_id/.id": str(odoo.product("TRAINING"))}
    invoice = odoo.invoice(**product)
    assert odoo.one("account.move", invoice, "amount_tax") == {"amount_tax": 0.0}


@pytest.mark.parametrize(
    ("term", "due"),
    [
        ("15 Days", "2026-02-15"),
        ("30 Days", "2026-03-02"),
        ("End of Following Month", "2026-02-28"),
        ("10 Days after End of Next Month", "2026-03-10"),
        ("30% Now, Balance 60 Days", "2026-04-01"),
        ("90 days, on the 10th", "2026-06-10"),
        ("", "2026-11-22"),
    ],
)
def test_due_dates(odoo: Odoo, term: str, due: str) -> None:
    invoice = odoo.invoice(invoice_date="2026-01-31", invoice_payment_term_id=term)
    assert odoo.one("account.move", invoice, "invoice_date_due") == {"invoice_date_due": due}


def test_posting_numbers_by_year_and_only_once(odoo: Odoo) -> None:
    first, second = odoo.posted("a"), odoo.posted("b", invoice_date="2025-03-05")
    assert odoo.one("account.move", first, "name", "payment_reference") == {
        "name": "INV/2026/00001",
        "payment_reference": "INV/2026/00001",
    }
    assert odoo.one("account.move", second, "name") == {"name": "INV/2025/00001"}
    assert odoo.refusal("account.move", "action_post", ids=[first]) == (
        422,
        f"The entry INV/2026/00001 (id {first}) must be in draft.",
    )
    assert (
        odoo.refusal("account.move", "write", ids=[first], vals={"invoice_date": "2026-01-01"})[1]
        == "You cannot modify the following readonly fields on a posted move: invoice_date"
    )
    assert odoo.refusal("account.move", "unlink", ids=[first])[0] == 422
    odoo.call("account.move", "button_draft", ids=[first])
    assert odoo.one("account.move", first, "name", "state") == {
        "name": "INV/2026/00001",
        "state": "draft",
    }


@pytest.mark.parametrize("lock", ["sale_lock_date", "fiscalyear_lock_date"])
def test_a_locked_past_moves_the_accounting_date(odoo: Odoo, lock: str) -> None:
    odoo.store.set_lock_date(lock, "2026-01-31")
    invoice = odoo.posted(invoice_date="2026-01-15")
    assert odoo.one("account.move", invoice, "invoice_date", "date") == {
        "invoice_date": "2026-01-15",
        "date": "2026-11-22",
    }


def test_a_lock_that_reaches_today_refuses(odoo: Odoo) -> None:
    early = odoo.posted("early", invoice_date="2026-11-02")
    invoice = odoo.invoice()
    odoo.store.set_lock_date("sale_lock_date", "2026-12-31")
    refusal = (
        422,
        "You cannot add/modify entries prior to and inclusive of: Sales Lock Date (12/31/2026).",
    )
    assert odoo.refusal("account.move", "action_post", ids=[invoice]) == refusal
    assert odoo.refusal("account.move", "button_draft", ids=[early]) == refusal
    assert odoo.one("account.move", invoice, "name") == {"name": False}
    odoo.store.set_lock_date("sale_lock_date", None)
    assert odoo.call("account.move", "action_post", ids=[invoice]) is False


# --- payments and credit notes --------------------------------------------------------------


def test_payments_settle_and_cancelling_reopens(odoo: Odoo) -> None:
    invoice = odoo.posted()
    part = odoo.pay(invoice, amount=40.0, payment_date="2026-11-15", communication="BANK-1")
    assert odoo.standing(invoice) == ("partial", 60.0)
    assert odoo.one("account.payment", part, "state", "memo", "reconciled_invoice_ids") == {
        "state": "in_process",
        "memo": "BANK-1",
        "reconciled_invoice_ids": [invoice],
    }
    rest = odoo.pay(invoice)
    assert odoo.standing(invoice) == ("paid", 0.0)
    assert odoo.one("account.payment", part, "state") == {"state": "paid"}
    assert odoo.one("account.payment", rest, "amount", "memo") == {
        "amount": 60.0,
        "memo": "INV/2026/00001",
    }
    found = [["memo", "=", "BANK-1"], ["reconciled_invoice_ids", "in", [invoice]]]
    assert odoo.call("account.payment", "search", domain=found) == [part]
    odoo.call("account.payment", "action_cancel", ids=[part])
    assert odoo.standing(invoice) == ("partial", 40.0)
    assert odoo.one("account.payment", rest, "state") == {"state": "in_process"}


def test_a_payment_in_draft_still_settles_until_it_is_cancelled(odoo: Odoo) -> None:
    invoice = odoo.posted()
    payment = odoo.pay(invoice)
    odoo.call("account.payment", "action_draft", ids=[payment])
    assert odoo.standing(invoice) == ("paid", 0.0)
    odoo.call("account.payment", "action_cancel", ids=[payment])
    assert odoo.standing(invoice) == ("not_paid", 100.0)


def test_nothing_is_left_to_pay_on_a_paid_invoice(odoo: Odoo) -> None:
    invoice = odoo.posted()
    odoo.pay(invoice, amount=150.0)
    context = {"active_model": "account.move", "active_ids": [invoice]}
    status, message = odoo.refusal(
        "account.payment.register", "create", vals_list=[{}], context=context
    )
    assert (status, message.split(",")[0]) == (
        422,
        "There's nothing left to pay for the selected journal items",
    )


@pytest.mark.parametrize(
    ("paid", "after", "refund_after"),
    [
        (0.0, ("reversed", 0.0), ("paid", 0.0)),
        (40.0, ("paid", 0.0), ("partial", 40.0)),
        (100.0, ("paid", 0.0), ("not_paid", 100.0)),
    ],
)
def test_a_credit_note_settles_what_is_open(
    odoo: Odoo, paid: float, after: tuple[str, float], refund_after: tuple[str, float]
) -> None:
    invoice = odoo.posted()
    if paid:
        odoo.pay(invoice, amount=paid)
    context = {"active_model": "account.move", "active_ids": [invoice]}
    journal = odoo.one("account.move", invoice, "journal_id")["journal_id"][0]
    values = {"journal_id": journal, "reason": "Wrong", "date": "2026-11-20"}
    wizard = odoo.call("account.move.reversal", "create", vals_list=[values], context=context)
    action = odoo.call("account.move.reversal", "refund_moves", ids=wizard)
    refund = action["res_id"]
    assert odoo.one("account.move", refund, "ref", "state", "move_type") == {
        "ref": "Reversal of: INV/2026/00001, Wrong",
        "state": "draft",
        "move_type": "out_refund",
    }
    odoo.call("account.move", "action_post", ids=[refund])
    assert odoo.one("account.move", refund, "name") == {"name": "RINV/2026/00001"}
    assert (odoo.standing(invoice), odoo.standing(refund)) == (after, refund_after)


# --- messages, write dates, the CRM ---------------------------------------------------------


def send(odoo: Odoo, invoice: int) -> list[tuple[str, str | bool]]:
    """Send an invoice; how its notifications stand, newest first."""
    wizard = odoo.call("account.move.send.wizard", "create", vals_list=[{"move_id": invoice}])
    action = odoo.call("account.move.send.wizard", "action_send_and_print", ids=wizard)
    assert action == {"type": "ir.actions.act_window_close"}
    found = odoo.call(
        "mail.notification",
        "search_read",
        domain=[["mail_message_id.res_id", "=", invoice], ["notification_type", "=", "email"]],
        fields=["notification_status", "failure_type"],
        order="id desc",
    )
    return [(row["notification_status"], row["failure_type"]) for row in found]


def test_sending_mails_and_says_how_it_went(odoo: Odoo) -> None:
    invoice = odoo.invoice()
    values = [{"move_id": invoice}]
    assert odoo.refusal("account.move.send.wizard", "create", vals_list=values) == (
        422,
        "You can't generate invoices that are not posted.",
    )
    odoo.call("account.move", "action_post", ids=[invoice])
    odoo.store.mail_server_up = False
    assert send(odoo, invoice) == [("exception", "mail_smtp")]
    assert odoo.store.mails() == []
    odoo.store.mail_server_up = True
    assert send(odoo, invoice) == [("sent", False), ("exception", "mail_smtp")]
    [mail] = odoo.store.mails()
    assert (mail.to, mail.subject) == (
        ("ap@acme.example",),
        "Northwind Consulting Invoice (Ref INV/2026/00001)",
    )
    names = [part.get_filename() for part in mail.message.iter_attachments()]
    assert names == ["INV_2026_00001.pdf"]
    assert odoo.one("account.move", invoice, "is_move_sent") == {"is_move_sent": True}


def test_a_wizard_for_many_says_how_they_stand_and_mails_them_all(odoo: Odoo) -> None:
    first, second = odoo.posted("first"), odoo.posted("second")
    notifications: dict[str, Any] = {"notification_ids": {"fields": {"notification_status": {}}}}
    look = {"company_id": {}, "message_ids": {"fields": notifications}}
    send(odoo, first)
    batch = "account.move.send.batch.wizard"

    def made(*invoices: int) -> Any:
        [wizard] = odoo.call(
            batch,
            "web_save",
            vals={"move_ids": [[6, 0, list(invoices)]]},
            specification={"move_ids": {"fields": look}},
        )
        return wizard

    def stand(rows: list[dict[str, Any]]) -> dict[int, list[str]]:
        return {
            row["id"]: [
                item["notification_status"]
                for message in row["message_ids"]
                for item in message["notification_ids"]
            ]
            for row in rows
        }

    wizard = made(first, second)
    assert stand(wizard["move_ids"]) == {first: ["sent"], second: []}
    assert {row["company_id"] for row in wizard["move_ids"]} == {1}
    assert (
        odoo.call(batch, "action_send_and_print", ids=[wizard["id"]], force_synchronous=True)
        is None
    )
    found = odoo.call("account.move", "web_read", ids=[first, second], specification=look)
    assert stand(found) == {first: ["sent", "sent"], second: ["sent"]}
    [alone] = [made(second)["id"]]
    status, message = odoo.refusal(
        batch, "action_send_and_print", ids=[alone], force_synchronous=True
    )
    assert (status, message) == (500, "'list' object has no attribute 'filtered'")
    values = {"move_ids": [[6, 0, [second, odoo.invoice("draft")]]]}
    assert odoo.refusal(batch, "create", vals_list=[values]) == (
        422,
        "You can't generate invoices that are not posted.",
    )


def test_saving_answers_how_the_records_stand(odoo: Odoo) -> None:
    partner = odoo.partner()
    saved = odoo.call(
        "res.partner",
        "web_save",
        ids=[partner],
        vals={"city": "Ghent"},
        specification={"city": {}, "country_id": {}},
    )
    country = odoo.one("res.partner", partner, "country_id")["country_id"][0]
    assert saved == [{"id": partner, "city": "Ghent", "country_id": country}]
    missing: Any = {"ids": [partner, 999], "vals": {"city": "Gent"}, "specification": {"city": {}}}
    assert odoo.refusal("res.partner", "web_save", **missing)[0] == 404
    assert odoo.one("res.partner", partner, "city") == {"city": "Ghent"}


def test_without_an_address_an_invoice_is_sent_without_a_mail(odoo: Odoo) -> None:
    odoo.partner(email="")
    invoice = odoo.posted()
    assert send(odoo, invoice) == []
    assert odoo.one("account.move", invoice, "is_move_sent") == {"is_move_sent": True}


def test_plain_text_is_escaped_and_html_stays(odoo: Odoo) -> None:
    invoice = odoo.posted()
    plain = odoo.call("account.move", "message_post", ids=[invoice], body="a <b>", subject="s")
    html = odoo.call(
        "account.move", "message_post", ids=[invoice], body="<p>a</p>", body_is_html=True
    )
    about = [["model", "=", "account.move"], ["res_id", "=", invoice]]
    rows = odoo.call("mail.message", "search_read", domain=about, fields=["body", "subject"])
    assert rows == [
        {"id": html[0], "body": "<p>a</p>", "subject": False},
        {"id": plain[0], "body": "<span>a &lt;b&gt;</span>", "subject": "s"},
    ]


def test_the_write_date_moves_with_derived_values_too(odoo: Odoo) -> None:
    invoice, other = odoo.posted("a"), odoo.posted("b")
    odoo.now = NOON + timedelta(minutes=5)
    odoo.pay(invoice, amount=1.0)
    since = [["write_date", ">=", "2026-11-22 12:05:00"], ["move_type", "=", "out_invoice"]]
    assert odoo.call("account.move", "search", domain=since) == [invoice]
    odoo.now = NOON + timedelta(minutes=6)
    odoo.call("account.move", "message_post", ids=[other], body="x")
    assert odoo.one("account.move", other, "write_date") == {"write_date": "2026-11-22 12:00:00"}
    odoo.call("account.move", "write", ids=[other], vals={})
    assert odoo.one("account.move", other, "write_date") == {"write_date": "2026-11-22 12:06:00"}


def test_archived_records_hide_unless_asked_for(odoo: Odoo) -> None:
    [project] = odoo.call("project.project", "create", vals_list=[{"name": "P"}])
    odoo.call("project.project", "write", ids=[project], vals={"active": False})
    domain: list[Any] = [["id", "=", project]]
    assert odoo.call("project.project", "search", domain=domain) == []
    both = [*domain, ["active", "in", [True, False]]]
    assert odoo.call("project.project", "search", domain=both) == [project]
    context = {"active_test": False}
    assert odoo.call("project.project", "search", domain=domain, context=context) == [project]


@pytest.mark.parametrize(
    ("domain", "matches"),
    [
        ([["name", "ilike", "acme"]], True),
        ([["name", "like", "acme"]], False),
        ([["name", "=like", "Ac%"]], True),
        ([["country_id", "=", "Belgium"]], True),
        ([["country_id.code", "in", ["BE", "NL"]]], True),
        ([["vat", "!=", "x"]], True),
        ([["vat", "not in", ["x"]]], True),
        ([["vat", "=", False]], True),
        (["!", ["name", "=", "Acme"]], False),
        (["|", ["name", "=", "Acme"], ["name", "=", "x"]], True),
        ([["parent_id", "!=", 1]], True),
        ([["id", "in", []]], False),
        ([["create_date", ">", "2026-01-01"]], True),
        ([["child_ids", "=", False]], True),
    ],
)
def test_domains(odoo: Odoo, domain: list[Any], matches: bool) -> None:
    partner = odoo.partner()
    found = odoo.call("res.partner", "search", domain=[["id", "=", partner], *domain])
    assert found == ([partner] if matches else [])


@pytest.mark.parametrize(
    ("model", "domain"),
    [
        ("account.move", [["status_in_payment", "=", "paid"]]),
        ("sale.order.line", [["analytic_distribution", "ilike", "Design"]]),
    ],
)
def test_a_search_that_it_cannot_do_is_refused(odoo: Odoo, model: str, domain: list[Any]) -> None:
    assert odoo.refusal(model, "search", domain=domain)[0] == 500


def test_accounts_have_their_codes_in_their_own_company_only(odoo: Odoo) -> None:
    uk = {"allowed_company_ids": [2]}
    code = [["code", "=", "785000"]]
    [account] = odoo.call("account.account", "search", domain=code, context=uk)
    assert odoo.call("account.account", "search", domain=code) == []
    named = [["name", "=", "Bad debts"]]
    assert odoo.call("account.account", "search", domain=named) == [account]
    assert odoo.one("account.account", account, "code") == {"code": False}


def test_companies_that_a_user_may_not_act_in_are_refused(odoo: Odoo) -> None:
    context = {"allowed_company_ids": [3]}
    assert odoo.refusal("res.partner", "search", domain=[], context=context)[0] == 403


def test_data_of_an_older_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "odoo.sqlite"
    OdooStore(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM res_company WHERE id = 2")
    with pytest.raises(ValueError, match="delete it"):
        OdooStore(file)


def test_properties_of_opportunities(odoo: Odoo) -> None:
    names = [{"name": name, "string": name.upper(), "type": "char"} for name in ("abc", "xyz")]
    [team] = odoo.call("crm.team", "create", vals_list=[{"name": "T"}])
    odoo.call("crm.team", "write", ids=[team], vals={"lead_properties_definition": names})
    [lead] = odoo.call("crm.lead", "create", vals_list=[{"name": "L", "team_id": team}])

    def values() -> dict[str, Any]:
        found = odoo.one("crm.lead", lead, "lead_properties")["lead_properties"]
        return {item["name"]: item["value"] for item in found if "value" in item}

    for name in ("abc", "xyz"):
        row = {".id": str(lead), f"lead_properties.{name}": "1"}
        assert odoo.load("crm.lead", row, once=False)["ids"] == [lead]
    assert values() == {"abc": "1", "xyz": "1"}
    odoo.call("crm.lead", "write", ids=[lead], vals={"lead_properties": {"xyz": "2"}})
    assert values() == {"xyz": "2"}
    assert odoo.call("crm.lead", "action_set_won", ids=[lead]) is True
    won = [["stage_id.is_won", "=", True], ["lead_properties.xyz", "=", "2"]]
    assert odoo.call("crm.lead", "search", domain=won) == [lead]
    assert odoo.refusal("crm.lead", "action_set_lost", ids=[lead])[0] == 422
