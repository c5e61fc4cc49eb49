"""What the analytics export reads of Odoo agrees with Odoo's own tables, to the cent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pytest

from activities.odoo import analytics_work
from activities.odoo.analytics_invoices import OdooPostedInvoices, invoice_dates
from activities.odoo.analytics_work import Hours, OdooWork
from activities.odoo.payments import PaymentRequest
from activities.odoo.reversals import ReversalRequest, reverse_payment
from activities.odoo.write_offs import WriteOffRequest
from contracts.analytics import invoices
from contracts.analytics.invoices import How, PostedInvoice
from contracts.analytics.work import ProjectMonth
from contracts.identifiers import origins_of_entity
from contracts.invoice.messages import PaymentReceived
from contracts.money import Money
from tests.activities.firm import INVOICE_ON, Firm, Ordered
from tests.activities.mixed import taxed
from tests.activities.test_companies import UK, british
from tests.activities.test_time import Timesheets
from tests.servers import RealServer
from tests.world import credit, eur, register_payment, unique

DAY = date(2035, 12, 31)
ZERO = Decimal(0)
BAD_DEBT = "650000"

MOVES = """
    SELECT c.name, SUM(CASE m.move_type WHEN 'out_refund' THEN -1 ELSE 1 END * m.{column})
    FROM account_move m JOIN res_currency c ON c.id = m.currency_id
    WHERE m.state = 'posted' AND m.move_type IN ('out_invoice', 'out_refund')
      AND m.company_id = {company} AND m.invoice_origin LIKE '{origin}'
    GROUP BY c.name
"""
BOOKED = """
    SELECT 'untaxed', SUM(amount_untaxed_signed) FROM account_move
    WHERE state = 'posted' AND move_type IN ('out_invoice', 'out_refund')
      AND company_id = {company} AND invoice_origin LIKE '{origin}'
    UNION SELECT 'open', SUM(amount_residual_signed) FROM account_move
    WHERE state = 'posted' AND move_type IN ('out_invoice', 'out_refund')
      AND company_id = {company} AND invoice_origin LIKE '{origin}'
"""
COLLECTED = """
    SELECT c.name, SUM(p.debit_amount_currency)
    FROM account_partial_reconcile p
    JOIN account_move_line d ON d.id = p.debit_move_id JOIN account_move m ON m.id = d.move_id
    JOIN account_move_line k ON k.id = p.credit_move_id JOIN account_move o ON o.id = k.move_id
    JOIN res_currency c ON c.id = m.currency_id
    WHERE m.move_type = 'out_invoice'
      AND (o.origin_payment_id IS NOT NULL OR o.statement_line_id IS NOT NULL)
      AND m.company_id = {company} AND m.invoice_origin LIKE '{origin}'
    GROUP BY c.name
"""
WORK = """
    SELECT 'hours', SUM(l.unit_amount)::numeric(12, 2) FROM account_analytic_line l
    JOIN sale_order o ON o.project_id = l.project_id WHERE o.origin LIKE 'contract/{entity}/%'
    UNION SELECT 'cost', SUM(l.amount)::numeric(12, 2) FROM account_analytic_line l
    JOIN sale_order o ON o.project_id = l.project_id WHERE o.origin LIKE 'contract/{entity}/%'
"""


@dataclass
class Read:
    """All that is read of a legal entity's contracts."""

    entity: str
    company: int
    invoices: list[PostedInvoice]
    months: list[ProjectMonth]

    @classmethod
    def of(cls, firm: Firm, made: Ordered, day: date = DAY) -> Read:
        entity = made.contract.legal_entity
        posted = OdooPostedInvoices(firm.client, made.company, entity, day)
        work = OdooWork(firm.client, made.company, entity, day)
        return cls(
            entity,
            made.company,
            [item for page in posted.pages() for item in page],
            [item for page in work.pages() for item in page],
        )

    def of_contract(self, made: Ordered) -> list[PostedInvoice]:
        return [item for item in self.invoices if item.contract == made.contract.contract_id]

    def by_currency(self, of: Callable[[PostedInvoice], Decimal]) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for item in self.invoices:
            found[item.currency] = found.get(item.currency, ZERO) + of(item)
        return found


def collected(item: PostedInvoice) -> Decimal:
    return sum((row.amount for row in invoices.collected(item)), ZERO)


