"""`c2c payroll`: approved time for the payroll."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from starters.payroll import Exported

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Approved time for the payroll."""


def _period(text: str) -> str:
    """A month, such as 2026-10."""
    from contracts.timesheets.payroll import Period

    try:
        return str(Period.parse(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no month such as 2026-10") from error


@app.command()
def export(
    context: typer.Context,
    period: Annotated[
        str, typer.Option("--period", metavar="YYYY-MM", parser=_period, help="The month.")
    ],
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Where its files are: always the same folder, as corrections are compared with "
            "what is there.",
        ),
    ],
    many_gone: Annotated[
        bool,
        typer.Option(
            "--many-gone", help="Take back most of what was exported: it is really gone in Odoo."
        ),
    ] = False,
) -> None:
    """Write a month's approved hours as CSV; run again, only corrections of what was exported."""
    session = session_of(context)
    entity = session.default_entity()
    done = _export(session, entity, period, to, may_be_gone=many_gone)
    words = f"{done.file}: {done.rows} rows, {done.hours} hours."
    if not done.is_new:
        words = f"Nothing changed since revision {done.revision} of {period}."
    session.show(done, words)


def _export(session: Session, entity: str, period: str, to: Path, *, may_be_gone: bool) -> Exported:
    """Raises ConfigurationError, GatewayError, and what `starters.payroll` does."""
    from activities.odoo.catalogue import Catalogue
    from activities.odoo.payroll import approved_time
    from contracts.timesheets.payroll import Period
    from starters import payroll
    from wiring import remotes
    from wiring.settings import ConfigurationError

    settings = session.settings
    if entity not in settings.entities:
        raise ConfigurationError(f"no legal entity {entity}; {', '.join(settings.entities)} are")
    company = settings.entities[entity].odoo_company
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        company_id = Catalogue(odoo).company(company)
        if company_id is None:
            raise ConfigurationError(f"Odoo has no single company {company}: see c2c check")
        month = Period.parse(period)
        lines = approved_time(odoo, company_id, settings.odoo.time_approved_field, month)
    return payroll.export(to, entity, month, lines, may_be_gone=may_be_gone)
