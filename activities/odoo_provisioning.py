"""From contract data to a confirmed order, in two activities: what a contract begins with."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel
from temporalio import activity

from activities.failures import taking
from activities.odoo_master import OdooMaster, ProjectRequest, ValidateRequest, Validation
from activities.odoo_orders import ConfirmRequest, OdooOrders, OrderRequest
from activities.policies import Policies, PolicyRequest
from contracts import parking
from contracts.contract.state import OdooRefs, require_id
from contracts.model import Contract, JsonObject, Key

PROVISIONING_CALLS = 12
"""How many calls to Odoo provisioning makes in a row at most."""


class AcceptRequest(BaseModel):
    """Contract data to accept or refuse for a legal entity; `today` is the workflow's date."""

    contract_data: JsonObject
    legal_entity: Key
    today: date


class Accepted(Validation):
    """A validation, with the time zone of the legal entity."""

    time_zone: str


class ProvisionRequest(BaseModel):
    """A contract, and what there is of it in Odoo already; its company is require_id."""

    contract: Contract
    made: OdooRefs


class OdooProvisioning:
    """Activities on the `odoo-master` task queue, orders too: a rush of new contracts is one
    queue's. Each is a chain of steps of the others' classes."""

    def __init__(self, master: OdooMaster, orders: OdooOrders, policies: Policies) -> None:
        self._master = master
        self._orders = orders
        self._policies = policies

    @activity.defn
    def validate_contract(self, request: AcceptRequest) -> Accepted:
        """Check contract data by its own rules, its legal entity's and Odoo's catalogue.

        Refuses `legal_entity_unknown`; every other problem is in the answer.
        """
        policy = self._policies.entity_policy(
            PolicyRequest(legal_entity=request.legal_entity, today=request.today)
        )
        validation = self._master.validate_contract(
            ValidateRequest(
                contract_data=request.contract_data,
                odoo_company=policy.odoo_company,
                payment_term=policy.payment_term,
            )
        )
        return Accepted(**dict(validation), time_zone=policy.calendar.time_zone)

    @activity.defn
    def provision(self, request: ProvisionRequest) -> OdooRefs:
        """Customer and project; the order; its confirmation, with the milestones and the tasks.

        Goes on behind what there is already. Each step is safe to repeat. One that fails is named,
        and what there is by then is told, so that it can be gone on with, or taken back.
        """
        contract, made = request.contract, request.made
        with taking(parking.CUSTOMER, made):
            if made.project_id is None:
                self._set_up_project(contract, made)
        with taking(parking.ORDER, made):
            if made.order_id is None:
                self._create_order(contract, made)
        with taking(parking.CONFIRM, made):
            if not made.order_confirmed:
                self._confirm_order(contract, made)
        return made

    def _set_up_project(self, contract: Contract, made: OdooRefs) -> None:
        project = self._master.set_up_project(
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
