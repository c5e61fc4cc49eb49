"""A stand-in for what is asked of Temporal here: which workflows there are, and when they ended."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

_RUNNING = "ExecutionStatus = 'Running'"


@dataclass
class Executions:
    """Workflows by their ids: when they ended, or None while they run. `customers` are the keys of
    contracts' customers, as Temporal lists them; `others` says when what runs of no contract has
    begun. It forgets what is taken out."""

    ended: dict[str, datetime | None] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    others: list[datetime] = field(default_factory=list)
    namespace: str = "default"
    service_client: Any = field(
        default_factory=lambda: SimpleNamespace(config=SimpleNamespace(target_host="127.0.0.1:1"))
    )

    def get_workflow_handle(self, workflow_id: str) -> Any:
        async def describe() -> Any:
            if workflow_id not in self.ended:
                raise RPCError("forgotten", RPCStatusCode.NOT_FOUND, b"")
            at = self.ended[workflow_id]
            is_open = at is None
            status = WorkflowExecutionStatus
            return SimpleNamespace(
                status=status.RUNNING if is_open else status.COMPLETED, close_time=at
            )

        return SimpleNamespace(describe=describe)

    async def count_workflows(self, query: str) -> Any:
        """Those of no contract that run, by when they began."""
        assert "WorkflowType NOT IN ('ContractWorkflow', 'InvoiceWorkflow')" in query
        asked = re.search(r"StartTime <= '([^']+)'", query)
        assert asked is not None
        by = datetime.fromisoformat(asked[1])
        return SimpleNamespace(count=sum(at <= by for at in self.others))

    async def list_workflows(self, query: str, limit: int) -> AsyncIterator[Any]:
        asked = dict(re.findall(r"(\w+) = '([^']*)'", query))
        for workflow_id, at in list(self.ended.items()):
            _, entity, contract, *_ = workflow_id.split("/")
            if _RUNNING in query and at is not None:
                continue
            known = {
                "LegalEntity": entity,
                "ContractId": contract,
                "Customer": self.customers.get(workflow_id),
            }
            if all(known[name] == asked[name] for name in known.keys() & asked.keys()):
                yield SimpleNamespace(id=workflow_id)
