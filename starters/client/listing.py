"""Lists of contracts, from Temporal's visibility: no worker is needed.

Lists are a moment behind the workflows themselves; nothing is decided by them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from temporalio.client import Client, WorkflowExecution
from temporalio.common import SearchAttributeKey

from contracts.identifiers import KEY, contract_of
from contracts.money import Money
from starters.client.names import CONTRACT_WORKFLOW, INVOICE_WORKFLOW, MAX_LISTED
from starters.client.references import BadReference
from workflows import search_attributes

T = TypeVar("T")

_CONTRACTS_A_QUERY = 100
_WORD = re.compile(r"^[a-z][a-z_-]*\Z")


@dataclass(frozen=True)
class Listed(Generic[T]):
    """What a list has found. `more`: it stopped at its limit, and there are others."""

    items: list[T]
    more: bool = False


@dataclass(frozen=True)
class ContractRow:
    """A contract as lists show it: from visibility, a moment behind the workflow itself.

    `value` is without tax, `due` (what the customer owes now) with it; both are None before the
    contract is validated.
    """

    workflow_id: str
    contract_id: str
    legal_entity: str
    customer: str
    stage: str
    waiting_on: str
    waiting_since: datetime | None
    value: Money | None
    due: Money | None
    started_at: datetime
    customer_key: str = ""


def conditions(
    *,
    entity: str = "",
    entities: Sequence[str] | None = None,
    waiting_on: str = "",
    also: str = "",
    **stages: str,
) -> str:
    """A visibility condition; what is empty does not narrow. Raises BadReference.

    `entities` are all legal entities that may be seen: without one nothing is found. `stages` are
    named as their search attributes are; `also` is a condition of the caller's own.
    """
    for name in (entity, *(entities or ())):
        if name and not KEY.match(name):
            raise BadReference(f"{name!r} cannot be a legal entity")
    wanted = {**stages, search_attributes.WAITING_ON.name: waiting_on}
    for name, value in wanted.items():
        if value and not _WORD.match(value):
            raise BadReference(f"{name} is a word such as exception, not {value!r}")
    wanted[search_attributes.LEGAL_ENTITY.name] = entity
    terms = [f"{name} = '{value}'" for name, value in wanted.items() if value]
    if entities is not None:
        # No list takes an empty one; no legal entity has this name.
        names = ", ".join(f"'{name}'" for name in entities) or "'*'"
        terms.append(f"{search_attributes.LEGAL_ENTITY.name} IN ({names})")
    return " AND ".join([f"({also})", *terms] if also else terms)


async def contract_rows(
    client: Client, *, where: str = "", limit: int = MAX_LISTED
) -> list[ContractRow]:
    """The contracts found, newest first; `where` is a visibility condition."""
    found = await runs(client, CONTRACT_WORKFLOW, where, limit)
    due = await _amounts_due(client, found)
    return [await contract_row(item, due.get(item.id, 0.0)) for item in found]


async def workflow_ids(client: Client, where: str, limit: int) -> tuple[list[str], bool]:
    """Ids of the contracts and the invoices that fulfil a visibility condition, at most `limit` of
    each, the newest; and whether there are more."""
    kinds = (CONTRACT_WORKFLOW, INVOICE_WORKFLOW)
    found = [await runs(client, kind, where, limit + 1) for kind in kinds]
    ids = [item.id for some in found for item in some[:limit]]
    return ids, any(len(some) > limit for some in found)


async def runs(
    client: Client, workflow_type: str, where: str, limit: int
) -> list[WorkflowExecution]:
    """The newest run of each workflow that fulfils a visibility condition."""
    found: dict[str, WorkflowExecution] = {}
    async for item in client.list_workflows(_query(workflow_type, where), limit=limit):
        # Visibility lags: between two runs both may be listed as the newest for a moment.
        found.setdefault(item.id, item)
    return list(found.values())


@dataclass(frozen=True)
class ContractPage:
    """A page of contracts, and what the next one is asked with; empty on the last."""

    rows: list[ContractRow]
    following: bytes = b""


async def contract_page(
    client: Client, *, where: str = "", following: bytes = b"", size: int = 50
) -> ContractPage:
    """One page of contracts, newest first. `following` is what the page before gave."""
    listed = client.list_workflows(
        _query(CONTRACT_WORKFLOW, where), page_size=size, next_page_token=following or None
    )
    await listed.fetch_next_page()
    # Visibility lags: between two runs both may be listed as the newest for a moment.
    found = list({item.id: item for item in reversed(listed.current_page or [])}.values())[::-1]
    due = await _amounts_due(client, found)
    rows = [await contract_row(item, due.get(item.id, 0.0)) for item in found]
    return ContractPage(rows, listed.next_page_token or b"")


async def count_contracts(client: Client, where: str = "") -> int:
    """How many contracts fulfil a visibility condition."""
    return (await client.count_workflows(_query(CONTRACT_WORKFLOW, where))).count


async def next_actions(client: Client, entity: str, contract_id: str) -> dict[str, datetime]:
    """When something next happens by itself to the invoices of a contract, by workflow id."""
    contract = search_attributes.CONTRACT_ID.name
    where = f"{conditions(entity=entity)} AND {contract} = '{contract_id}'"
    running = f"{where} AND ExecutionStatus = 'Running'"
    found = {}
    for item in await runs(client, INVOICE_WORKFLOW, running, MAX_LISTED):
        at = item.typed_search_attributes.get(search_attributes.NEXT_ACTION_AT)
        if at is not None:
            found[item.id] = at
    return found


def _query(workflow_type: str, where: str) -> str:
    # Each run of a continued workflow is listed; the newest stands for all.
    wanted = [f"WorkflowType = '{workflow_type}'", "ExecutionStatus != 'ContinuedAsNew'"]
    return " AND ".join([*wanted, where] if where else wanted)


async def _amounts_due(client: Client, contracts: Sequence[WorkflowExecution]) -> dict[str, float]:
    """What is owed on the invoices of these contracts, by the contracts' workflow ids."""
    due: dict[str, float] = defaultdict(float)
    for start in range(0, len(contracts), _CONTRACTS_A_QUERY):
        some = contracts[start : start + _CONTRACTS_A_QUERY]
        names = [item.typed_search_attributes.get(search_attributes.CONTRACT_ID) for item in some]
        wanted = ", ".join(f"'{name}'" for name in names if name)
        where = (
            f"WorkflowType = '{INVOICE_WORKFLOW}' AND ExecutionStatus = 'Running' "
            f"AND {search_attributes.AMOUNT_DUE.name} != 0 "
            f"AND {search_attributes.CONTRACT_ID.name} IN ({wanted})"
        )
        async for invoice in client.list_workflows(where):
            amount = invoice.typed_search_attributes.get(search_attributes.AMOUNT_DUE)
            due[contract_of(invoice.id)] += amount or 0.0
    return due


