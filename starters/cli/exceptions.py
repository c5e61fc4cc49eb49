"""`c2c exceptions`: steps that wait for a person, of contracts and invoices alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli import documents
from starters.cli.errors import UsageError
from starters.cli.options import By
from starters.cli.session import session_of
from starters.client.names import MAX_LISTED
from starters.client.references import short

if TYPE_CHECKING:
    from starters.client import ParkedStep

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[
    str,
    typer.Argument(metavar="REF", help="A contract (C-1001) or an invoice (C-1001/1)."),
]
Step = Annotated[
    str, typer.Option("--step", help="Which parked step; may be left out if it is the only one.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]


@app.command("list")
def list_(context: typer.Context) -> None:
    """List every parked step, oldest first."""
    from starters.cli import render

    session = session_of(context)
    found = session.run(lambda c2c: c2c.exceptions(unreadable=session.warn_unreadable))
    items = found.items
    listed = [_document(item) for item in items]
    document = {"exceptions": listed, "more": found.more, "events": found.events}
    nothing = f"Nothing is parked at {session.place}."
    session.show(document, render.exceptions(items) if items else nothing)
    if found.more:
        session.warn(
            f"of contracts and of invoices only the newest {MAX_LISTED} with an exception are "
            "listed; there are more"
        )
    if found.events:
        session.warn(f"{found.events} events wait for a person too: c2c events list --parked")


@app.command()
def show(context: typer.Context, reference: Reference) -> None:
    """Show what is parked in one contract or invoice, and the commands that mend it."""
    from rich.console import Group

    from starters.cli import render

    session = session_of(context)
    workflow_id = session.contract_or_invoice(reference)
    items = session.run(lambda c2c: c2c.parked(workflow_id))
    zone = session.zone(workflow_id.split("/")[1])
    view = Group(*(render.parked(item, zone) for item in items))
    document = {"exceptions": [_document(item) for item in items]}
    session.show(document, view if items else f"Nothing is parked in {short(workflow_id)}.")


def _document(item: ParkedStep) -> dict[str, Any]:
    return {
        "of": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        **item.exception.model_dump(mode="json"),
        "possible": [choice.action for choice in item.choices],
    }


@app.command()
def retry(
    context: typer.Context, reference: Reference, by: By, step: Step = "", reason: Reason = ""
) -> None:
    """Try the step again, as it is."""
    _resolve(context, reference, "retry", by, step, reason)


@app.command()
def amend(
    context: typer.Context,
    reference: Reference,
    by: By,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="A corrected value, such as customer.vat_number=BE0477472701; may be repeated. "
            "JSON is read as such, anything else is text.",
        ),
    ] = None,
    step: Step = "",
    reason: Reason = "",
) -> None:
    """Correct the input, then try the step again."""
    if not set_:
        raise UsageError("amend needs at least one --set PATH=VALUE")
    _resolve(context, reference, "amend", by, step, reason, documents.changes(set_))


@app.command()
def skip(
    context: typer.Context,
    reference: Reference,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why it may be skipped.")],
    step: Step = "",
) -> None:
    """Go on without the step."""
    _resolve(context, reference, "skip", by, step, reason)


@app.command()
def cancel(
    context: typer.Context, reference: Reference, by: By, step: Step = "", reason: Reason = ""
) -> None:
    """Cancel the contract because of the step; what was provisioned is taken back."""
    _resolve(context, reference, "cancel", by, step, reason)


def _resolve(
    context: typer.Context,
    reference: str,
    action: str,
    by: str,
    step: str,
    reason: str,
    changes: dict[str, Any] | None = None,
) -> None:
    session = session_of(context)
    workflow_id = session.contract_or_invoice(reference)
    resolved = session.run(
        lambda c2c: c2c.contract_or_invoice(workflow_id).resolve_exception(
            action, by=by, step=step, reason=reason, changes=changes
        )
    )
    outcome = {
        "retry": "is tried again",
        "amend": "is tried again with the correction",
        "skip": "is skipped",
        "cancel": "ends with the contract",
    }[action]
    words = f"{short(workflow_id)}: step {resolved.step} ({resolved.doing.lower()}) {outcome}."
    session.show({"resolved": resolved.model_dump(mode="json"), "action": action}, words)
