"""The book of one contract: each thing it is told, and what becomes of the money."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.billing.book import (
    BillingEvent,
    Book,
    EventStatus,
    Findings,
    NotPossible,
    PeriodBill,
    milestone_event,
)
from contracts.billing.charges import Charge, ChargeKind, total
from contracts.billing.expenses import Expense
from contracts.billing.lines import InvoiceKind, InvoiceProposal
from contracts.billing.time import TimeEntry
from contracts.billing.usage import UsageRecord
from contracts.model import Contract
from contracts.money import Money
from tests.unit.billing.made import contract, euros

TIME = {"key": "dev", "service": "work", "rates": [{"price": "100"}]}
CARE = {"key": "care", "service": "work", "fee": "310"}
HOURS = {"key": "care", "service": "work", "fee": "310", "included_hours": "10"}
USAGE = {"key": "calls", "service": "work", "unit": "calls", "tiers": [{"price": "2"}]}
TRAVEL = {"key": "travel", "service": "work", "markup": "10"}
DEPOSIT = {"amount": "300", "service": "fees"}
RETAINAGE = {"percent": "10", "service": "fees"}
NONE = Decimal(0)
FIRST, TENTH = date(2026, 1, 1), date(2026, 1, 10)


def parts(**amounts: str) -> list[dict[str, Any]]:
    return [
        {"key": key, "name": key.upper(), "service": "work", "amount": amount}
        for key, amount in amounts.items()
    ]


def day(month: int, number: int = 1) -> date:
    return date(2026, month, number)


def entry(line: int, hours: str, on: date = TENTH, plan: str = "dev") -> TimeEntry:
    return TimeEntry(
        line_id=line,
        plan=plan,
        on=on,
        hours=Decimal(hours),
        person="Ann",
        email="ann@northwind.example",
        role="Developer",
    )


def spent(number: int, cost: str) -> Expense:
    return Expense(
        expense_id=number,
        plan="travel",
        on=day(1, 10),
        description="Train",
        employee="Ann",
        cost=euros(cost),
    )


class Told:
    """A book with its contract, and the workflow's part: invoices are numbered from 1."""

    def __init__(self, **changes: Any) -> None:
        self.contract = contract(**changes)
        self.book = Book()
        self.invoices: dict[int, InvoiceProposal] = {}

    def reach(self, key: str, on: date = FIRST) -> BillingEvent:
        event = self.book.reach(self.contract, key, on)
        assert event is not None
        return event

    def propose(self, key: str) -> int:
        number = len(self.invoices) + 1
        self.invoices[number] = self.book.propose(self.contract, key, number, FIRST)
        return number

    def bill(self, key: str) -> int:
        number = self.propose(key)
        self.book.issued(number)
        return number

    def bill_all(self) -> list[int]:
        found = []
        while self.book.ready():
            found.append(self.bill(self.book.ready()[0].key))
        return found

    def invoiced(self, key: str) -> int:
        """A milestone, reached and billed."""
        self.reach(key)
        return self.bill(milestone_event(key))

    def month(self, until: date, *, up_to_cap: bool = False, **findings: Any) -> PeriodBill:
        """The bill that is due by then, which is to be one."""
        dues = self.book.due_now(self.contract, until)
        found = Findings(**findings)
        return self.book.bill_period(self.contract, dues, found, up_to_cap=up_to_cap)

    def event(self, key: str) -> BillingEvent:
        return self.book.events[key]

    def amounts(self, key: str) -> dict[str, str]:
        return {c.key: str(c.amount.amount) for c in self.event(key).charges}

    def credit(self, number: int, amount: str | None = None, *, reinvoice: bool = False) -> str:
        wanted = euros(amount) if amount else None
        event = self.book.credit(
            self.contract, number, FIRST, "agreed", amount=wanted, reinvoice=reinvoice
        )
        return event.key

    def changes(self, **changes: Any) -> None:
        """A new version of the contract, as a change order makes one."""
        contract_data = self.contract.model_dump(mode="json", exclude_none=True) | changes
        self.contract = Contract.model_validate(contract_data, context={"currency": "EUR"})
        self.book.refresh(self.contract)

    @property
    def billed(self) -> str:
        return str(self.book.billed(self.contract).amount)

    @property
    def value(self) -> str:
        return str(self.book.value(self.contract).amount)

    @property
    def deposit_left(self) -> str:
        return str(self.book.deposit_left(self.contract).amount)

    @property
    def retained(self) -> str:
        return str(self.book.retained(self.contract).amount)

    @property
    def open_ends(self) -> list[str]:
        return self.book.open_ends(self.contract)

    def quantity(self, order_line: str) -> Decimal:
        found = [c.quantity for c in self.book.charges() if c.order_line == order_line]
        return sum(found, Decimal(0))

    def is_closed(self) -> bool:
        """Everything is billed, and comes to the contract's value."""
        return not self.open_ends and self.billed == self.value


def charged(told: Told) -> list[Charge]:
    return list(told.book.charges())


# --- deposit ----------------------------------------------------------------------------------


def test_a_contract_without_a_deposit_starts_with_nothing_to_bill() -> None:
    told = Told(milestones=parts(a="1000"))
    assert told.book.start(told.contract, FIRST) is None
    assert told.book.events == {}
    assert told.open_ends == ["milestone a is not reached"]


def test_a_deposit_is_billed_once_and_deducted_by_what_follows() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    assert told.book.start(told.contract, FIRST) is not None
    assert told.book.start(told.contract, FIRST) is None
    assert told.bill("deposit") == 1
    assert (told.billed, told.deposit_left, told.value) == ("300.00", "300.00", "1000.00")
    told.invoiced("a")
    assert told.amounts("milestone:a") == {"a": "500.00", "a:deposit": "-150.00"}
    assert told.deposit_left == "150.00"
    told.invoiced("b")
    assert (told.billed, told.deposit_left) == ("1000.00", "0.00")
    assert told.quantity("deposit") == 0
    assert told.is_closed()


def test_a_change_order_in_between_moves_what_is_still_to_be_deducted() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    told.invoiced("a")
    told.changes(milestones=parts(a="500", b="200", c="300"))
    assert told.value == "1000.00"
    told.invoiced("b")
    told.invoiced("c")
    assert told.amounts("milestone:b") == {"b": "200.00", "b:deposit": "-60.00"}
    assert told.amounts("milestone:c") == {"c": "300.00", "c:deposit": "-90.00"}
    assert told.quantity("deposit") == 0
    assert told.is_closed()


def test_a_deposit_of_all_leaves_invoices_of_zero() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit={"amount": "1000", "service": "fees"})
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    number = told.invoiced("a")
    assert told.invoices[number].amount == euros(0)
    assert told.invoices[number].kind is InvoiceKind.INVOICE
    told.invoiced("b")
    assert told.is_closed()


def test_an_invoice_of_zero_can_be_credited_in_whole_and_its_deposit_is_free_again() -> None:
    told = Told(milestones=parts(a="500"), deposit={"amount": "500", "service": "fees"})
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    number = told.invoiced("a")
    with pytest.raises(NotPossible, match=r"0.00 EUR of invoice 2 can still be credited"):
        told.credit(number, "1")
    credit = told.bill(told.credit(number))
    assert told.invoices[credit].kind is InvoiceKind.CREDIT_NOTE
    assert (told.deposit_left, told.value) == ("500.00", "0.00")
    assert told.book.unreach("a") is None
    assert told.value == "500.00"


