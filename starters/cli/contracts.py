"""`c2c contract` for its start, how it stands and its cancellation; `c2c milestone`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.errors import UsageError
from starters.cli.options import By, Contract, Milestone, Reason, day_option, one_of
from starters.cli.sending import ToContract, to_contract
from starters.cli.session import session_of
from starters.cli.starting import start
from starters.client.errors import Refused
from starters.client.names import MAX_LISTED
from starters.client.references import short

if TYPE_CHECKING:
    from contracts.contract.state import ContractState
    from starters.cli.tables import View
    from starters.client import ContractRow

app = typer.Typer(no_args_is_help=True)
milestones = typer.Typer(no_args_is_help=True)

_MOST_ASKED = 20
"""Of a contract's invoices, what each tries at the moment."""

app.command()(start)


@app.command("list")
def list_(
    context: typer.Context,
    stage: Annotated[
        str | None,
        typer.Option(
            parser=one_of("contracts.contract.state", "ContractStage"),
            metavar="STAGE",
            help="Only contracts at this stage: received, validating, provisioning, active, "
            "closing, closed, cancelled.",
        ),
    ] = None,
    waiting: Annotated[
        str,
        typer.Option(
            metavar="WHAT",
            help="Only contracts that wait on this: exception, credentials, approval, hold, "
            "milestone, period, retainage, invoices.",
        ),
    ] = "",
    limit: Annotated[
        int, typer.Option(min=1, max=MAX_LISTED, help="At most so many, newest first.")
    ] = 50,
) -> None:
    """List contracts, newest first; --entity narrows it to one legal entity."""
    session = session_of(context)
    rows = session.run(
        lambda c2c: c2c.contracts(
            stage=stage or "",
            waiting_on=waiting,
            legal_entity=session.entity or "",
            limit=limit + 1,
        )
    )
    more, rows = len(rows) > limit, rows[:limit]
    document = {"contracts": rows, "more": more}
    session.show(document, contract_table(rows) if rows else f"No contracts at {session.place}.")
    if more:
        session.warn(f"there are more than {limit}; narrow the list or raise --limit")


def contract_table(rows: Sequence[ContractRow]) -> View:
    """Contracts as lists show them."""
    from starters.cli.tables import Table, age, verdict

    return Table(
        ("*Contract", "Customer", "Stage", "Waits for", "Since", ">Value", ">Open"),
        (
            (
                short(row.workflow_id),
                row.customer,
                row.stage,
                verdict(row.waiting_on),
                age(row.waiting_since),
                row.value or "",
                row.due or "",
            )
            for row in rows
        ),
    )


@app.command()
def show(context: typer.Context, contract: Contract) -> None:
    """Show one contract: its stage, milestones, plans, invoices, money and what happened last."""
    session = session_of(context)
    name, state = session.ask_contract(contract, lambda it: it.state())
    # A contract learns its zone when it is validated.
    zone = state.time_zone if state.contract else session.zone(state.legal_entity)
    _, trying = session.ask_contract(contract, lambda it: it.trying(*_unsettled(state)))
    from starters.cli import render

    document = {**state.model_dump(mode="json"), "trying": trying}
    session.show(document, *render.contract(state, name, zone, trying))


def _unsettled(state: ContractState) -> list[int]:
    """The numbers of the newest of its invoices that have something to do."""
    from contracts.invoice.state import CLEARED, UNBILLED

    done = CLEARED | UNBILLED
    numbers = [number for number, item in state.invoices.items() if item.stage not in done]
    return numbers[-_MOST_ASKED:]


@app.command()
def versions(context: typer.Context, contract: Contract) -> None:
    """Show the contract's history: what each version changed, by whom and why."""
    session = session_of(context)
    name, state = session.ask_contract(contract, lambda it: it.state())
    if not state.versions:
        raise Refused(f"{name} is not validated yet: it has no versions")
    from starters.cli import render

    session.show({"versions": state.versions}, render.versions(state.versions))


@app.command()
def statement(context: typer.Context, contract: Contract) -> None:
    """Show where its money stands: planned, earned, billed, credited, held back; it adds up."""
    session = session_of(context)
    _, found = session.ask_contract(contract, lambda it: it.statement())
    from starters.cli import render

    session.show(found, *render.statement(found))


@app.command()
def close_out(
    context: typer.Context,
    contract: Contract,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it there, and show the checks."),
    ] = None,
) -> None:
    """Print the contract's closing record as it would be now, with Odoo's own figures, as JSON."""
    session = session_of(context)
    from wiring import remotes  # late: Odoo's client comes with it

    with contextlib.closing(remotes.odoo(session.settings)) as odoo:
        name, found = session.ask_contract(contract, lambda it: it.close_out(odoo))
    if output is None:
        print(found.text)
        return
    try:
        output.write_text(found.text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from None
    document = {
        "contract": name,
        "file": str(output),
        "sha256": found.sha256,
        "passes": found.passes,
        "checks": found.checks,
    }
    from starters.cli import render

    words = f"Written to {output} (SHA-256 {found.sha256})."
    session.show(document, render.checks(found.checks), words)


@to_contract(app)
def cancel(by: By, reason: Reason) -> ToContract:
    """Cancel a contract that has billed nothing; what was provisioned in Odoo is taken back."""
    return (
        lambda it: it.cancel(by=by, reason=reason),
        lambda name, _: f"Contract {name} is being cancelled.",
    )


@to_contract(milestones)
def reached(
    milestone: Milestone,
    by: By,
    on: Annotated[
        str | None,
        day_option("When it was delivered; today in the legal entity's zone if left out."),
    ] = None,
) -> ToContract:
    """Say that a milestone was delivered: its invoice is proposed. Repeating it changes nothing."""
    return (
        lambda it: it.reach_milestone(milestone, by=by, on=on),
        lambda name, _: (
            f"Milestone {milestone} of {name} is reached; its invoice awaits approval next: "
            "c2c approvals list"
        ),
    )


@to_contract(milestones)
def unreach(milestone: Milestone, by: By, reason: Reason = "") -> ToContract:
    """Say that a milestone is not reached after all; once it is invoiced, finance reviews it."""
    return (
        lambda it: it.unreach_milestone(milestone, by=by, reason=reason),
        lambda name, _: (
            f"Milestone {milestone} of {name} is not reached; if it is proposed or billed, it is "
            f"to be reviewed: c2c exceptions show {name}"
        ),
    )
