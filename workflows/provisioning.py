"""From a signed deal to a confirmed order with its project; and back again, if it is cancelled."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.crm import CrmActivities, DealRequest
    from activities.failures import FailureDetail
    from activities.odoo_master import (
        CustomerRequest,
        MilestonesRequest,
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
                    **options.crm(f"read deal {state.source.id} from {state.source.system}"),
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
        """Customer, project, order, milestones; the order is confirmed; then the tasks."""
        if self._case.state.stage is not ContractStage.PROVISIONING:
            return
        run = self._case.steps.run
        await run(parking.CUSTOMER, self._ensure_customer)
        await run(parking.PROJECT, self._create_project)
        await run(parking.ORDER, self._create_order)
        await run(parking.MILESTONES, self._create_milestones)
        # Before the tasks: Odoo confirms a quotation unasked once a task is tied to its line.
        await run(parking.CONFIRM, self._confirm_order)
        await run(parking.TASKS, self._create_tasks)
        self._case.state.ordered = self._case.contract
        state, contract = self._case.state, self._case.contract
        kpis.project_ready(state.legal_entity, contract.signed_on, self._case.today)
        self._case.enter(ContractStage.ACTIVE)

    async def _ensure_customer(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if odoo.partner_id is None:
            ref = await workflow.execute_activity_method(
                OdooMaster.ensure_customer,
                CustomerRequest(
                    customer=contract.customer,
                    source=self._case.state.source,
                ),
                **options.odoo_master(f"customer {contract.customer.name}"),
            )
            odoo.partner_id = ref.partner_id

    async def _create_project(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if odoo.project_id is None:
            ref = await workflow.execute_activity_method(
                OdooMaster.create_project,
                ProjectRequest(
                    contract=contract,
                    company_id=known(odoo.company_id),
                    partner_id=known(odoo.partner_id),
                ),
                **options.odoo_master(f"project {contract.title}"),
            )
            odoo.project_id, odoo.project_name = ref.project_id, ref.name
            odoo.analytic_account_id = ref.analytic_account_id

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
            odoo.order_id, odoo.order_name = ref.order_id, ref.name
            odoo.order_line_ids = ref.lines

    async def _create_milestones(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if contract.milestones and not odoo.milestone_ids:
            refs = await workflow.execute_activity_method(
                OdooMaster.create_milestones,
                MilestonesRequest(
                    contract=contract,
                    project_id=known(odoo.project_id),
                ),
                **options.odoo_master(f"{len(contract.milestones)} milestones"),
            )
            odoo.milestone_ids = refs.ids

    async def _create_tasks(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if not odoo.task_ids:
            refs = await workflow.execute_activity_method(
                OdooMaster.create_tasks,
                MilestonesRequest(
                    contract=contract,
                    project_id=known(odoo.project_id),
                ),
                **options.odoo_master("tasks"),
            )
            odoo.task_ids = refs.ids

    async def _confirm_order(self) -> None:
        odoo, contract = self._case.state.odoo, await self.accepted()
        if not odoo.order_confirmed:
            await workflow.execute_activity_method(
                OdooOrders.confirm_order,
                ConfirmRequest(
                    order_id=known(odoo.order_id),
                    value=contract.fixed_price,
                ),
                **options.odoo_finance(f"confirm {odoo.order_name}"),
            )
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
                    **options.odoo_finance(f"cancel {odoo.order_name}"),
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
                **options.odoo_master(f"archive project {odoo.project_name}"),
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
