"""From a signed deal to a confirmed order with its project; and back again, if it is cancelled."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealRequest
    from activities.failures import FailureDetail, done_before
    from activities.odoo_master import OdooMaster, ProjectArchive
    from activities.odoo_orders import OdooOrders, OrderCancel
    from activities.odoo_provisioning import (
        PROVISIONING_CALLS,
        AcceptRequest,
        OdooProvisioning,
        ProvisionRequest,
    )
    from contracts import parking
    from contracts.contract.state import (
        ContractStage,
        ContractVersion,
        Ending,
        MilestoneProgress,
        OdooRefs,
    )
    from contracts.model import Contract
    from contracts.problems import Problem
    from contracts.validation import payload_problems
    from workflows import metrics, options
    from workflows.case import Case
    from workflows.steps import Parked


class Provisioning:
    """The phases before anything is billed. Each step does nothing where the state says it is
    done: a run that continues after a continue-as-new goes through them again."""

    def __init__(self, case: Case) -> None:
        self._case = case

    async def receive(self) -> None:
        """Read the deal, unless the contract came as contract data."""
        state = self._case.state
        self._case.publish()
        if state.stage is not ContractStage.RECEIVED:
            return
        if not state.contract_data:
            deal = await self._case.steps.run(
                parking.READ_DEAL,
                lambda: workflow.execute_activity_method(
                    CrmActivities.read_deal,
                    DealRequest(source=state.source),
                    **options.crm(
                        f"read deal {state.source.id} from {state.source.system}",
                        options.Urgency.ONWARD,
                    ),
                ),
            )
            if deal is not None:
                state.contract_data = deal.contract_data
        state.contract_data = {
            **state.contract_data,
            "contract_id": state.contract_id,
            "legal_entity": state.legal_entity,
            "source": state.source.model_dump(mode="json"),
        }
        self._case.enter(ContractStage.VALIDATING)

    async def validate(self) -> bool:
        """Accept the contract or park; true where it was accepted just now."""
        if self._case.state.stage is not ContractStage.VALIDATING:
            return False
        await self._case.steps.run(parking.VALIDATE, self.accepted)
        self._case.enter(ContractStage.PROVISIONING)
        return True

    async def accepted(self) -> Contract:
        """The validated contract; validates the contract data anew after every amendment."""
        state = self._case.state
        if state.contract is not None and not state.amended:
            return state.contract
        problems = payload_problems(state.contract_data)
        if problems:
            # It would not even fit into the activity that says more.
            raise _invalid(problems)
        validation = await workflow.execute_activity_method(
            OdooProvisioning.validate_contract,
            AcceptRequest(
                contract_data=state.contract_data,
                legal_entity=state.legal_entity,
                today=workflow.now().date(),
            ),
            **options.odoo_master("validate the contract"),
        )
        if validation.contract is None:
            raise _invalid(validation.problems)
        contract = validation.contract
        state.contract, state.amended = contract, False
        state.odoo.company_id = validation.company_id
        state.time_zone = validation.time_zone
        state.milestones = {
            item.key: state.milestones.get(item.key, MilestoneProgress())
            for item in contract.milestones
        }
        state.versions = [
            ContractVersion(
                version=contract.version,
                on=contract.signed_on,
                by=contract.requested_by,
                reason="signed",
                fixed_price=contract.fixed_price,
            )
        ]
        return contract

    async def provision(self) -> None:
        """Customer and project; order; its confirmation, with the milestones and the tasks."""
        if self._case.state.stage is not ContractStage.PROVISIONING:
            return
        steps = (parking.CUSTOMER, parking.ORDER, parking.CONFIRM)
        await self._case.steps.chain(steps, lambda _: self._provision())
        self._case.state.order_version = self._case.contract
        state, contract = self._case.state, self._case.contract
        metrics.project_ready(state.legal_entity, contract.signed_on, self._case.today)
        self._case.enter(ContractStage.ACTIVE)

    async def _provision(self) -> None:
        """Go on behind what there is in Odoo; where a step fails, keep what there is by then."""
        state, contract = self._case.state, await self.accepted()
        try:
            state.odoo = await workflow.execute_activity_method(
                OdooProvisioning.provision,
                ProvisionRequest(contract=contract, made=state.odoo),
                **options.odoo_master(
                    f"{contract.customer.name}: {contract.title}, {contract.fixed_price}",
                    calls=PROVISIONING_CALLS,
                ),
            )
        except ActivityError as error:
            state.odoo = done_before(error, OdooRefs) or state.odoo
            raise

    async def compensate(self) -> None:
        """Take back what was provisioned, in reverse order."""
        odoo = self._case.state.odoo
        if odoo.order_id is not None:
            request = OrderCancel(order_id=odoo.order_id)
            await self._case.steps.run(
                parking.CANCEL_ORDER,
                lambda: workflow.execute_activity_method(
                    OdooOrders.cancel_order,
                    request,
                    **options.odoo_finance("cancel the order"),
                ),
            )
        if odoo.project_id is not None:
            archive = ProjectArchive(project_id=odoo.project_id)
            await self._case.steps.run(
                parking.ARCHIVE_PROJECT,
                lambda: workflow.execute_activity_method(
                    OdooMaster.archive_project,
                    archive,
                    **options.odoo_master(
                        f"archive project {odoo.project_name}", options.Urgency.BACKGROUND
                    ),
                ),
            )
        self._case.state.ending = Ending.CANCELLED
        self._case.enter(ContractStage.CANCELLED)


def _invalid(problems: list[Problem]) -> Parked:
    """What parks a contract that cannot be accepted as it is."""
    first, count = problems[0], len(problems)
    return Parked(
        FailureDetail(
            code=first.code if count == 1 else "contract_invalid",
            message=f"{count} problem(s); the first: {first}",
            field=first.field,
            value=first.value,
            problems=problems,
        )
    )
