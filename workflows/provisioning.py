"""From a signed deal to a confirmed order with its project; and back again, if it is cancelled."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealRequest
    from activities.failures import FailureDetail
    from activities.odoo_master import (
        OdooMaster,
        ProjectArchive,
        ProjectRequest,
        ValidateRequest,
    )
    from activities.odoo_orders import ConfirmRequest, OdooOrders, OrderCancel, OrderRequest
    from contracts import parking
    from contracts.model import Contract
    from contracts.problems import Problem
    from contracts.state import ContractStage, ContractVersion, Ending, MilestoneProgress
    from contracts.validation import unfit
    from workflows import kpis, options
    from workflows.case import Case, known
    from workflows.steps import Parked


class Provisioning:
    """The phases before anything is billed. Each step does nothing where the state says it is
    done: a run that continues after a continue-as-new goes through them again."""

    def __init__(self, case: Case) -> None:
        self._case = case

    async def receive(self) -> None:
        """Read the deal, unless the contract came as a document."""
        state = self._case.state
        self._case.publish()
        if state.stage is not ContractStage.RECEIVED:
            return
        if not state.document:
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
                state.document = deal.document
        state.document = {
            **state.document,
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
        """The validated contract; validates the document anew after every amendment."""
        state = self._case.state
        if state.contract is not None and not state.amended:
            return state.contract
        problems = unfit(state.document)
        if problems:
            # It would not even fit into the activity that says more.
            raise _invalid(problems)
        policy = await self._case.policy()
        validation = await workflow.execute_activity_method(
            OdooMaster.validate_contract,
            ValidateRequest(
                document=state.document,
                odoo_company=policy.odoo_company,
                payment_term=policy.payment_term,
            ),
            **options.odoo_master("validate the contract"),
        )
        if validation.contract is None:
            raise _invalid(validation.problems)
        contract = validation.contract
        state.contract, state.amended = contract, False
        state.odoo.company_id = validation.company_id
        state.time_zone = policy.calendar.time_zone
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
        run = self._case.steps.run
        await run(parking.CUSTOMER, self._set_up_project)
        await run(parking.ORDER, self._create_order)
        await run(parking.CONFIRM, self._confirm_order)
        self._case.state.ordered = self._case.contract
        state, contract = self._case.state, self._case.contract
        kpis.project_ready(state.legal_entity, contract.signed_on, self._case.today)
        self._case.enter(ContractStage.ACTIVE)

    async def _set_up_project(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if odoo.project_id is None:
            ref = await workflow.execute_activity_method(
                OdooMaster.set_up_project,
                ProjectRequest(contract=contract, company_id=known(odoo.company_id)),
                **options.odoo_master(f"{contract.customer.name}: {contract.title}"),
            )
            odoo.partner_id, odoo.project_id = ref.partner_id, ref.project_id
            odoo.project_name = ref.name

    async def _create_order(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if odoo.order_id is None:
            ref = await workflow.execute_activity_method(
                OdooOrders.create_order,
                OrderRequest(
                    contract=contract,
                    company_id=known(odoo.company_id),
                    partner_id=known(odoo.partner_id),
                    project_id=known(odoo.project_id),
                ),
                **options.odoo_finance(f"order of {contract.fixed_price}"),
            )
            odoo.order_id = ref.order_id

    async def _confirm_order(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if not odoo.order_confirmed:
            confirmed = await workflow.execute_activity_method(
                OdooOrders.confirm_order,
                ConfirmRequest(
                    contract=contract,
                    order_id=known(odoo.order_id),
                    project_id=known(odoo.project_id),
                ),
                **options.odoo_finance(f"confirm the order, {len(contract.milestones)} milestones"),
            )
            odoo.order_name, odoo.order_line_ids = confirmed.name, confirmed.lines
            odoo.analytic_account_id = confirmed.analytic_account_id
            odoo.milestone_ids, odoo.task_ids = confirmed.milestones, confirmed.tasks
            odoo.order_confirmed = True

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
        await self.archive_project()
        self._case.state.ending = Ending.CANCELLED
        self._case.enter(ContractStage.CANCELLED)

    async def archive_project(self) -> None:
        """Archive the project, where there is one."""
        odoo = self._case.state.odoo
        if odoo.project_id is None:
            return
        request = ProjectArchive(project_id=odoo.project_id)
        await self._case.steps.run(
            parking.ARCHIVE_PROJECT,
            lambda: workflow.execute_activity_method(
                OdooMaster.archive_project,
                request,
                **options.odoo_master(
                    f"archive project {odoo.project_name}", options.Urgency.BACKGROUND
                ),
            ),
        )


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
