"""`c2c contract` for its start, its standing and its cancellation; `c2c milestone`."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.contract.state import FILE_SOURCE, ContractStage, ContractState
from contracts.model import JsonObject
from contracts.problems import InvalidContract, Problem
from contracts.validation import validate
from starters.cli import documents, render
from starters.cli.errors import UsageError
from starters.cli.session import By, Session, session_of
from starters.client import MAX_LISTED, ContractRow, Refused, Started
from starters.client.references import short

app = typer.Typer(no_args_is_help=True)
milestones = typer.Typer(no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(metavar="REF", help="C-1001, northwind/C-1001 or the workflow id.")
]


@app.command()
def start(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="The contract as JSON or TOML; - reads stdin."),
    ] = None,
    deal: Annotated[
        str | None, typer.Option(help="A won deal's id, read from the CRM instead of a file.")
    ] = None,
    crm: Annotated[
        str | None, typer.Option(help="The deal's CRM: hubspot or odoo-crm. Default: the only one.")
    ] = None,
    park: Annotated[
        bool,
        typer.Option("--park", help="Start in spite of problems: the contract parks with them."),
    ] = False,
) -> None:
    """Start a contract; starting the same one again changes nothing."""
    session = session_of(context)
    if (file is None) == (deal is None):
        raise UsageError("give either a FILE or --deal ID")
    if file is not None:
        if crm is not None:
            raise UsageError("--crm goes with --deal, not with a FILE")
        _start_file(session, file, park)
    else:
        _start_deal(session, deal or "", crm)


def _start_file(session: Session, name: str, park: bool) -> None:
    contract_data = _identified(session, documents.read(name))
    problems = _problems(session, contract_data)
    if problems and not park:
        raise InvalidContract(problems)
    started = session.run(lambda c2c: c2c.start(contract_data))
    if problems and started.new:
        session.warn(f"it parks with {len(problems)} problem(s); see c2c exceptions list")
    told = [item.model_dump(mode="json") for item in problems]
    _show_started(session, started, **({"problems": told} if told else {}))


def _identified(session: Session, contract_data: JsonObject) -> JsonObject:
    """The contract data with what identifies it filled in, as the workflow will see it."""
    entity = contract_data.get("legal_entity") or session.default_entity()
    identity = str(contract_data.get("contract_id") or "unknown")
    source = contract_data.get("source") or {"system": FILE_SOURCE, "id": identity}
    return {**contract_data, "legal_entity": entity, "source": source}


def _problems(session: Session, contract_data: JsonObject) -> list[Problem]:
    """What would park the contract as far as can be told without asking Odoo."""
    problems: list[Problem] = []
    known = session.known_entities()
    if known and contract_data["legal_entity"] not in known:
        problems.append(
            Problem(
                code="legal_entity_unknown",
                field="legal_entity",
                value=str(contract_data["legal_entity"]),
                expected=f"a configured legal entity: {', '.join(sorted(known))}",
            )
        )
    try:
        validate(contract_data)
    except InvalidContract as invalid:
        problems += invalid.problems
    return problems


def _start_deal(session: Session, deal_id: str, crm: str | None) -> None:
    from starters import schedules  # late: the CRMs' clients come with it

    settings = session.readable_settings
    systems = schedules.crm_systems(settings) if settings else {}
    if crm is None and len(systems) != 1:
        known = f"configured: {', '.join(systems)}" if systems else "none is configured here"
        raise UsageError(f"which CRM? give --crm ({known})")
    system = crm or next(iter(systems))
    entity = session.entity or systems.get(system) or session.default_entity()
    started = session.run(lambda c2c: c2c.start_deal(system, deal_id, entity))
    _show_started(session, started)


def _show_started(session: Session, started: Started, **more: Any) -> None:
    name = short(started.workflow_id)
    words = (
        f"Started contract {name} as workflow {started.workflow_id}"
        if started.new
        else f"Contract {name} was started before (workflow {started.workflow_id}); nothing changed"
    )
    session.show({"contract": name, **asdict(started), **more}, words)


@app.command("list")
def list_(
    context: typer.Context,
    stage: Annotated[
        ContractStage | None, typer.Option(help="Only contracts at this stage.")
    ] = None,
    waiting: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Only contracts that wait on this: exception, credentials, approval, hold, "
            "milestone, period, retainage, invoices.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LISTED, help="At most so many, newest first.")
    ] = 50,
) -> None:
    """List contracts, newest first; --entity narrows it to one legal entity."""
    session = session_of(context)
    rows = session.run(
        lambda c2c: c2c.contracts(
            stage=stage or "",
            waiting_on=waiting or "",
            legal_entity=session.entity or "",
            limit=limit + 1,
        )
    )
    more, rows = len(rows) > limit, rows[:limit]
    document = {"contracts": [_row_document(row) for row in rows], "more": more}
    session.show(document, render.contracts(rows) if rows else "No contracts.")
    if more:
        session.warn(f"there are more than {limit}; narrow the list or raise --limit")


def _row_document(row: ContractRow) -> dict[str, Any]:
    money = {"value": row.value, "due": row.due}
    return {
        **asdict(row),
        **{name: str(amount) if amount else None for name, amount in money.items()},
        "waiting_since": row.waiting_since.isoformat() if row.waiting_since else None,
        "started_at": row.started_at.isoformat(),
    }


@app.command()
def show(context: typer.Context, reference: Reference) -> None:
    """Show one contract: its stage, milestones, plans, invoices, money and what happened last."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    state = _state(session, workflow_id)
    # A contract learns its zone when it is validated.
    zone = state.time_zone if state.contract else session.zone(state.legal_entity)
    session.show(state, render.contract(state, workflow_id, zone))


