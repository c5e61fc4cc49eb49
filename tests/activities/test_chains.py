"""Activities of several steps: repeated, gone on with, and what they tell where one step fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from temporalio.exceptions import ApplicationError, CancelledError

from activities.failures import BusinessRefusal, StepFailed, as_application_error, step_scope
from activities.odoo import closing as closing_steps
from activities.odoo.catalogue import Catalogue
from activities.odoo.closing import STEPS, CloseOutLeft, CloseOutRequest, OdooClosing
from activities.odoo.provisioning import OdooProvisioning, ProvisionRequest
from activities.odoo.validation import AcceptRequest, OdooValidation
from activities.policies import Policies
from contracts import parking
from contracts.billing import account
from contracts.closeout import settlement
from contracts.contract.state import ContractState, OdooRefs
from contracts.model import Contract, JsonObject
from gateways.errors import FailureKind, GatewayError
from tests.activities.firm import INVOICE_ON, Firm, Ordered
from tests.conftest import settings_for
from tests.world import contract_data, single

ALL = [step.name for step in STEPS]


@pytest.fixture
def validation(firm: Firm) -> OdooValidation:
    policies = Policies(settings_for(firm.server).entities)
    return OdooValidation(Catalogue(firm.client), policies)


@pytest.fixture
def provisioning(firm: Firm) -> OdooProvisioning:
    return firm.provisioning


@pytest.fixture
def closing(firm: Firm) -> OdooClosing:
    return OdooClosing(firm.client)


def failed(call: Callable[[], object]) -> StepFailed:
    with pytest.raises(StepFailed) as caught:
        call()
    return caught.value


# --- validation and provisioning --------------------------------------------------------------


def test_contract_data_is_accepted_by_the_rules_of_its_legal_entity(
    validation: OdooValidation,
) -> None:
    contract_data = single()
    accepted = validation.validate_contract(_accept(contract_data))
    assert accepted.contract is not None
    assert accepted.contract.contract_id == contract_data["contract_id"]
    assert accepted.contract.payment_term == "30 Days"
    assert (accepted.time_zone, accepted.company_id) == ("Europe/Brussels", 1)
    refused = validation.validate_contract(_accept(single(currency="CHF")))
    assert refused.contract is None
    assert "currency_not_in_odoo" in {item.code for item in refused.problems}


def test_a_legal_entity_that_is_not_configured_is_refused(validation: OdooValidation) -> None:
    with pytest.raises(BusinessRefusal, match="no legal entity nobody") as caught:
        validation.validate_contract(_accept(single(), entity="nobody"))
    assert caught.value.detail.code == "legal_entity_unknown"


def _accept(contract: JsonObject, entity: str = "northwind") -> AcceptRequest:
    source = {"source": {"system": "file", "id": contract["contract_id"]}}
    return AcceptRequest(contract_data=contract | source, legal_entity=entity, today=INVOICE_ON)


def test_provisioning_twice_changes_nothing_and_answers_the_same(
    firm: Firm, provisioning: OdooProvisioning
) -> None:
    contract, company = firm.accepted(contract_data())
    request = ProvisionRequest(contract=contract, made=OdooRefs(company_id=company))
    first = provisioning.provision(request.model_copy(deep=True))
    stands = firm.everything(contract)
    assert provisioning.provision(request.model_copy(deep=True)) == first
    assert provisioning.provision(ProvisionRequest(contract=contract, made=first)) == first
    assert firm.everything(contract) == stands
    assert first.order_confirmed
    assert [row["state"] for row in stands["orders"]] == ["sale"]
    assert list(first.milestone_ids) == ["design", "build", "live"]
    [project] = stands["projects"]
    assert (project["id"], project["name"]) == (first.project_id, first.project_name)


def test_what_there_is_already_is_told_where_a_step_fails(
    firm: Firm, provisioning: OdooProvisioning, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract, company = firm.accepted(single())
    request = ProvisionRequest(contract=contract, made=OdooRefs(company_id=company))

    def no_price_list(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(firm.catalogue, "price_list", no_price_list)
        failure = failed(lambda: provisioning.provision(request))
    assert failure.step == "order"
    assert isinstance(failure.done, OdooRefs)
    [project] = firm.everything(contract)["projects"]
    assert (failure.done.project_id, failure.done.order_id) == (project["id"], None)

    error = as_application_error(failure)
    assert (error.type, error.non_retryable) == (FailureKind.BUSINESS, True)
    detail, done = error.details
    assert (detail.step, detail.code) == ("order", "price_list_missing")
    assert done == failure.done

    # It goes on behind it, whatever people did to the project meanwhile.
    firm.odoo.write("project.project", [project["id"]], {"name": "Ours now"})
    gone_on = provisioning.provision(ProvisionRequest(contract=contract, made=failure.done))
    assert gone_on.project_id == project["id"]
    assert gone_on.order_confirmed


def test_what_will_pass_by_itself_is_retried_by_the_engine_whatever_the_step() -> None:
    busy = GatewayError(FailureKind.TRANSIENT, system="odoo", code="busy", message="slow down")
    error = as_application_error(StepFailed("order", OdooRefs(project_id=7), busy))
    assert (error.type, error.non_retryable) == (FailureKind.TRANSIENT, False)
    assert error.category == as_application_error(busy).category
    assert error.details[0].step == "order"


def test_an_activity_that_the_engine_ends_has_failed_at_no_step() -> None:
    with pytest.raises(CancelledError), step_scope(parking.ORDER, OdooRefs()):
        raise CancelledError("the worker shuts down")
    with pytest.raises(ApplicationError), step_scope(parking.ORDER, OdooRefs()):
        raise ApplicationError("as it is")


# --- the close-out ------------------------------------------------------------------------------


def _state(made: Ordered) -> ContractState:
    """A contract of which nothing is billed, so that it does not add up."""
    contract: Contract = made.contract
    return ContractState(
        clock=datetime(INVOICE_ON.year, INVOICE_ON.month, INVOICE_ON.day, 12, tzinfo=UTC),
        contract_id=contract.contract_id,
        legal_entity=contract.legal_entity,
        source=contract.source,
        contract=contract,
        billing=account.begin(contract, INVOICE_ON),
        odoo=OdooRefs(order_id=made.order, project_id=made.project, order_line_ids=made.lines),
    )


def _left(*steps: str) -> CloseOutLeft:
    return CloseOutLeft(steps=list(steps))


def test_what_does_not_add_up_is_named_and_left_as_it_is(firm: Firm, closing: OdooClosing) -> None:
    made = firm.confirmed(single())
    request = CloseOutRequest(settled=settlement(_state(made)), left=_left(*ALL))
    failure = failed(lambda: closing.close_out(request))
    assert (failure.step, failure.done) == ("close_out", _left(*ALL))
    assert isinstance(failure.cause, BusinessRefusal)
    detail = failure.cause.detail
    assert detail.code == "close_out_differs"
    assert "invoices less credit notes come to 0.00 EUR in Odoo" in detail.message
    assert "; ".join(item.expected for item in detail.problems) == detail.message
    assert {item.field for item in detail.problems} >= {"invoices less credits are the value"}
    stands = firm.everything(made.contract)
    assert stands["files"] == []
    assert stands["projects"][0]["active"]


def test_it_closes_all_the_same_where_a_person_lets_it_and_repeats_nothing(
    firm: Firm, closing: OdooClosing
) -> None:
    made = firm.confirmed(single())
    request = CloseOutRequest(
        settled=settlement(_state(made)), left=_left("closing_record", "archive_project")
    )
    closing.close_out(request)
    stands = firm.everything(made.contract)
    assert [row["name"] for row in stands["files"]] == [f"{made.contract.contract_id}-closing.json"]
    assert not stands["projects"][0]["active"]
    closing.close_out(request)
    assert firm.everything(made.contract) == stands


def test_a_step_that_fails_tells_what_is_left(
    firm: Firm, closing: OdooClosing, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = firm.confirmed(single())

    def refused(*_: object) -> None:
        raise BusinessRefusal("not_today", "Odoo does not take it")

    request = CloseOutRequest(
        settled=settlement(_state(made)), left=_left("closing_record", "archive_project")
    )
    with monkeypatch.context() as patch:
        patch.setattr(closing_steps, "archive", refused)
        failure = failed(lambda: closing.close_out(request))
    assert (failure.step, failure.done) == ("archive_project", _left("archive_project"))
    assert request.left == _left("closing_record", "archive_project")
    assert len(firm.everything(made.contract)["files"]) == 1
