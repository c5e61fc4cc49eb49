"""`c2c worker`, `c2c setup` and `c2c check`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import Yes
from starters.cli.session import Session, session_of
from starters.findings import Change, Did, Finding, Verdict
from workflows import task_queues

if TYPE_CHECKING:
    from starters.cli.tables import View
    from starters.client import C2C
    from starters.connectors import Installed
    from wiring.settings import ConfigurationError, Settings


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
    _log(session.settings)
    # One line a request to Odoo would drown everything else.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from workers import process  # late: telemetry and the activities' clients come with it

    try:
        session.runner.run(process.serve(session.settings, queues))
    except (RuntimeError, OSError) as error:  # as the SDK and the metrics' servers say it
        from wiring.settings import ConfigurationError

        reason = str(error).split(": Status")[0]
        raise ConfigurationError(f"the worker cannot run: {reason}") from error


def _log(settings: Settings) -> None:
    """To standard error, as `telemetry.logs` says; without what failures say, where payloads are
    encrypted."""
    from wiring import client, encryption, logs

    redacts = encryption.redacts_logs(settings, client.address())
    handler = logging.StreamHandler()
    as_json = settings.telemetry.logs == "json"
    handler.setFormatter(logs.formatter(redacts=redacts, as_json=as_json))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def setup(
    context: typer.Context,
    connectors: Annotated[
        bool,
        typer.Option(
            "--connectors",
            help="Also create what the connected systems lack, such as properties of deals.",
        ),
    ] = False,
    odoo_webhooks: Annotated[
        bool,
        typer.Option(
            "--odoo-webhooks",
            help="Also create the automation rules by which Odoo tells of payments and milestones.",
        ),
    ] = False,
    moved: Annotated[
        bool,
        typer.Option(
            "--moved",
            help="The environment has another name, or its Odoo another address, from now on.",
        ),
    ] = False,
    neutralise: Annotated[
        bool,
        typer.Option(
            "--neutralise",
            help="First make the configured Odoo safe, which is a copy of another environment's: "
            "no mail leaves it, and nothing runs in it by itself.",
        ),
    ] = False,
    odoo_key: Annotated[
        Path | None,
        typer.Option(
            "--odoo-key",
            metavar="FILE",
            help="The API key of an administrator of Odoo, for --odoo-webhooks and --neutralise.",
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Prepare the Temporal namespace: bind it to this Odoo; search attributes and the sweeps'
    schedules. Repeatable."""
    if (odoo_webhooks or neutralise) != (odoo_key is not None):
        raise UsageError("--odoo-key FILE is for --odoo-webhooks and --neutralise, which need it")
    session = session_of(context)
    settings = session.settings
    changes: list[Change] = []
    if neutralise and odoo_key is not None:
        from wiring import environment

        place = environment.place(settings)
        session.confirm(f"Switch off mails and whatever runs by itself at {place}?", yes=yes)
        changes += _neutralise(settings, odoo_key)
    changes += session.run(lambda c2c: _prepare(c2c, settings, moved=moved))
    if odoo_webhooks and odoo_key is not None:
        changes += _prepare_odoo(settings, odoo_key)
    left = _prepare_connectors(settings) if connectors else []
    session.show(
        {"changes": changes, "left": left},
        _changes(changes),
        _sentence(changes),
        *([_findings(left)] if left else []),
    )
    if left:
        raise typer.Exit(ExitCode.REFUSED)


def _neutralise(settings: Settings, key: Path) -> list[Change]:
    from gateways.secrets import Secret
    from starters import environment  # late: Odoo's client comes with it

    return environment.neutralise(settings, Secret.file(key))


async def _prepare(c2c: C2C, settings: Settings, *, moved: bool) -> list[Change]:
    from starters import environment, schedules  # late: the CRMs' clients come with it

    changes = [await environment.bind(c2c.client, settings, moves=moved)]
    changes += await schedules.ensure_search_attributes(c2c.client)
    changes += await schedules.ensure_sweeps(c2c.client, settings)
    return [*changes, *await schedules.remove_orphans(c2c.client, settings)]


def _prepare_odoo(settings: Settings, key: Path) -> list[Change]:
    from gateways.secrets import Secret
    from starters import odoo_webhooks  # late, as above

    return odoo_webhooks.ensure_rules(settings, Secret.file(key))


def _prepare_connectors(settings: Settings) -> list[Finding]:
    """Create what the connected systems lack; returns what is left for a person."""
    from gateways.connectors import Group
    from starters import preflight  # late, as above
    from wiring import remotes

    with contextlib.closing(remotes.odoo(settings)) as odoo:
        return [
            item
            for group in Group
            for name, gateway in remotes.built(settings, group, odoo).items()
            for item in preflight.connector_findings(group, name, gateway.ensure_setup)
        ]


def connectors(context: typer.Context) -> None:
    """List the connectors that are installed, and how this configuration uses them."""
    from starters.connectors import installed  # late: the configuration's models come with it

    session = session_of(context)
    found = list(installed(session.readable_settings))
    session.show(found, *_connectors(found))


def check(context: typer.Context) -> None:
    """Look whether everything is there: Temporal, Odoo, its rights and data, the connectors."""
    session = session_of(context)
    session.progress("Checking ...")
    from starters import preflight  # late: all activities come with it, and Odoo's client

    found = session.runner.run(preflight.check(_settings(session)))
    ready = preflight.is_ready(found)
    document = {"ready": ready, "findings": found}
    session.show(document, _findings(found), _outcome(found))
    if not ready:
        raise typer.Exit(ExitCode.REFUSED)


def _settings(session: Session) -> Settings | ConfigurationError:
    from wiring.settings import ConfigurationError

    try:
        return session.settings
    except ConfigurationError as error:
        return error


# --- how it is shown ----------------------------------------------------------------------------


def _changes(items: Sequence[Change]) -> View:
    from starters.cli.tables import Table, verdict

    rows = ((item.kind, item.name, verdict(item.did), item.detail) for item in items)
    return Table(("What", "*Name", "Done", ""), rows)


def _sentence(changes: Sequence[Change]) -> str:
    done = sum(item.did is not Did.UNCHANGED for item in changes)
    return f"{done} of {len(changes)} changed." if done else "All of it was there already."


def _connectors(items: Sequence[Installed]) -> Iterator[View | str]:
    from starters.cli.tables import Table

    columns = ("Group", "*Kind", "What it is", "Configured as", "Webhooks", "Sweep")
    yield Table(
        columns,
        (
            (
                item.group,
                item.kind,
                item.error or item.about,
                ", ".join(item.configured),
                ", ".join(item.webhooks) or ("can send" if item.sends_webhooks else ""),
                item.sweep,
            )
            for item in items
        ),
    )
    yield from (f"{item.kind}: {item.not_tried}" for item in items if item.not_tried)


def _findings(items: Sequence[Finding]) -> View:
    from starters.cli.tables import Table, verdict

    return Table(
        ("Area", "Checked", "", "Found", "What to do"),
        (
            (item.area, item.subject, verdict(item.verdict), item.detail, item.remedy)
            for item in items
        ),
    )


def _outcome(items: Sequence[Finding]) -> str:
    """The outcome of a check in one sentence."""
    count = {verdict: sum(item.verdict is verdict for item in items) for verdict in Verdict}
    told = f"{count[Verdict.OK]} ok, {count[Verdict.WARN]} to look at"
    if count[Verdict.MISSING]:
        return f"Not ready: {count[Verdict.MISSING]} missing, {told}."
    return f"Ready: {told}."