def test_a_deposit_nobody_deducts_is_given_back_at_the_end() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    told.invoiced("a")
    told.changes(milestones=parts(a="500"))
    assert not told.book.is_settled(told.contract)
    final = told.book.finish(told.contract, FIRST)
    assert final is not None
    assert total(final.charges, "EUR") == euros(-150)
    told.bill("final")
    assert told.invoices[3].kind is InvoiceKind.CREDIT_NOTE
    assert (told.billed, told.quantity("deposit")) == ("500.00", NONE)
    assert told.is_closed()
    assert told.book.finish(told.contract, FIRST) is None


def test_a_refund_that_is_given_up_is_kept_and_does_not_come_back() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    told.changes(milestones=[])
    told.book.finish(told.contract, FIRST)
    told.book.drop("final", "agreed to keep it")
    assert told.book.finish(told.contract, FIRST) is None
    assert (told.value, told.billed, told.deposit_left) == ("300.00", "300.00", "0.00")
    assert told.is_closed()


def test_a_deposit_that_is_not_billed_is_charged_where_it_was_deducted() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.propose("deposit")
    told.invoiced("a")
    told.book.rejected(1)
    told.book.drop("deposit", "the customer pays later")
    assert told.deposit_left == "-150.00"
    told.invoiced("b")
    assert told.amounts("milestone:b") == {"b": "500.00"}
    final = told.book.finish(told.contract, FIRST)
    assert final is not None
    assert total(final.charges, "EUR") == euros(150)
    told.bill("final")
    assert (told.billed, told.quantity("deposit")) == ("1000.00", NONE)
    assert told.is_closed()


