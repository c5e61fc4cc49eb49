"""`c2c contract` for its start, its standing and its cancellation; `c2c milestone`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli import documents
from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import By, one_of
from starters.cli.session import Session, session_of
from starters.client.errors import Refused
from starters.client.names import MAX_LISTED
from starters.client.references import short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from contracts.contract.state import ContractState
    from contracts.model import JsonObject
    from contracts.problems import Problem
    from starters.client import Attempt, ContractRow, Started

app = typer.Typer(no_args_is_help=True)
milestones = typer.Typer(no_args_is_help=True)

_MOST_ASKED = 20
"""Of a contract's invoices, what each tries at the moment."""

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
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Only check it, and say what would start; Temporal is not asked."
        ),
    ] = False,
) -> None:
    """Start a contract; the same again changes nothing, with other content it says what differs."""
    session = session_of(context)
    if (file is None) == (deal is None):
        raise UsageError("give either a FILE or --deal ID")
    if file is not None:
        if crm is not None:
            raise UsageError("--crm goes with --deal, not with a FILE")
        contract_data = _identified(session, documents.read(file))
        _start_data(session, contract_data, park=park, dry_run=dry_run)
    else:
        _start_deal(session, deal or "", crm, park=park, dry_run=dry_run)


def _start_data(session: Session, contract_data: JsonObject, *, park: bool, dry_run: bool) -> None:
    problems = _problems(session, contract_data)
    if problems and not park:
        from contracts.problems import InvalidContract

        raise InvalidContract(problems)
    if dry_run:
        _show_dry_run(session, contract_data, problems)
        return
    started = session.run(lambda c2c: c2c.start(contract_data))
    if problems and started.new:
        session.warn(f"it parks with {len(problems)} problem(s); see c2c exceptions list")
    told = [item.model_dump(mode="json") for item in problems]
    _show_started(session, started, **({"problems": told} if told else {}))


def _identified(session: Session, contract_data: JsonObject) -> JsonObject:
    """The contract data with what identifies it filled in, as the workflow will see it."""
    from contracts.contract.state import FILE_SOURCE

    entity = contract_data.get("legal_entity") or session.default_entity()
    identity = str(contract_data.get("contract_id") or "unknown")
    source = contract_data.get("source") or {"system": FILE_SOURCE, "id": identity}
    return {**contract_data, "legal_entity": entity, "source": source}


def _problems(session: Session, contract_data: JsonObject) -> list[Problem]:
    """What would park the contract as far as can be told without asking Odoo."""
    from contracts.problems import InvalidContract, Problem
    from contracts.validation import validate

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


def _show_dry_run(session: Session, contract_data: JsonObject, problems: list[Problem]) -> None:
    """What would start. Raises InvalidContract where not even a parked contract could."""
    from contracts.identifiers import contract_workflow_id
    from starters.client.starting import input_of_data

    contract = input_of_data(contract_data)
    workflow_id = contract_workflow_id(contract.legal_entity, contract.contract_id)
    told = [item.model_dump(mode="json") for item in problems]
    document = {
        "contract": short(workflow_id),
        "workflow_id": workflow_id,
        "dry_run": True,
        "problems": told,
        "contract_data": contract_data,
    }
    how = f"park with {len(problems)} problem(s)" if problems else "start"
    words = f"Contract {short(workflow_id)} would {how} as workflow {workflow_id}; nothing is done."
    session.show(document, *_terms_of(contract_data, problems), words)


def _terms_of(contract_data: JsonObject, problems: list[Problem]) -> list[RenderableType]:
    """What a person checks before a start: who pays how much for what; or what is wrong."""
    from contracts.validation import validate
    from starters.cli import tables

    if problems:
        return [tables.problems(problems)]
    contract = validate(contract_data)
    rows = [("milestone", item.name, str(item.amount)) for item in contract.milestones]
    rows += [("plan", item.key, "") for item in contract.plans]
    return [
        tables.pairs(
            [
                ("Title", contract.title),
                ("Customer", contract.customer.name),
                ("Agreed", contract.value),
                ("Signed", contract.signed_on),
            ]
        ),
        tables.table(("Bills by", "Name", ">Amount"), rows),
    ]


def _start_deal(
    session: Session, deal_id: str, crm: str | None, *, park: bool, dry_run: bool
) -> None:
    from starters import schedules  # late: the CRMs' clients come with it

    settings = session.readable_settings

    systems = schedules.crm_systems(settings) if settings else {}
    if crm is None and len(systems) != 1:
        known = f"configured: {', '.join(systems)}" if systems else "none is configured here"
        raise UsageError(f"which CRM? give --crm ({known})")
    system = crm or next(iter(systems))
    entity = session.entity or systems.get(system) or session.default_entity()
    if dry_run:
        contract_data = _read_deal(session, system, deal_id, entity)
        _start_data(session, contract_data, park=park, dry_run=True)
        return
    started = session.run(lambda c2c: c2c.start_deal(system, deal_id, entity))
    _show_started(session, started)


