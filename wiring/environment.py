"""What a namespace is bound to, and whether this configuration is for it."""

from __future__ import annotations

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.environment import MEMO, WORKFLOW_ID, Environment
from wiring.settings import ConfigurationError, Settings


async def bound(client: Client) -> Environment | None:
    """What the namespace is bound to; None where `c2c setup` never was run in it."""
    try:
        found = await client.get_workflow_handle(WORKFLOW_ID).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    if found.status is not WorkflowExecutionStatus.RUNNING:
        return None
    held: Environment = await found.memo_value(MEMO, type_hint=Environment)
    return held


async def configured(client: Client, settings: Settings) -> Environment:
    """What the namespace would be bound to by this configuration."""
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    return Environment.of(settings.environment, place(settings), answer.namespace_info.id)


async def check(client: Client, settings: Settings) -> Environment:
    """What the namespace is bound to. Raises ConfigurationError where that is nothing, or another
    environment or Odoo than the configuration names."""
    found = await bound(client)
    if found is None:
        raise ConfigurationError(
            f"namespace {client.namespace} is not bound to an Odoo yet: run c2c setup"
        )
    if problem := difference(found, settings):
        raise ConfigurationError(
            f"namespace {client.namespace} {problem}. Correct the configuration, or see "
            "docs/environments.md"
        )
    return found


def difference(found: Environment, settings: Settings) -> str:
    """How a configuration differs from what its namespace is bound to, in words; empty where it
    does not."""
    if found.name != settings.environment:
        return f"is environment {found.name}, and environment says {settings.environment}"
    if found.odoo != place(settings):
        return f"belongs to the Odoo at {found.odoo}, and odoo says {place(settings)}"
    return ""


def place(settings: Settings) -> str:
    """Where Odoo is, for people."""
    remote = settings.odoo
    return f"{remote.url.rstrip('/')}, database {remote.database}"
