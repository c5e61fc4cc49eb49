"""Each field that Odoo holds, edited by people while we write again and again, on both Odoos.

Where Odoo owns it, what people wrote stays. Where the contract does, our value is back, or nothing
goes on until it is. Either way a second and a third round change nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from activities.odoo import tasks
from activities.odoo.chatter import ClosingRecord, attach_closing_record
from activities.odoo.milestones import MilestoneMark
from activities.odoo.orders import DeliveredRequest, OrderChange
from activities.odoo.payments import PaymentRequest
from activities.odoo.projects import ProjectArchive, ProjectStatusRequest, set_up_project
from activities.odoo.requirements import NEEDS
from activities.odoo.write_offs import WriteOffRequest
from contracts.contract.state import OdooRefs
from contracts.invoice.messages import PaymentReceived
from contracts.ownership import IN_A_DEAL, OWNERS, Owner
from tests.activities import test_handover, test_signed_document, test_time_lines
from tests.activities.firm import INVOICE_ON, Firm, Ordered
from tests.activities.mixed import mixed
from tests.activities.refusals import code, refused
from tests.activities.test_customers import by_hand
from tests.odoo import test_bank
from tests.unit.contract import test_signing
from tests.world import belgian_vat, contract_data, eur, single, unique

ROUNDS = 3


@dataclass
class Written:
    """A contract as provisioned, and what we write of it once more."""

    firm: Firm
    made: Ordered

    def again(self) -> None:
        """Everything that setting up and following a contract writes to Odoo."""
        contract = self.made.contract
        refs = OdooRefs(company_id=self.made.company)
        set_up_project(self.firm.client, contract, refs)
        self.firm.create_milestones(self.made)
        tasks.create(self.firm.client, contract, self.made.project)
        self.firm.confirm(self.made)
        self.firm.orders.amend_order(
            OrderChange(before=contract, after=contract, order_id=self.made.order)
        )
        self.firm.amend_project(self.made, contract)

    def seen(self) -> dict[str, Any]:
        return self.firm.everything(self.made.contract)


@pytest.fixture
def written(firm: Firm) -> Written:
    return Written(firm, firm.confirmed(contract_data()))


Edit = Callable[[Written], tuple[str, int, dict[str, Any]]]
"""The model, the record and the values that people write."""


def _first(written: Written, records: dict[str, int]) -> int:
    return records[written.made.contract.milestones[0].key]


EDITED_IN_ODOO: dict[str, Edit] = {
    "customer.name": lambda it: ("res.partner", it.made.partner, {"name": unique("By hand")}),
    "customer.address": lambda it: ("res.partner", it.made.partner, {"street": "Meir 1"}),
    "customer.billing_email": lambda it: (
        "res.partner",
        it.made.partner,
        {"email": "other@acme.example.com"},
    ),
    "customer.parent": lambda it: (
        "res.partner",
        it.made.partner,
        {"parent_id": by_hand(it.firm)},
    ),
    "order.terms": lambda it: ("sale.order", it.made.order, {"client_order_ref": "by hand"}),
    "project.name": lambda it: (
        "project.project",
        it.made.project,
        {"name": f"By hand {it.made.contract.contract_id}"},
    ),
    "task.name": lambda it: ("project.task", _first(it, it.made.tasks), {"name": "By hand"}),
    "milestone.name": lambda it: (
        "project.milestone",
        _first(it, it.made.milestones),
        {"name": "By hand"},
    ),
    "milestone.deadline": lambda it: (
        "project.milestone",
        _first(it, it.made.milestones),
        {"deadline": "2026-05-01"},
    ),
}


@pytest.mark.parametrize("field", EDITED_IN_ODOO)
def test_what_people_edit_in_odoo_stays_however_often_we_write(
    written: Written, field: str
) -> None:
    assert OWNERS[field] is Owner.ODOO
    model, record, values = EDITED_IN_ODOO[field](written)
    written.firm.odoo.write(model, [record], values)
    [edited] = written.firm.odoo.read(model, [record], list(values))
    seen = written.seen()
    for _ in range(ROUNDS):
        written.again()
        assert written.firm.odoo.read(model, [record], list(values)) == [edited]
        assert written.seen() == seen


def test_a_number_that_people_corrected_stays_and_a_deal_with_the_old_one_is_asked_about(
    written: Written,
) -> None:
    assert OWNERS["customer.vat_number"] is Owner.ODOO
    number = belgian_vat()
    written.firm.odoo.write("res.partner", [written.made.partner], {"vat": number})
    seen = written.seen()
    for _ in range(ROUNDS):
        assert code(refused(written.again)) == "customer_ambiguous"
        assert written.seen() == seen
    assert seen["customers"][0]["vat"] == number


# --- the contract's, in Odoo ----------------------------------------------------------------------

Owned = Callable[[Firm], None]


def _rounds(act: Callable[[], Any], seen: Callable[[], Any]) -> None:
    """Once our value is there, further rounds change nothing."""
    act()
    first = seen()
    for _ in range(ROUNDS - 1):
        act()
        assert seen() == first


def order_state(firm: Firm) -> None:
    made = firm.confirmed(single())
    _rounds(lambda: firm.confirm(made), lambda: firm.everything(made.contract)["orders"])


def order_lines(firm: Firm) -> None:
    made = firm.confirmed(single())
    [line] = firm.odoo.search_read("sale.order.line", [("order_id", "=", made.order)], ["id"])
    firm.odoo.write("sale.order.line", [line["id"]], {"price_unit": 1.0})
    change = OrderChange(before=made.contract, after=made.contract, order_id=made.order)
    for _ in range(ROUNDS):
        assert code(refused(lambda: firm.orders.amend_order(change))) == "order_total_differs"
    firm.odoo.write("sale.order.line", [line["id"]], {"price_unit": 1000.0})
    _rounds(
        lambda: firm.orders.amend_order(change), lambda: firm.everything(made.contract)["orders"]
    )


def order_line_delivered(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    keys = {"legal_entity": made.contract.legal_entity, "contract_id": made.contract.contract_id}
    request = DeliveredRequest(**keys, quantities={"api": 2})
    firm.orders.set_delivered(request)
    firm.odoo.write("sale.order.line", [made.lines["api"]], {"qty_delivered": 7})

    def delivered() -> float:
        [row] = firm.odoo.read("sale.order.line", [made.lines["api"]], ["qty_delivered"])
        return float(row["qty_delivered"])

    _rounds(lambda: firm.orders.set_delivered(request), delivered)
    assert delivered() == 2


def project_status(firm: Firm) -> None:
    made = firm.confirmed(single())
    request = ProjectStatusRequest(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        project_id=made.project,
        suspended=True,
        key="suspend-1",
        text="Unpaid",
    )
    _rounds(
        lambda: firm.projects.set_project_status(request),
        lambda: firm.everything(made.contract)["updates"],
    )
    assert len(firm.everything(made.contract)["updates"]) == 1


def project_archived(firm: Firm) -> None:
    made = firm.confirmed(single())
    archive = ProjectArchive(project_id=made.project)
    firm.projects.archive_project(archive)
    firm.odoo.write("project.project", [made.project], {"active": True})
    _rounds(
        lambda: firm.projects.archive_project(archive),
        lambda: firm.everything(made.contract)["projects"],
    )
    assert not firm.everything(made.contract)["projects"][0]["active"]


def milestone_reached(firm: Firm) -> None:
    """That the sweep brings our own mark back is no news to the core, by when it was set."""
    made = firm.confirmed(single())
    mark = MilestoneMark(milestone_id=made.milestones["all"])
    firm.milestones.mark_milestone(mark)
    firm.odoo.write("project.milestone", [made.milestones["all"]], {"is_reached": False})
    _rounds(
        lambda: firm.milestones.mark_milestone(mark),
        lambda: firm.everything(made.contract)["milestones"],
    )
    assert firm.everything(made.contract)["milestones"][0]["is_reached"]


def milestone_rescheduled(firm: Firm) -> None:
    made = firm.confirmed(single())
    [item] = made.contract.milestones
    later = item.model_copy(update={"due_on": INVOICE_ON})
    after = made.contract.model_copy(update={"milestones": (later,)})
    _rounds(
        lambda: firm.amend_project(made, after),
        lambda: firm.everything(made.contract)["milestones"],
    )
    assert firm.everything(made.contract)["milestones"][0]["deadline"] == str(INVOICE_ON)


def draft_invoice(firm: Firm, **edited: Any) -> None:
    """A draft that people edit is not posted; written again it says what was proposed."""
    made, request = firm.drafted(single(purchase_order="PO-77"))
    draft = firm.invoices.create_draft(request)
    [row] = firm.odoo.read("account.move", [draft.invoice_id], ["invoice_line_ids"])
    if "price_unit" in edited:
        firm.odoo.write("account.move.line", row["invoice_line_ids"], edited)
    else:
        firm.odoo.write("account.move", [draft.invoice_id], edited)
    post = made.post_request(draft)
    for _ in range(ROUNDS):
        refusal = refused(lambda: firm.invoices.post_invoice(post))
        assert code(refusal) == "invoice_differs_from_approval"
    again = request.model_copy(update={"rewrites": True})
    _rounds(
        lambda: firm.invoices.create_draft(again),
        lambda: [
            {name: value for name, value in row.items() if name != "id"}
            for row in firm.everything(made.contract)["invoice lines"]
        ],
    )
    assert firm.invoices.create_draft(again).content == draft.content


def credit_note_lines(firm: Firm) -> None:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    firm.invoices.post_invoice(made.post_request(draft))
    credit = made.request(made.credit_note(made.milestone(), number=2), draft.invoice_id)
    _rounds(
        lambda: firm.invoices.create_draft(credit),
        lambda: firm.everything(made.contract)["invoices"],
    )


def posted(firm: Firm) -> tuple[Ordered, int]:
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    firm.invoices.post_invoice(made.post_request(draft))
    return made, draft.invoice_id


def write_off(firm: Firm) -> None:
    made, invoice = posted(firm)
    request = WriteOffRequest(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        number=1,
        key="1",
        invoice_id=invoice,
        company_id=made.company,
        account_code="650000",
        amount=eur("1.00"),
        reason="Lost",
        written_off_on=INVOICE_ON,
    )
    _rounds(lambda: firm.write_offs.write_off(request), lambda: firm.balance(invoice))
    assert firm.balance(invoice).written_off == eur("1.00")


def closing_record(firm: Firm) -> None:
    made = firm.confirmed(single())
    record = ClosingRecord(
        legal_entity=made.contract.legal_entity,
        contract_id=made.contract.contract_id,
        order_id=made.order,
        file_name="closing.json",
        content="{}",
        sha256="44",
        text="Closed",
    )
    _rounds(
        lambda: attach_closing_record(firm.client, record),
        lambda: firm.everything(made.contract)["files"],
    )


def issued_invoice(firm: Firm) -> None:
    """Number, due date and balance are Odoo's: posting again reads them, and writes nothing."""
    made, request = firm.drafted(single())
    draft = firm.invoices.create_draft(request)
    post = made.post_request(draft)
    _rounds(
        lambda: firm.invoices.post_invoice(post),
        lambda: firm.everything(made.contract)["invoices"],
    )