async def contract_row(item: WorkflowExecution, due: float) -> ContractRow:
    """A contract as visibility shows it, with what is owed on its invoices."""
    known = item.typed_search_attributes
    try:
        name = await item.memo_value(search_attributes.CUSTOMER_NAME, "")
    except Exception:  # its key was erased, or is missing: the others are listed by name
        name = ""
    return ContractRow(
        workflow_id=item.id,
        contract_id=_text(item, search_attributes.CONTRACT_ID),
        legal_entity=_text(item, search_attributes.LEGAL_ENTITY),
        customer=name or _text(item, search_attributes.CUSTOMER),
        stage=_text(item, search_attributes.CONTRACT_STAGE),
        waiting_on=_text(item, search_attributes.WAITING_ON),
        waiting_since=known.get(search_attributes.WAITING_SINCE),
        value=_money(item, known.get(search_attributes.CONTRACT_VALUE)),
        due=_money(item, due),
        started_at=item.start_time,
        customer_key=_text(item, search_attributes.CUSTOMER),
    )


def _text(item: WorkflowExecution, key: SearchAttributeKey[str]) -> str:
    return item.typed_search_attributes.get(key) or ""


def _money(item: WorkflowExecution, value: float | None) -> Money | None:
    currency = item.typed_search_attributes.get(search_attributes.CURRENCY)
    return None if value is None or currency is None else Money.rounded(value, currency)
