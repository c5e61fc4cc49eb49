"""How the audit record is written: the act of a contract and of an invoice alike."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities, WriteRequest
    from contracts.agenda.actions import Action
    from contracts.agenda.state import AgendaState
    from contracts.audit.entries import MAX_AT_A_TIME
    from workflows import options
    from workflows.acts import activity


def write(state: AgendaState, action: Action, customer: str = "") -> Awaitable[Any]:
    """Write what is pending, in one activity; of very much, the first. `customer` is the key of the
    contract's customer."""
    trail = state.audit
    entries = trail.pending[:MAX_AT_A_TIME]
    request = WriteRequest(
        of=workflow.info().workflow_id,
        customer=customer,
        seq=trail.seq,
        head=trail.head,
        rejoins=trail.rejoins,
        entries=entries,
    )
    config = options.records(f"audit record, {len(entries)} entries")
    return activity(AuditActivities.write_entries, request, config)
