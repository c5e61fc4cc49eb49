"""Expenses billed on: each once, at cost plus mark-up, never above the cap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.billing.charges import ChargeKind, total
from contracts.billing.expenses import (
    BilledExpense,
    Expense,
    ExpenseBill,
    bill_expenses,
    price_of,
)
from contracts.model import Contract, ExpensePlan
from contracts.money import Money
from tests.unit.billing.made import contract, euros, holds_in_odoo


def plan_of(**changes: Any) -> tuple[Contract, ExpensePlan]:
    made = contract(expenses=[{"key": "travel", "service": "work"} | changes])
    return made, made.expenses[0]


def expense(number: int, cost: str, plan: str = "travel") -> Expense:
    return Expense(
        expense_id=number,
        plan=plan,
        on=date(2026, 3, 10),
        description="Train to Ghent",
        employee="Ana Alba",
        cost=euros(cost),
    )


class Client:
    """Bills a plan again and again, and keeps what a caller keeps: the ledger and what is spent."""

    def __init__(self, **plan: Any) -> None:
        self.contract, self.plan = plan_of(**plan)
        self.ledger: dict[int, BilledExpense] = {}
        self.spent = euros(0)
        self.bills = 0

    def look(self, expenses: Iterable[Expense], up_to_cap: bool = False) -> ExpenseBill:
        return bill_expenses(
            self.contract,
            self.plan,
            expenses,
            self.ledger,
            self.spent,
            f"bill{self.bills}",
            up_to_cap=up_to_cap,
        )

    def bill(self, *expenses: Expense, cut: bool = False) -> ExpenseBill:
        found = self.look(expenses, cut)
        self.bills += 1
        self.ledger |= found.billed
        self.spent += total(found.charges, "EUR")
        return found


def amounts(bill: ExpenseBill) -> list[str]:
    return [str(charge.amount) for charge in bill.charges]


def test_an_expense_is_billed_at_cost_plus_mark_up() -> None:
    found = Client(markup="12.5").bill(expense(2, "80"), expense(1, "10.10"))
    assert [(c.key, c.kind, str(c.amount)) for c in found.charges] == [
        ("travel:bill0:1", ChargeKind.EXPENSE, "11.36 EUR"),  # 11.3625
        ("travel:bill0:2", ChargeKind.EXPENSE, "90.00 EUR"),
    ]
    assert found.charges[0].description == "Train to Ghent (Ana Alba, 2026-03-10)"
    assert {(c.order_line, c.service_code) for c in found.charges} == {("travel", "DEVELOPMENT")}
    assert found.billed[2] == BilledExpense(
        cost=euros(80), billed=euros(90), charge="travel:bill0:2"
    )


def test_an_expense_is_billed_once() -> None:
    client = Client()
    client.bill(expense(1, "80"))
    assert client.bill(expense(1, "80")) == ExpenseBill(over_cap=euros(0))
    assert amounts(client.bill(expense(1, "80"), expense(2, "5"))) == ["5.00 EUR"]


def test_an_expense_of_nothing_or_of_another_plan_is_left_alone() -> None:
    none = ExpenseBill(over_cap=euros(0))
    assert Client().bill(expense(1, "0"), expense(2, "5", plan="tools")) == none


def test_a_changed_cost_is_corrected_by_the_difference() -> None:
    client = Client(markup="10")
    client.bill(expense(1, "80"))
    found = client.bill(expense(1, "60"))
    assert amounts(found) == ["-22.00 EUR"]
    assert found.charges[0].kind is ChargeKind.CORRECTION
    assert found.charges[0].description == (
        "Train to Ghent (Ana Alba, 2026-03-10): cost corrected from 80.00 EUR to 60.00 EUR"
    )
    nobody = expense(1, "0").model_copy(update={"employee": "", "description": "withdrawn"})
    found = client.bill(nobody)
    assert amounts(found) == ["-66.00 EUR"]
    assert found.charges[0].description == (
        "withdrawn (2026-03-10): cost corrected from 60.00 EUR to 0.00 EUR"
    )
    assert client.spent == euros(0)
    assert client.bill(expense(1, "0")).charges == ()


def test_a_change_of_cost_that_costs_nothing_is_only_noted() -> None:
    client = Client()
    client.contract, client.plan = plan_of(markup="0.01")
    client.bill(expense(1, "0.01"))
    client.contract, client.plan = plan_of(markup="0")
    client.ledger[1] = client.ledger[1].model_copy(update={"cost": euros("0.02")})
    found = client.bill(expense(1, "0.01"))
    assert found.charges == ()
    assert found.billed[1].cost == euros("0.01")


def test_an_expense_that_another_plan_billed_is_not_billed_twice() -> None:
    client = Client()
    client.ledger[1] = BilledExpense(cost=euros(5), billed=euros(5), charge="tools:x:1")
    assert client.bill(expense(1, "9")) == ExpenseBill(over_cap=euros(0))


def test_over_the_cap_a_person_decides_or_the_last_are_cut() -> None:
    client = Client(cap="100")
    expenses = [expense(1, "70"), expense(2, "50"), expense(3, "5")]
    found = client.look(expenses)
    assert (found.over_cap, amounts(found)) == (euros(25), ["70.00 EUR", "50.00 EUR", "5.00 EUR"])
    found = client.bill(*expenses, cut=True)
    assert (found.over_cap, amounts(found)) == (euros(25), ["70.00 EUR", "30.00 EUR"])
    assert found.billed[2].billed == euros(30)
    assert found.billed[2].uncharged == euros(20)
    assert found.billed[3].billed == euros(0)
    assert client.bill(*expenses).charges == ()


def test_a_cap_that_is_reached_exactly_is_not_exceeded() -> None:
    assert Client(cap="100").look([expense(1, "100")]).over_cap == euros(0)
    assert Client(cap="100").look([expense(1, "100.01")]).over_cap == euros("0.01")


def test_what_was_never_charged_is_not_credited() -> None:
    client = Client(cap="100")
    client.bill(expense(1, "70"), expense(2, "50"), cut=True)
    # 20 of the second were left out: of the first's 30 less, only 10 were ever charged.
    assert amounts(client.bill(expense(1, "40"))) == ["-10.00 EUR"]
    assert (client.ledger[1].billed, client.ledger[2].billed) == (euros(40), euros(50))


def test_a_cap_that_was_raised_does_not_bring_back_what_was_cut_off() -> None:
    client = Client(cap="100")
    client.bill(expense(1, "150"), cut=True)
    client.contract, client.plan = plan_of(cap="500")
    assert client.bill(expense(1, "150")).charges == ()
    assert amounts(client.bill(expense(1, "160"))) == ["10.00 EUR"]
    assert client.ledger[1] == BilledExpense(
        cost=euros(160), billed=euros(110), charge="travel:bill2:1", uncharged=euros(50)
    )


costs = st.decimals(0, 500, places=2)
stories = st.lists(
    st.dictionaries(st.integers(1, 5), costs, min_size=1, max_size=4), min_size=1, max_size=6
)


@given(stories, st.integers(1, 1500), st.sampled_from(["0", "7.5", "33.333"]))
def test_the_customer_pays_the_expenses_or_the_cap_whatever_changes(
    story: list[dict[int, Decimal]], cap: int, markup: str
) -> None:
    client = Client(cap=str(cap), markup=markup)
    known: dict[int, Money] = {}
    for found in story:
        expenses = [expense(number, str(cost)) for number, cost in found.items()]
        bill = client.bill(*expenses, cut=True)
        known |= {number: price_of(client.plan, euros(cost)) for number, cost in found.items()}
        assert client.spent == min(Money.total(known.values(), "EUR"), euros(cap))
        assert client.spent == Money.total((row.billed for row in client.ledger.values()), "EUR")
        assert all(row.billed.amount >= 0 for row in client.ledger.values())
        assert all(holds_in_odoo(charge) for charge in bill.charges)
        assert client.look(expenses, True).charges == ()
