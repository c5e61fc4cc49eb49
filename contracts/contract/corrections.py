"""What a person may correct of a parked contract: its data, before a change order is needed."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts import changes
from contracts.contract import amendments, endings
from contracts.contract.messages import CancelRequest
from contracts.contract.state import RUNNING, ContractState
from contracts.model import Contract, JsonObject, Key, Person
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract
from contracts.validation import amended, validate

_IDENTITY = ("contract_id", "legal_entity", "source", "version")
_MAY_BE_AMENDED = {"customer", "purchase_order", "payment_term", "title", "requested_by"}
"""What a correction may still change once the order exists; the rest needs a change order."""
_PARTIES: dict[str, TypeAdapter[str]] = {
    "customer.key": TypeAdapter(Key),
    "requested_by": TypeAdapter(Person),
}
"""By which the rules say who approves: given where they are missing, and never changed."""


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
        contract_data = _data(state, resolution)
        right = validate(contract_data)
    except InvalidContract as invalid:
        return str(invalid)
    stated, now = _parties(_base(state)), _parties(contract_data)
    moved = [path for path, value in stated.items() if now.get(path) != value]
    if moved:
        return f"{', '.join(moved)} cannot be amended: the rules say by it who approves"
    if state.odoo.order_id is not None and _changes_order(state, right):
        return "the order exists: amounts, milestones and plans change by a change order"
    return None


def may_amend(state: ContractState, path: str) -> bool:
    """Whether the contract data may be corrected at this path now."""
    head = path.split(".")[0]
    if head in _IDENTITY or head not in Contract.model_fields or path in _parties(_base(state)):
        return False
    return state.odoo.order_id is None or head in _MAY_BE_AMENDED


def _data(state: ContractState, resolution: Resolution) -> JsonObject:
    """The contract data as corrected. Raises InvalidContract for a path that leads nowhere."""
    return amended(_base(state), resolution.changes)


def _base(state: ContractState) -> JsonObject:
    """The contract data that a correction starts from."""
    if state.contract is None or state.odoo.order_id is None:
        return state.contract_data
    return changes.contract_data_of(state.contract)


def _parties(contract_data: JsonObject) -> dict[str, str]:
    """What the data says readably of the customer's key and of who asked for the contract."""
    customer = contract_data.get("customer")
    found = {
        "customer.key": customer.get("key") if isinstance(customer, dict) else None,
        "requested_by": contract_data.get("requested_by"),
    }
    return {path: value for path in found if (value := _read(path, found[path])) is not None}


def _read(path: str, value: Any) -> str | None:
    try:
        return _PARTIES[path].validate_python(value)
    except ValidationError:
        return None


def _changes_order(state: ContractState, right: Contract) -> bool:
    contract = state.contract
    return contract is not None and contract.model_dump(
        exclude=_MAY_BE_AMENDED
    ) != right.model_dump(exclude=_MAY_BE_AMENDED)


def corrected(state: ContractState, _: StepException, resolution: Resolution) -> ContractState:
    """The state after a decision to cancel the contract, or to amend its data. Who amends it asks
    for what it says now. Once it runs it has another version, which the order in Odoo follows."""
    if resolution.action is Choice.CANCEL:
        return endings.cancel(state, CancelRequest(by=resolution.by, reason=resolution.reason))
    contract_data = _data(state, resolution)
    if contract_data != _base(state):
        state = state.replace(was_amended=True).with_requesters(resolution.by)
    if state.stage not in RUNNING:
        return state.replace(contract_data=contract_data, amended=True)
    contract = validate(contract_data)
    if contract == state.terms:
        return state
    contract = contract.model_copy(update={"version": contract.version + 1})
    return amendments.adopted(state, contract, resolution.by, resolution.reason or "amended")
