"""What a contract tells: its backlog, what is to come, what of its hours is billed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from random import Random

import pytest

from contracts.analytics import rows
from contracts.analytics.contract import ContractFacts, backlog, facts
from contracts.billing import account
from contracts.billing.time import TimeEntry
from contracts.contract.messages import NoticeGiven
from contracts.contract.state import ContractStage, ContractState
from contracts.money import Money
from contracts.views.statement import statement
from tests.unit.billing.lives import Life
from tests.unit.engagements import active, at, example, issue, managed, mixed
from tests.unit.examples import contract, euros


def told(state: ContractState) -> ContractFacts:
    [found] = facts(state)
    return found


def total(found: ContractFacts, what: str) -> Money:
    return Money.total((getattr(item, what) for item in found.backlog), found.value.currency)


@pytest.mark.parametrize(
    "state",
    [
        active(contract()),
        mixed(),
        managed(),
        active(example("mixed")),
        at(managed(), date(2026, 8, 20)),
        at(mixed(), date(2027, 1, 20)),
    ],
)
def test_the_backlog_is_the_value_less_what_is_billed(state: ContractState) -> None:
    found, stated = told(state), statement(state)
    assert total(found, "billed") == stated.invoiced - stated.credited
    assert total(found, "entitled") == stated.earned + stated.proposed
    kept = stated.retained - stated.deposit_left
    assert total(found, "planned") == stated.planned + kept
    whole = total(found, "billed") + total(found, "entitled") + total(found, "planned")
    assert whole == found.value == stated.value


def test_a_backlog_line_by_line() -> None:
    lines = {item.order_line: item for item in told(mixed()).backlog}
    # Proposed: the pilot, less what it deducts of the deposit and holds back.
    assert lines["pilot"].entitled == euros("20000.00")
    assert lines["deposit"].entitled == euros("-3994.99")
    assert lines["retainage"].entitled == euros("-995.00")
    assert lines["handover"].planned == euros("10000.00")
    assert lines["deposit"].planned == euros("-2005.01")
    assert lines["retainage"].planned == euros("1570.00")
    assert lines["concept"].billed == euros("9900.00")
    assert "rounding" not in lines


def test_whatever_happens_a_backlog_is_the_value_less_what_is_billed() -> None:
    lines: set[str] = set()
    for seed in (*range(6), 23):
        life = Life(Random(seed))  # noqa: S311 - to repeat
        for _ in range(40):
            life.step()
            found = backlog(life.billing, life.today)
            lines |= {item.order_line for item in found}
            sums = account.sums(life.billing, life.today)
            left = [item.entitled + item.planned for item in found]
            assert Money.total(left, life.currency) == sums.value - sums.billed
        life.to_the_end()
        over = backlog(life.billing, life.today)
        assert {item.entitled + item.planned for item in over} == {Money.zero(life.currency)}
    assert {"deposit", "retainage", "rounding"} <= lines


def test_fees_come_by_the_terms_and_a_renewal_with_its_index() -> None:
    coming = told(managed()).coming
    fees = [item for item in coming if item.subject == "service-desk"]
    assert [(item.expected_on, item.amount) for item in fees[:2]] == [
        (date(2026, 2, 1), euros("3000.00")),
        (date(2026, 3, 1), euros("3000.00")),
    ]
    assert fees[-1].expected_on == date(2026, 12, 1)
    use = [(item.expected_on, item.amount) for item in coming if item.subject == "shipments"]
    assert use[0] == (date(2026, 4, 1), euros("1500.00"))  # the least, before anything is billed
    [renewal] = [item for item in coming if item.what == "renewal"]
    # From 2027-01-01 on 3 % more, for twelve months.
    assert (renewal.expected_on, renewal.amount) == (date(2027, 1, 1), euros("37080.00"))


def test_hours_above_a_fee_come_without_the_fee_that_is_on_their_bill() -> None:
    """In February the fee of the month is billed with the hours of January."""
    state = managed()
    january = TimeEntry(
        line_id=1,
        plan="service-desk",
        on=date(2026, 1, 20),
        hours=Decimal("60"),
        person="Petra",
        email="",
        role="Developer",
    )
    february = date(2026, 2, 1)
    billing = account.take_time(state.account, "service-desk", [january], [], february)
    billed = issue(state.replace(billing=billing), f"period:{february}", february)
    [bill] = [item for item in billed.account.invoices.values() if len(item.tracks) == 2]
    above = sum(amount for key, (amount, _) in bill.by_key.items() if key.startswith("overage:"))
    assert above > 0
    expected: dict[date, Decimal] = {}
    for item in told(billed).coming:
        if item.subject == "service-desk" and item.expected_on and item.amount:
            before = expected.get(item.expected_on, Decimal(0))
            expected[item.expected_on] = before + item.amount.amount
    assert expected[date(2026, 3, 1)] == 3000 + above


def test_hours_come_as_the_latest_bills_came_and_milestones_as_planned() -> None:
    coming = told(mixed()).coming
    assert [item.subject for item in coming if item.what == "milestone"] == ["handover"]
    hours = [item for item in coming if item.subject == "development"]
    assert hours[0].expected_on == date(2026, 4, 1)
    assert {item.amount for item in hours} == {euros("1500.00")}
    assert {item.amount for item in coming if item.subject == "travel"} == {None}


def test_nothing_is_renewed_after_notice() -> None:
    notice = NoticeGiven(side="customer", on=date(2026, 3, 1), by="sam")
    coming = told(managed().replace(notice=notice)).coming
    assert [item for item in coming if item.what == "renewal"] == []


def test_hours_on_issued_invoices_are_billed() -> None:
    state = mixed()
    [hours] = told(state).billed_hours
    assert (hours.person, hours.month) == ("petra@northwind.example", date(2026, 2, 1))
    assert hours.hours == Decimal("12.5")
    billing = account.request_credit(
        state.account, 2, date(2026, 3, 25), "wrong", "ana", reinvoice=True
    )
    credited = issue(state.replace(billing=billing), "credit:2:2", date(2026, 3, 28))
    assert told(credited).billed_hours == ()
    assert told(at(state, date(2027, 4, 1))).billed_hours == ()  # of the last thirteen months


def test_hours_of_a_retainer_are_billed_with_its_fee() -> None:
    hours = TimeEntry(
        line_id=1,
        plan="service-desk",
        on=date(2026, 1, 20),
        hours=Decimal("3.5"),
        person="Petra",
        email="",
        role="Developer",
    )
    later = hours.model_copy(update={"line_id": 2, "on": date(2026, 2, 3)})
    state = managed()
    billing = account.take_time(state.account, "service-desk", [hours, later], [], hours.on)
    [billed] = told(at(state.replace(billing=billing), date(2026, 2, 20))).billed_hours
    # January's fee is on an issued invoice, February's is not.
    assert (billed.person, billed.month, billed.hours) == (
        "Petra",
        date(2026, 1, 1),
        Decimal("3.5"),
    )


def test_an_invoice_was_earned_when_its_milestone_was_reached() -> None:
    state = mixed()
    report = state.invoices[3].replace(invoice_id=77)
    [earned] = told(state.with_invoice(report)).earned
    assert (earned.invoice_id, earned.earned_on) == (77, date(2026, 3, 20))


def test_what_is_not_valid_yet_tells_nothing() -> None:
    state = mixed().replace(contract=None, stage=ContractStage.VALIDATING)
    assert facts(state) == []


def test_rows_of_a_contract() -> None:
    found = told(mixed())
    row = rows.contract(found)
    assert (row.contract, row.stage, row.value, row.currency) == (
        found.contract_id,
        "active",
        Decimal("41400.00"),
        "EUR",
    )
    assert (row.touchless, row.ending, row.ended_at) == (True, "", None)
    assert {item.contract for item in rows.backlog(found)} == {found.contract_id}
    expected = list(rows.forecast(found, date(2026, 4, 15)))
    # What was due before is expected on the day of the export.
    assert expected[1].expected_on == date(2026, 4, 15)
    assert {item.currency for item in expected} == {"EUR"}
