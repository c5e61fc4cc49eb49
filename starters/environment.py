"""Binds a namespace to one Odoo, and makes a copy of another's safe.

Both sides carry the binding: Temporal in a workflow that does nothing, Odoo in a mark. A worker
serves only where both fit, so a copy of an Odoo that somebody restored for tests is neither billed
in nor mailed from, whichever worker is pointed at it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from contracts.environment import MEMO, WORKFLOW_ID
from gateways.errors import GatewayError
from gateways.odoo import OdooClient, mark
from gateways.odoo.mark import Mark
from gateways.secrets import Secret
from starters.findings import Area, Change, Did, Finding, SetupRefused
from wiring import environment, remotes
from wiring.settings import Settings
from workflows import task_queues
from workflows.environment import EnvironmentWorkflow

_KIND = "environment"
_SEE = "docs/environments.md"


async def bind(client: Client, settings: Settings, *, moves: bool = False) -> Change:
    """As `ensure_bound`, to the Odoo that is configured."""
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        return await ensure_bound(client, settings, odoo, moves=moves)


async def ensure_bound(
    client: Client, settings: Settings, odoo: OdooClient, *, moves: bool
) -> Change:
    """Bind the namespace to the configured Odoo; `moves` allows another address, or name, than it
    had.

    Raises SetupRefused where either belongs to another, and GatewayError.
    """
    here, before = (
        await environment.configured(client, settings),
        await environment.bound(client),
    )
    there = mark.read(odoo)
    if there is not None and there.id not in (here.mark, before.mark if before else None):
        raise SetupRefused(
            f"the Odoo at {here.odoo} belongs to environment {there.environment}, by another "
            "namespace. If this is a copy of it, c2c setup --neutralise makes it safe and ours "
            f"({_SEE})"
        )
    if before is not None and not moves and (problem := environment.difference(before, settings)):
        raise SetupRefused(
            f"namespace {client.namespace} {problem}. If it has moved for good: c2c setup --moved "
            f"({_SEE})"
        )
    detail = f"{here.name}: {here.odoo}"
    if before == here and there is not None and there.id == here.mark:
        return Change(_KIND, client.namespace, Did.UNCHANGED, detail)
    mark.write(odoo, Mark(here.mark, here.name))
    await client.start_workflow(
        EnvironmentWorkflow.run,
        here,
        id=WORKFLOW_ID,
        task_queue=task_queues.CONTRACTS,
        memo={MEMO: here},
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )
    return Change(_KIND, client.namespace, Did.UPDATED if before else Did.CREATED, detail)


async def check(client: Client, settings: Settings, odoo: OdooClient) -> Finding:
    """Whether the namespace and the configured Odoo belong to each other."""
    area = Area("Environment")
    before = await environment.bound(client)
    if before is None:
        return area.missing("binding", f"{client.namespace} is bound to no Odoo", "c2c setup")
    if problem := environment.difference(before, settings):
        return area.missing("binding", f"{client.namespace} {problem}", _SEE)
    try:
        there = mark.read(odoo)
    except GatewayError as error:
        return area.missing("binding", error.message, "see what is said about Odoo")
    if there is None or there.id != before.mark:
        whose = f"belongs to environment {there.environment}" if there else "carries no mark"
        return area.missing("binding", f"the Odoo at {before.odoo} {whose}", _SEE)
    return area.ok("binding", f"{before.name}: {before.odoo}")


# --- a copy ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """What is changed in a copy: these values on these records."""

    what: str
    model: str
    domain: Sequence[Any]
    values: dict[str, Any]


_NO_SERVER = "c2c: no mail leaves this copy"
_AUTOVACUUM = "Base: Auto-vacuum internal data"
_STEPS = (
    _Step(
        "outgoing mail servers", "ir.mail_server", [("name", "!=", _NO_SERVER)], {"active": False}
    ),
    _Step("incoming mail servers", "fetchmail.server", [], {"active": False}),
    _Step("waiting mails", "mail.mail", [("state", "=", "outgoing")], {"state": "cancel"}),
    _Step(
        "scheduled actions",
        "ir.cron",
        [("cron_name", "!=", _AUTOVACUUM)],
        {"active": False},
    ),
    _Step("automation rules", "base.automation", [], {"active": False}),
    _Step("payment providers", "payment.provider", [("state", "=", "enabled")], {"state": "test"}),
)


def neutralise(settings: Settings, key: Secret) -> list[Change]:
    """Make a copy of another environment's Odoo safe, as the administrator with this API key: no
    mail leaves it, nothing runs in it by itself, and it belongs to no environment any more.

    Odoo's own `odoo-bin neutralize` does more (it knows each module) and is to be preferred where
    there is a shell. Raises SetupRefused where the database belongs to nobody else, GatewayError.
    """
    odoo = remotes.odoo_as(settings, key)
    with contextlib.closing(odoo):
        if mark.read(odoo) is None:
            raise SetupRefused(
                f"the Odoo at {environment.place(settings)} belongs to no environment: "
                "there is nothing to make safe; c2c setup binds it"
            )
        return list(_neutralised(odoo))


def _neutralised(odoo: OdooClient) -> Iterator[Change]:
    # First what keeps mails in: were this cut off, a copy without it must still have its mark.
    yield _without_a_way_out(odoo)
    for step in _STEPS:
        yield _done(odoo, step)
    odoo.call("ir.config_parameter", "set_param", key="database.is_neutralized", value="True")
    mark.remove(odoo)
    yield Change("copy", "mark of the environment", Did.REMOVED)


def _without_a_way_out(odoo: OdooClient) -> Change:
    """Without any server Odoo would use the one that its command line names."""
    what = Change("copy", "a mail server that leads nowhere", Did.CREATED)
    if odoo.search_read("ir.mail_server", [("name", "=", _NO_SERVER)], ["id"], limit=1):
        return Change(what.kind, what.name, Did.UNCHANGED)
    server = {"name": _NO_SERVER, "smtp_host": "invalid", "smtp_port": 1025, "sequence": 0}
    odoo.create("ir.mail_server", [{**server, "smtp_authentication": "login"}])
    return what


def _done(odoo: OdooClient, step: _Step) -> Change:
    if not odoo.search_read("ir.model", [("model", "=", step.model)], ["id"], limit=1):
        return Change(
            "copy", step.what, Did.UNCHANGED, "Odoo has none: the module is not installed"
        )
    [(name, value)] = step.values.items()
    wrong = [*step.domain, (name, "!=", value)]
    rows = odoo.search_read(step.model, wrong, ["id"])
    odoo.write(step.model, [row["id"] for row in rows], step.values)
    did = Did.UPDATED if rows else Did.UNCHANGED
    return Change("copy", step.what, did, f"{len(rows)} switched off" if rows else "")
