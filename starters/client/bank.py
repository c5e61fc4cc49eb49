"""A bank's files: started, listed, shown, and what people decide about them and their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from contracts.actors import Sign
from contracts.bank.file import (
    FILE_STEP,
    NOTICE_STEP,
    BankFileState,
    BankFileView,
    FileDecided,
    FileDecision,
    FileRef,
    ParkedLine,
    Settlement,
)
from contracts.identifiers import BANK_PREFIX, KEY
from contracts.parking import AUDIT
from starters.client import calls
from starters.client.calls import Unreadable
from starters.client.connection import Connection, Remote
from starters.client.errors import NotFound
from starters.client.names import BANK_FILE_WORKFLOW, MAX_LISTED
from starters.client.parked import ParkedStep
from starters.client.protocol import Query, Update, built
from starters.client.references import BadReference, Entities, short
from workflows import options, search_attributes, task_queues

BANK_FILE = Query("bank_file", BankFileView)
SETTLE_LINE = Update("settle_line", Settlement, str)
DECIDE_FILE = Update("decide_file", FileDecided, str)
OF_FILES: tuple[Update[Any, Any], ...] = (SETTLE_LINE, DECIDE_FILE)

_HASH = re.compile(r"[0-9a-f]{4,64}")
_WHOLE_HASH = 64
_SETTLE = ("c2c bank settle",)
_COMMANDS = {
    FILE_STEP: ("c2c bank retry", "c2c bank refuse"),
    NOTICE_STEP: ("c2c bank accept",),
    AUDIT.name: ("c2c bank retry", "c2c bank accept"),
}
"""What decides each step of a file."""
_WAITS = (
    f"ExecutionStatus = 'Running'"
    f" AND {search_attributes.WAITING_ON.name} IN ('exception', 'credentials')"
)


@dataclass(frozen=True)
class WaitingLine:
    """A line that waits for a person, and its file as lists show it."""

    file: str
    line: ParkedLine


async def start(client: Client, file: FileRef) -> bool:
    """Have a file applied; False where that is under way. One that was applied before is read
    again, and nothing of it is booked twice."""
    try:
        await client.start_workflow(
            BANK_FILE_WORKFLOW,
            BankFileState(file=file, received_at=datetime.now(UTC)),
            id=file.workflow_id,
            task_queue=task_queues.CONTRACTS,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=search_attributes.of_bank_file(file.legal_entity),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(file.legal_entity),
            static_summary=f"{file.bank}: {file.name}"[:200],
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


async def show(client: Connection, workflow_id: str) -> BankFileView:
    """A file and all of its lines that wait. Raises NotFound, NoAnswer, Refused."""
    found = await calls.query(client, workflow_id, BANK_FILE)
    while found.more:
        page = await calls.query(client, workflow_id, BANK_FILE, len(found.state.parked))
        parked = (*found.state.parked, *page.state.parked)
        more = page.more and bool(page.state.parked)
        found = BankFileView(
            state=page.state.replace(parked=parked), open_lines=page.open_lines, more=more
        )
    return found


async def files(
    client: Connection,
    *,
    only_open: bool = False,
    legal_entity: str = "",
    where: str = "",
    limit: int = MAX_LISTED,
    unreadable: Unreadable | None = None,
) -> list[BankFileView]:
    """Files, the newest first, each with the first of its lines that wait. `where` is a further
    condition in Temporal's list filter."""
    if isinstance(client, Remote):
        return await client.bank_files(
            only_open=only_open, legal_entity=legal_entity, limit=limit, unreadable=unreadable
        )
    ids = await _ids(
        client, only_open=only_open, legal_entity=legal_entity, where=where, limit=limit
    )

    async def ask(workflow_id: str) -> list[BankFileView]:
        return [await calls.query(client, workflow_id, BANK_FILE)]

    return await calls.each(ids, ask, unreadable)


async def lines(
    client: Connection,
    workflow_ids: list[str] | None = None,
    *,
    limit: int = MAX_LISTED,
    unreadable: Unreadable | None = None,
) -> list[WaitingLine]:
    """The lines that wait: of these files, or of all; file by file, the newest file first."""
    ids = workflow_ids or await _ids(client, only_open=True, limit=limit)

    async def ask(workflow_id: str) -> list[WaitingLine]:
        found = await show(client, workflow_id)
        return [WaitingLine(short_id(workflow_id), line) for line in found.state.parked]

    return await calls.each(ids, ask, unreadable)