def test_what_is_deducted_again_and_again_ends_at_quantity_zero() -> None:
    keys = [f"m{number}" for number in range(150)]
    told = Told(milestones=parts(**dict.fromkeys(keys, "5")), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    for key in keys:
        told.invoiced(key)
    assert told.quantity("deposit") == 0
    assert told.is_closed()


def test_a_deposit_added_by_a_change_order_is_billed_then() -> None:
    told = Told(milestones=parts(a="500"))
    told.changes(deposit=DEPOSIT)
    assert told.book.start(told.contract, FIRST) is not None
    assert told.value == "500.00"


# --- milestones -------------------------------------------------------------------------------


def test_a_milestone_is_billed_once_however_often_it_is_reached() -> None:
    told = Told(milestones=parts(a="1000"))
    event = told.reach("a")
    assert event.as_planned
    assert told.book.reach(told.contract, "a", day(2)) is None
    with pytest.raises(NotPossible, match="has no milestone b"):
        told.book.reach(told.contract, "b", FIRST)
    number = told.bill(event.key)
    assert told.invoices[number].as_planned
    assert told.book.reach(told.contract, "a", day(2)) is None
    assert told.is_closed()


def test_unreached_while_ready_it_is_forgotten_with_what_it_took_along() -> None:
    told = Told(milestones=parts(a="1000"), retainers=[CARE], deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    told.book.credit_service(told.contract, "care", "march", "outage", euros(50))
    event = told.reach("a")
    assert [c.amount.amount for c in event.charges] == [1000, -300, -50]
    assert told.book.unreach("a") is None
    assert milestone_event("a") not in told.book.events
    assert (told.deposit_left, len(told.book.pending)) == ("300.00", 1)
    assert told.book.unreach("a") is None
    assert told.reach("a").charges == event.charges


@pytest.mark.parametrize("issue", [False, True])
def test_unreached_once_proposed_it_is_for_a_person(issue: bool) -> None:
    told = Told(milestones=parts(a="1000"))
    event = told.reach("a")
    number = told.propose(event.key)
    if issue:
        told.book.issued(number)
    assert told.book.unreach("a") is event
    assert told.value == "1000.00"


def test_unreached_after_it_was_given_up_nothing_happens() -> None:
    told = Told(milestones=parts(a="1000"))
    told.book.drop(told.reach("a").key, "a gift")
    assert told.book.unreach("a") is None
    assert told.book.reach(told.contract, "a", FIRST) is None
    assert [(item.what, item.amount) for item in told.book.unbilled] == [("A", euros(1000))]
    assert told.value == "0.00"
    assert told.is_closed()


def test_unreached_and_credited_a_milestone_can_be_reached_and_billed_anew() -> None:
    told = Told(milestones=parts(a="1000"), retainage=RETAINAGE)
    number = told.invoiced("a")
    assert told.book.unreach("a") is not None
    told.bill(told.credit(number))
    assert told.book.unreach("a") is None
    assert told.value == "1000.00"
    event = told.reach("a")
    assert [c.key for c in event.charges] == ["a:2", "milestone:a:retainage:2"]
    told.bill(event.key)
    assert (told.billed, told.retained) == ("900.00", "100.00")


def test_a_change_order_changes_what_is_reached_but_not_proposed() -> None:
    told = Told(milestones=parts(a="500", b="500", c="500"))
    a, b = told.reach("a"), told.reach("b")
    told.invoiced("c")
    told.changes(milestones=parts(a="500", b="700", c="500"))
    assert told.event(a.key) is a, "whoever waits for it may go on"
    assert told.event(b.key) is not b
    assert told.amounts("milestone:b") == {"b": "700.00"}
    told.changes(milestones=parts(a="500", c="500"))
    assert milestone_event("b") not in told.book.events
    told.bill_all()
    assert told.billed == "1000.00"
    assert told.is_closed()


# --- invoices --------------------------------------------------------------------------------


def test_a_proposal_says_all_that_its_event_says() -> None:
    told = Told(
        milestones=parts(a="1000"), purchase_order="PO-1", payment_term="30 Days", title="Platform"
    )
    number = told.propose(told.reach("a").key)
    proposal = told.invoices[number]
    assert (proposal.title, proposal.number, proposal.amount) == ("Platform – A", 1, euros(1000))
    assert (proposal.purchase_order, proposal.payment_term) == ("PO-1", "30 Days")
    assert (proposal.customer_key, proposal.customer_name) == ("acme", "Acme NV")
    with pytest.raises(NotPossible, match="is proposed, not ready"):
        told.propose("milestone:a")
    with pytest.raises(NotPossible, match="only what is not billed can be dropped"):
        told.book.drop("milestone:a", "no")


def test_news_of_an_invoice_may_come_twice_late_or_for_nothing() -> None:
    told = Told(milestones=parts(a="1000"))
    event = told.reach("a")
    first = told.propose(event.key)
    told.book.rejected(first)
    told.book.rejected(first)
    told.book.issued(first)
    assert (event.status, event.proposal) == (EventStatus.READY, None)
    second = told.propose(event.key)
    told.book.issued(second)
    told.book.issued(second)
    told.book.rejected(second)
    assert (event.status, told.book.event_of(second)) == (EventStatus.BILLED, event)
    told.book.issued(99)
    assert told.book.event_of(99) is None
    assert told.is_closed()


def test_what_is_committed_is_proposed_or_billed() -> None:
    told = Told(milestones=parts(a="100", b="20", c="3"))
    told.invoiced("a")
    told.propose(told.reach("b").key)
    told.reach("c")
    assert told.book.committed(told.contract) == euros(120)
    assert told.billed == "100.00"
    assert told.book.planned(told.contract) == euros(0)
    assert [event.key for event in told.book.ready()] == ["milestone:c"]


# --- retainage --------------------------------------------------------------------------------


def test_retainage_is_held_back_and_released_once() -> None:
    told = Told(milestones=parts(a="1000", b="500"), retainage=RETAINAGE)
    told.invoiced("a")
    told.reach("b")
    assert (told.retained, told.billed, told.value) == ("150.00", "900.00", "1500.00")
    assert told.book.releasable(told.contract) == euros(100), "only what is issued"
    event = told.book.release_retainage(told.contract, day(3), "handed over")
    assert event is not None
    assert (event.reason, event.as_planned) == ("handed over", True)
    assert told.book.release_retainage(told.contract, day(3), "again") is None
    told.bill_all()
    assert told.open_ends == ["50.00 EUR is still held back"]
    assert told.book.release_retainage(told.contract, day(3), "all is done") is not None
    told.bill_all()
    assert (told.billed, told.quantity("retainage")) == ("1500.00", NONE)
    assert told.is_closed()


def test_from_the_day_of_its_release_on_nothing_is_held_back() -> None:
    told = Told(
        milestones=parts(a="1000", b="1000"), retainage=RETAINAGE | {"release_on": "2026-03-01"}
    )
    told.reach("a", day(2, 28))
    told.reach("b", day(3, 1))
    assert told.retained == "100.00"


def test_a_release_that_is_given_up_is_forfeited() -> None:
    told = Told(milestones=parts(a="1000"), retainage=RETAINAGE)
    told.invoiced("a")
    told.book.release_retainage(told.contract, FIRST, "done")
    told.book.drop("retainage:1", "settled for less")
    assert told.book.release_retainage(told.contract, FIRST, "again") is None
    assert (told.value, told.billed, told.retained) == ("900.00", "900.00", "0.00")
    assert [item.amount for item in told.book.unbilled] == [euros(100)]
    assert told.is_closed()


def test_forfeited_retainage_is_out_of_the_contracts_value() -> None:
    told = Told(milestones=parts(a="1000"), retainage=RETAINAGE)
    told.invoiced("a")
    assert told.book.forfeit_retainage(told.contract, "ended early") == euros(100)
    assert told.book.forfeit_retainage(told.contract, "ended early") == euros(0)
    assert told.book.release_retainage(told.contract, FIRST, "late") is None
    assert (told.value, told.billed) == ("900.00", "900.00")
    assert [(item.what, item.amount) for item in told.book.unbilled] == [("retainage", euros(100))]
    assert told.is_closed()


def test_an_invoice_credited_while_its_retainage_is_released_is_credited_with_it() -> None:
    told = Told(milestones=parts(a="1000"), retainage=RETAINAGE)
    number = told.invoiced("a")
    credit = told.credit(number)
    told.book.release_retainage(told.contract, FIRST, "done")
    told.bill("retainage:1")
    told.bill(credit)
    assert (told.retained, told.billed, told.value) == ("-100.00", "100.00", "0.00")
    event = told.book.release_retainage(told.contract, FIRST, "was released before")
    assert event is not None
    assert event.kind is InvoiceKind.CREDIT_NOTE
    told.bill_all()
    assert told.billed == "0.00"
    assert told.is_closed()


def test_an_hour_corrected_after_the_release_takes_back_what_was_released_of_it() -> None:
    told = Told(time=[TIME], retainage=RETAINAGE, ends_on="2026-02-28")
    told.month(day(2), entries=(entry(1, "10"),))
    told.bill_all()
    told.book.release_retainage(told.contract, day(2), "agreed")
    told.bill_all()
    told.month(day(3), entries=(entry(1, "8"),))
    told.bill_all()
    assert (told.billed, told.value, told.retained) == ("820.00", "800.00", "-20.00")
    told.book.release_retainage(told.contract, day(3), "everything is billed")
    told.bill_all()
    assert told.billed == "800.00"
    assert told.is_closed()


# --- credits ----------------------------------------------------------------------------------


def test_a_whole_credit_mirrors_every_line() -> None:
    told = Told(milestones=parts(a="1000", b="1000"), deposit=DEPOSIT, retainage=RETAINAGE)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    number = told.invoiced("a")
    key = told.credit(number)
    assert key == "credit:2:1"
    assert [c.amount.amount for c in told.event(key).charges] == [-1000, 150, 100]
    proposal = told.invoices[told.bill(key)]
    assert (proposal.kind, proposal.credited_number) == (InvoiceKind.CREDIT_NOTE, number)
    assert (proposal.reason, proposal.amount) == ("agreed", euros(-750))
    assert (told.deposit_left, told.retained, told.value) == ("300.00", "0.00", "1000.00")
    assert told.book.creditable(number) == euros(0)


def test_a_part_is_spread_over_what_was_earned() -> None:
    told = Told(milestones=parts(a="1000"), time=[TIME], retainage=RETAINAGE)
    told.month(day(2), entries=(entry(1, "3"), entry(2, "1")))
    number = told.bill("period:2026-02-01")
    credit = told.bill(told.credit(number, "36"))
    assert told.invoices[credit].amount == euros(-36)
    assert (told.retained, told.value) == ("40.00", "1364.00")
    assert told.book.creditable(number) == euros(324)
    told.bill(told.credit(number))
    assert told.book.creditable(number) == euros(0)
    assert [c.key for c in charged(told)][-1] == "dev:2026-02-01:1:credit:1:2"


@pytest.mark.parametrize("amount", ["0.00", "-1", "1000.01"])
def test_no_more_is_credited_than_was_billed(amount: str) -> None:
    told = Told(milestones=parts(a="1000"))
    number = told.invoiced("a")
    with pytest.raises(NotPossible, match=r"1000.00 EUR of invoice 1 can still be credited"):
        told.credit(number, amount)
    with pytest.raises(NotPossible, match=r"can still be credited, not 1\.00 USD"):
        told.book.credit(told.contract, number, FIRST, "agreed", amount=Money(1, "USD"))
    assert told.billed == "1000.00"


def test_only_an_issued_invoice_can_be_credited() -> None:
    told = Told(milestones=parts(a="1000", b="1000"))
    number = told.invoiced("a")
    credit = told.bill(told.credit(number, "10"))
    with pytest.raises(NotPossible, match="is a credit note itself"):
        told.credit(credit)
    proposed = told.propose(told.reach("b").key)
    for missing in (proposed, 99):
        with pytest.raises(NotPossible, match=f"invoice {missing} is not issued"):
            told.credit(missing)


def test_a_credit_on_its_way_counts_and_one_that_was_given_up_does_not() -> None:
    told = Told(milestones=parts(a="1000"))
    number = told.invoiced("a")
    key = told.credit(number)
    with pytest.raises(NotPossible, match=r"0.00 EUR of invoice 1 can still be credited"):
        told.credit(number)
    told.book.drop(key, "not agreed")
    assert told.book.creditable(number) == euros(1000)
    assert told.credit(number) == "credit:1:2"


def test_what_was_deducted_of_a_deposit_is_not_credited_with_it() -> None:
    told = Told(milestones=parts(a="500", b="500"), deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    number = told.bill("deposit")
    told.invoiced("a")
    assert told.book.creditable(number) == euros(150)
    with pytest.raises(NotPossible, match=r"150.00 EUR of invoice 1"):
        told.credit(number, "200")
    told.bill(told.credit(number, "50"))
    assert (told.deposit_left, told.value) == ("100.00", "1000.00")
    told.invoiced("b")
    assert (told.billed, told.quantity("deposit")) == ("1000.00", NONE)
    assert told.is_closed()


def test_after_the_release_an_invoice_is_credited_in_part_and_the_release_by_itself() -> None:
    told = Told(milestones=parts(a="1000"), retainage=RETAINAGE)
    number = told.invoiced("a")
    told.book.release_retainage(told.contract, FIRST, "done")
    (release,) = told.bill_all()
    with pytest.raises(NotPossible, match="nothing of its retainage released"):
        told.credit(number, reinvoice=True)
    told.bill(told.credit(number))
    assert (told.billed, told.value, told.retained) == ("100.00", "100.00", "0.00")
    told.bill(told.credit(release, "40"))
    told.bill(told.credit(release))
    assert (told.billed, told.value, told.retained) == ("0.00", "0.00", "0.00")
    assert told.is_closed()


def test_an_invoice_is_issued_anew_once_it_is_credited() -> None:
    told = Told(milestones=parts(a="1000"), deposit=DEPOSIT, retainage=RETAINAGE)
    told.book.start(told.contract, FIRST)
    told.bill("deposit")
    number = told.invoiced("a")
    key = told.credit(number, reinvoice=True)
    credit = told.propose(key)
    assert told.book.ready() == []
    told.book.issued(credit)
    told.book.issued(credit)
    (event,) = told.book.ready()
    assert event.key == "milestone:a"
    assert (event.title, event.as_planned) == ("A (issued anew)", False)
    again = told.bill(event.key)
    assert told.invoices[again].amount == told.invoices[number].amount
    assert (told.value, told.retained, told.deposit_left) == ("1000.00", "100.00", "0.00")
    told.bill(told.credit(again, reinvoice=True))
    assert [c.key for c in told.book.ready()[0].charges] == [
        "a:again4",
        "a:deposit:again4",
        "milestone:a:retainage:again4",
    ]


def test_if_its_credit_is_given_up_nothing_is_issued_anew() -> None:
    told = Told(milestones=parts(a="1000"))
    number = told.invoiced("a")
    key = told.credit(number, reinvoice=True)
    told.book.rejected(told.propose(key))
    told.book.drop(key, "not agreed")
    assert told.book.ready() == []
    assert told.billed == "1000.00"
    assert told.is_closed()


def test_only_a_whole_credit_is_issued_anew() -> None:
    told = Told(milestones=parts(a="1000"))
    number = told.invoiced("a")
    with pytest.raises(NotPossible, match="only an invoice that is credited in whole"):
        told.credit(number, "10", reinvoice=True)
    told.bill(told.credit(number, "10"))
    with pytest.raises(NotPossible, match="only an invoice that is credited in whole"):
        told.credit(number, reinvoice=True)


def test_an_invoice_issued_anew_follows_a_change_order() -> None:
    told = Told(milestones=parts(a="1000"))
    told.bill(told.credit(told.invoiced("a"), reinvoice=True))
    told.changes(milestones=parts(a="1200"))
    told.bill_all()
    assert told.billed == "1200.00"
    assert told.is_closed()


def test_what_a_credited_invoice_had_deducted_is_still_owed() -> None:
    told = Told(milestones=parts(a="1000", b="1000"), retainers=[CARE])
    told.book.credit_service(told.contract, "care", "outage", "outage", euros(50))
    number = told.invoiced("a")
    assert told.invoices[number].amount == euros(950)
    told.bill(told.credit(number))
    assert [item.amount for item in told.book.pending] == [euros(-50)]
    assert told.invoices[told.invoiced("b")].amount == euros(950)


def test_an_invoice_issued_anew_gives_back_what_it_deducts_if_it_is_forgotten() -> None:
    told = Told(milestones=parts(a="1000"), retainers=[CARE])
    told.book.credit_service(told.contract, "care", "outage", "outage", euros(50))
    told.bill(told.credit(told.invoiced("a"), reinvoice=True))
    assert told.book.pending == []
    assert told.book.unreach("a") is None
    assert [item.amount for item in told.book.pending] == [euros(-50)]


# --- time -------------------------------------------------------------------------------------


def test_hours_are_billed_once_and_corrected_by_what_changed() -> None:
    told = Told(time=[TIME], ends_on="2026-03-31")
    told.month(day(2), entries=(entry(1, "10"), entry(2, "4")))
    told.bill_all()
    told.month(day(3), entries=(entry(1, "12"), entry(2, "4"), entry(3, "1")), gone=())
    told.bill_all()
    told.month(day(4), gone=(2,))
    assert told.bill_all() == [3]
    assert [str(told.invoices[n].amount) for n in (1, 2, 3)] == [
        "1400.00 EUR",
        "300.00 EUR",
        "-400.00 EUR",
    ]
    assert told.invoices[3].kind is InvoiceKind.CREDIT_NOTE
    assert not told.invoices[1].as_planned
    assert told.is_closed()


def test_without_a_rate_nothing_is_booked() -> None:
    told = Told(time=[TIME | {"rates": [{"price": "100", "person": "bob@northwind.example"}]}])
    bill = told.month(day(2), entries=(entry(1, "10"),))
    assert [(item.code, item.field) for item in bill.problems] == [
        ("rate_missing", "time.dev.rates")
    ]
    assert (told.book.events, told.book.time, told.book.through) == ({}, {}, {})


def test_at_the_cap_a_person_decides() -> None:
    told = Told(time=[TIME | {"cap": "1000"}])
    bill = told.month(day(2), entries=(entry(1, "12"),))
    assert [(item.code, item.value) for item in bill.problems] == [("cap_reached", "200.00 EUR")]
    assert told.book.time == {}
    bill = told.month(day(2), up_to_cap=True, entries=(entry(1, "12"),))
    assert bill.event == "period:2026-02-01"
    assert told.value == "1000.00"
    assert [(item.what, item.amount) for item in told.book.unbilled] == [("dev", euros(200))]
    told.bill_all()
    told.month(day(3), entries=(entry(1, "11"),))
    assert told.value == "1000.00", "an hour that was never charged is not credited"
    told.month(day(4), entries=(entry(1, "9"),))
    assert told.value == "900.00"


def test_a_raised_cap_lets_the_whole_period_through() -> None:
    told = Told(time=[TIME | {"cap": "1000"}])
    assert told.month(day(2), entries=(entry(1, "12"),)).problems
    told.changes(time=[TIME | {"cap": "2000"}])
    assert not told.month(day(2), entries=(entry(1, "12"),)).problems
    assert told.value == "1200.00"
    assert told.book.unbilled == []


def test_hours_that_cost_nothing_need_no_invoice() -> None:
    told = Told(time=[TIME | {"rates": [{"price": "0.10"}]}])
    bill = told.month(day(2), entries=(entry(1, "0.01"),))
    assert bill.event is None
    assert (told.book.events, told.book.through) == ({}, {"dev:time": day(1, 31)})
    assert told.book.time[1].hours == Decimal("0.01")


def test_a_given_up_period_is_never_billed_nor_credited() -> None:
    told = Told(time=[TIME], usage=[USAGE], expenses=[TRAVEL])
    told.book.record_usage(told.contract, record("r1", "100"))
    told.month(day(2), entries=(entry(1, "10"),), expenses=(spent(1, "100"),))
    told.book.drop("period:2026-02-01", "a gift")
    assert [item.amount for item in told.book.unbilled] == [euros(1310)]
    told.book.record_usage(told.contract, record("r1", "10"))
    bill = told.month(day(3), gone=(1,), expenses=(spent(1, "70"),))
    assert (bill.event, told.value) == (None, "0.00")


def test_an_invoice_credited_for_good_is_not_credited_again_by_a_correction() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"),))
    (number,) = told.bill_all()
    told.bill(told.credit(number))
    assert told.month(day(3), gone=(1,)).event is None
    assert (told.billed, told.value) == ("0.00", "0.00")


def test_while_an_invoice_is_being_credited_its_hours_are_not_corrected() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"), entry(2, "1")))
    (number,) = told.bill_all()
    key = told.credit(number)
    assert told.month(day(3), entries=(entry(1, "8"),), gone=(2,)).event is None
    told.book.drop(key, "not agreed")
    told.month(day(4), gone=(2,))
    assert told.value == "800.00", "given up, the credit leaves what was found meanwhile"


def two_plans(**changes: Any) -> Told:
    return Told(time=[TIME, TIME | {"key": "ops", "rates": [{"price": "50"}]} | changes])


def test_a_line_moved_to_another_plan_is_given_up_there_and_billed_here() -> None:
    told = two_plans()
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), entries=(entry(1, "10", plan="ops"),))
    assert told.amounts("period:2026-03-01") == {
        "dev:2026-03-01:1": "-1000.00",
        "ops:2026-03-01:1": "500.00",
    }
    assert told.month(day(4), entries=(entry(1, "10", plan="ops"),)).event is None


def test_a_line_moved_to_a_plan_that_is_billed_sooner_waits_for_the_other() -> None:
    told = two_plans(every="quarter", key="a-later-quarter")
    told.changes(
        time=[
            TIME | {"every": "quarter"},
            TIME | {"key": "ops", "rates": [{"price": "50"}]},
        ]
    )
    for month in (2, 3):
        told.month(day(month))
    told.month(day(4), entries=(entry(1, "10"),))
    told.month(day(5), entries=(entry(1, "10", plan="ops"),))
    assert told.book.lines_of(["ops"]) == [1], "it is asked for until it is billed"
    assert told.value == "1000.00"
    told.month(day(6))
    told.month(day(7), gone=())
    assert told.value == "1000.00", "still the quarter's: nobody said that it is gone there"
    told.book.through["dev:time"] = day(3, 31)
    told.month(day(8), gone=(1,))
    assert told.value == "0.00"
    told.month(day(8))
    assert told.value == "500.00"


def test_a_moved_line_that_is_deleted_is_not_billed() -> None:
    told = two_plans()
    told.month(day(2), entries=(entry(1, "10"),))
    told.book.moved[1] = entry(1, "10", plan="ops")
    told.month(day(3), gone=(1,))
    assert (told.value, told.book.moved) == ("0.00", {})
    assert told.month(day(4)).event is None


# --- retainers --------------------------------------------------------------------------------


def test_a_fee_is_billed_for_each_period_as_planned() -> None:
    told = Told(retainers=[CARE], ends_on="2026-02-15")
    assert [due.on for due in told.book.dues(told.contract)] == [day(1)]
    told.month(day(1))
    told.month(day(2))
    assert told.bill_all() == [1, 2]
    assert [str(item.amount.amount) for item in charged(told)] == ["310.00", "166.07"]
    assert told.invoices[1].as_planned
    assert told.book.dues(told.contract) == []
    assert told.book.due_now(told.contract, day(12)) == []
    assert told.is_closed()


def test_a_fee_of_nothing_needs_no_invoice() -> None:
    told = Told(retainers=[CARE | {"fee": "0.10"}], starts_on="2026-01-31")
    bill = told.month(day(1, 31))
    assert (bill.event, told.book.events) == (None, {})
    assert told.book.dues(told.contract)[0].on == day(2)


def test_included_hours_carry_over_and_more_are_charged() -> None:
    plan = HOURS | {"overage_price": "50", "carry_over": "next_period"}
    told = Told(retainers=[plan | {"included_hours": "31"}])
    told.month(day(1))
    told.month(day(2), entries=(entry(1, "21", plan="care"),))
    assert told.book.carried == {"care": Decimal("10.00")}
    told.month(day(3), entries=(entry(2, "43", day(2, 3), plan="care"),))
    overage = [c for c in charged(told) if c.kind is ChargeKind.OVERAGE]
    assert [(c.quantity, c.amount) for c in overage] == [(Decimal("2.00"), euros(100))]
    told.month(day(4), entries=(entry(2, "40", day(2, 3), plan="care"),))
    assert told.book.carried == {"care": Decimal("34.00")}, "what was taken back adds to it"


def test_a_service_credit_comes_off_the_next_invoice_once() -> None:
    told = Told(retainers=[CARE], usage=[USAGE])
    for _ in range(2):
        told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    told.month(day(1))
    (number,) = told.bill_all()
    assert told.invoices[number].amount == euros(250)
    assert not told.invoices[number].as_planned
    assert not told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    with pytest.raises(NotPossible, match="no retainer calls"):
        told.book.credit_service(told.contract, "calls", "july", "outage", euros(60))
    for wrong in (euros(0), euros(-1), Money(1, "USD")):
        with pytest.raises(NotPossible, match="above zero in EUR"):
            told.book.credit_service(told.contract, "care", "july", "outage", wrong)


def test_a_service_credit_larger_than_the_invoice_waits_for_the_end() -> None:
    told = Told(retainers=[CARE], ends_on="2026-01-31")
    told.book.credit_service(told.contract, "care", "big", "outage", euros(400))
    told.book.credit_service(told.contract, "care", "small", "outage", euros(100))
    told.month(day(1))
    told.bill_all()
    assert told.billed == "210.00"
    assert told.open_ends == ["Development, service credit: outage (-400.00 EUR) is not deducted"]
    told.book.finish(told.contract, day(2))
    (final,) = told.bill_all()
    assert told.invoices[final].kind is InvoiceKind.CREDIT_NOTE
    assert (told.billed, told.value) == ("-190.00", "-190.00")
    assert told.is_closed()


def test_what_a_given_up_event_took_along_comes_with_the_next() -> None:
    told = Told(milestones=parts(a="1000", b="1000"), retainers=[CARE])
    told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    told.book.drop(told.reach("a").key, "a gift")
    assert [item.amount for item in told.book.unbilled] == [euros(1000)]
    assert told.invoices[told.invoiced("b")].amount == euros(940)


def test_a_given_up_settlement_does_not_come_back() -> None:
    told = Told(retainers=[CARE], ends_on="2026-01-31")
    told.month(day(1))
    told.bill_all()
    told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    told.book.finish(told.contract, day(2))
    told.book.drop("final", "settled otherwise")
    assert told.book.is_settled(told.contract)
    assert not told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    assert told.is_closed()


# --- usage ------------------------------------------------------------------------------------


def record(name: str, quantity: str, on: date = TENTH) -> UsageRecord:
    return UsageRecord(id=name, plan="calls", on=on, quantity=Decimal(quantity))


def test_usage_counts_once_and_its_last_word_counts() -> None:
    told = Told(usage=[USAGE])
    book = told.book
    assert book.record_usage(told.contract, record("r1", "10"))
    assert not book.record_usage(told.contract, record("r1", "10"))
    assert book.record_usage(told.contract, record("r1", "12"))
    assert book.record_usage(told.contract, record("r2", "1.5"))
    told.month(day(2))
    told.bill_all()
    assert told.billed == "27.00"
    assert book.record_usage(told.contract, record("late", "2"))
    assert book.record_usage(told.contract, record("r1", "2"))
    told.month(day(3))
    assert told.amounts("period:2026-03-01") == {"calls:2026-01-01:2026-03-01": "-16.00"}


def test_usage_outside_the_plan_is_refused() -> None:
    told = Told(usage=[USAGE | {"ends_on": "2026-06-30"}], time=[TIME])
    for on in (date(2025, 12, 31), day(7)):
        with pytest.raises(NotPossible, match="outside the plan, from 2026-01-01 to 2026-06-30"):
            told.book.record_usage(told.contract, record("r", "1", on))
    with pytest.raises(NotPossible, match="no usage plan dev"):
        told.book.record_usage(told.contract, record("r", "1").model_copy(update={"plan": "dev"}))
    assert told.book.records == {}


def test_usage_is_settled_for_good_once_it_is_long_ago() -> None:
    told = Told(usage=[USAGE | {"every": "year"}], ends_on="2028-12-31")
    told.book.record_usage(told.contract, record("old", "10"))
    told.book.record_usage(told.contract, record("new", "1", date(2028, 6, 1)))
    told.month(date(2027, 1, 1))
    told.month(date(2028, 1, 1))
    assert told.book.record_usage(told.contract, record("old", "11")), "not that long ago"
    told.month(date(2029, 1, 1))
    assert told.value == "24.00", "what was changed in time is billed"
    assert told.book.record_usage(told.contract, record("old", "11")) is False
    told.changes(ends_on="2029-12-31")
    told.month(date(2030, 1, 1))
    assert told.book.records.keys() == {"calls:new"}
    with pytest.raises(NotPossible, match="usage until 2027-12-31 is settled for good"):
        told.book.record_usage(told.contract, record("old", "12"))
    assert told.value == "24.00"


def test_usage_records_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.billing.book.MAX_USAGE_RECORDS", 2)
    told = Told(usage=[USAGE])
    told.book.record_usage(told.contract, record("r1", "1"))
    told.book.record_usage(told.contract, record("r2", "1"))
    with pytest.raises(NotPossible, match="2 usage records are kept at most"):
        told.book.record_usage(told.contract, record("r3", "1"))
    assert told.book.record_usage(told.contract, record("r2", "2"))


def test_usage_reported_after_the_last_period_is_settled_at_the_end() -> None:
    told = Told(usage=[USAGE], ends_on="2026-01-31")
    told.month(day(2))
    assert told.book.is_settled(told.contract)
    told.book.record_usage(told.contract, record("late", "7"))
    assert told.open_ends == ["the usage of January 2026 has changed"]
    assert not told.book.is_settled(told.contract)
    told.book.finish(told.contract, day(3))
    told.bill_all()
    assert told.billed == "14.00"
    told.book.record_usage(told.contract, record("later", "1"))
    assert told.book.finish(told.contract, day(3)) is not None
    told.bill_all()
    assert told.billed == "16.00"
    assert told.is_closed()


def test_what_is_missing_to_the_commitment_is_billed_at_the_end() -> None:
    told = Told(usage=[USAGE | {"commitment": "100"}], ends_on="2026-01-31")
    told.book.record_usage(told.contract, record("r1", "30"))
    told.month(day(2))
    (number,) = told.bill_all()
    told.bill(told.credit(number, "10"))
    event = told.book.finish(told.contract, day(2))
    assert event is not None
    assert total(event.charges, "EUR") == euros(40), "what was credited is not billed again"
    told.bill_all()
    assert told.book.finish(told.contract, day(2)) is None
    assert told.is_closed()


def test_a_period_given_up_is_not_billed_by_way_of_the_commitment() -> None:
    told = Told(usage=[USAGE | {"commitment": "100"}], ends_on="2026-01-31")
    told.book.record_usage(told.contract, record("r1", "30"))
    told.month(day(2))
    told.book.drop("period:2026-02-01", "a gift")
    told.book.finish(told.contract, day(2))
    told.book.drop("final", "a gift, too")
    assert told.book.finish(told.contract, day(2)) is None
    assert (told.billed, told.value) == ("0.00", "0.00")
    assert told.is_closed()


# --- expenses ---------------------------------------------------------------------------------


def test_expenses_are_billed_once_and_corrected_by_what_changed() -> None:
    told = Told(expenses=[TRAVEL])
    told.month(day(2), expenses=(spent(1, "100"), spent(2, "50")))
    told.month(day(3), expenses=(spent(1, "100"), spent(2, "40")))
    told.month(day(4), gone_expenses=(1,))
    amounts = [str(c.amount.amount) for c in charged(told)]
    assert amounts == ["110.00", "55.00", "-11.00", "-110.00"]
    told.month(day(5), expenses=(spent(1, "100"),), gone_expenses=(1,))
    assert told.value == "154.00"


def test_expenses_over_their_cap_are_cut_and_listed() -> None:
    told = Told(expenses=[TRAVEL | {"cap": "100"}])
    found = (spent(1, "70"), spent(2, "40"))
    assert [item.code for item in told.month(day(2), expenses=found).problems] == ["cap_reached"]
    told.month(day(2), up_to_cap=True, expenses=found)
    assert told.value == "100.00"
    assert [item.amount for item in told.book.unbilled] == [euros(21)]


# --- a last look ------------------------------------------------------------------------------


def look(told: Told, **findings: Any) -> PeriodBill:
    dues = told.book.last_look(told.contract)
    return told.book.bill_period(told.contract, dues, Findings(**findings))


def test_what_is_approved_after_the_last_period_is_billed_before_the_contract_closes() -> None:
    told = Told(time=[TIME], expenses=[TRAVEL], retainers=[CARE], ends_on="2026-01-31")
    assert told.book.last_look(told.contract) == []
    told.month(day(1))
    told.month(day(2), entries=(entry(1, "10"),))
    assert told.book.last_look(told.contract) == [], "something is on its way"
    told.bill_all()
    dues = told.book.last_look(told.contract)
    assert [(due.plan, due.part, due.on) for due in dues] == [
        ("dev", "time", day(2)),
        ("travel", "expenses", day(2)),
    ]
    late = look(told, entries=(entry(1, "10"), entry(2, "3")), expenses=(spent(1, "10"),))
    assert late.event == "period:2026-02-01:2"
    assert told.event(late.event).title == "January 2026 (approved late)"
    told.bill_all()
    assert told.billed == "1621.00"
    assert look(told, entries=(entry(2, "3"),)).event is None
    assert told.is_closed()


def test_hours_approved_late_use_what_the_last_period_left() -> None:
    told = Told(retainers=[HOURS | {"overage_price": "50"}], ends_on="2026-01-31")
    told.month(day(1))
    told.month(day(2), entries=(entry(1, "6", plan="care"),))
    told.bill_all()
    assert look(told, entries=(entry(2, "3", plan="care"),)).event is None
    assert look(told, entries=(entry(3, "3", plan="care"),)).event is not None
    told.bill_all()
    assert told.billed == "410.00"
    assert told.is_closed()


# --- rejections -------------------------------------------------------------------------------


def everything() -> Told:
    told = Told(time=[TIME | {"cap": "500"}], retainers=[HOURS], usage=[USAGE], expenses=[TRAVEL])
    told.month(day(1))
    told.bill_all()
    told.book.credit_service(told.contract, "care", "june", "outage", euros(60))
    told.book.record_usage(told.contract, record("r1", "10"))
    return told


FOUND: dict[str, Any] = {
    "entries": (entry(1, "6"), entry(2, "3", plan="care")),
    "expenses": (spent(1, "100"),),
}


def test_a_rejected_period_is_forgotten_and_collected_anew() -> None:
    told = everything()
    before = told.book.model_copy(deep=True)
    told.month(day(2), up_to_cap=True, **FOUND)
    key = "period:2026-02-01"
    assert told.book != before
    assert told.book.unbilled
    number = told.propose(key)
    assert not told.book.reopen(key), "it is proposed"
    told.book.rejected(number)
    assert told.book.reopen(key)
    assert told.book == before
    told.month(day(2), up_to_cap=True, **FOUND)
    assert told.event(key).charges == told.invoices[number].lines


def test_a_rejected_period_that_a_later_one_builds_on_stays() -> None:
    told = everything()
    told.month(day(2), up_to_cap=True, **FOUND)
    told.book.rejected(told.propose("period:2026-02-01"))
    told.month(day(3))
    assert not told.book.reopen("period:2026-02-01")
    assert told.book.reopen("period:2026-03-01")
    assert told.book.reopen("period:2026-02-01")


def test_a_milestone_is_not_collected_so_it_is_not_reopened() -> None:
    told = Told(milestones=parts(a="1000"))
    assert not told.book.reopen(told.reach("a").key)


# --- ends -------------------------------------------------------------------------------------


def ended(told: Told, on: date) -> None:
    """The contract as amended to end on that day."""
    told.changes(ends_on=str(on))


ENDING = {"fee": "200", "fee_service": "fees"}


@pytest.mark.parametrize("fee", [True, False])
def test_an_early_end_gives_back_what_was_billed_in_advance(fee: bool) -> None:
    told = Told(retainers=[CARE], termination=ENDING)
    told.month(day(1))
    told.bill_all()
    ended(told, day(1, 21))
    told.book.end_early(told.contract, day(1, 21), fee=fee)
    told.book.finish(told.contract, day(1, 22))
    told.bill_all()
    assert told.billed == ("410.00" if fee else "210.00")
    assert told.is_closed()


def test_a_fee_that_is_given_up_is_not_given_back() -> None:
    told = Told(retainers=[CARE])
    told.month(day(1))
    number = told.propose("period:2026-01-01")
    ended(told, day(1, 21))
    assert [item.amount for item in told.book.pending] == [euros(-100)]
    told.book.rejected(number)
    assert not told.book.reopen("period:2026-01-01")
    told.book.drop("period:2026-01-01", "a gift")
    assert (told.book.pending, told.value) == ([], "0.00")
    assert told.is_closed()


def test_a_plan_ended_by_change_order_and_prolonged_goes_on_where_it_ended() -> None:
    told = Told(retainers=[CARE])
    told.month(day(1))
    told.bill_all()
    ended(told, day(1, 21))
    ended(told, day(1, 11))
    assert told.value == "110.00"
    ended(told, day(1, 31))
    assert [(due.on, due.period.period.days) for due in told.book.dues(told.contract)] == [
        (day(1, 12), 20)
    ]
    told.month(day(1, 12))
    told.book.finish(told.contract, day(2))
    told.bill_all()
    assert told.billed == "310.00"
    assert told.is_closed()


def test_a_credited_fee_is_not_given_back_a_second_time() -> None:
    told = Told(retainers=[CARE])
    told.month(day(1))
    (number,) = told.bill_all()
    told.bill(told.credit(number))
    ended(told, day(1, 21))
    assert (told.book.pending, told.value) == ([], "0.00")


def test_nothing_is_settled_twice() -> None:
    told = Told(milestones=parts(a="1000"))
    told.invoiced("a")
    assert told.book.is_settled(told.contract)
    assert told.book.finish(told.contract, FIRST) is None
    assert told.book.events.keys() == {"milestone:a"}


def test_open_ends_name_what_is_missing() -> None:
    told = Told(
        milestones=parts(a="1000", b="500"),
        deposit=DEPOSIT,
        retainage=RETAINAGE,
        usage=[USAGE | {"commitment": "50"}],
        ends_on="2026-01-31",
    )
    told.book.start(told.contract, FIRST)
    told.propose(told.reach("a").key)
    assert told.open_ends == [
        "milestone b is not reached",
        "calls is to be billed for January 2026",
        "Deposit is ready",
        "A is proposed",
        "100.00 EUR of the deposit is not deducted",
        "100.00 EUR is still held back",
        "Development, up to the commitment of 50.00 EUR (50.00 EUR) is not billed",
    ]


# --- figures ----------------------------------------------------------------------------------


def test_odoo_learns_of_deliveries_that_it_cannot_count_itself() -> None:
    told = Told(milestones=parts(a="1000"), time=[TIME], retainers=[CARE], deposit=DEPOSIT)
    told.book.start(told.contract, FIRST)
    told.reach("a")
    told.month(day(1))
    told.month(day(2), entries=(entry(1, "2"),))
    assert told.book.delivered(told.contract) == {"deposit": Decimal("0.00"), "care": Decimal(2)}


def test_the_value_is_what_is_planned_and_earned_wherever_it_stands() -> None:
    told = Told(milestones=parts(a="1000"), deposit=DEPOSIT, retainage=RETAINAGE)
    values = [told.value]
    told.book.start(told.contract, FIRST)
    values.append(told.value)
    told.bill_all()
    values.append(told.value)
    told.reach("a")
    values.append(told.value)
    told.bill_all()
    values.append(told.value)
    assert values == ["1000.00"] * 5
    told.credit(2, "10")
    assert told.value == "990.00"


def test_a_book_survives_being_carried_along_as_text() -> None:
    told = everything()
    told.month(day(2), up_to_cap=True, **FOUND)
    assert Book.model_validate_json(told.book.model_dump_json()) == told.book


def test_days_of_a_bill_that_comes_late_are_all_billed() -> None:
    told = Told(retainers=[CARE])
    today = day(3, 15)
    keys = []
    while dues := told.book.due_now(told.contract, today):
        assert {due.on for due in dues} == {dues[0].on}
        keys.append(told.book.bill_period(told.contract, dues, Findings()).event)
    assert keys == ["period:2026-01-01", "period:2026-02-01", "period:2026-03-01"]
    assert told.book.dues(told.contract)[0].on > today - timedelta(days=1)


# --- corrections and credits of the same ----------------------------------------------------------


def test_what_was_corrected_is_not_credited_in_whole_again() -> None:
    """Ten hours billed, one corrected: how much of the invoice is left is for a person to say."""
    told = Told(time=[TIME], ends_on="2026-03-31")
    told.month(day(2), entries=(entry(1, "10"),))
    told.bill_all()
    told.month(day(3), entries=(entry(1, "9"), entry(2, "5")))
    told.bill_all()
    with pytest.raises(NotPossible, match="name the amount"):
        told.credit(1)
    told.credit(1, "900.00")
    told.credit(2)


def test_a_correction_of_what_was_credited_in_part_is_pointed_out() -> None:
    told = Told(time=[TIME], expenses=[TRAVEL], ends_on="2026-03-31")
    told.month(day(2), entries=(entry(1, "10"),), expenses=(spent(7, "50"),))
    told.bill_all()
    told.bill(told.credit(1, "100.00"))
    bill = told.month(day(3), entries=(entry(1, "9"),), expenses=(spent(7, "40"),))
    assert len([text for text in bill.warnings if "credited twice" in text]) == 2


def test_late_usage_keeps_its_invoice_from_being_credited_in_whole() -> None:
    told = Told(usage=[USAGE], ends_on="2026-03-31")
    first = UsageRecord(id="1", plan="calls", on=TENTH, quantity=Decimal(5))
    told.book.record_usage(told.contract, first)
    told.month(day(2))
    told.bill_all()
    late = first.model_copy(update={"id": "2", "quantity": Decimal(3)})
    told.book.record_usage(told.contract, late)
    told.month(day(3))
    told.bill_all()
    with pytest.raises(NotPossible, match="name the amount"):
        told.credit(1)


# --- what is given up after it was corrected ------------------------------------------------------


def test_of_a_period_given_up_nothing_that_was_corrected_since_is_left() -> None:
    """Hours, an expense and usage, each corrected on an invoice, and by one that waits."""
    told = Told(time=[TIME], expenses=[TRAVEL], usage=[USAGE])
    told.book.record_usage(told.contract, record("r1", "100"))
    told.month(day(2), entries=(entry(1, "10"), entry(2, "5")), expenses=(spent(1, "100"),))
    told.book.record_usage(told.contract, record("r1", "90"))
    told.month(day(3), entries=(entry(1, "8"),), gone=(2,), expenses=(spent(1, "200"),))
    told.bill("period:2026-03-01")
    told.book.record_usage(told.contract, record("r1", "120"))
    told.month(day(4), entries=(entry(1, "9"), entry(3, "1", day(3, 5))), gone_expenses=(1,))
    told.book.drop("period:2026-02-01", "a gift")
    told.bill_all()
    told.month(day(5), entries=(entry(1, "7"), entry(4, "1", day(4, 5))))
    assert told.value == "200.00", "lines 3 and 4"
    told.book.finish(told.contract, day(5))
    told.bill_all()
    assert told.billed == "200.00"


def test_of_a_quiet_period_given_up_late_usage_is_not_billed() -> None:
    told = Told(time=[TIME], usage=[USAGE])
    told.month(day(2), entries=(entry(1, "10"),))
    told.book.record_usage(told.contract, record("late", "7"))
    told.month(day(3), entries=(entry(2, "1", day(2, 5)),))
    told.book.drop("period:2026-02-01", "a gift")
    told.bill_all()
    told.month(day(4), entries=(entry(3, "1", day(3, 5)),))
    told.bill_all()
    assert told.billed == "200.00"


def test_a_correction_that_waits_is_forgotten_with_what_it_corrects() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), entries=(entry(1, "8"),))
    told.month(day(4), entries=(entry(1, "9"),))
    told.book.drop("period:2026-03-01", "nothing is given back")
    assert [c.key for c in told.book.pending] == ["dev:2026-03-01:1"]
    told.book.drop("period:2026-02-01", "a gift")
    assert [c.key for c in told.book.pending] == ["dev:2026-04-01:1:undone"]
    assert told.value == "0.00"


