"""What differs between a contract and Odoo after a restore: each way, and what is no difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.billing.lines import InvoiceKind
from contracts.contract.state import ContractState
from contracts.invoice.state import InvoiceReport, InvoiceStage
from contracts.money import Money
from contracts.reconciling import (
    HEAL,
    LOOKED_AHEAD,
    Kind,
    OdooContract,
    OdooInvoice,
    differences,
    invoice_numbers,
)
from tests.unit.contract import examples
from tests.unit.contract.played import Played

NAME = "contract/northwind/C-1"
HUNDRED = Money("100.00", "EUR")


@pytest.fixture
def active() -> ContractState:
    return Played(examples.fixed_price()).state


def reported(stage: InvoiceStage, **more: Any) -> dict[int, InvoiceReport]:
    given = {"invoice_id": 7, "untaxed": HUNDRED} | more
    return {1: InvoiceReport(number=1, stage=stage, amount=HUNDRED, **given)}


def there(state: ContractState, *invoices: OdooInvoice, **more: Any) -> OdooContract:
    """Odoo as it is where nothing differs."""
    assert state.odoo.order_id is not None
    whole = {"order_ids": (state.odoo.order_id,), "has_project": True, "invoices": invoices}
    return OdooContract(**(whole | more))


def invoice(**more: Any) -> OdooInvoice:
    whole = {"invoice_id": 7, "number": 1, "name": "INV/1", "state": "posted", "untaxed": HUNDRED}
    return OdooInvoice.model_validate(whole | more)


def found(state: ContractState, odoo: OdooContract) -> list[Kind]:
    return [item.kind for item in differences(NAME, state, odoo)]


def test_a_contract_as_odoo_has_it_differs_in_nothing(active: ContractState) -> None:
    state = active.replace(invoices=reported(InvoiceStage.OPEN))
    assert found(state, there(state, invoice())) == []
    assert found(state, there(state, invoice(), invoice(state="cancel", invoice_id=6))) == []
    copies = (1, *there(state).order_ids)
    assert found(state, there(state, invoice(), order_ids=copies)) == []


def test_order_and_project(active: ContractState) -> None:
    nothing = OdooContract()
    assert found(active, nothing) == [Kind.ORDER_MISSING, Kind.PROJECT_MISSING]
    assert found(active, there(active, order_ids=(999,))) == [Kind.ORDER_IS_ANOTHER]
    assert found(active, there(active, has_project=False)) == [Kind.PROJECT_MISSING]
    early = ContractState(
        contract_id="C-1", legal_entity="northwind", source=active.source, clock=active.clock
    )
    assert found(early, OdooContract(order_ids=(3,))) == [Kind.ORDER_UNKNOWN]
    assert found(early, nothing) == []
    assert Kind.ORDER_UNKNOWN in HEAL


@pytest.mark.parametrize(
    ("stage", "odoo", "kind"),
    [
        ("open", [], Kind.INVOICE_MISSING),
        ("open", [{"state": "cancel"}], Kind.INVOICE_MISSING),
        ("open", [{"state": "draft", "name": ""}], Kind.INVOICE_NOT_POSTED),
        ("open", [{"invoice_id": 8}], Kind.INVOICE_IS_ANOTHER),
        ("paid", [{"untaxed": Money("99.99", "EUR")}], Kind.AMOUNT_DIFFERS),
        ("open", [{}, {"invoice_id": 8}], Kind.INVOICE_DOUBLED),
        ("awaiting_approval", [{}], Kind.INVOICE_POSTED),
        ("approved", [{}], Kind.INVOICE_POSTED),
        ("rejected", [{}], Kind.INVOICE_POSTED),
        ("awaiting_approval", [], Kind.INVOICE_MISSING),
        ("awaiting_approval", [{"state": "draft"}], None),
        ("rejected", [], None),
        ("rejected", [{"state": "cancel"}], None),
    ],
)
def test_an_invoice(
    active: ContractState, stage: str, odoo: list[dict[str, Any]], kind: Kind | None
) -> None:
    state = active.replace(invoices=reported(InvoiceStage(stage)))
    invoices = [invoice(**more) for more in odoo]
    assert found(state, there(state, *invoices)) == ([kind] if kind else [])


def test_an_invoice_that_is_yet_to_be_made_is_not_missed(active: ContractState) -> None:
    proposed = reported(InvoiceStage.PROPOSED, invoice_id=None, untaxed=None)
    state = active.replace(invoices=proposed)
    assert found(state, there(state)) == []


def test_invoices_that_the_contract_does_not_know(active: ContractState) -> None:
    state = active.replace(invoices=reported(InvoiceStage.OPEN))
    new = invoice(number=2, invoice_id=8, name="INV/2")
    [item] = differences(NAME, state, there(state, invoice(), new))
    assert (item.kind, item.record, item.here) == (Kind.INVOICE_UNKNOWN, "invoice 2", "nothing")
    assert item.there == "INV/2 (document 8), posted, 100.00 EUR"
    gone = invoice(number=2, invoice_id=8, state="cancel")
    assert found(state, there(state, invoice(), gone)) == []
    assert invoice_numbers(state) == range(1, 1 + LOOKED_AHEAD + 1)


def test_what_takes_an_invoice_back_in_odoo_is_no_second_invoice(active: ContractState) -> None:
    taken_back = invoice(invoice_id=8, name="RINV/1", is_credit_note=True)
    state = active.replace(invoices=reported(InvoiceStage.CREDITED))
    assert found(state, there(state, invoice(), taken_back)) == []
    note = {1: state.invoices[1].replace(kind=InvoiceKind.CREDIT_NOTE)}
    state = active.replace(invoices=note)
    assert found(state, there(state, invoice(is_credit_note=True))) == []
    assert found(state, there(state, invoice())) == [Kind.INVOICE_MISSING]


def test_each_difference_says_what_to_do() -> None:
    assert all(kind.words for kind in Kind)


def test_the_page_for_operations_has_every_difference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "restore.md").read_text()
    for kind in Kind:
        assert f"| `{kind}` | " in page
        assert page.count(f" | {kind.words} |") == 1
