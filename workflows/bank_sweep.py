"""Files that a bank, or a person, has put where bank files are looked for."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.bank import BankActivities
    from activities.bank_sources import (
        FILES_AT_ONCE,
        BankPlace,
        BankSourceActivities,
        FilesToTake,
        Standing,
        bank_file_standing,
    )
    from contracts.bank.arrivals import BankSweepResult, SourceFile, compared
    from contracts.bank.file import BankFileState, FileRef
    from contracts.sweeps import ConnectorSweep
    from workflows import options, search_attributes
    from workflows.bank_file import BankFileWorkflow
    from workflows.sweeps import is_time_up


@workflow.defn
class BankSweepWorkflow:
    """Each file that stood still over two looks becomes a workflow. What a look found is the result
    that the schedule hands to the next sweep, so a worker may go between two looks.

    Bytes that have a workflow already are a repeat: the file is put away once the workflow is done
    with its own. What was refused begins anew: somebody has put it there again.
    """

    @workflow.run
    async def run(self, sweep: ConnectorSweep) -> BankSweepResult:
        began_at = workflow.now()
        before = workflow.get_last_completion_result(BankSweepResult) or BankSweepResult()
        there = await workflow.execute_activity_method(
            BankSourceActivities.look_for_bank_files,
            BankPlace(bank=sweep.system),
            **options.bank("which files are there", 1),
        )
        files, seen = compared(there.files, before.seen, began_at)
        result = BankSweepResult(seen=seen)
        for first in range(0, len(files), FILES_AT_ONCE):
            some = files[first : first + FILES_AT_ONCE]
            if is_time_up(began_at):
                _forget(result, files[first:])
                break
            await self._take(sweep, [item.name for item in some], result)
        return result

    async def _take(self, sweep: ConnectorSweep, names: list[str], result: BankSweepResult) -> None:
        entity = sweep.legal_entity
        taken = await workflow.execute_activity_method(
            BankSourceActivities.take_bank_files,
            FilesToTake(bank=sweep.system, legal_entity=entity, names=names),
            **options.bank(f"what is in {len(names)} files", FILES_AT_ONCE),
        )
        for file in taken.files:
            standing = await _started(file)
            result.started += standing is Standing.FREE
            if standing is Standing.REPEATED:
                await workflow.execute_activity_method(
                    BankActivities.put_away_bank_file,
                    file,
                    **options.bank(f"put {file.name} away, which came again", 1),
                )
                result.repeated += 1


def _forget(result: BankSweepResult, files: list[SourceFile]) -> None:
    """These were not taken: the next sweep takes them."""
    for file in files:
        result.seen[file.name] = result.seen[file.name].replace(taken_at=None)


async def _started(file: FileRef) -> Standing:
    """Start the file's workflow where its bytes have none, or may begin again."""
    if await _start(file, WorkflowIDReusePolicy.REJECT_DUPLICATE):
        return Standing.FREE
    found = await workflow.execute_activity(
        bank_file_standing, file, **options.contracts(f"how {file.name} stands")
    )
    if found.standing is Standing.FREE:
        await _start(file, WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    return found.standing


async def _start(file: FileRef, policy: WorkflowIDReusePolicy) -> bool:
    try:
        await workflow.start_child_workflow(
            BankFileWorkflow.run,
            BankFileState(file=file, received_at=workflow.now()),
            id=file.workflow_id,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=policy,
            search_attributes=search_attributes.of_bank_file(file.legal_entity),
            task_timeout=options.TASK_TIMEOUT,
            priority=options.share_of(file.legal_entity),
            static_summary=f"{file.bank}: {file.name}"[:200],
        )
    except WorkflowAlreadyStartedError:
        return False
    return True
