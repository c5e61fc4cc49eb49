"""What every way to bill needs of Odoo, kept by both: order lines, hours, expenses, invoices."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from activities.odoo.company_notes import note_on_company
from contracts.model import JsonObject
from gateways.odoo import OdooClient
from tests.odoo.engagement import Engagement, engagement
from tests.odoo.helpers import UK, business, product, the, xid
from tests.servers import OdooServer
from tests.world import unique

BILLED = ("approved", "posted", "in_payment", "paid")


@pytest.fixture(scope="module")
def pm(odoo_server: OdooServer) -> Iterator[OdooClient]:
    """The project manager, who enters hours and expenses."""
    client = odoo_server.client("pm")
    yield client
    client.close()


def employee(odoo: OdooClient, name: str = "petra") -> int:
    domain = [("work_email", "=", f"{name}@northwind.example")]
    [row] = odoo.search_read("hr.employee.public", domain, ["id"])
    return int(row["id"])


def log(pm: OdooClient, made: Engagement, task: int, hours: float, **more: Any) -> int:
    """Hours of Petra's on a task."""
    values: JsonObject = {"project_id": made.project, "task_id": task, "unit_amount": hours}
    values |= {"employee_id": employee(pm), "date": "2026-04-07", "name": "Work"}
    [line] = pm.create("account.analytic.line", [values | more])
    return line


def taxes(odoo: OdooClient, move: int) -> list[tuple[str, float]]:
    """Tax by name, as Odoo computed it on an invoice."""
    domain = [("move_id", "=", move), ("display_type", "=", "tax")]
    rows = odoo.search_read("account.move.line", domain, ["tax_line_id", "amount_currency"])
    return [(row["tax_line_id"][1], row["amount_currency"]) for row in rows]


def amounts(odoo: OdooClient, move: int) -> tuple[float, float, float]:
    row = the(odoo, "account.move", move, "amount_untaxed", "amount_tax", "amount_total")
    return row["amount_untaxed"], row["amount_tax"], row["amount_total"]


# --- orders -------------------------------------------------------------------------------------


def test_an_order_s_total_is_its_fixed_part(odoo: OdooClient) -> None:
    made = engagement(odoo, "BUILD", "DEVELOPMENT", "RETAINER", "USAGE", "DEPOSIT")
    order = the(odoo, "sale.order", made.order, "state", "amount_untaxed")
    assert (order["state"], order["amount_untaxed"]) == ("sale", 1000.0)
    assert made.line("DEVELOPMENT", "price_unit")["price_unit"] == 120.0
    assert made.line("DEVELOPMENT", "product_uom_id")["product_uom_id"][1] == "Hours"
    methods = {code: made.line(code, "qty_delivered_method") for code in made.ids}
    assert {code: row["qty_delivered_method"] for code, row in methods.items()} == {
        "BUILD": "milestones",
        "DEVELOPMENT": "timesheet",
        "RETAINER": "manual",
        "USAGE": "manual",
        "DEPOSIT": "manual",
    }


def test_a_project_has_an_analytic_account_and_the_order_s_lines_carry_it(
    odoo: OdooClient,
) -> None:
    made = engagement(odoo, "BUILD", "USAGE")
    assert made.line("USAGE", "analytic_distribution")["analytic_distribution"] == {
        str(made.account): 100
    }
    half = f'{{"{made.account}": 50}}'
    row = {"id": made.lines["USAGE"], "analytic_distribution": half}
    odoo.load("sale.order.line", [row])
    assert made.line("USAGE", "analytic_distribution")["analytic_distribution"] == {
        str(made.account): 50
    }


