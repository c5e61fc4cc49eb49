"""From an accepted contract to a confirmed order in one activity: what a contract begins with."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from activities.failures import step_scope
from activities.odoo.orders import ConfirmRequest, OdooOrders, OrderRequest
from activities.odoo.projects import OdooProjects, ProjectRequest
from contracts import parking
from contracts.contract.state import OdooRefs, require_id
from contracts.model import Contract

PROVISIONING_CALLS = 12
"""How many calls to Odoo provisioning makes in a row at most."""


class ProvisionRequest(BaseModel):
    """A contract, and what there is of it in Odoo already: at least its company."""

    contract: Contract
    made: OdooRefs


class OdooProvisioning:
    """An activity on the `odoo-master` task queue, the order included: a rush of new contracts
    concerns one queue. It is a chain of steps that other classes take."""

    def __init__(self, projects: OdooProjects, orders: OdooOrders) -> None:
        self._projects = projects
        self._orders = orders

    @activity.defn
    def provision(self, request: ProvisionRequest) -> OdooRefs:
        """Customer and project; the order; its confirmation, with the milestones and the tasks.

        Leaves out what is there already; each step is safe to repeat. A failure names its step and
        says what is there by then, so that the next try goes on from there, or takes it back.
        """
        contract, made = request.contract, request.made
        with step_scope(parking.CUSTOMER, made):
            if made.project_id is None:
                self._set_up_project(contract, made)
        with step_scope(parking.ORDER, made):
            if made.order_id is None:
                self._create_order(contract, made)
        with step_scope(parking.CONFIRM, made):
            if not made.order_confirmed:
                self._confirm_order(contract, made)
        return made

    def _set_up_project(self, contract: Contract, made: OdooRefs) -> None:
        project = self._projects.set_up_project(
            ProjectRequest(contract=contract, company_id=require_id(made.company_id))
        )
        made.partner_id, made.project_id = project.partner_id, project.project_id
        made.project_name = project.name

    def _create_order(self, contract: Contract, made: OdooRefs) -> None:
        order = self._orders.create_order(
            OrderRequest(
                contract=contract,
                company_id=require_id(made.company_id),
                partner_id=require_id(made.partner_id),
                project_id=require_id(made.project_id),
            )
        )
        made.order_id = order.order_id

    def _confirm_order(self, contract: Contract, made: OdooRefs) -> None:
        confirmed = self._orders.confirm_order(
            ConfirmRequest(
                contract=contract,
                order_id=require_id(made.order_id),
                project_id=require_id(made.project_id),
            )
        )
        made.order_name, made.order_line_ids = confirmed.name, confirmed.lines
        made.analytic_account_id = confirmed.analytic_account_id
        made.milestone_ids, made.task_ids = confirmed.milestones, confirmed.tasks
        made.order_confirmed = True
