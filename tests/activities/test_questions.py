"""What finance asks of the work of all contracts, on both Odoos."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from activities.odoo.questions import OdooQuestions
from contracts.identifiers import contract_workflow_id
from tests.activities.firm import APPROVED_FIELD, Firm, Ordered
from tests.activities.mixed import mixed
from tests.activities.test_time import Timesheets

DUE = date(2026, 1, 31)


def _asked(firm: Firm, made: Ordered) -> tuple[OdooQuestions, str]:
    contract = made.contract
    questions = OdooQuestions(firm.client, made.company, contract.legal_entity)
    return questions, contract_workflow_id(contract.legal_entity, contract.contract_id)


def test_a_milestone_is_late_from_the_day_after_it_was_due_until_it_is_reached(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    ids = firm.create_milestones(made)
    questions, workflow_id = _asked(firm, made)

    def late(today: date) -> list[str]:
        found = [
            item
            for item in questions.late_milestones(today).rows
            if item.workflow_id == workflow_id
        ]
        assert all(item.customer == made.contract.customer.name for item in found)
        return [item.name for item in found]

    firm.odoo.write("project.milestone", [ids["design"], ids["build"]], {"deadline": DUE})
    assert late(DUE) == []
    assert sorted(late(DUE + timedelta(days=1))) == ["Build", "Design"]
    assert questions.late_milestones(DUE + timedelta(days=1), most=1).more
    firm.odoo.write("project.milestone", [ids["design"]], {"is_reached": True})
    assert late(DUE + timedelta(days=1)) == ["Build"]
    firm.odoo.write("project.project", [made.project], {"active": False})
    assert late(DUE + timedelta(days=1)) == []


def test_approved_hours_are_not_invoiced_until_a_draft_has_them(firm: Firm) -> None:
    made = firm.confirmed(mixed())
    timesheets = Timesheets(firm, made, firm.server.client("pm"))
    questions, workflow_id = _asked(firm, made)

    def unbilled() -> list[Decimal]:
        found = questions.unbilled_time(APPROVED_FIELD)
        return [item.hours for item in found if item.workflow_id == workflow_id]

    timesheets.log("dev", "7.25")
    timesheets.log("dev", "1", approved=False)
    timesheets.log("design", "8")  # a milestone's: its price is fixed
    timesheets.log("support", "2")  # a retainer's: its fee is
    assert unbilled() == [Decimal("7.25")]
    proposal = made.proposal(made.charge("dev", "5", "120"))
    firm.invoices.create_draft(made.request(proposal, 0))
    assert unbilled() == [Decimal("2.25")]
