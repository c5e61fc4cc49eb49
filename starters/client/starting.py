"""Starting contracts: from contract data, or by the deal that a workflow reads itself."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts.contract.state import FILE_SOURCE, ContractInput
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.model import JsonObject
from contracts.problems import InvalidContract
from contracts.validation import payload_problems
from starters.client.messages import CONTRACT_WORKFLOW, built
from workflows import options, search_attributes, task_queues


@dataclass(frozen=True)
class Started:
    """A contract's workflow; `new` is false where it had been started before."""

    workflow_id: str
    run_id: str
    new: bool


def input_of_data(contract_data: JsonObject) -> ContractInput:
    """What the contract of this data is started with. Raises InvalidContract."""
    problems = payload_problems(contract_data)
    if problems:
        raise InvalidContract(problems)
    contract_id = contract_data.get("contract_id")
    return built(
        ContractInput,
        contract_id=contract_id,
        legal_entity=contract_data.get("legal_entity"),
        source=contract_data.get("source") or {"system": FILE_SOURCE, "id": contract_id},
        contract_data=contract_data,
    )


def input_of_deal(system: str, deal_id: str, legal_entity: str) -> ContractInput:
    """What the contract of a won deal is started with. Raises InvalidContract."""
    return built(
        ContractInput,
        contract_id=deal_contract_id(system, deal_id),
        legal_entity=legal_entity,
        source={"system": system, "id": deal_id},
    )


async def start(client: Client, contract: ContractInput) -> Started:
    """Start a contract's workflow under its business key."""
    workflow_id = contract_workflow_id(contract.legal_entity, contract.contract_id)
    try:
        handle = await client.start_workflow(
            CONTRACT_WORKFLOW,
            contract,
            id=workflow_id,
            task_queue=task_queues.CONTRACTS,
            # Once closed, the same key is not a new contract either.
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=search_attributes.at_start(
                contract.contract_id, contract.legal_entity
            ),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(contract.legal_entity),
            static_summary=f"{contract.legal_entity} {contract.contract_id}",
        )
    except WorkflowAlreadyStartedError as error:
        return Started(workflow_id, error.run_id or "", new=False)
    return Started(workflow_id, handle.result_run_id or "", new=True)
