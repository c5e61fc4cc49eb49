"""What the CRM is told of a contract, and that it is told no more often than something changed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

from contracts.crm import ContractStatus
from contracts.model import JsonObject
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price, hourly, retained
from tests.unit.contract.played import REFUSED, Played, Worked


def dated(**fields: str) -> JsonObject:
    """Three milestones with their planned days."""
    days = {"design": "2026-03-10", "build": "2026-04-10", "live": "2026-05-10"} | fields
    data = fixed_price()
    rows = [row | {"due_on": days[row["key"]]} for row in data["milestones"]]
    return data | {"milestones": rows}


def without_day(status: ContractStatus) -> ContractStatus:
    return status.replace(next_invoice_on=None)


def test_the_next_invoice_is_the_first_milestone_that_is_not_issued() -> None:
    life = Played(dated(), system="hubspot")
    assert life.crm[-1].next_invoice_on == date(2026, 3, 10)

    life.reach("build")
    assert life.crm[-1].next_invoice_on == date(2026, 3, 10)
    life.issue(1)
    life.reach("design")
    assert life.crm[-1].next_invoice_on == date(2026, 3, 10), "proposed is not issued"
    life.issue(2)
    assert life.crm[-1].next_invoice_on == date(2026, 5, 10)

    life.reach("live")
    life.issue(3)
    assert life.crm[-1].next_invoice_on is None


def test_a_milestone_whose_day_has_passed_stays_the_next_invoice() -> None:
    life = Played(dated(), system="hubspot")
    life.skip_to_day(date(2026, 4, 20))
    life.reach("build")
    life.issue(1)
    assert life.crm[-1].next_invoice_on == date(2026, 3, 10)


def test_the_next_invoice_of_plans_changes_with_each_bill_and_costs_no_write_of_its_own() -> None:
    life = Played(hourly(), system="hubspot")
    life.odoo.lines[1] = Worked("dev", date(2026, 3, 5), Decimal("7.5"))
    assert life.crm[-1].next_invoice_on == date(2026, 4, 1)
    for month in range(4):
        life.skip(days=31)
        life.issue_and_settle_all()
        life.odoo.lines[2 + month] = Worked("dev", life.today, Decimal("1"))

    shown = list(dict.fromkeys(status.next_invoice_on for status in life.crm))
    assert shown[1:] == [date(2026, month, 1) for month in (4, 5, 6, 7, 8)]
    running = [status for status in life.crm if status.stage == "active"]
    for before, after in pairwise(running):
        assert without_day(before) != without_day(after)


def test_a_fee_in_advance_is_due_on_its_first_day_and_none_after_the_term() -> None:
    life = Played(retained(), system="hubspot")
    days = [life.crm[-1].next_invoice_on]
    life.issue_and_settle_all()
    for _ in range(3):
        days.append(life.crm[-1].next_invoice_on)
        life.skip(days=31)
        life.issue_and_settle_all()
    assert days == [date(2026, 3, 1), date(2026, 4, 1), None, None]


def test_exceptions_of_the_contract_and_its_invoices_are_counted_but_not_that_of_the_crm() -> None:
    life = Played(fixed_price(), system="hubspot")
    life.reach("design", "build")
    life.lose(1)
    life.lose(2)
    assert set(life.parked) == {"follow:1", "follow:2"}
    assert life.crm[-1].open_exceptions == 2

    life = Played(fixed_price(), system="hubspot")
    life.reach("design")
    life.fates["write_back"] = [REFUSED]
    life.lose(1)
    assert set(life.parked) == {"follow:1", "write_back"}
    life.resolve(Choice.RETRY, "write_back")
    assert life.crm[-1].open_exceptions == 1


def test_nothing_is_written_where_nothing_changed() -> None:
    life = Played(dated(), system="hubspot")
    for before, after in pairwise(life.crm):
        assert before != after
    count = len(life.crm)
    life.skip(days=3)
    life.renew()
    assert len(life.crm) == count