@app.command()
def versions(context: typer.Context, reference: Reference) -> None:
    """Show the contract's history: what each version changed, by whom and why."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    items = _state(session, workflow_id).versions
    if not items:
        raise Refused(f"{short(workflow_id)} is not validated yet: it has no versions")
    document = {"versions": [item.model_dump(mode="json") for item in items]}
    session.show(document, render.versions(items))


@app.command()
def statement(context: typer.Context, reference: Reference) -> None:
    """Show where its money stands: planned, earned, billed, credited, held back; it adds up."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    found = session.run(lambda c2c: c2c.contract(workflow_id).statement())
    session.show(found, render.statement(found))


@app.command()
def audit(
    context: typer.Context,
    reference: Reference,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there, and show the checks."),
    ] = None,
) -> None:
    """Print the contract's audit record as it is now, with Odoo's own figures, as JSON."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    from wiring import remotes  # late: Odoo's client comes with it

    with contextlib.closing(remotes.odoo(session.settings)) as odoo:
        found = session.run(lambda c2c: c2c.contract(workflow_id).audit(odoo))
    if output is None:
        session.print_raw(found.text)
        return
    try:
        output.write_text(found.text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from None
    document = {
        "contract": short(workflow_id),
        "file": str(output),
        "sha256": found.sha256,
        "passes": found.passes,
        "checks": [item.model_dump(mode="json") for item in found.checks],
    }
    words = f"Written to {output} (SHA-256 {found.sha256})."
    session.show(document, render.checks(found.checks), words)


def _state(session: Session, workflow_id: str) -> ContractState:
    return session.run(lambda c2c: c2c.contract(workflow_id).state())


@app.command()
def cancel(
    context: typer.Context,
    reference: Reference,
    by: By,
    reason: Annotated[str, typer.Option(help="Why, for the journal.")],
) -> None:
    """Cancel a contract that has billed nothing; what was provisioned in Odoo is taken back."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(lambda c2c: c2c.contract(workflow_id).cancel(by=by, reason=reason))
    session.show(outcome, f"Contract {short(workflow_id)} is being cancelled.")


@milestones.command()
def reached(
    context: typer.Context,
    reference: Reference,
    milestone: Annotated[str, typer.Argument(metavar="MILESTONE", help="The milestone's key.")],
    by: By,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="When it was delivered; today in the legal entity's zone if left out.",
        ),
    ] = None,
) -> None:
    """Say that a milestone was delivered: its invoice is proposed. Repeating it changes nothing."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    day = on.date() if on else None
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).reach_milestone(milestone, by=by, on=day)
    )
    session.show(
        outcome,
        f"Milestone {milestone} of {short(workflow_id)} is reached; its invoice awaits approval "
        "next: c2c approvals list",
    )


@milestones.command()
def unreach(
    context: typer.Context,
    reference: Reference,
    milestone: Annotated[str, typer.Argument(metavar="MILESTONE", help="The milestone's key.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why, for the journal.")] = "",
) -> None:
    """Say that a milestone is not reached after all; once it is invoiced, finance reviews it."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).unreach_milestone(milestone, by=by, reason=reason)
    )
    session.show(
        outcome,
        f"Milestone {milestone} of {short(workflow_id)} is not reached; if it is proposed or "
        f"billed, it is to be reviewed: c2c exceptions show {short(workflow_id)}",
    )
