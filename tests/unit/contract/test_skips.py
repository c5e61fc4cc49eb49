"""What a person gives up by a skip: what the exception names, and nothing that comes later."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from contracts.changes import ChangeOrder
from contracts.invoice.messages import CreditRequested
from contracts.parking import Action as Choice
from tests.unit.contract.examples import fixed_price, hourly
from tests.unit.contract.played import ANA, BOB, PIA, Played, Worked, eur


def worked(on: date, hours: int) -> Worked:
    return Worked("dev", on, Decimal(hours))


def over_the_cap() -> Played:
    """March was 200 EUR above the cap of 1,000, and nobody has decided about it."""
    life = Played(hourly(cap="1000.00"))
    life.odoo.lines[1] = worked(date(2026, 3, 10), 10)
    life.skip_to_day(date(2026, 4, 2))
    assert life.parked["cap:2026-04-01:dev"].problems[0].value == "200.00 EUR"
    return life


def test_a_skip_at_the_cap_gives_up_what_it_named_and_not_the_next_month() -> None:
    life = over_the_cap()
    life.odoo.lines[2] = worked(date(2026, 4, 10), 20)
    life.skip_to_day(date(2026, 5, 2))
    life.resolve(Choice.SKIP, "cap:2026-04-01:dev")
    assert [item.proposal.amount for item in life.invoices.values()] == [eur("1000.00")]
    assert life.parked["cap:2026-05-01:dev"].problems[0].value == "2400.00 EUR"
    life.resolve(Choice.SKIP, "cap:2026-05-01:dev")
    assert life.state.exceptions == ()
    assert list(life.invoices) == [1]


def test_hours_that_come_behind_a_skip_at_the_cap_are_asked_about() -> None:
    life = Played(hourly(cap="1000.00"))
    life.odoo.lines[1] = worked(date(2026, 3, 10), 10)
    life.skip_to_day(date(2026, 4, 2))
    parked = life.parked["cap:2026-04-01:dev"]
    life.odoo.lines[2] = worked(date(2026, 3, 11), 5)
    life.resolve(Choice.RETRY)
    again = life.parked["cap:2026-04-01:dev"]
    assert (parked.basis, again.basis) == ("dev.cap 200.00 EUR", "dev.cap 800.00 EUR")
    life.resolve(Choice.SKIP)
    assert life.invoices[1].proposal.amount == eur("1000.00")
    life.reject(1)
    life.odoo.lines[3] = worked(date(2026, 3, 12), 1)
    life.resolve(Choice.RETRY, "proposal:2026-04-01")
    assert life.parked["cap:2026-04-01:dev"].basis == "dev.cap 920.00 EUR"


def beyond_the_purchase_order() -> Played:
    life = Played(fixed_price(purchase_order_limit="500.00"))
    life.reach("live")
    life.resolve(Choice.SKIP, "purchase_order:live")
    life.reject(1)
    return life


def test_a_skip_at_the_purchase_order_passes_that_amount_and_no_other() -> None:
    life = beyond_the_purchase_order()
    life.send(ChangeOrder(number=1, by=PIA, reason="more of it", reprice={"live": "5000.00"}))
    life.approve_change(ANA, BOB)
    life.resolve(Choice.RETRY, "proposal:live")
    parked = life.parked["purchase_order:live"]
    assert "5000.00 EUR" in parked.message
    life.resolve(Choice.SKIP, "purchase_order:live")
    assert life.invoices[2].proposal.amount == eur("5000.00")


def test_a_proposal_that_is_made_again_as_it_was_passes_the_purchase_order() -> None:
    life = beyond_the_purchase_order()
    life.resolve(Choice.RETRY, "proposal:live")
    assert life.invoices[2].proposal.amount == eur("1000.00")


def test_a_skip_gives_up_the_credit_that_it_names_and_no_other() -> None:
    life = Played(fixed_price())
    life.reach("live")
    life.issue(1)
    since = life.now
    for amount in ("1500.00", "1200.00", "1200.00"):
        asked = CreditRequested(
            number=1, amount=eur(amount), untaxed=eur(amount), by=ANA, reason="a dispute"
        )
        life.signal(asked)
        life.skip(days=1)
    assert [item.step for item in life.state.exceptions] == ["credit:1"]
    assert life.parked["credit:1"].basis == "1500.00 EUR"
    assert life.parked["credit:1"].since == since, "it grows older whatever else happens"
    life.resolve(Choice.SKIP, "credit:1")
    assert life.parked["credit:1"].basis == "1200.00 EUR"
    assert [item.amount for item in life.state.credits_asked] == [eur("1200.00")] * 2
    life.resolve(Choice.SKIP, "credit:1")
    life.resolve(Choice.SKIP, "credit:1")
    assert life.state.credits_asked == ()
    assert life.state.exceptions == ()