def adjusted(item: PostedInvoice) -> Decimal:
    return sum((row.amount for row in invoices.adjusted(item)), ZERO)


def still_open(item: PostedInvoice) -> Decimal:
    return sum((row.open for row in invoices.aging(item, DAY)), ZERO)


@dataclass
class Life:
    """A contract's invoices, and what becomes of them."""

    firm: Firm
    made: Ordered
    number: int = 0

    def bill(self, quantity: str, line: str = "support", price: str = "500") -> int:
        self.number += 1
        charge = self.made.charge(line, quantity, price)
        proposal = self.made.proposal(charge, number=self.number)
        return self.firm.posted(self.made, proposal).invoice_id

    def take_back(self, invoice: int, quantity: str) -> int:
        self.number += 1
        charge = self.made.charge("support", quantity, "500")
        note = self.made.credit_note(charge, number=self.number)
        return self.firm.posted(self.made, note, invoice).invoice_id

    def pay(self, invoice: int, amount: str) -> str:
        currency = self.made.contract.currency
        payment = PaymentReceived(
            reference=unique("P"), amount=Money(amount, currency), paid_on=date(2026, 3, 20)
        )
        request = PaymentRequest(invoice_id=invoice, payment=payment)
        self.firm.payments.register_payment(request)
        return payment.reference

    def write_off(self, invoice: int, amount: str) -> None:
        self.firm.write_offs.write_off(
            WriteOffRequest(
                legal_entity=self.made.contract.legal_entity,
                contract_id=self.made.contract.contract_id,
                number=self.number,
                key="1",
                invoice_id=invoice,
                company_id=self.made.company,
                account_code=BAD_DEBT,
                amount=eur(amount),
                reason="Out of business",
                written_off_on=date(2026, 6, 1),
            )
        )


def test_sums_of_all_contracts_agree_with_odoos_tables(firm: Firm) -> None:
    """Two companies, three currencies, and every way that an invoice is settled."""
    euro, dollar = firm.confirmed(taxed()), firm.confirmed(taxed(currency="USD"))
    uk = firm.of_company(UK)
    pound = uk.confirmed(british())
    bounced, credited = _euros(firm, euro)
    Life(firm, dollar).pay(Life(firm, dollar).bill("1"), "100.33")
    Life(uk, pound).pay(Life(uk, pound).bill("2"), "1200.00")
    _work(firm, euro)

    read, theirs = Read.of(firm, euro), Read.of(uk, pound)
    _of_one_contract(read, euro)
    [pounds] = theirs.of_contract(pound)
    assert (pounds.currency, pounds.books, pounds.total) == ("GBP", "GBP", Decimal("1200.00"))
    assert (pounds.is_open, pounds.paid_on) == (False, date(2026, 3, 20))
    [dollars] = read.of_contract(dollar)
    assert (dollars.currency, dollars.books) == ("USD", "EUR")
    assert dollars.untaxed_in_books == Decimal("454.55")
    assert collected(dollars) == Decimal("100.33")
    for found in (read, theirs):
        for item in found.invoices:
            assert item.total == collected(item) + adjusted(item) + still_open(item)
        if isinstance(firm.server, RealServer):
            _as_in_the_tables(firm.server, found)
    before = Read.of(firm, euro, date(2026, 3, 19))
    _as_it_was_then(firm, euro, before)
    assert sum(map(collected, before.of_contract(euro)), ZERO) == ZERO
    domain = [("move_type", "=", "entry"), ("state", "=", "posted")]
    [entry] = firm.odoo.search_read("account.move", domain, ["invoice_date"], limit=1)
    dates = invoice_dates(firm.client, {bounced, credited, entry["id"]}, DAY)
    assert dates == {bounced: INVOICE_ON, credited: INVOICE_ON}
    assert invoice_dates(firm.client, {bounced}, date(2026, 1, 1)) == {}


def _as_it_was_then(firm: Firm, made: Ordered, before: Read) -> None:
    """What was open on a day is found among the invoices that are open now, or were settled since;
    of what happened since another day no more is read than that."""
    for on in (date(2026, 3, 19), date(2026, 3, 26)):
        at = Read.of(firm, made, on) if on != date(2026, 3, 19) else before
        source = OdooPostedInvoices(firm.client, made.company, at.entity, on)
        found = [item for page in source.pages(on) for item in page]
        assert len({item.number for item in found}) == len(found)
        of_then = {item.number: item for item in at.invoices}
        assert all(of_then[item.number] == item for item in found)
        wanted = {item.number for item in at.invoices if item.is_open}
        assert wanted == {item.number for item in found if item.is_open}
    assert before.of_contract(made)
    assert all(item.is_open for item in before.of_contract(made))