def test_a_correction_that_was_corrected_once_more_is_not_given_up() -> None:
    """Ten hours, eight, nine: nine are billed, whoever refuses to give back the two."""
    told = Told(time=[TIME], expenses=[TRAVEL], usage=[USAGE], retainage=RETAINAGE)
    told.book.record_usage(told.contract, record("r1", "100"))
    told.month(day(2), entries=(entry(1, "10"),), expenses=(spent(1, "100"),))
    told.book.record_usage(told.contract, record("r1", "80"))
    told.month(day(3), entries=(entry(1, "8"),), expenses=(spent(1, "80"),))
    told.book.record_usage(told.contract, record("r1", "90"))
    told.month(day(4), entries=(entry(1, "9"),), expenses=(spent(1, "90"),))
    told.book.drop("period:2026-03-01", "nothing is given back")
    assert "period:2026-03-01" not in told.book.events, "there is nothing in it to give up"
    assert told.book.unbilled == []
    assert told.value == "1179.00"
    assert told.month(day(5)).event is None
    told.book.drop("period:2026-04-01", "nor is that charged")
    assert told.value == "1048.00", "eight, as corrected first"


def test_what_is_new_in_a_bill_is_given_up_and_what_was_corrected_again_is_not() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), entries=(entry(1, "8"), entry(2, "3", day(2, 5))))
    told.month(day(4), entries=(entry(1, "9"),))
    told.book.drop("period:2026-03-01", "a gift")
    assert [item.amount for item in told.book.unbilled] == [euros(300)]
    assert told.value == "900.00"


