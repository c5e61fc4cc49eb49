"""How the audit record is written: by the act of a contract and of an invoice alike, and beside the
work of what has no agenda, a bank's file and an event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities, WriteRequest
    from contracts import parking
    from contracts.agenda.actions import Action
    from contracts.agenda.state import AgendaState
    from contracts.audit import entries
    from contracts.audit.entries import MAX_AT_A_TIME, Entry, Trail
    from contracts.model import JsonObject, Signed
    from contracts.parking import Action as Choice
    from contracts.parking import StepException
    from workflows import options
    from workflows.acts import activity
    from workflows.proof import bare, sender
    from workflows.shell import failed

_AGAIN_AFTER = timedelta(hours=1)


def write(state: AgendaState, action: Action, customer: str = "") -> Awaitable[Any]:
    """Write what is pending, in one activity; of very much, the first. `customer` is the key of the
    contract's customer."""
    return _write(workflow.info().workflow_id, state.audit, customer)


def _write(of: str, trail: Trail, customer: str = "") -> Awaitable[Any]:
    pending = trail.pending[:MAX_AT_A_TIME]
    request = WriteRequest(
        of=of,
        customer=customer,
        seq=trail.seq,
        head=trail.head,
        rejoins=trail.rejoins,
        entries=pending,
    )
    config = options.records(f"audit record, {len(pending)} entries")
    return activity(AuditActivities.write_entries, request, config)


class Recorder:
    """Keeps the audit record of a workflow that people decide about: each decision, a beginning
    before the first one, and an end. It is written beside whatever else the workflow does.

    `changed` is called whenever the trail, or `unrecorded`, is another one. Under the same id there
    may have been a workflow before: the first entry goes behind what the store has.
    """

    def __init__(self, of: str, trail: Trail, origin: str, changed: Callable[[], None]) -> None:
        self._of, self._origin, self._changed = of, origin, changed
        self.trail = trail if trail.seq else trail.replace(rejoins=True)
        self.unrecorded: StepException | None = None
        self._has_begun = bool(trail.made)
        self._is_asked = False
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        return not self.trail.pending

    def note(
        self, message: Signed, before: JsonObject, after: JsonObject, content_hash: str = ""
    ) -> None:
        """Note a decision, whoever has signed it, and what it has changed."""
        at = workflow.now()
        if not self._has_begun:
            begun = Entry(at=at, what=entries.STARTED, source_hash=self._origin)
            self.trail = self.trail.noted(begun)
            self._has_begun = True
        entry = entries.of_message(bare(message), at, sender(message))
        self.trail = self.trail.noted(entry.replace(content_hash=content_hash))
        self.trail = self.trail.changed(before, after)
        self._changed()
        self.write()

    def end(self, standing: JsonObject) -> None:
        """Note how the workflow ends, if anything was decided about it."""
        if self._has_begun:
            ended = Entry(at=workflow.now(), what=entries.ENDED, details=standing)
            self.trail, self._has_begun = self.trail.noted(ended), False
            self._changed()
            self.write()

    def write(self) -> None:
        """Write what is pending, unless that is under way."""
        if self.trail.pending and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_all())

    def try_again(self, *, rejoins: bool = False) -> None:
        """Try at once what failed; `rejoins`: a person has said that the store's own end counts."""
        if rejoins and self.unrecorded is not None:
            self.trail = self.trail.replace(rejoins=True)
        self._is_asked = True

    async def _write_all(self) -> None:
        while self.trail.pending:
            self._is_asked = False
            try:
                written = await _write(self._of, self.trail)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                self._park(error)
                await self._pause()
            else:
                # Entries may have come while these were written: only what was sent is struck off.
                self.trail, self.unrecorded = self.trail.written(written), None
            self._changed()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self._is_asked, timeout=_AGAIN_AFTER)

    def _park(self, error: ActivityError) -> None:
        failure, before, now = failed(error), self.unrecorded, workflow.now()
        self.unrecorded = StepException(
            step=parking.AUDIT.name,
            kind=failure.kind,
            doing=parking.AUDIT.doing,
            responsible=parking.AUDIT.responsible,
            code=failure.code,
            message=failure.message[:1_000],
            field=failure.field,
            value=failure.value,
            allowed=(Choice.RETRY, Choice.SKIP),
            since=before.since if before else now,
            attempts=before.attempts + 1 if before else 1,
            retry_at=now + _AGAIN_AFTER,
        )
        self._changed()
