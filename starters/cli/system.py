"""`c2c worker`, `c2c setup` and `c2c check`."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.session import Session, run, session_of
from workflows import task_queues

if TYPE_CHECKING:
    from starters.client import C2C
    from starters.findings import Change, Finding
    from wiring.settings import ConfigurationError, Settings

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def worker(
    context: typer.Context,
    queue: Annotated[
        list[str] | None,
        typer.Option(help=f"Serve only this queue; may be repeated: {', '.join(task_queues.ALL)}."),
    ] = None,
) -> None:
    """Replay a sample of what it will serve, serve until SIGINT or SIGTERM, then drain."""
    session = session_of(context)
    queues = tuple(dict.fromkeys(queue or task_queues.ALL))
    unknown = [name for name in queues if name not in task_queues.ALL]
    if unknown:
        raise UsageError(
            f"no such queue: {', '.join(unknown)}; there are {', '.join(task_queues.ALL)}"
        )
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT)
    # One line a request to Odoo would drown everything else.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from workers import process  # late: telemetry and the activities' clients come with it

    try:
        run(process.serve(session.settings, queues))
    except (RuntimeError, OSError) as error:  # as the SDK and the metrics' servers say it
        reason = str(error).split(": Status")[0]
        from wiring.settings import ConfigurationError

        raise ConfigurationError(f"the worker cannot run: {reason}") from error


def setup(
    context: typer.Context,
    crm: Annotated[
        bool, typer.Option("--crm", help="Also create what the CRMs lack, such as deal properties.")
    ] = False,
    odoo_webhooks: Annotated[
        bool,
        typer.Option(
            "--odoo-webhooks",
            help="Also create the automation rules by which Odoo tells of payments and milestones.",
        ),
    ] = False,
    odoo_key: Annotated[
        Path | None,
        typer.Option(
            "--odoo-key",
            metavar="FILE",
            help="The API key of an administrator of Odoo, for --odoo-webhooks.",
        ),
    ] = None,
) -> None:
    """Prepare the Temporal namespace: search attributes and the sweeps' schedules. Repeatable."""
    from starters import schedules  # late: the CRMs' clients come with it
    from starters.cli import reports

    session = session_of(context)
    settings = session.settings
    if odoo_webhooks != (odoo_key is not None):
        raise UsageError("--odoo-webhooks and --odoo-key FILE go together")

    async def prepare(c2c: C2C) -> list[Change]:
        changes = await schedules.ensure_search_attributes(c2c.client)
        return [*changes, *await schedules.ensure_sweeps(c2c.client, settings)]

    changes = session.run(prepare)
    if odoo_key is not None:
        changes += _prepare_odoo(settings, odoo_key)
    left = _prepare_crms(settings) if crm else []
    session.show(
        {"changes": [asdict(item) for item in changes], "left": [asdict(item) for item in left]},
        reports.changes(changes),
        _sentence(changes),
        *([reports.findings(left)] if left else []),
    )
    if left:
        raise typer.Exit(ExitCode.REFUSED)


def _prepare_odoo(settings: Settings, key: Path) -> list[Change]:
    from gateways.secrets import Secret
    from starters import odoo_webhooks  # late, as above

    return odoo_webhooks.ensure_rules(settings, Secret.file(key))


def _sentence(changes: list[Change]) -> str:
    from starters.findings import Did

    done = sum(item.did is not Did.UNCHANGED for item in changes)
    return f"{done} of {len(changes)} changed." if done else "All of it was there already."


def _prepare_crms(settings: Settings) -> list[Finding]:
    """Create what the CRMs lack; returns what is left for a person."""
    from gateways.errors import GatewayError
    from starters import preflight  # late, as above
    from starters.findings import Finding, Verdict
    from wiring import remotes

    odoo = remotes.odoo(settings)
    left = []
    try:
        for system, crm in remotes.crms(settings, odoo).items():
            area = f"CRM {system}"
            try:
                problems = crm.ensure_setup()
            except GatewayError as error:
                left.append(Finding(area, "access", Verdict.MISSING, error.message))
                continue
            left += [
                Finding(area, item.field, Verdict.MISSING, preflight.lacking_in_crm(item))
                for item in problems
            ]
    finally:
        odoo.close()
    return left


def check(context: typer.Context) -> None:
    """Look whether everything is there: Temporal, Odoo, its rights and data, the CRM."""
    from starters import preflight  # late: the clients of Odoo and the CRMs come with it
    from starters.cli import reports

    session = session_of(context)
    with session.progress("Checking ..."):
        found = run(preflight.check(_settings(session)))
    ready = preflight.is_ready(found)
    session.show(
        {"ready": ready, "findings": [asdict(item) for item in found]},
        reports.findings(found),
        reports.verdict_of(found),
    )
    if not ready:
        raise typer.Exit(ExitCode.REFUSED)


def _settings(session: Session) -> Settings | ConfigurationError:
    from wiring.settings import ConfigurationError

    try:
        return session.settings
    except ConfigurationError as error:
        return error


# --- the stack on one machine -------------------------------------------------------------------