def payment(firm: Firm) -> None:
    _, invoice = posted(firm)
    money = PaymentReceived(reference=unique("P"), amount=eur("100.00"), paid_on=INVOICE_ON)
    request = PaymentRequest(invoice_id=invoice, payment=money)
    _rounds(lambda: firm.payments.register_payment(request), lambda: firm.balance(invoice))
    assert firm.balance(invoice).residual < firm.balance(invoice).total


WRITTEN_BY_US: dict[str, Owned] = {
    "order.state": order_state,
    "order.lines": order_lines,
    "order_line.delivered": order_line_delivered,
    "project.status": project_status,
    "project.archived": project_archived,
    "milestone.reached": milestone_reached,
    "milestone.rescheduled": milestone_rescheduled,
    "draft_invoice.lines": lambda firm: draft_invoice(firm, price_unit=1.0),
    "draft_invoice.references": lambda firm: draft_invoice(firm, ref="by hand"),
    "draft_invoice.date": lambda firm: draft_invoice(firm, invoice_date="2026-02-01"),
    "credit_note.lines": credit_note_lines,
    "write_off": write_off,
    "closing_record": closing_record,
    "invoice.number": issued_invoice,
    "invoice.due_on": issued_invoice,
    "invoice.balance": issued_invoice,
    "payment": payment,
}


