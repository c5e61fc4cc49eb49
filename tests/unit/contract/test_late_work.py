"""Work of a plan that is over, approved or metered late, while the contract goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from contracts.billing.expenses import Expense
from contracts.billing.usage import UsageRecord
from contracts.contract import answers, reading
from contracts.contract.messages import NoticeGiven, Side, UsageReport
from contracts.money import Money
from tests.unit.contract import played
from tests.unit.contract.examples import _contract, fixed_price, hourly
from tests.unit.contract.played import ANA, Played, Worked, eur

RENEWS: Any = {"term": {"auto_renew": True}}


def _ends_in_march(plans: list[Any]) -> None:
    plans[0]["ends_on"] = "2026-03-31"


def _a_year(life: Played) -> None:
    """Until the next spring; each bill is issued."""
    for number in range(4, 16):
        year, month = divmod(number, 12)
        life.skip_to_day(date(2026 + year, month + 1, 2))
        life.issue(*(n for n, item in life.invoices.items() if item.report.total is None))


def _late_hours() -> Played:
    """`dev` is followed by `ops`; five hours of March are approved in April."""
    data = hourly(second=True, **RENEWS)
    _ends_in_march(data["time"])
    life = Played(data)
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 10), Decimal(10))
    life.odoo.lines[2] = Worked("dev", date(2026, 3, 30), Decimal(5), approved=False)
    life.skip_to_day(date(2026, 4, 2))
    life.issue(1)
    life.odoo.lines[2] = replace(life.odoo.lines[2], approved=True)
    return life


def test_hours_approved_after_their_plan_s_last_bill_are_billed_within_a_year() -> None:
    life = _late_hours()
    _a_year(life)
    assert life.billed() == eur("1800.00")


def test_hours_approved_after_their_plan_s_last_bill_are_billed_at_all() -> None:
    life = _late_hours()
    for _ in range(2):
        life.odoo.lines[len(life.odoo.lines) + 1] = Worked("ops", life.today, Decimal(1))
        _a_year(life)
        life.skip(days=200)
    life.send(NoticeGiven(side=Side.CUSTOMER, by=ANA))
    life.skip(days=900)
    life.issue_and_settle_all()
    life.skip(days=10)
    life.issue_and_settle_all()
    lines = [line for item in life.invoices.values() for line in item.proposal.lines]
    assert sum(line.amount.amount for line in lines if line.order_line == "dev") == 1800, [
        item.message for item in life.state.exceptions
    ]


def test_use_reported_after_its_plan_s_last_bill_is_billed_within_a_year() -> None:
    service = {"key": "net", "code": "USAGE", "description": "Network", "amount": "2000.00"}
    plans = [
        {"key": key, "service": "net", "unit": key, "tiers": [{"price": "1.00"}]}
        for key in ("calls", "messages")
    ]
    _ends_in_march(plans)
    days = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"}
    life = Played(_contract(value="2000.00", services=[service], usage=plans, **days, **RENEWS))
    for record, quantity in (("r1", 100), ("r2", 500)):
        found = UsageRecord(
            id=record, plan="calls", on=date(2026, 3, 30), quantity=Decimal(quantity)
        )
        assert life.send(UsageReport(records=(found,))).taken == 1
        life.skip_to_day(date(2026, 4, 5))
        life.issue(*(n for n, item in life.invoices.items() if item.report.total is None))
    _a_year(life)
    assert life.billed() == eur("600.00")


def test_retainage_is_released_once_all_milestones_are_billed_beside_a_service_that_goes_on() -> (
    None
):
    """docs/contract-file.md: `retainage.release_on`: otherwise when all milestones are billed."""
    services = [
        {"key": "build", "code": "BUILD", "description": "Build", "amount": "10000.00"},
        {"key": "desk", "code": "RETAINER", "description": "Desk", "amount": "0.00"},
    ]
    retainer = {"key": "care", "service": "desk", "fee": "100.00"}
    terms = {"retainage": {"percent": "10", "service": "build"}, "services": services}
    days = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"}
    life = Played(fixed_price(retainers=[retainer], **terms, **days, **RENEWS))
    life.reach("design", "build", "live")
    life.issue(*life.invoices)
    _a_year(life)
    lines = [line for item in life.invoices.values() for line in item.proposal.lines]
    held = sum(line.amount.amount for line in lines if line.order_line == "retainage")
    assert held == 0, f"{held} EUR still held back"


MARCH, APRIL = date(2026, 3, 20), date(2026, 4, 10)


def test_an_expense_costs_what_the_terms_of_its_day_say(monkeypatch: Any) -> None:
    approved: dict[int, date] = {}

    def reads(life: Played, action: Any, asked: Any) -> answers.RecordsRead[Expense]:
        """As `read_expenses` does: all of the project's, under the plan that asks."""
        found = tuple(
            Expense(
                expense_id=number,
                plan=asked.plan,
                on=on,
                description="Train",
                employee="Ann",
                cost=eur("100.00"),
            )
            for number, on in approved.items()
            if on <= asked.until
        )
        return answers.RecordsRead(found, (), life.now, asked.until)

    monkeypatch.setitem(played._PERFORM, reading.READ_EXPENSES, reads)
    service = {"key": "trips", "code": "EXPENSES", "description": "Travel", "amount": "2000.00"}
    plans = [
        {"key": "at-cost", "service": "trips", "ends_on": "2026-03-31"},
        {"key": "marked-up", "service": "trips", "starts_on": "2026-04-01", "markup": "10"},
    ]
    days = {"starts_on": "2026-03-01", "ends_on": "2026-12-31"}
    life = Played(_contract(value="2000.00", services=[service], expenses=plans, **days))
    life.skip_to_day(date(2026, 4, 5))
    approved |= {1: MARCH, 2: APRIL}
    life.skip_to_day(date(2027, 1, 5))
    billed = [item.proposal.amount for item in life.invoices.values()]
    assert Money.total(billed, "EUR") == eur("210.00")