def _euros(firm: Firm, made: Ordered) -> tuple[int, int]:
    """One is paid in parts, of which one bounces; one is credited by half and paid back; one is
    written off in part; one is credited by people in Odoo."""
    life = Life(firm, made)
    bounced = life.bill("1")
    life.pay(bounced, "100.00")
    reference = life.pay(bounced, "50.00")
    reverse_payment(
        firm.client,
        ReversalRequest(
            invoice_id=bounced,
            payment=reference,
            key=unique("R"),
            amount=eur("50.00"),
            on=date(2026, 3, 25),
        ),
    )
    paid = life.bill("1")
    life.pay(paid, str(firm.balance(paid).residual.amount))
    note = life.take_back(paid, "0.5")
    register_payment(firm.server.client("accountant"), note, on=date(2026, 3, 28))
    life.write_off(life.bill("0.2"), "15.00")
    credited = life.bill("0.1")
    credit(firm.server.client("accountant"), credited)
    return bounced, credited


def _work(firm: Firm, made: Ordered) -> None:
    timesheets = Timesheets(firm, made, firm.server.client("pm"))
    firm.odoo.write("hr.employee", [timesheets.employee("Petra Developer")], {"hourly_cost": 50})
    timesheets.log("support", "2.5", day="2026-03-10")
    timesheets.log("support", "1.25", day="2026-04-10", who="Conrad Consultant", approved=False)
    cost = {"name": "Train", "account_id": made.account, "amount": -80.5, "date": "2026-03-12"}
    firm.odoo.create("account.analytic.line", [cost])


def _of_one_contract(read: Read, made: Ordered) -> None:
    found = read.of_contract(made)
    tax = Decimal("1.15")
    assert sum((item.untaxed for item in found), ZERO) == Decimal("850.00")
    assert sum((item.total for item in found), ZERO) == 850 * tax
    assert {row.how for item in found for row in invoices.collected(item)} == {
        How.PAYMENT,
        How.REFUND,
    }
    assert sum(map(collected, found), ZERO) == 100 + 500 * tax - 250 * tax
    by_how: dict[str, Decimal] = {}
    for item in found:
        for row in invoices.adjusted(item):
            by_how[row.how] = by_how.get(row.how, ZERO) + row.amount
    assert by_how == {How.WRITE_OFF: Decimal("15.00"), How.CREDIT: ZERO}
    assert sum(map(still_open, found), ZERO) == 500 * tax - 100 + 100 * tax - 15
    assert {item.project for item in found} != {""}
    assert {item.customer for item in found} == {made.contract.customer.name}

    months = [item for item in read.months if item.contract == made.contract.contract_id]
    hours = {item.month: item.hours for item in months if item.part == "hours"}
    assert hours == {date(2026, 3, 1): Decimal("2.5"), date(2026, 4, 1): Decimal("1.25")}
    assert sum((item.amount for item in months if item.part == "hours"), ZERO) <= -125
    costs = {item.month: item.amount for item in months if item.part == "expenses"}
    assert costs == {date(2026, 3, 1): Decimal("-80.50")}
    assert all(item.customer == made.contract.customer.name for item in months)


def _as_in_the_tables(server: RealServer, read: Read) -> None:
    """Of all contracts that any test has made in this Odoo."""
    named = {
        "company": read.company,
        "entity": read.entity,
        "origin": origins_of_entity(read.entity),
    }

    def asked(sql: str, **more: str) -> dict[str, Decimal]:
        rows = (line.split("|") for line in server.odoo.psql(sql.format(**named, **more)).split())
        return {name: Decimal(number or 0) for name, number in rows}

    for column, of in {
        "amount_untaxed": lambda item: item.untaxed,
        "amount_total": lambda item: item.total,
        "amount_residual": still_open,
    }.items():
        assert read.by_currency(of) == asked(MOVES, column=column), column
    in_books = sum((part.open_in_books for item in read.invoices for part in item.parts), ZERO)
    untaxed = sum((invoices.revenue(item).amount for item in read.invoices), ZERO)
    assert {"untaxed": untaxed, "open": in_books} == asked(BOOKED)
    paid = read.by_currency(
        lambda item: sum(
            (row.amount for row in invoices.collected(item) if row.how == How.PAYMENT), ZERO
        )
    )
    assert {name: amount for name, amount in paid.items() if amount} == asked(COLLECTED)
    hours = [item for item in read.months if item.part == "hours"]
    worked = {
        "hours": sum((item.hours for item in hours), ZERO),
        "cost": sum((item.amount for item in hours), ZERO),
    }
    assert worked == asked(WORK)


