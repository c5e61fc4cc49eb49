"""What a namespace is bound to, where everybody can look: `c2c setup` starts it."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from contracts.environment import Environment


@workflow.defn(versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class EnvironmentWorkflow:
    """Does nothing, for as long as the namespace is in use."""

    @workflow.run
    async def run(self, environment: Environment) -> None:
        await workflow.wait_condition(lambda: False)
