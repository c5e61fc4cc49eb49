"""What waits for a person and is neither a contract nor an invoice."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from temporalio.client import Client

from contracts.bank.file import FileRef
from contracts.events import ContractUpdate, ForContract, InboundEvent
from starters.client import bank, events
from tests.world import ENTITY, unique


async def refused_event(client: Client, contract: str = "") -> str:
    """An event for a contract that refuses it, or that there is not; its workflow's id."""
    event = InboundEvent(
        source="tickets",
        key=unique("msg"),
        kind="milestone.reached",
        received_at=datetime.now(UTC),
        sha256="0" * 64,
        size=1,
        task=ForContract(
            contract=contract or f"contract/{ENTITY}/{unique('C')}",
            update=ContractUpdate.REACH_MILESTONE,
            message={"milestone": 1},
        ),
    )
    assert await events.receive(client, event, within_seconds=10)
    return event.workflow_id


async def unknown_bank_file(client: Client) -> str:
    """A file of a bank that nobody configured; its workflow's id."""
    sha256 = hashlib.sha256(unique("file").encode()).hexdigest()
    file = FileRef(bank="nobody", legal_entity=ENTITY, name="a.xml", sha256=sha256)
    assert await bank.start(client, file)
    return file.workflow_id
