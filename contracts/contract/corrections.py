"""What a person may correct of a parked contract: its data, before a change order is needed."""

from __future__ import annotations

from contracts import changes
from contracts.billing import account
from contracts.contract import endings
from contracts.contract.messages import CancelRequest
from contracts.contract.state import RUNNING, ContractState
from contracts.model import Contract, JsonObject
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract
from contracts.validation import amended, validate

_IDENTITY = ("contract_id", "legal_entity", "source", "version")
_MAY_BE_AMENDED = {"customer", "purchase_order", "payment_term", "title", "requested_by"}
"""What a correction may still change once the order exists; the rest needs a change order."""


def refusal(state: ContractState, resolution: Resolution) -> str | None:
    """Why a decision about an exception cannot be accepted now; None if it can."""
    if resolution.action is Choice.CANCEL:
        return endings.cancel_refusal(state)
    return _amendment(state, resolution) if resolution.action is Choice.AMEND else None


def _amendment(state: ContractState, resolution: Resolution) -> str | None:
    fixed = [path for path in resolution.changes if path.split(".")[0] in _IDENTITY]
    if fixed:
        return f"{', '.join(fixed)} cannot be amended: the contract's workflow is named so"
    try:
        right = validate(_data(state, resolution))
    except InvalidContract as invalid:
        return str(invalid)
    if state.odoo.order_id is not None and _changes_order(state, right):
        return "the order exists: amounts, milestones and plans change by a change order"
    return None


def may_amend(state: ContractState, path: str) -> bool:
    """Whether the contract data may be corrected at this path now."""
    head = path.split(".")[0]
    if head in _IDENTITY or head not in Contract.model_fields:
        return False
    return state.odoo.order_id is None or head in _MAY_BE_AMENDED


def _data(state: ContractState, resolution: Resolution) -> JsonObject:
    """The contract data as corrected. Raises InvalidContract for a path that leads nowhere."""
    contract = state.contract
    has_order = contract is not None and state.odoo.order_id is not None
    base = changes.contract_data_of(contract) if has_order and contract else state.contract_data
    return amended(base, resolution.changes)


def _changes_order(state: ContractState, right: Contract) -> bool:
    contract = state.contract
    return contract is not None and contract.model_dump(
        exclude=_MAY_BE_AMENDED
    ) != right.model_dump(exclude=_MAY_BE_AMENDED)


def corrected(state: ContractState, _: StepException, resolution: Resolution) -> ContractState:
    """The state after a decision to cancel the contract, or to amend its data."""
    if resolution.action is Choice.CANCEL:
        return endings.cancel(state, CancelRequest(by=resolution.by, reason=resolution.reason))
    contract_data = _data(state, resolution)
    if state.stage not in RUNNING:
        return state.replace(contract_data=contract_data, amended=True)
    contract = validate(contract_data)
    billing = account.adopt(state.account, contract, state.today)
    return state.replace(contract=contract, billing=billing)