def _read_deal(session: Session, system: str, deal_id: str, legal_entity: str) -> JsonObject:
    """The contract data of a won deal, as its workflow would read it."""
    from contracts.identifiers import deal_contract_id
    from wiring import remotes

    with contextlib.closing(remotes.odoo(session.settings)) as odoo:
        crms = remotes.crms(session.settings, odoo)
        if system not in crms:
            raise UsageError(f"no CRM {system} is configured; configured: {', '.join(crms)}")
        contract_data = crms[system].read_contract(deal_id)
    identity = deal_contract_id(system, deal_id)
    return {**contract_data, "contract_id": identity, "legal_entity": legal_entity}


def _show_started(session: Session, started: Started, **more: Any) -> None:
    name = short(started.workflow_id)
    if started.differences:
        _show_other_content(session, started, **more)
        raise typer.Exit(ExitCode.OTHER_CONTENT)
    words = (
        f"Started contract {name} as workflow {started.workflow_id}"
        if started.new
        else f"Contract {name} was started before (workflow {started.workflow_id}); nothing changed"
    )
    session.show({"contract": name, **asdict(started), **more}, words)


def _show_other_content(session: Session, started: Started, **more: Any) -> None:
    name = short(started.workflow_id)
    words = (
        f"Contract {name} was started before with other content, and nothing changed. As it is now "
        "-> as given:"
    )
    differences = "\n".join(f"  {line}" for line in started.differences)
    session.show(
        {"contract": name, **asdict(started), **more}, words, differences, _advice(name, started)
    )


def _advice(name: str, started: Started) -> str:
    """How a contract that says something else is changed, where it is now."""
    if started.stage in ("active", "closing"):
        return f"To change it: c2c contract change {name} FILE --by PERSON"
    if started.may_amend:
        return f"To correct it: c2c exceptions amend {name} --by PERSON --set PATH=VALUE"
    if started.stage in ("closed", "cancelled"):
        return f"It is {started.stage}: a new contract needs a contract_id of its own"
    return f"It is being set up, and changes once that is done: c2c contract show {name}"


@app.command("list")
def list_(
    context: typer.Context,
    stage: Annotated[
        str,
        typer.Option(
            parser=one_of("contracts.contract.state", "ContractStage"),
            metavar="STAGE",
            help="Only contracts at this stage: received, validating, provisioning, active, "
            "closing, closed, cancelled.",
        ),
    ] = "",
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
            stage=stage,
            waiting_on=waiting or "",
            legal_entity=session.entity or "",
            limit=limit + 1,
        )
    )
    more, rows = len(rows) > limit, rows[:limit]
    document = {"contracts": [_row_document(row) for row in rows], "more": more}
    session.show(document, contract_table(rows) if rows else f"No contracts at {session.place}.")
    if more:
        session.warn(f"there are more than {limit}; narrow the list or raise --limit")


def contract_table(rows: Sequence[ContractRow]) -> RenderableType:
    """Contracts as lists show them."""
    from starters.cli.tables import age, table

    return table(
        ("*Contract", "Customer", "Stage", "Waits for", "Since", ">Value", ">Open"),
        (
            (
                short(row.workflow_id),
                row.customer,
                row.stage,
                _waiting(row.waiting_on),
                age(row.waiting_since),
                row.value or "",
                row.due or "",
            )
            for row in rows
        ),
    )


def _waiting(on: str) -> Text:
    from rich.text import Text

    from starters.cli.tables import cleaned

    return Text(cleaned(on), style="yellow" if on in ("exception", "credentials") else "")


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
    from starters.cli import render

    asked = [workflow_id, *_unsettled(state, workflow_id)]
    trying = session.run(lambda c2c: c2c.trying(asked))
    document = {**state.model_dump(mode="json"), "trying": [attempt_document(it) for it in trying]}
    session.show(document, render.contract(state, workflow_id, zone, trying))


def attempt_document(item: Attempt) -> dict[str, Any]:
    """An attempt as JSON."""
    return {**asdict(item), "next_at": item.next_at.isoformat() if item.next_at else None}


def _unsettled(state: ContractState, workflow_id: str) -> list[str]:
    """The newest of its invoices that have something to do."""
    from contracts.identifiers import invoice_workflow_id
    from contracts.invoice.state import CLEARED, UNBILLED

    done = CLEARED | UNBILLED
    numbers = [number for number, item in state.invoices.items() if item.stage not in done]
    return [invoice_workflow_id(workflow_id, number) for number in numbers[-_MOST_ASKED:]]


@app.command()
def versions(context: typer.Context, reference: Reference) -> None:
    """Show the contract's history: what each version changed, by whom and why."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    items = _state(session, workflow_id).versions
    if not items:
        raise Refused(f"{short(workflow_id)} is not validated yet: it has no versions")
    from starters.cli import render

    document = {"versions": [item.model_dump(mode="json") for item in items]}
    session.show(document, render.versions(items))


@app.command()
def statement(context: typer.Context, reference: Reference) -> None:
    """Show where its money stands: planned, earned, billed, credited, held back; it adds up."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    found = session.run(lambda c2c: c2c.contract(workflow_id).statement())
    from starters.cli import render

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
    from starters.cli import render

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
