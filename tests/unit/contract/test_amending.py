"""Change orders that Odoo refuses, and the next ones that mend them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts.agenda.actions import Action, Failed
from contracts.changes import ChangeOrder
from contracts.contract import amendments
from contracts.parking import Action as Choice
from tests.unit.contract import played
from tests.unit.contract.examples import fixed_price
from tests.unit.contract.played import NO_ANSWER, PIA, Played

UNKNOWN = Failed("business", "record_missing", "Odoo has no payment term '30 Dais'")
WRITTEN = Failed("business", "order_total_differs", "the order totals 0.00 EUR")
Refusing = Callable[[Failed], None]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Refusing:
    """Has Odoo answer so to every order with the payment term '30 Dais'."""
    amends = played._PERFORM[amendments.AMEND_ORDER]

    def refuse(failure: Failed) -> None:
        def amend(life: Played, action: Action, asked: Any) -> Any:
            return failure if asked[1].payment_term == "30 Dais" else amends(life, action, asked)

        monkeypatch.setitem(played._PERFORM, amendments.AMEND_ORDER, amend)

    return refuse


def change(life: Played, term: str) -> None:
    life.send(ChangeOrder(number=1, by=PIA, reason="the term", set={"payment_term": term}))
    life.approve_change()


def test_a_change_order_that_odoo_refuses_is_mended_by_the_next_one(refusing: Refusing) -> None:
    refusing(UNKNOWN)
    life = Played(fixed_price())
    change(life, "30 Dais")
    assert life.parked["amend_order"].code == "record_missing"
    change(life, "30 Days")
    assert life.state.exceptions == ()
    assert life.state.order_version == life.state.terms
    assert life.odoo.order_version == life.state.terms
    life.reach("design")
    assert list(life.invoices) == [1]


@pytest.mark.parametrize("failure", [WRITTEN, NO_ANSWER], ids=["written", "perhaps written"])
def test_an_order_that_may_have_a_version_is_brought_to_it_before_the_next(
    refusing: Refusing, failure: Failed
) -> None:
    refusing(failure)
    life = Played(fixed_price())
    change(life, "30 Dais")
    change(life, "30 Days")
    assert life.parked["amend_order"].basis == "2"
    assert life.state.following is not None
    assert life.state.following.version == 2


def test_a_version_that_is_on_its_way_to_odoo_is_not_overtaken(refusing: Refusing) -> None:
    refusing(UNKNOWN)
    life = Played(fixed_price())
    change(life, "30 Dais")
    life.held_back = {"amend_order"}
    life.resolve(Choice.RETRY, "amend_order")
    change(life, "30 Days")
    assert life.state.running["amend_order"].basis == "2"
    life.release("amend_order")
    assert life.state.exceptions == ()
    assert life.state.order_version == life.state.terms
