"""A release whose contracts do one thing more, and nothing guards it: no `workflow.patched`."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.contract.state import ContractInput, ContractOutcome
    from workflows.contract import ContractWorkflow


_NO_INPUT = ContractInput.not_read("one contract is expected")


@workflow.defn(name="ContractWorkflow")
class OtherContractWorkflow(ContractWorkflow):
    @workflow.init
    def __init__(self, start: ContractInput = _NO_INPUT) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ContractInput = _NO_INPUT) -> ContractOutcome:
        await workflow.sleep(timedelta(milliseconds=1), summary="what the other release lacks")
        return await super().run(start)
