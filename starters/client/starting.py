"""Starting contracts: from contract data, or by the deal that a workflow reads itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from contracts.changes import contract_data_of, differences
from contracts.contract.state import FILE_SOURCE, ContractInput
from contracts.identifiers import contract_workflow_id, deal_contract_id
from contracts.model import JsonObject
from contracts.parking import Action
from contracts.problems import InvalidContract
from contracts.validation import payload_problems
from starters.client import calls
from starters.client.errors import NoAnswer, NotFound
from starters.client.messages import CONTRACT
from starters.client.names import CONTRACT_WORKFLOW
from starters.client.protocol import built
from workflows import options, search_attributes, task_queues

_CONTENT = "content"
"""In the memo: a digest of what the contract was started with. Each run hands it on."""
_MAX_DIFFERENCES = 20


@dataclass(frozen=True)
class Started:
    """A contract's workflow; `new` is false where it had been started before. `differences` is what
    this start says otherwise than the contract as it is now, none where both say the same; `stage`
    is the contract's then, and `may_amend` whether what is parked of it may be amended."""

    workflow_id: str
    run_id: str
    new: bool
    differences: tuple[str, ...] = ()
    stage: str = ""
    may_amend: bool = False


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
    """Start a contract's workflow under its business key.

    One that was started before with other content is compared. Raises NoAnswer where nobody can say
    what that contract is.
    """
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
            memo={_CONTENT: _digest(contract)},
        )
    except WorkflowAlreadyStartedError as error:
        before = Started(workflow_id, error.run_id or "", new=False)
        return await _compared(client, before, contract)
    return Started(workflow_id, handle.result_run_id or "", new=True)


async def _compared(client: Client, before: Started, contract: ContractInput) -> Started:
    """With what is said otherwise than the contract as it is now.

    By the digest a repeat is known without a worker.
    """
    workflow_id = before.workflow_id
    if not contract.contract_data or await _started_with(client, workflow_id) == _digest(contract):
        return before
    try:
        state = await calls.query(client, workflow_id, CONTRACT)
    except NoAnswer as error:
        raise NoAnswer(
            f"{workflow_id} was started before with other content; what differs only a worker can "
            f"say, and {error}"
        ) from error
    except NotFound:
        return before
    known = contract_data_of(state.contract) if state.contract else state.contract_data
    found = differences(known, _named(contract))
    if not found:
        return before
    left = len(found) - _MAX_DIFFERENCES
    more = [f"and {left} more"] if left > 0 else []
    return replace(
        before,
        differences=(*found[:_MAX_DIFFERENCES], *more),
        stage=str(state.stage),
        may_amend=any(Action.AMEND in item.allowed for item in state.exceptions),
    )


async def _started_with(client: Client, workflow_id: str) -> str | None:
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return None
    found: str | None = await described.memo_value(_CONTENT, None)
    return found


def _named(contract: ContractInput) -> JsonObject:
    """The contract data with what identifies it, as the workflow completes it."""
    return {
        **contract.contract_data,
        "contract_id": contract.contract_id,
        "legal_entity": contract.legal_entity,
        "source": contract.source.model_dump(mode="json"),
    }


def _digest(contract: ContractInput) -> str:
    text = json.dumps(_named(contract), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