@pytest.mark.parametrize("field", WRITTEN_BY_US)
def test_what_we_write_is_written_once_or_comes_back(firm: Firm, field: str) -> None:
    WRITTEN_BY_US[field](firm)


# --- what we never write --------------------------------------------------------------------------

NEVER_WRITTEN = {
    "employee": "hr.employee",
    "expense": "hr.expense",
    "tax": "account.tax",
}


@pytest.mark.parametrize("field", NEVER_WRITTEN)
def test_what_we_never_write_cannot_come_back_to_us(field: str) -> None:
    """No activity asks for a right to write it, and another test holds them to that."""
    need = NEEDS.get(NEVER_WRITTEN[field])
    assert OWNERS[field] is Owner.ODOO
    assert need is None or not need.rights


HOURS_OF_PEOPLE = (
    test_time_lines.test_what_people_did_to_a_line_is_corrected_and_their_own_lines_are_left_alone
)
WITH_THEIR_ACTS = {
    "contract.handover": test_handover.test_a_change_order_moves_what_only_we_have_set,
    "project.staffing": test_handover.test_what_people_have_edited_stays_and_is_reported,
    "task.staffing": test_handover.test_what_people_have_edited_stays_and_is_reported,
    "project.documents": test_handover.test_a_repeat_and_two_at_once_leave_one_of_everything,
    "project.tags": test_handover.test_a_repeat_and_two_at_once_leave_one_of_everything,
    "project.todo": test_handover.test_a_repeat_and_two_at_once_leave_one_of_everything,
    "timesheet": HOURS_OF_PEOPLE,
    "timesheet.approval": HOURS_OF_PEOPLE,
    "timesheet.imported": HOURS_OF_PEOPLE,
    "bank_line": test_bank.test_a_file_and_a_line_that_come_twice_change_nothing,
    "bank_statement": test_bank.test_a_file_and_a_line_that_come_twice_change_nothing,
    "customer.account": test_bank.test_a_learned_account_that_people_edit_stays_as_they_left_it,
    "signed_document": test_signed_document.test_two_attempts_at_once_leave_one_document,
    "contract.signed_on": (
        test_signing.test_the_day_of_signature_is_the_envelopes_in_the_legal_entitys_zone
    ),
}
"""Tests of their acts hold these."""


def test_each_field_with_an_owner_has_its_rounds() -> None:
    """Those of a deal are in tests/unit/contract/test_ownership_rounds.py, as is what we write to
    one; the deal's own stage and amount are read only while the contract is not signed."""
    here = {*EDITED_IN_ODOO, *WRITTEN_BY_US, *NEVER_WRITTEN, *WITH_THEIR_ACTS}
    in_crm = {*IN_A_DEAL.values(), "deal.stage", "deal.amount", "deal.c2c_status"}
    assert here | in_crm == OWNERS.keys()
