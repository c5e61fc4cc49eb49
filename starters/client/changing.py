"""What a change order would make of a contract, before anybody is asked to approve it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts import changes
from contracts.billing import account
from contracts.change_weight import weight
from contracts.changes import ChangeOrder
from contracts.contract.state import ContractState
from contracts.model import Contract
from contracts.money import Money
from starters.client.errors import Refused


@dataclass(frozen=True)
class ChangePreview:
    """What a change order would make of a contract.

    `difference` is the change of the fixed price, `weight` the amount its approval is sized by;
    both are without tax.
    """

    order: ChangeOrder
    before: Contract
    after: Contract
    changes: list[str]
    difference: Money
    weight: Money


def preview(state: ContractState, order: ChangeOrder) -> ChangePreview:
    """What a change order would change.

    Raises InvalidContract with every problem, among them what is billed already; Refused for a
    contract that is not validated yet.
    """
    if state.contract is None:
        raise Refused(f"{state.contract_id} is {state.stage}: there is nothing to change yet")
    billed = account.billed_keys(state.billing) if state.billing else ()
    after = changes.changed(state.contract, order, billed)
    return ChangePreview(
        order=order,
        before=state.contract,
        after=after,
        changes=changes.summary(state.contract, after),
        difference=changes.difference(state.contract, after),
        weight=weight(state.contract, after),
    )
