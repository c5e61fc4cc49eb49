"""The gateway's promises, kept by both Odoos: one effect, all or nothing, refusals that say why."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.identifiers import INVOICE_ORIGINS, invoice_origin, origins_of_contract
from contracts.model import JsonObject
from contracts.money import Money
from gateways.errors import FailureKind, GatewayError
from gateways.odoo import LoadRefused, OdooClient, connect
from gateways.secrets import Secret
from tests.odoo.helpers import business, customer, invoice, locked, product, refusal, sale, the, xid
from tests.servers import OdooServer
from tests.world import belgian_vat, unique

# --- exactly one record -------------------------------------------------------------------------


def test_loading_twice_is_one_record_and_overwrites(odoo: OdooClient) -> None:
    row = {"id": xid("partner"), "name": "Acme", "city": "Ghent"}
    [first] = odoo.load("res.partner", [row])
    [second] = odoo.load("res.partner", [row | {"city": "Bruges"}])
    assert second == first
    assert the(odoo, "res.partner", first, "city")["city"] == "Bruges"


def test_a_person_s_edit_survives_create_once(odoo: OdooClient, admin_odoo: OdooClient) -> None:
    row = {"id": xid("partner"), "name": "Acme", "city": "Ghent"}
    [first] = odoo.load("res.partner", [row], create_once=True)
    admin_odoo.write("res.partner", [first], {"city": "Antwerp"})
    assert odoo.load("res.partner", [row], create_once=True) == [first]
    assert the(odoo, "res.partner", first, "city")["city"] == "Antwerp"
    assert odoo.load("res.partner", [row]) == [first]
    assert the(odoo, "res.partner", first, "city")["city"] == "Ghent"


def test_a_record_that_was_deleted_is_made_anew(odoo: OdooClient, admin_odoo: OdooClient) -> None:
    row = {"id": xid("partner"), "name": "Acme"}
    [first] = odoo.load("res.partner", [row], create_once=True)
    admin_odoo.call("res.partner", "unlink", [first])
    [second] = odoo.load("res.partner", [row], create_once=True)
    assert second != first
    assert the(odoo, "res.partner", second, "name")["name"] == "Acme"


def test_an_order_s_lines_are_loaded_with_it_and_not_doubled(odoo: OdooClient) -> None:
    made = sale(odoo)
    assert odoo.load("sale.order", made.rows) == [made.order]
    order = the(odoo, "sale.order", made.order, "order_line", "amount_untaxed")
    assert order["order_line"] == made.lines
    assert order["amount_untaxed"] == 2000.00
    cheaper = [{**row, "order_line/price_unit": "10.00"} for row in made.rows]
    assert odoo.load("sale.order", cheaper) == [made.order]
    order = the(odoo, "sale.order", made.order, "order_line", "amount_untaxed")
    assert (order["order_line"], order["amount_untaxed"]) == (made.lines, 20.00)


def test_ids_come_back_in_the_order_of_the_rows(odoo: OdooClient) -> None:
    rows = [{"id": xid("partner"), "name": f"Partner {number}"} for number in range(5)]
    [third] = odoo.load("res.partner", [rows[2]])
    ids = odoo.load("res.partner", rows)
    assert ids[2] == third
    assert [row["name"] for row in odoo.read("res.partner", ids, ["name"])] == [
        row["name"] for row in rows
    ]


def test_eight_at_once_make_one_record_and_losers_may_try_again(odoo: OdooClient) -> None:
    row = {"id": xid("partner"), "name": unique("Contended")}

    def load(_: int) -> list[int] | GatewayError:
        try:
            return odoo.load("res.partner", [row], create_once=True)
        except GatewayError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(load, range(8)))
    losers = [answer for answer in answers if isinstance(answer, GatewayError)]
    assert {(error.kind, error.code) for error in losers} <= {(FailureKind.TRANSIENT, "conflict")}
    found = odoo.search_read("res.partner", [("name", "=", row["name"])], ["id"])
    assert len(found) == 1
    winners = [answer for answer in answers if not isinstance(answer, GatewayError)]
    assert winners
    assert all(answer == [found[0]["id"]] for answer in winners)
    assert load(0) == [found[0]["id"]]


# --- all or nothing, and why ----------------------------------------------------------------------


def test_one_bad_row_saves_nothing_and_is_named(odoo: OdooClient) -> None:
    good = [{"id": xid("partner"), "name": unique("Good")}]
    bad = {"id": xid("partner"), "name": unique("Bad"), "country_id/id": "base.atlantis"}
    error = refusal(lambda: odoo.load("res.partner", [*good, bad]))
    assert isinstance(error, LoadRefused)
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "reference_unknown")
    assert (error.field, error.value) == ("country_id/id", "base.atlantis")
    assert list(error.by_record) == [1]
    assert not odoo.search_read("res.partner", [("name", "=", good[0]["name"])], ["id"])
    assert odoo.load("res.partner", good)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"partner_id/.id": "999999999"}, "reference_unknown", "partner_id/.id"),
        ({"partner_id/.id": "x"}, "reference_unknown", "partner_id/.id"),
        ({"partner_id/id": "c2c.nobody"}, "reference_unknown", "partner_id/id"),
        ({"invoice_payment_term_id": "Some day"}, "reference_unknown", "invoice_payment_term_id"),
        ({"move_type": "Customer Invoce"}, "choice_unknown", "move_type"),
        ({"invoice_date": "2026-02-30"}, "value_malformed", "invoice_date"),
        (
            {"invoice_line_ids/quantity": "two"},
            "value_malformed",
            "invoice_line_ids/quantity",
        ),
        (
            {"invoice_line_ids/product_id/.id": "999999999"},
            "reference_unknown",
            "invoice_line_ids/product_id/.id",
        ),
        (
            {"invoice_line_ids/sale_line_ids/id": "c2c.no-line"},
            "reference_unknown",
            "invoice_line_ids/sale_line_ids/id",
        ),
    ],
)
def test_a_refused_cell_is_told_with_its_column_and_value(
    odoo: OdooClient, change: dict[str, str], code: str, field: str
) -> None:
    good = {
        "id": xid("invoice"),
        "move_type": "Customer Invoice",
        "partner_id/.id": customer(odoo),
        "invoice_date": "2026-03-02",
        "invoice_line_ids/id": xid("line"),
        "invoice_line_ids/product_id/.id": product(odoo),
        "invoice_line_ids/quantity": 1,
        "invoice_line_ids/price_unit": "1.00",
    }
    if "partner_id/id" in change:
        del good["partner_id/.id"]
    row = good | change
    error = refusal(lambda: odoo.load("account.move", [row]))
    assert error.kind is FailureKind.BUSINESS
    assert (error.code, error.field, error.value) == (code, field, change[field])


def test_a_missing_field_is_named(odoo: OdooClient) -> None:
    error = refusal(lambda: odoo.load("project.milestone", [{"id": xid("m"), "name": "Design"}]))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "field_missing")
    assert error.field == "project_id"


def test_a_vat_number_that_odoo_refuses_is_told(odoo: OdooClient) -> None:
    row = {"id": xid("partner"), "name": unique("Acme"), "is_company": True}
    row |= {"country_id/id": "base.ua", "vat": "12345"}
    error = refusal(lambda: odoo.load("res.partner", [row]))
    assert (error.kind, error.code) == (FailureKind.BUSINESS, "vat_refused")
    assert (error.field, error.value) == ("vat", "12345")
    assert not odoo.search_read("res.partner", [("name", "=", row["name"])], ["id"])


# --- who may, and what there is ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("0" * 40, "api_key_refused"),
        ("open sesame", "api_key_refused"),
        ("schlüssel", "secret_unreadable"),
    ],
)
def test_a_wrong_key_is_a_matter_of_credentials(
    odoo_server: OdooServer, key: str, code: str
) -> None:
    stranger = connect(odoo_server.url, odoo_server.database, Secret.of(key))
    error = refusal(lambda: stranger.search_read("res.partner", [], ["name"], limit=1))
    stranger.close()
    assert (error.kind, error.code) == (FailureKind.CREDENTIALS, code)
    assert key not in str(error)


@pytest.mark.parametrize(
    ("login", "model", "values"),
    [
        ("c2c", "product.product", {"name": "x"}),
        ("c2c", "res.company", {"name": "x"}),
        ("pm", "account.move", {"move_type": "out_invoice"}),
    ],
)
def test_what_a_user_may_not_do_is_refused(
    odoo_server: OdooServer, login: str, model: str, values: JsonObject
) -> None:
    client = odoo_server.client(login)
    assert business(lambda: client.create(model, [values])) == "access_denied"
    client.close()


def test_what_odoo_does_not_have_is_told_apart(odoo: OdooClient) -> None:
    def read(model: str, domain: list[Any], *fields: str) -> Callable[[], object]:
        return lambda: odoo.search_read(model, domain, fields, limit=1)

    assert business(read("no.such.model", [], "name")) == "module_missing"
    assert business(read("res.partner", [], "no_such_field")) == "field_unknown"
    assert business(read("res.partner", [("no_such_field", "=", 1)], "name")) == "field_unknown"
    assert business(lambda: odoo.create("res.partner", [{"no_such_field": 1}])) == "field_unknown"
    assert (
        business(lambda: odoo.load("res.partner", [{"id": xid("p"), "no_such_field": "1"}]))
        == "field_unknown"
    )
    for method in ("no_such_method", "_compute_display_name"):
        error = refusal(lambda method=method: odoo.call("res.partner", method, [1]))  # type: ignore[misc]
        assert (error.kind, error.code) == (FailureKind.DEFECT, "unknown_method")
    error = refusal(lambda: odoo.call("res.partner", "write", [1], no_such_argument=1))
    assert error.kind is FailureKind.DEFECT


def test_a_record_that_is_gone_is_told(odoo: OdooClient, admin_odoo: OdooClient) -> None:
    gone = customer(odoo)
    admin_odoo.call("res.partner", "unlink", [gone])
    assert business(lambda: odoo.read("res.partner", [gone], ["name"])) == "record_missing"
    assert business(lambda: odoo.write("res.partner", [gone], {"city": "x"})) == "record_missing"
    assert business(lambda: odoo.call("sale.order", "action_confirm", [999_999])) in (
        "record_missing",
        "wrong_state",
    )


# --- buttons ----------------------------------------------------------------------------------


def test_confirming_and_posting_a_second_time_is_refused(odoo: OdooClient) -> None:
    made, move = sale(odoo), invoice(odoo)
    odoo.call("sale.order", "action_confirm", [made.order])
    assert business(lambda: odoo.call("sale.order", "action_confirm", [made.order])) == (
        "wrong_state"
    )
    odoo.call("account.move", "action_post", [move])
    assert business(lambda: odoo.call("account.move", "action_post", [move])) == "wrong_state"
    assert the(odoo, "account.move", move, "state")["state"] == "posted"


@pytest.mark.parametrize(
    ("lock", "code"),
    [
        ("fiscalyear_lock_date", "BUILD"),
        ("sale_lock_date", "BUILD"),
        ("tax_lock_date", "TRAINING"),
    ],
)
def test_a_locked_period_that_is_over_moves_the_accounting_date_with_a_warning_only(
    odoo: OdooClient, admin_odoo: OdooClient, lock: str, code: str
) -> None:
    """Why `post_invoice` reads that warning before it posts."""
    move = invoice(odoo, on=date(2026, 3, 2), code=code)
    with locked(odoo, admin_odoo, "2026-03-31", lock=lock):
        free = invoice(odoo, on=date(2026, 4, 1), code=code)
        assert not the(odoo, "account.move", free, "tax_lock_date_message")["tax_lock_date_message"]
        row = the(odoo, "account.move", move, "date", "tax_lock_date_message")
        assert row["date"] == "2026-03-02"
        assert (
            "(03/31/2026). The Journal Entry will be accounted on" in (row["tax_lock_date_message"])
        )
        odoo.call("account.move", "action_post", [move])
    row = the(odoo, "account.move", move, "date", "invoice_date", "state")
    assert (row["invoice_date"], row["state"]) == ("2026-03-02", "posted")
    assert row["date"] > "2026-03-31"


@pytest.mark.parametrize("lock", ["fiscalyear_lock_date", "sale_lock_date"])
def test_where_today_is_locked_too_posting_is_refused(
    odoo: OdooClient, admin_odoo: OdooClient, lock: str
) -> None:
    today = datetime.now(UTC).date()
    move = invoice(odoo, on=today)
    with locked(odoo, admin_odoo, str(today + timedelta(days=2)), lock=lock):
        assert business(lambda: odoo.call("account.move", "action_post", [move])) == (
            "period_locked"
        )
    assert the(odoo, "account.move", move, "state")["state"] == "draft"


def test_the_tax_lock_concerns_taxed_invoices_only(
    odoo: OdooClient, admin_odoo: OdooClient
) -> None:
    move = invoice(odoo, on=date(2026, 3, 2), code="BUILD")
    with locked(odoo, admin_odoo, "2026-03-31", lock="tax_lock_date"):
        assert not the(odoo, "account.move", move, "tax_lock_date_message")["tax_lock_date_message"]
        odoo.call("account.move", "action_post", [move])
    assert the(odoo, "account.move", move, "date")["date"] == "2026-03-02"


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "price"),
    [("EUR", "1234.56"), ("JPY", "123457"), ("KWD", "1234.567")],
)
def test_amounts_keep_their_currency_s_decimals(
    odoo: OdooClient, currency: str, price: str
) -> None:
    amount = Money(price, currency)
    order = the(
        odoo, "sale.order", sale(odoo, currency, price).order, "amount_untaxed", "currency_id"
    )
    assert Money.rounded(order["amount_untaxed"], order["currency_id"][1]) == amount + amount
    move = invoice(odoo, currency, price)
    odoo.call("account.move", "action_post", [move])
    row = the(
        odoo,
        "account.move",
        move,
        "amount_untaxed",
        "amount_total",
        "amount_residual",
        "currency_id",
    )
    for field in ("amount_untaxed", "amount_total", "amount_residual"):
        assert Money.rounded(row[field], row["currency_id"][1]) == amount


def test_a_part_of_an_invoice_is_paid_in_its_own_currency(odoo: OdooClient) -> None:
    move = invoice(odoo, "KWD", "1234.567")
    odoo.call("account.move", "action_post", [move])
    context = {"active_model": "account.move", "active_ids": [move]}
    values = {"amount": Decimal("234.566"), "payment_date": date(2026, 3, 9)}
    [register] = odoo.create("account.payment.register", [values], context=context)
    odoo.call("account.payment.register", "action_create_payments", [register], context=context)
    row = the(odoo, "account.move", move, "amount_residual", "payment_state")
    assert Money.rounded(row["amount_residual"], "KWD") == Money("1000.001", "KWD")
    assert row["payment_state"] == "partial"


def test_the_due_date_comes_from_the_payment_term(odoo: OdooClient) -> None:
    move = invoice(odoo, on=date(2026, 1, 31))
    assert the(odoo, "account.move", move, "invoice_date_due")["invoice_date_due"] == "2026-03-02"


def test_moments_are_utc_to_the_second(odoo: OdooClient) -> None:
    brussels_noon = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    order = sale(odoo).order
    odoo.write("sale.order", [order], {"date_order": brussels_noon})
    assert the(odoo, "sale.order", order, "date_order")["date_order"] == "2026-07-01 10:00:00"
    same = [("id", "=", order), ("date_order", ">=", brussels_noon)]
    assert odoo.search_read("sale.order", same, ["id"])
    later = [("id", "=", order), ("date_order", ">", brussels_noon + timedelta(seconds=1))]
    assert not odoo.search_read("sale.order", later, ["id"])


# --- searching --------------------------------------------------------------------------------


def test_the_searches_the_product_makes(odoo: OdooClient) -> None:
    made = sale(odoo)
    origin = f"contract/northwind/{unique('X')}"
    odoo.write("sale.order", [made.order], {"origin": origin})
    move = invoice(odoo)
    odoo.write("account.move", [move], {"invoice_origin": invoice_origin(f"{origin}/invoice/1")})
    written = the(odoo, "account.move", move, "write_date")["write_date"]

    def found(model: str, record: int, *domain: Any) -> bool:
        return bool(odoo.search_read(model, [("id", "=", record), *domain], ["id"]))

    invoices = ("invoice_origin", "=like", INVOICE_ORIGINS)
    assert found("account.move", move, invoices, ("move_type", "=", "out_invoice"))
    assert found("account.move", move, ("write_date", ">=", written))
    assert not found("account.move", move, ("state", "!=", "draft"))
    assert found("account.move", move, ("state", "not in", ["posted", "cancel"]))
    assert not found("account.move", move, ("invoice_origin", "=like", INVOICE_ORIGINS.lower()))
    assert found("account.move", move, ("invoice_origin", "=like", origins_of_contract(origin)))
    other = origins_of_contract(f"{origin}-2")
    assert not found("account.move", move, ("invoice_origin", "=like", other))
    assert found("sale.order", made.order, ("origin", "=", origin))
    assert not found("sale.order", made.order, ("origin", "=", origin.upper()))
    line = made.lines[0]
    assert found("sale.order.line", line, ("order_id.origin", "=like", "contract/%"))
    assert found("sale.order.line", line, ("order_id", "=", made.order))
    assert not found("sale.order.line", line, ("order_id.origin", "=", "other"))
    assert found("sale.order", made.order, "|", ("origin", "=", "other"), ("state", "=", "draft"))
    partner = the(odoo, "sale.order", made.order, "partner_id")["partner_id"][0]
    assert found("res.partner", partner, ("vat", "=", False), ("parent_id", "=", False))
    assert not found("res.partner", partner, ("vat", "=", belgian_vat()))
    assert found("product.product", product(odoo), ("default_code", "in", ["BUILD", "NOPE"]))
    assert not found("product.product", product(odoo), ("default_code", "in", []))


def test_paging_is_stable_and_archived_records_stay_out_unless_asked_for(
    odoo: OdooClient, admin_odoo: OdooClient
) -> None:
    name = unique("Page")
    rows = [{"id": xid("partner"), "name": f"{name} {number}"} for number in range(5)]
    ids = odoo.load("res.partner", rows)
    domain = [("name", "=like", f"{name} %")]
    pages: list[int] = []
    while len(pages) < len(ids):
        behind = [*domain, ("id", ">", max(pages, default=0))]
        page = odoo.search_read("res.partner", behind, ["id"], order="id", limit=2)
        pages += [row["id"] for row in page]
    assert pages == ids
    newest = odoo.search_read("res.partner", domain, ["id"], order="id desc", limit=1)
    assert newest[0]["id"] == ids[-1]
    admin_odoo.write("res.partner", [ids[0]], {"active": False})
    assert len(odoo.search_read("res.partner", domain, ["id"])) == 4
    either = [*domain, ("active", "in", [True, False])]
    assert len(odoo.search_read("res.partner", either, ["id"])) == 5
    assert odoo.call("res.partner", "search_count", domain=domain) == 4
