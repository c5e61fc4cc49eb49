"""A workflow that is asked, and what the answer's failure says to whoever asked."""

from __future__ import annotations

from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowQueryFailedError

from starters.client import C2C, NoAnswer, Refused


class Asked:
    """A client whose every query fails."""

    def __init__(self, failure: str) -> None:
        self._failure = failure

    def get_workflow_handle(self, _: str) -> Asked:
        return self

    async def query(self, *_: object, **__: Any) -> None:
        raise WorkflowQueryFailedError(self._failure)


async def ask(failure: str) -> None:
    await C2C(cast("Client", Asked(failure))).contract("northwind/C-1").state()


@pytest.mark.parametrize(
    "failure",
    [
        "[TMPRL1101] Potential deadlock detected: workflow didn't yield within 2 second(s).",
        "Expected workflow input. This is a Python SDK bug.",
    ],
)
async def test_a_worker_too_slow_to_read_a_workflow_is_no_answer(failure: str) -> None:
    with pytest.raises(NoAnswer, match=r"contract/northwind/C-1"):
        await ask(failure)


async def test_any_other_failure_of_a_query_is_a_refusal() -> None:
    with pytest.raises(Refused, match="unknown query"):
        await ask("unknown query contract")
