"""A contract's status as a CRM shows it: texts on the deal, the same in every CRM."""

from __future__ import annotations

from contracts.crm import ContractStatus
from contracts.money import Money
from gateways import errors
from gateways.errors import GatewayError

STATUS_LABELS = {
    "c2c_stage": "Contract stage",
    "c2c_project": "Contract project",
    "c2c_waiting_on": "Contract waits for",
    "c2c_invoiced": "Contract invoiced",
    "c2c_paid": "Contract paid",
    "c2c_overdue": "Contract overdue",
    "c2c_next_invoice_on": "Contract next invoice on",
    "c2c_open_exceptions": "Contract open exceptions",
    "c2c_burn": "Contract burn",
}
"""Property name to the label people see. No other property of a deal is ever written."""

STARTED = "c2c_stage"
"""The property that tells a deal whose contract was started: its status is never without one."""


def refused(system: str, deal_id: str, reason: str) -> GatewayError:
    """The deal cannot hold a status, for this reason."""
    return errors.business(system, "status_refused", reason, field="source.id", value=deal_id)


def status_texts(status: ContractStatus) -> dict[str, str]:
    """The status by property name; an empty text clears one."""
    return {
        "c2c_stage": status.stage,
        "c2c_project": status.project_reference,
        "c2c_waiting_on": status.waiting_on,
        "c2c_invoiced": _money(status.invoiced),
        "c2c_paid": _money(status.paid),
        "c2c_overdue": _money(status.overdue),
        "c2c_next_invoice_on": str(status.next_invoice_on or ""),
        "c2c_open_exceptions": str(status.open_exceptions or ""),
        "c2c_burn": status.burn,
    }


def _money(amount: Money | None) -> str:
    return "" if amount is None else str(amount)