async def parked(
    client: Client,
    *,
    where: str = "",
    limit: int = MAX_LISTED,
    unreadable: Unreadable | None = None,
) -> list[ParkedStep]:
    """What waits for people in bank files, as it is listed with the parked steps of contracts."""
    wanted = f"{_WAITS} AND {where}" if where else _WAITS
    ids = await _ids(client, where=wanted, limit=limit)

    async def ask(workflow_id: str) -> list[ParkedStep]:
        found = await show(client, workflow_id)
        return [
            ParkedStep(workflow_id, item, commands=_COMMANDS.get(item.step, _SETTLE))
            for item in found.state.exceptions
        ]

    return await calls.each(ids, ask, unreadable)


async def settle(
    client: Connection,
    workflow_id: str,
    asked: Settlement,
    request_id: str | None = None,
    sign: Sign | None = None,
) -> str:
    """Decide about a line; what came of it in words. Raises Refused, which says all that is wrong,
    NotFound, NoAnswer."""
    return await calls.update(
        client, workflow_id, SETTLE_LINE, asked, request_id=request_id, sign=sign
    )


async def decide(
    client: Connection,
    workflow_id: str,
    decision: FileDecision,
    *,
    by: str,
    reason: str = "",
    request_id: str | None = None,
    sign: Sign | None = None,
) -> str:
    """Decide about a file as a whole. Raises Refused, NotFound, NoAnswer, InvalidContract."""
    asked = built(FileDecided, decision=decision, by=by, reason=reason)
    return await calls.update(
        client, workflow_id, DECIDE_FILE, asked, request_id=request_id, sign=sign
    )


async def find(client: Connection, reference: str, entities: Entities) -> str:
    """The workflow id of the file that is meant: `northwind/3f2a9c`, `3f2a9c` (the beginning of its
    hash is enough), or the workflow id. Raises BadReference, NotFound."""
    entity, _, start_of_hash = reference.removeprefix(BANK_PREFIX).rpartition("/")
    entity = entity or entities.default()
    if not KEY.match(entity) or not _HASH.fullmatch(start_of_hash):
        raise BadReference(f"{reference!r} names no bank file; write it as northwind/3f2a9c")
    begin = f"{BANK_PREFIX}{entity}/{start_of_hash}"
    if len(start_of_hash) == _WHOLE_HASH:
        return begin
    found = await _beginning_with(client, entity, begin)
    if len(found) != 1:
        there = "several bank files begin" if found else "no bank file begins"
        raise NotFound(f"{there} with {entity}/{start_of_hash}: see c2c bank list")
    return found[0]


def short_id(workflow_id: str) -> str:
    """`northwind/3f2a9c0d1e2f`: enough to tell files apart, and to name them."""
    return short(workflow_id).removeprefix(BANK_PREFIX)


async def _beginning_with(client: Connection, entity: str, begin: str) -> list[str]:
    """The files whose ids begin so; more than one is as bad as many."""
    if isinstance(client, Remote):
        ids = await _ids(client, legal_entity=entity)
        return [item for item in ids if item.startswith(begin)][:2]
    return await _ids(client, where=f"WorkflowId STARTS_WITH '{begin}'", limit=2)


async def _ids(
    client: Connection,
    *,
    only_open: bool = False,
    legal_entity: str = "",
    where: str = "",
    limit: int = MAX_LISTED,
) -> list[str]:
    if isinstance(client, Remote):
        listed = await client.bank_files(
            only_open=only_open, legal_entity=legal_entity, limit=limit
        )
        return [item.state.file.workflow_id for item in listed]
    wanted = [f"WorkflowType = '{BANK_FILE_WORKFLOW}'", "ExecutionStatus != 'ContinuedAsNew'"]
    if only_open:
        wanted.append("ExecutionStatus = 'Running'")
    if legal_entity:
        wanted.append(f"{search_attributes.LEGAL_ENTITY.name} = '{legal_entity}'")
    if where:
        wanted.append(where)
    found: dict[str, None] = {}
    async for item in client.list_workflows(" AND ".join(wanted), limit=limit):
        found[item.id] = None
    return list(found)