def test_a_line_billed_anew_stays_billed_where_its_first_bill_is_given_up() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), gone=(1,))
    told.month(day(4), entries=(entry(1, "6"),))
    told.book.drop("period:2026-02-01", "a gift")
    assert told.value == "600.00"
    told.month(day(5), entries=(entry(1, "4"),))
    assert told.value == "400.00", "it is still corrected"


def test_what_was_taken_back_stays_taken_back_once_it_is_billed_elsewhere() -> None:
    told = two_plans()
    told.month(day(2), entries=(entry(1, "10"),))
    told.bill_all()
    told.month(day(3), entries=(entry(1, "10", plan="ops"),))
    told.month(day(4))
    told.book.drop("period:2026-03-01", "nothing is given back")
    assert told.value == "0.00", "neither was it to be billed by the other plan"


def test_a_bill_is_not_collected_anew_once_another_plan_has_what_it_gave_up() -> None:
    told = two_plans(every="quarter")
    told.month(day(2), entries=(entry(1, "10"),))
    told.bill_all()
    told.month(day(3), gone=(1,))
    told.month(day(4), entries=(entry(1, "10", plan="ops"),))
    before = told.book.model_copy(deep=True)
    first, *_ = told.book.ready()
    assert not told.book.reopen(first.key)
    assert told.book == before