def test_what_is_delivered_by_hand_is_written_on_the_line(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE", "DEPOSIT")
    odoo.write("sale.order.line", [made.ids["USAGE"]], {"qty_delivered": 12.5})
    assert made.line("USAGE", "qty_to_invoice", "invoice_status") == {
        "id": made.ids["USAGE"],
        "qty_to_invoice": 12.5,
        "invoice_status": "to invoice",
    }
    rows = [
        {"id": made.lines["USAGE"], "qty_delivered": "20"},
        {"id": made.lines["DEPOSIT"], "qty_delivered": "-0.3"},
    ]
    odoo.load("sale.order.line", rows)
    assert (made.delivered("USAGE"), made.delivered("DEPOSIT")) == (20.0, -0.3)
    assert made.line("USAGE", "name")["name"] == "Usage"


# --- hours --------------------------------------------------------------------------------------


def test_people_are_known_by_name_address_and_job(odoo: OdooClient) -> None:
    fields = ["name", "work_email", "job_title"]
    rows = odoo.search_read("hr.employee.public", [("job_title", "!=", False)], fields)
    people = {(row["name"], row["work_email"], row["job_title"]) for row in rows}
    assert people == {
        ("Petra Developer", "petra@northwind.example", "Developer"),
        ("Conrad Consultant", "conrad@northwind.example", "Senior Consultant"),
        ("Ines Intern", "ines@northwind.example", "Developer"),
    }
    # The full record is not for a service user.
    refused = business(lambda: odoo.search_read("hr.employee", [], ["name", "job_title"]))
    assert refused == "access_denied"


def test_hours_deliver_the_line_of_their_task_approved_or_not(
    odoo: OdooClient, pm: OdooClient
) -> None:
    made = engagement(odoo, "DEVELOPMENT")
    task = made.task("DEVELOPMENT")
    first = log(pm, made, task, 7.5)
    assert made.delivered("DEVELOPMENT") == 7.5
    log(pm, made, task, -1.0)
    pm.write("account.analytic.line", [first], {"unit_amount": 6.0})
    assert made.delivered("DEVELOPMENT") == 5.0
    assert made.line("DEVELOPMENT", "untaxed_amount_to_invoice")["untaxed_amount_to_invoice"] == 600
    pm.call("account.analytic.line", "unlink", [first])
    assert made.delivered("DEVELOPMENT") == -1.0


def test_included_hours_deliver_no_line_until_they_move_to_another_task(
    odoo: OdooClient, pm: OdooClient
) -> None:
    made = engagement(odoo, "DEVELOPMENT")
    billed, included = made.task("DEVELOPMENT"), made.task()
    line = log(pm, made, included, 2.25)
    assert the(odoo, "account.analytic.line", line, "so_line")["so_line"] is False
    pm.write("account.analytic.line", [line], {"task_id": billed})
    found = the(odoo, "account.analytic.line", line, "so_line")["so_line"]
    assert found[0] == made.ids["DEVELOPMENT"]
    assert made.delivered("DEVELOPMENT") == 2.25
    pm.write("account.analytic.line", [line], {"task_id": included})
    assert made.delivered("DEVELOPMENT") == 0.0


def test_approved_hours_of_a_period_are_found(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "DEVELOPMENT")
    task = made.task("DEVELOPMENT")
    approved = log(pm, made, task, 3.0, x_approved=True)
    log(pm, made, task, 4.0)
    log(pm, made, task, 5.0, x_approved=True, date="2026-05-01")
    domain = [
        ("project_id", "=", made.project),
        ("x_approved", "=", True),
        ("date", "<=", "2026-04-30"),
    ]
    fields = ["unit_amount", "employee_id", "task_id", "date", "name"]
    assert odoo.search_read("account.analytic.line", domain, fields) == [
        {
            "id": approved,
            "unit_amount": 3.0,
            "employee_id": [employee(odoo), "Petra Developer"],
            "task_id": [task, "Work DEVELOPMENT"],
            "date": "2026-04-07",
            "name": "Work",
        }
    ]
    unknown = [("validated", "=", True)]
    refused = business(lambda: odoo.search_read("account.analytic.line", unknown, ["id"]))
    assert refused == "field_unknown"


def test_hours_on_sub_tasks_are_found_below_their_task(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "RETAINER")
    top, other = made.task(), made.task()
    rows = [{"id": xid("task"), "name": "Part", "project_id/.id": made.project}]
    rows[0] |= {"parent_id/.id": top}
    [part] = odoo.load("project.task", rows)
    wanted = {log(pm, made, top, 1.0), log(pm, made, part, 2.0)}
    log(pm, made, other, 4.0)
    below = [("task_id", "child_of", [top]), ("so_line", "=", False)]
    found = odoo.search_read("account.analytic.line", below, ["id"])
    assert {row["id"] for row in found} == wanted


def test_nobody_s_hours_are_refused(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "DEVELOPMENT")
    task = made.task("DEVELOPMENT")
    assert business(lambda: log(pm, made, task, 1.0, employee_id=999_999)) == "odoo_refused"


# --- expenses -----------------------------------------------------------------------------------


def expense(pm: OdooClient, made: Engagement, **more: Any) -> int:
    values: JsonObject = {
        "name": unique("Train"),
        "employee_id": employee(pm),
        "product_id": product(pm, "EXP_GEN"),
        "total_amount_currency": 121.0,
        "date": "2026-04-10",
        "analytic_distribution": {str(made.account): 100},
    }
    [made_expense] = pm.create("hr.expense", [values | more])
    return made_expense


def test_approved_expenses_of_a_project_are_found(odoo: OdooClient, pm: OdooClient) -> None:
    made, other = engagement(odoo, "EXPENSES"), engagement(odoo, "EXPENSES")
    approved, draft = expense(pm, made), expense(pm, made, total_amount_currency=5.0)
    expense(pm, other, total_amount_currency=7.0)
    pm.call("hr.expense", "action_submit", [approved])
    pm.call("hr.expense", "action_approve", [approved])
    domain = [("analytic_distribution", "in", [made.account]), ("state", "in", BILLED)]
    fields = ["state", "total_amount", "untaxed_amount", "analytic_distribution", "employee_id"]
    assert odoo.search_read("hr.expense", domain, fields) == [
        {
            "id": approved,
            "state": "approved",
            "total_amount": 121.0,
            "untaxed_amount": 121.0,
            "analytic_distribution": {str(made.account): 100},
            "employee_id": [employee(odoo), "Petra Developer"],
        }
    ]
    assert the(odoo, "hr.expense", draft, "state")["state"] == "draft"
    pm.call("hr.expense", "action_reset", [approved])
    assert not odoo.search_read("hr.expense", domain, ["id"])


def test_an_expense_abroad_is_told_in_both_currencies(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "EXPENSES")
    [dollar] = odoo.search_read("res.currency", [("name", "=", "USD")], ["id"])
    taxi = expense(pm, made, currency_id=dollar["id"], total_amount_currency=55.0)
    row = the(
        odoo,
        "hr.expense",
        taxi,
        *("total_amount", "total_amount_currency", "untaxed_amount_currency"),
        *("currency_id", "company_currency_id"),
    )
    assert (row["total_amount"], row["total_amount_currency"]) == (50.0, 55.0)
    assert row["untaxed_amount_currency"] == 55.0
    assert (row["currency_id"][1], row["company_currency_id"][1]) == ("USD", "EUR")


def test_an_expense_is_known_without_the_tax_it_includes(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "EXPENSES")
    domain = [("name", "=", "15%"), ("type_tax_use", "=", "purchase")]
    [tax] = odoo.search_read("account.tax", domain, ["id"])
    train = expense(pm, made, total_amount_currency=115.0, tax_ids=[[6, 0, [tax["id"]]]])
    row = the(odoo, "hr.expense", train, "total_amount", "untaxed_amount", "tax_amount")
    assert (row["total_amount"], row["untaxed_amount"], row["tax_amount"]) == (115.0, 100.0, 15.0)


def test_who_approves_no_expenses_sees_none(odoo_server: OdooServer, pm: OdooClient) -> None:
    made = engagement(odoo_server.client(), "EXPENSES")
    expense(pm, made)
    accountant = odoo_server.client("accountant")
    assert accountant.search_read("hr.expense", [], ["id"]) == []
    accountant.close()


# --- invoices -----------------------------------------------------------------------------------


def test_a_draft_knows_its_tax_before_it_is_posted(odoo: OdooClient) -> None:
    made = engagement(odoo, "DEVELOPMENT", "RETAINER", "USAGE", "RETAINAGE", "DEPOSIT")
    move = made.draft(
        ("DEVELOPMENT", "6.5", "120.00"),
        ("RETAINER", "1", "1000.00"),
        ("USAGE", "12.50", "0.123456"),
        ("RETAINAGE", "-1", "178.15"),
        ("DEPOSIT", "-1", "200.00"),
    )
    assert amounts(odoo, move) == (1403.39, 150.0, 1553.39)
    assert taxes(odoo, move) == [("15%", -150.0)]
    quantities = {code: made.invoiced(code) for code in made.ids}
    assert quantities == {
        "DEVELOPMENT": 6.5,
        "RETAINER": 1.0,
        "USAGE": 12.5,
        "RETAINAGE": -1.0,
        "DEPOSIT": -1.0,
    }
    domain = [("move_id", "=", move), ("display_type", "=", "product")]
    fields = ["account_id", "debit", "credit", "analytic_distribution", "price_unit"]
    rows = odoo.search_read("account.move.line", domain, fields, order="id")
    assert [(row["account_id"][1], row["debit"], row["credit"]) for row in rows] == [
        ("Product Sales", 0.0, 780.0),
        ("Product Sales", 0.0, 1000.0),
        ("Product Sales", 0.0, 1.54),
        ("Retentions Receivable", 178.15, 0.0),
        ("Deferred Revenue", 200.0, 0.0),
    ]
    assert rows[2]["price_unit"] == 0.123456
    assert all(row["analytic_distribution"] == {str(made.account): 100} for row in rows)


def test_lines_add_up_before_they_are_rounded(odoo: OdooClient) -> None:
    """Why a charge's price is sent with as many decimals as make its amount exact."""
    made = engagement(odoo, "USAGE")
    item = ("USAGE", "1", "0.105")
    assert amounts(odoo, made.draft(item, item))[0] == 0.21
    exact = [("USAGE", "0.33", "0.3333333333333333"), ("USAGE", "7.35", "0.0142857142857")]
    assert amounts(odoo, made.draft(*exact))[0] == 0.21


def test_a_draft_s_lines_are_cleared_and_loaded_anew(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE", "RETAINER")
    move = made.draft(("USAGE", "1", "10.00"), ("RETAINER", "1", "20.00"))
    odoo.write("account.move", [move], {"invoice_line_ids": [[5, 0, 0]]})
    assert amounts(odoo, move) == (0.0, 0.0, 0.0)
    assert (made.invoiced("USAGE"), made.invoiced("RETAINER")) == (0.0, 0.0)


def test_prices_may_include_their_tax(odoo: OdooClient, admin_odoo: OdooClient) -> None:
    """Why a draft's total without tax is compared with the proposal's."""
    made = engagement(odoo, "RETAINER")
    domain = [("name", "=", "15%"), ("type_tax_use", "=", "sale")]
    taxes = [row["id"] for row in odoo.search_read("account.tax", domain, ["id"])]
    admin_odoo.write("account.tax", taxes, {"price_include_override": "tax_included"})
    try:
        assert amounts(odoo, made.draft(("RETAINER", "1", "115.00"))) == (100.0, 15.0, 115.0)
    finally:
        admin_odoo.write("account.tax", taxes, {"price_include_override": False})


def test_no_tax_abroad(odoo: OdooClient) -> None:
    made = engagement(odoo, "RETAINER", country="be")
    move = made.draft(("RETAINER", "1", "1000.00"))
    position = the(odoo, "account.move", move, "fiscal_position_id")["fiscal_position_id"]
    assert position[1] == "Foreign Trade"
    assert amounts(odoo, move) == (1000.0, 0.0, 1000.0)
    assert taxes(odoo, move) == []


def test_a_cancelled_draft_bills_nothing_and_stays_cancelled(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    move = made.draft(("USAGE", "2", "10.00"))
    odoo.call("account.move", "button_cancel", [move])
    row = the(odoo, "account.move", move, "state", "name", "amount_untaxed")
    assert (row["state"], row["name"], row["amount_untaxed"]) == ("cancel", False, 20.0)
    assert made.invoiced("USAGE") == 0.0
    assert business(lambda: odoo.call("account.move", "button_cancel", [move])) == "odoo_refused"
    assert business(lambda: odoo.call("account.move", "action_post", [move])) == "wrong_state"


def test_an_invoice_of_less_than_nothing_is_refused_and_one_of_nothing_is_paid(
    odoo: OdooClient,
) -> None:
    made = engagement(odoo, "USAGE", "RETAINAGE")
    negative = made.draft(("RETAINAGE", "-1", "10.00"))
    assert amounts(odoo, negative)[0] == -10.0
    assert business(lambda: odoo.call("account.move", "action_post", [negative])) == "odoo_refused"
    nothing = made.invoice(("USAGE", "1", "10.00"), ("RETAINAGE", "-1", "10.00"))
    assert made.standing(nothing) == (0.0, "paid")


# --- credit notes -------------------------------------------------------------------------------


def test_a_posted_credit_note_settles_its_invoice_by_itself(odoo: OdooClient) -> None:
    made = engagement(odoo, "RETAINER", "USAGE")
    invoice = made.invoice(("RETAINER", "1", "1000.00"), ("USAGE", "10", "5.00"))
    part = made.credit(invoice, ("USAGE", "2", "5.00"), ("RETAINER", "0.5", "1000.00"))
    assert amounts(odoo, part) == (510.0, 75.0, 585.0)
    assert taxes(odoo, part) == [("15%", 75.0)]
    assert made.standing(invoice) == (615.0, "partial")
    assert made.standing(part) == (0.0, "paid")
    assert (made.invoiced("RETAINER"), made.invoiced("USAGE")) == (0.5, 8.0)
    rest = made.credit(invoice, ("USAGE", "8", "5.00"), ("RETAINER", "0.5", "1000.00"))
    assert made.standing(invoice) == (0.0, "reversed")
    assert the(odoo, "account.move", invoice, "reversal_move_ids") == {
        "id": invoice,
        "reversal_move_ids": [rest, part],
    }
    assert (made.invoiced("RETAINER"), made.invoiced("USAGE")) == (0.0, 0.0)
    assert business(lambda: made.assign(invoice, rest)) == "odoo_refused"


def test_a_credit_note_larger_than_what_is_open_can_be_refunded(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(("USAGE", "10", "10.00"))
    made.pay(invoice, 60.0, unique("pay"))
    credit = made.credit(invoice, ("USAGE", "10", "10.00"))
    assert made.standing(invoice) == (0.0, "paid")
    assert made.standing(credit) == (60.0, "partial")
    reference = unique("refund")
    made.pay(credit, 60.0, reference)
    assert made.standing(credit) == (0.0, "paid")
    fields = ["payment_type", "amount", "reconciled_invoice_ids"]
    [payment] = odoo.search_read("account.payment", [("memo", "=", reference)], fields)
    assert (payment["payment_type"], payment["amount"]) == ("outbound", 60.0)
    assert payment["reconciled_invoice_ids"] == [credit]


def test_a_credit_note_of_its_own_settles_another_invoice_when_told_to(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    credit = made.credit(None, ("USAGE", "1", "30.00"))
    assert made.standing(credit) == (30.0, "not_paid")
    assert made.receivable(credit)["amount_residual"] == -30.0
    invoice = made.invoice(("USAGE", "1", "50.00"))
    made.assign(invoice, credit)
    assert made.standing(invoice) == (20.0, "partial")
    assert made.standing(credit) == (0.0, "paid")
    made.assign(invoice, credit)  # nothing left to give, something left to settle: no change
    assert made.standing(invoice) == (20.0, "partial")


# --- write-offs ---------------------------------------------------------------------------------


def write_off(made: Engagement, invoice: int, amount: str, code: str = "650000") -> int:
    """A posted entry from the receivable to bad debts, not yet matched with the invoice."""
    odoo = made.odoo
    books = odoo.with_company(made.company)
    [loss] = books.search_read("account.account", [("code", "=", code)], ["id"])
    misc = [("code", "=", "MISC"), ("company_id", "=", made.company)]
    [journal] = odoo.search_read("account.journal", misc, ["id"])
    header: dict[str, Any] = {
        "id": xid("write-off"),
        "move_type": "Journal Entry",
        "journal_id/.id": journal["id"],
        "date": "2026-06-30",
        "ref": "Write-off",
        "partner_id/.id": made.partner,
        "currency_id/id": f"base.{made.currency}",
    }
    rows = [
        {
            "line_ids/id": xid("write-off-line"),
            "line_ids/account_id/.id": account,
            "line_ids/partner_id/.id": made.partner,
            "line_ids/name": "Write-off",
            "line_ids/currency_id/id": f"base.{made.currency}",
            "line_ids/amount_currency": value,
        }
        for account, value in (
            (loss["id"], amount),
            (made.receivable(invoice)["account_id"][0], f"-{amount}"),
        )
    ]
    loaded = [header | rows[0], rows[1]]
    [entry] = odoo.load("account.move", loaded, create_once=True)
    odoo.call("account.move", "action_post", [entry])
    assert odoo.load("account.move", loaded, create_once=True) == [entry]
    return entry


def test_a_write_off_closes_what_is_open(odoo: OdooClient) -> None:
    made = engagement(odoo, "RETAINER")
    invoice = made.invoice(("RETAINER", "1", "1000.00"))
    entry = write_off(made, invoice, "450.00")
    row = the(odoo, "account.move", entry, "state", "amount_total", "move_type")
    assert (row["state"], row["amount_total"], row["move_type"]) == ("posted", 450.0, "entry")
    assert made.receivable(entry)["amount_residual"] == -450.0
    made.assign(invoice, entry)
    assert made.standing(invoice) == (700.0, "partial")
    made.assign(invoice, write_off(made, invoice, "700.00"))
    assert made.standing(invoice) == (0.0, "paid")
    assert made.receivable(entry)["reconciled"]


def test_more_than_is_open_is_never_written_off(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(("USAGE", "1", "100.00"))
    entry = write_off(made, invoice, "130.00")
    made.assign(invoice, entry)
    assert made.standing(invoice) == (0.0, "paid")
    assert made.receivable(entry)["amount_residual"] == -30.0


def test_a_write_off_abroad_is_booked_at_the_rate(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE", currency="USD")
    invoice = made.invoice(("USAGE", "1", "110.00"))
    entry = write_off(made, invoice, "110.00")
    assert made.receivable(entry)["credit"] == 100.0
    made.assign(invoice, entry)
    assert made.standing(invoice) == (0.0, "paid")


def test_an_entry_that_does_not_balance_is_refused(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    account = made.receivable(made.invoice(("USAGE", "1", "100.00")))["account_id"][0]
    row: JsonObject = {"id": xid("entry"), "move_type": "Journal Entry", "date": "2026-06-30"}
    row |= {"line_ids/id": xid("entry-line"), "line_ids/account_id/.id": account}
    row |= {"line_ids/debit": "5.00", "line_ids/credit": "0"}
    # Odoo may balance a lone line by itself, so the two lines here differ.
    other: JsonObject = {"line_ids/id": xid("entry-line"), "line_ids/account_id/.id": account}
    other |= {"line_ids/debit": "0", "line_ids/credit": "4.00"}
    assert business(lambda: odoo.load("account.move", [row, other])) == "odoo_refused"


def test_open_receivables_are_found(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(("USAGE", "1", "100.00"))
    credit = made.credit(None, ("USAGE", "1", "30.00"))

    def still_open() -> list[tuple[int, float]]:
        domain = [("move_id", "in", [invoice, credit]), ("reconciled", "=", False)]
        domain.append(("account_id", "=", made.receivable(invoice)["account_id"][0]))
        fields = ["move_id", "amount_residual_currency"]
        rows = odoo.search_read("account.move.line", domain, fields, order="id")
        return [(row["move_id"][0], row["amount_residual_currency"]) for row in rows]

    assert still_open() == [(invoice, 100.0), (credit, -30.0)]
    made.assign(invoice, credit)
    assert still_open() == [(invoice, 70.0)]


def test_a_write_off_undone_opens_the_invoice_again(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(("USAGE", "1", "100.00"))
    entry = write_off(made, invoice, "100.00")
    made.assign(invoice, entry)
    assert made.standing(invoice) == (0.0, "paid")
    odoo.call("account.move", "button_draft", [entry])
    assert made.standing(invoice) == (0.0, "paid")  # until it is cancelled
    odoo.call("account.move", "button_cancel", [entry])
    assert made.standing(invoice) == (100.0, "not_paid")


# --- changes, suspension, endings ---------------------------------------------------------------


def test_a_confirmed_order_is_repriced_grown_and_cut(odoo: OdooClient) -> None:
    made = engagement(odoo, "BUILD", "USAGE")
    odoo.load("sale.order.line", [{"id": made.lines["BUILD"], "price_unit": "1200.00"}])
    extra: JsonObject = {"id": xid("order-line"), "order_id/.id": made.order, "name": "Extra"}
    extra |= {"product_id/.id": product(odoo), "product_uom_qty": "1", "price_unit": "300.00"}
    [line] = odoo.load("sale.order.line", [extra])
    assert the(odoo, "sale.order", made.order, "amount_untaxed")["amount_untaxed"] == 1500.0
    cut = {"id": extra["id"], "product_uom_qty": "0", "price_unit": "300.00"}
    odoo.load("sale.order.line", [cut])
    assert the(odoo, "sale.order", made.order, "amount_untaxed")["amount_untaxed"] == 1200.0
    assert the(odoo, "sale.order.line", line, "price_unit", "name") == {
        "id": line,
        "price_unit": 300.0,
        "name": "Extra",
    }
    refused = business(lambda: odoo.call("sale.order.line", "unlink", [line]))
    assert refused == "odoo_refused"


def test_a_quantity_changed_alone_may_take_the_list_price(odoo: OdooClient) -> None:
    """Why quantity and price always go together."""
    made = engagement(odoo, "USAGE", "RETAINER")
    line = made.ids["USAGE"]
    odoo.write("sale.order.line", [line], {"product_uom_qty": 2})
    assert made.line("USAGE", "price_unit")["price_unit"] == 1.0
    odoo.write("sale.order.line", [line], {"product_uom_qty": 3, "price_unit": 7.0})
    assert made.line("USAGE", "price_unit")["price_unit"] == 7.0
    odoo.write("sale.order.line", [line], {"product_uom_qty": 4})
    assert made.line("USAGE", "price_unit")["price_unit"] == 7.0
    made.draft(("RETAINER", "1", "500.00"))
    odoo.write("sale.order.line", [made.ids["RETAINER"]], {"product_uom_qty": 2})
    assert made.line("RETAINER", "price_unit")["price_unit"] == 0.0


def test_the_product_of_a_billed_line_stays(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    made.draft(("USAGE", "1", "10.00"))
    row = {"id": made.lines["USAGE"], "product_id/.id": product(odoo)}
    assert business(lambda: odoo.load("sale.order.line", [row])) == "odoo_refused"


def test_milestones_are_put_off_and_dropped_and_tasks_archived(odoo: OdooClient) -> None:
    made = engagement(odoo, "BUILD")
    row: JsonObject = {"id": xid("milestone"), "name": "Design", "project_id/.id": made.project}
    row |= {"sale_line_id/id": made.lines["BUILD"], "quantity_percentage": 1}
    [milestone] = odoo.load("project.milestone", [row | {"deadline": "2026-07-01"}])
    odoo.load("project.milestone", [{"id": row["id"], "deadline": "2026-08-01"}])
    found = the(odoo, "project.milestone", milestone, "deadline", "name", "sale_line_id")
    assert (found["deadline"], found["name"]) == ("2026-08-01", "Design")
    assert found["sale_line_id"][0] == made.ids["BUILD"]
    odoo.write("project.milestone", [milestone], {"deadline": False})
    assert the(odoo, "project.milestone", milestone, "deadline")["deadline"] is False
    task = made.task()
    odoo.write("project.task", [task], {"milestone_id": milestone})
    odoo.call("project.milestone", "unlink", [milestone])
    assert the(odoo, "project.task", task, "milestone_id")["milestone_id"] is False
    again = business(lambda: odoo.call("project.milestone", "unlink", [milestone]))
    assert again == "record_missing"
    gone = {"id": row["id"], "deadline": "2026-09-01"}
    assert business(lambda: odoo.load("project.milestone", [gone])) == "field_missing"
    odoo.write("project.task", [task], {"active": False})
    assert not odoo.search_read("project.task", [("id", "=", task)], ["id"])


def test_a_suspended_project_says_so(odoo: OdooClient) -> None:
    made = engagement(odoo, "BUILD")

    def status() -> str:
        row = the(odoo, "project.project", made.project, "last_update_status")
        return str(row["last_update_status"])

    assert status() == "to_define"
    update: JsonObject = {"id": xid("update"), "project_id/.id": made.project, "date": "2026-06-01"}
    odoo.load("project.update", [update | {"name": "Invoices overdue", "status": "On Hold"}])
    assert status() == "on_hold"
    resumed = update | {"id": xid("update"), "name": "Paid", "status": "On Track"}
    odoo.load("project.update", [resumed])
    assert status() == "on_track"


def test_a_closing_record_is_attached_once_and_noted(odoo: OdooClient) -> None:
    made = engagement(odoo, "BUILD")
    row: JsonObject = {"id": xid("closing"), "name": "closing.json", "mimetype": "application/json"}
    row |= {"res_model": "sale.order", "res_id": made.order}
    first = row | {"datas": base64.b64encode(b'{"a": 1}').decode()}
    [attachment] = odoo.load("ir.attachment", [first], create_once=True)
    second = row | {"datas": base64.b64encode(b'{"a": 2}').decode()}
    assert odoo.load("ir.attachment", [second], create_once=True) == [attachment]
    found = the(odoo, "ir.attachment", attachment, "datas", "file_size", "mimetype", "res_id")
    assert base64.b64decode(found["datas"]) == b'{"a": 1}'
    assert (found["file_size"], found["mimetype"]) == (8, "application/json")
    assert found["res_id"] == made.order
    odoo.call(
        "sale.order",
        "message_post",
        [made.order],
        subject="Closed",
        body="Statement",
        message_type="comment",
        subtype_xmlid="mail.mt_note",
        attachment_ids=[attachment],
    )
    domain = [("model", "=", "sale.order"), ("res_id", "=", made.order), ("subject", "=", "Closed")]
    [message] = odoo.search_read("mail.message", domain, ["attachment_ids"])
    assert message["attachment_ids"] == [attachment]


def test_an_anchor_is_noted_once_on_the_company(odoo: OdooClient) -> None:
    subject = unique("Audit anchor")
    for _ in range(2):
        note_on_company(odoo, "Northwind Consulting", subject=subject, text="a root")
    domain = [("model", "=", "res.partner"), ("subject", "=", subject)]
    [message] = odoo.search_read("mail.message", domain, ["res_id"])
    [company] = odoo.search_read(
        "res.company", [("name", "=", "Northwind Consulting")], ["partner_id"]
    )
    assert message["res_id"] == company["partner_id"][0]


def test_a_to_do_is_left_once_for_a_person(odoo: OdooClient, odoo_server: OdooServer) -> None:
    made = engagement(odoo, "USAGE")
    invoice = made.invoice(("USAGE", "1", "100.00"))
    address = [("email", "=ilike", "Accountant@northwind.example")]
    [person] = odoo.search_read("res.users", address, ["name"])
    row: JsonObject = {
        "id": xid("to-do"),
        "res_model_id/id": "account.model_account_move",
        "res_id": invoice,
        "activity_type_id/id": "mail.mail_activity_data_todo",
        "summary": "Call them",
        "date_deadline": "2026-06-01",
        "user_id/.id": person["id"],
    }
    [todo] = odoo.load("mail.activity", [row], create_once=True)
    found = the(odoo, "mail.activity", todo, "res_model", "res_id", "res_name", "user_id")
    assert (found["res_model"], found["res_id"]) == ("account.move", invoice)
    assert found["res_name"] == the(odoo, "account.move", invoice, "name")["name"]
    assert found["user_id"][1] == "Ada Accountant"
    accountant = odoo_server.client("accountant")
    accountant.call("mail.activity", "action_done", [todo])
    accountant.close()
    assert not odoo.search_read("mail.activity", [("id", "=", todo)], ["id"])
    assert odoo.load("mail.activity", [row], create_once=True) == [todo]
    assert the(odoo, "mail.activity", todo, "active")["active"] is False


def test_an_external_id_alone_tells_which_record_that_is(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE", "RETAINER")
    rows = [{"id": made.lines[code]} for code in ("RETAINER", "USAGE")]
    ids = odoo.load("sale.order.line", rows, create_once=True)
    assert ids == [made.ids["RETAINER"], made.ids["USAGE"]]


# --- a second company ---------------------------------------------------------------------------


def test_the_second_company_bills_in_its_own_books(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(
        odoo, "BUILD", "RETAINER", "DEVELOPMENT", company=UK, currency="GBP", country="uk"
    )
    move = made.invoice(("BUILD", "1", "1000.00"), ("RETAINER", "1", "500.00"))
    assert amounts(odoo, move) == (1500.0, 100.0, 1600.0)
    assert taxes(odoo, move) == [("20%", -100.0)]
    fields = ["company_id", "journal_id", "fiscal_position_id", "amount_total_signed", "name"]
    row = the(odoo, "account.move", move, *fields)
    assert row["company_id"] == [UK, "Northwind UK"]
    assert row["fiscal_position_id"][1] == "United Kingdom"
    assert row["amount_total_signed"] == 1600.0
    own = [("id", "=", row["journal_id"][0]), ("company_id", "=", UK)]
    assert odoo.search_read("account.journal", own, ["id"])
    reference = unique("pay")
    made.pay(move, 100.0, reference)
    [payment] = odoo.search_read("account.payment", [("memo", "=", reference)], ["company_id"])
    assert payment["company_id"][0] == UK
    made.assign(move, write_off(made, move, "50.00", "785000"))
    made.credit(move, ("RETAINER", "1", "500.00"))
    assert made.standing(move) == (850.0, "partial")
    log(pm, made, made.task("DEVELOPMENT"), 2.0)
    assert made.delivered("DEVELOPMENT") == 2.0


def test_each_company_numbers_its_own_invoices(odoo: OdooClient) -> None:
    here = engagement(odoo, "USAGE")
    there = engagement(odoo, "USAGE", company=UK, currency="GBP", country="uk")
    item = ("USAGE", "1", "10.00")

    def number(made: Engagement) -> int:
        name = the(odoo, "account.move", made.invoice(item), "name")["name"]
        return int(name.removeprefix("INV/2026/"))

    first, other = number(here), number(there)
    assert (number(here), number(there)) == (first + 1, other + 1)


@pytest.mark.parametrize(("country", "tax"), [("uk", 100.0), ("fr", 0.0)])
def test_the_second_company_has_taxes_of_its_own(
    odoo: OdooClient, country: str, tax: float
) -> None:
    made = engagement(odoo, "RETAINER", company=UK, currency="GBP", country=country)
    assert amounts(odoo, made.draft(("RETAINER", "1", "500.00")))[1] == tax


def test_a_company_s_records_are_hidden_from_a_client_of_the_other(odoo: OdooClient) -> None:
    made = engagement(odoo, "USAGE")
    uk = odoo.with_company(UK)
    assert not uk.search_read("sale.order", [("id", "=", made.order)], ["id"])
    assert business(lambda: uk.read("sale.order", [made.order], ["name"])) == "access_denied"
    code = [("code", "=", "785000")]
    assert uk.search_read("account.account", code, ["name"])[0]["name"] == "Bad debts"
    assert not odoo.search_read("account.account", code, ["name"])


def test_an_expense_is_of_its_employee_s_company(odoo: OdooClient, pm: OdooClient) -> None:
    made = engagement(odoo, "EXPENSES", company=UK, currency="GBP", country="uk")
    assert business(lambda: expense(pm, made, company_id=UK)) == "odoo_refused"