def test_people_and_their_working_hours_are_read(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    timesheets = Timesheets(firm, made, firm.server.client("pm"))
    timesheets.log("support", "3", day="2033-05-10")
    work = OdooWork(firm.client, made.company, made.contract.legal_entity, date(2033, 5, 31))
    people = {item.email: item for page in work.employees() for item in page}
    petra = people["petra@northwind.example"]
    assert (petra.name, petra.role, petra.week_hours) == (
        "Petra Developer",
        "Developer",
        Decimal(40),
    )
    assert petra.is_active
    here = petra.id, date(2033, 5, 1)
    assert work.worked([petra])[here] == Decimal(3)
    assert sum(len(page) for page in work.pages())
    assert work.billable[here] == Decimal(3)


ON_THE_STAND_IN = pytest.mark.parametrize(
    "odoo_server", ["sandbox"], indirect=True, scope="session"
)
"""What would disturb the other tests of a real one."""


@ON_THE_STAND_IN
def test_money_of_a_bank_that_is_no_longer_used_is_money(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    life = Life(firm, made)
    life.pay(life.bill("1"), "100.00")
    used = [("company_id", "=", made.company), ("type", "in", ["bank", "cash", "credit"])]
    banks = [row["id"] for row in firm.odoo.search_read("account.journal", used, ["type"])]
    firm.odoo.write("account.journal", banks, {"active": False})
    try:
        [invoice] = Read.of(firm, made).of_contract(made)
    finally:
        firm.odoo.write("account.journal", banks, {"active": True})
    assert (collected(invoice), adjusted(invoice)) == (Decimal(100), ZERO)


@ON_THE_STAND_IN
@pytest.mark.parametrize("page_orders", [200, 1])
def test_no_work_counts_twice_where_people_copied_an_order(
    firm: Firm, monkeypatch: pytest.MonkeyPatch, page_orders: int
) -> None:
    """Odoo copies the origin; people choose the project. Both may be on one page, or on two."""
    monkeypatch.setattr(analytics_work, "PAGE_ORDERS", page_orders)
    made = firm.confirmed(taxed())
    _work(firm, made)

    def read() -> tuple[list[ProjectMonth], Hours]:
        until = date(2026, 4, 30)
        work = OdooWork(firm.client, made.company, made.contract.legal_entity, until)
        months = [item for page in work.pages() for item in page]
        of_this = [item for item in months if item.contract == made.contract.contract_id]
        return of_this, work.billable

    before = read()
    assert len(before[0]) == 3
    origin = f"contract/{made.contract.legal_entity}/{made.contract.contract_id}"
    fields = ["project_id", "partner_id", "company_id"]
    [order] = firm.odoo.search_read("sale.order", [("origin", "=", origin)], fields)
    copied = {name: order[name][0] for name in fields}
    firm.odoo.create("sale.order", [{**copied, "origin": origin}])
    assert read() == before


def test_a_customers_usual_delay_is_how_late_it_paid(firm: Firm) -> None:
    made = firm.confirmed(taxed())
    life = Life(firm, made)
    paid, left = life.bill("1"), life.bill("1")
    life.pay(paid, str(firm.balance(paid).residual.amount))
    source = OdooPostedInvoices(firm.client, made.company, made.contract.legal_entity, INVOICE_ON)
    after = date(2026, 3, 21)
    source = OdooPostedInvoices(firm.client, made.company, made.contract.legal_entity, after)
    [waits] = [
        item
        for page in source.pages()
        for item in page
        if item.contract == made.contract.contract_id and item.is_open
    ]
    source.look_up_delays({waits.payer})
    [expected] = source.cash_in(waits)
    due = firm.balance(left).due_on
    assert due is not None
    assert (due - date(2026, 3, 20)).days > 0  # so early does it pay
    assert expected.expected_on == date(2026, 3, 22)
    assert expected.amount == waits.total
