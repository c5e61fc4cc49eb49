"""What changes a contract while it runs, sent to its workflow: change orders, holds, credits, ends.

Each answers how the contract stands then. A refusal is raised as `operations.Refused`; nothing
that needs an approval takes effect before it has it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from temporalio.client import Client

from contracts import changes
from contracts.billing import account
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CreditRequest,
    CustomerRefresh,
    HoldRequest,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    TerminationRequest,
)
from contracts.contract.state import ContractOutcome, ContractState
from contracts.contract.write_back import REFRESH
from contracts.model import Contract
from contracts.money import Money
from starters.operations import NoAnswer, Refused, contract_state, update
from workflows.contract import ContractWorkflow

_LOOK_AGAIN_SECONDS, _MOST_LOOKS = 0.2, 150


@dataclass(frozen=True)
class Preview:
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


def preview(state: ContractState, order: ChangeOrder) -> Preview:
    """What a change order would change.

    Raises InvalidContract with every problem, among them what is billed already; Refused for a
    contract that is not validated yet.
    """
    if state.contract is None:
        raise Refused(f"{state.contract_id} is {state.stage}: there is nothing to change yet")
    billed = account.billed_keys(state.billing) if state.billing else ()
    _, after = changes.changed(state.contract, order, billed)
    return Preview(
        order=order,
        before=state.contract,
        after=after,
        changes=changes.summary(state.contract, after),
        difference=changes.difference(state.contract, after),
        weight=changes.weight(state.contract, after),
    )


async def propose_change(client: Client, workflow_id: str, order: ChangeOrder) -> ContractOutcome:
    """Propose a change order; it takes effect once it is approved."""
    return await update(client, workflow_id, ContractWorkflow.propose_change, order)


async def set_hold(client: Client, workflow_id: str, request: HoldRequest) -> ContractOutcome:
    """Hold billing or dunning of the whole contract, or release the hold."""
    return await update(client, workflow_id, ContractWorkflow.set_hold, request)


async def terminate(
    client: Client, workflow_id: str, request: TerminationRequest
) -> ContractOutcome:
    """Either side ends the contract early, on a last day."""
    return await update(client, workflow_id, ContractWorkflow.terminate, request)


async def give_notice(client: Client, workflow_id: str, notice: NoticeGiven) -> ContractOutcome:
    """One side does not want the term renewed."""
    return await update(client, workflow_id, ContractWorkflow.give_notice, notice)


async def request_credit(
    client: Client, workflow_id: str, request: CreditRequest
) -> ContractOutcome:
    """Credit an issued invoice, in whole or in part; the credit note needs its approval."""
    return await update(client, workflow_id, ContractWorkflow.request_credit, request)


async def release_retainage(
    client: Client, workflow_id: str, release: RetainageRelease
) -> ContractOutcome:
    """Bill what was held back: the event that releases it has come."""
    return await update(client, workflow_id, ContractWorkflow.release_retainage, release)


async def credit_service(
    client: Client, workflow_id: str, credit: ServiceCredit
) -> ContractOutcome:
    """Owe a service credit, deducted from the next invoice; a reference counts once."""
    return await update(client, workflow_id, ContractWorkflow.credit_service, credit)


async def refresh_customer(client: Client, workflow_id: str, request: CustomerRefresh) -> list[str]:
    """Read the deal again; says what was taken from it, and what was not, once it is read. Raises
    Refused where the CRM refuses to be read, NoAnswer where it does not answer in time."""
    await update(client, workflow_id, ContractWorkflow.refresh_customer, request)
    for _ in range(_MOST_LOOKS):
        state = await contract_state(client, workflow_id)
        if state.refresh is None:
            return list(state.refreshed)
        for parked in state.exceptions:
            if parked.key == REFRESH:
                raise Refused(parked.message)
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise NoAnswer(f"the deal of {workflow_id} is still being read; ask again")