def test_hours_put_back_by_a_rejected_bill_keep_to_the_cap() -> None:
    told = Told(time=[TIME | {"cap": "1000"}])
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), entries=(entry(1, "5"),))
    told.bill("period:2026-03-01")
    told.book.drop("period:2026-02-01", "a gift")
    told.month(day(4), entries=(entry(2, "20", day(3, 5)),), up_to_cap=True)
    told.bill_all()
    assert told.billed == "1000.00"


def test_a_commitment_counts_what_is_charged_again_by_the_same_settlement() -> None:
    told = Told(usage=[USAGE | {"commitment": "100"}], ends_on="2026-02-28")
    told.book.record_usage(told.contract, record("r1", "30"))
    told.month(day(2))
    told.book.record_usage(told.contract, record("r1", "20"))
    told.month(day(3))
    told.bill("period:2026-03-01")
    told.book.drop("period:2026-02-01", "a gift")
    told.book.finish(told.contract, day(3))
    told.bill_all()
    assert told.billed == "40.00", "the commitment less the 60 that were given up"
    assert told.is_closed()


def test_a_bill_whose_correction_was_made_up_for_is_not_collected_anew() -> None:
    told = Told(time=[TIME])
    told.month(day(2), entries=(entry(1, "10"),))
    told.month(day(3), entries=(entry(1, "8"),))
    told.book.drop("period:2026-02-01", "a gift")
    assert not told.book.reopen("period:2026-03-01")
    told.book.drop("period:2026-03-01", "nothing is given back")
    assert told.value == "0.00"


