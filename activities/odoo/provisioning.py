"""From an accepted contract to a confirmed order in one activity: what a contract begins with."""

from __future__ import annotations

from pydantic import BaseModel
from temporalio import activity

from activities.failures import step_scope
from activities.odoo.catalogue import Catalogue
from activities.odoo.orders import confirm_order, create_order
from activities.odoo.partners import CUSTOMER_CALLS
from activities.odoo.projects import set_up_project
from contracts import parking
from contracts.contract.state import OdooRefs
from contracts.model import Contract
from gateways.odoo import OdooClient
from gateways.vies import Vies

PROVISIONING_CALLS = 10 + CUSTOMER_CALLS
"""How many calls to Odoo provisioning makes in a row at most."""


class ProvisionRequest(BaseModel):
    """A contract, and what there is of it in Odoo already: at least its company."""

    contract: Contract
    made: OdooRefs


class OdooProvisioning:
    """An activity on the `odoo-master` task queue, the order included: a rush of new contracts
    concerns one queue."""

    def __init__(self, odoo: OdooClient, catalogue: Catalogue, vies: Vies | None = None) -> None:
        """With `vies` the customer's VAT number is looked up there, which holds nothing up."""
        self._odoo = odoo
        self._catalogue = catalogue
        self._vies = vies

    @activity.defn
    def provision(self, request: ProvisionRequest) -> OdooRefs:
        """Customer and project; the order; its confirmation, with the milestones and the tasks.

        Leaves out what is there already; each step is safe to repeat. A failure names its step and
        says what is there by then, so that the next try goes on from there, or takes it back.
        """
        contract, made = request.contract, request.made
        if self._vies is not None and not made.vat_check:
            customer = contract.customer
            made.vat_check = str(self._vies.check(customer.vat_number, customer.country) or "")
        with step_scope(parking.CUSTOMER, made):
            if made.project_id is None:
                set_up_project(self._odoo, contract, made)
        with step_scope(parking.ORDER, made):
            if made.order_id is None:
                create_order(self._odoo, self._catalogue, contract, made)
        with step_scope(parking.CONFIRM, made):
            if not made.order_confirmed:
                confirm_order(self._odoo, contract, made)
        return made