def test_what_a_cap_left_out_whole_is_given_up_with_what_was_corrected_of_it() -> None:
    told = Told(expenses=[TRAVEL | {"cap": "110"}])
    told.month(day(2), up_to_cap=True, expenses=(spent(1, "100"), spent(2, "50")))
    told.month(day(3), expenses=(spent(1, "40"),))
    told.bill("period:2026-03-01")
    told.month(day(4), expenses=(spent(2, "60"),))
    assert told.value == "110.00"
    told.book.drop("period:2026-02-01", "a gift")
    assert told.value == "0.00"


def test_while_an_invoice_is_being_credited_its_expenses_are_not_corrected() -> None:
    told = Told(expenses=[TRAVEL])
    told.month(day(2), expenses=(spent(1, "100"),))
    (number,) = told.bill_all()
    key = told.credit(number)
    assert told.month(day(3), expenses=(spent(1, "200"),)).event is None
    assert told.month(day(4)).event is None
    told.book.drop(key, "not agreed")
    told.month(day(5))
    assert told.value == "220.00", "given up, the credit leaves what was found meanwhile"
    assert told.book.waiting == {}


def test_an_expense_that_waited_and_is_gone_is_credited_whole() -> None:
    told = Told(expenses=[TRAVEL])
    told.month(day(2), expenses=(spent(1, "100"),))
    (number,) = told.bill_all()
    key = told.credit(number)
    told.month(day(3), expenses=(spent(1, "200"),))
    told.book.drop(key, "not agreed")
    told.month(day(4), gone_expenses=(1,))
    assert (told.value, told.book.waiting) == ("0.00", {})


def test_issued_anew_a_deduction_is_shown_by_what_is_left_of_the_deposit_then() -> None:
    """Shares of 6.34 %, 43.43 % and 21.70 %, of which the last is issued once more at the end."""
    amounts = parts(a="112.21", b="768.15", c="504.57", d="383.77")
    told = Told(milestones=amounts, value="1768.70", deposit=DEPOSIT | {"amount": "17.69"})
    told.book.start(told.contract, FIRST)
    told.bill_all()
    for key in "abd":
        told.invoiced(key)
    credit = told.credit(4, reinvoice=True)
    told.reach("c")
    told.bill(credit)
    told.bill_all()
    kinds = (ChargeKind.DEPOSIT, ChargeKind.DEPOSIT_DEDUCTION)
    shown = [c.quantity for c in told.book.charges() if c.kind in kinds]
    assert told.book.deposit_left(told.contract).is_zero
    assert sum(shown) == 0
