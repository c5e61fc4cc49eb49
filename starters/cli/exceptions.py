"""`c2c exceptions`: steps that wait for a person, of contracts and invoices alike."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group

from contracts.parking import Action
from starters.cli import documents, render
from starters.cli.errors import UsageError
from starters.cli.session import By, session_of
from starters.client import ParkedStep
from starters.client.references import short

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
    session = session_of(context)
    items = session.run(lambda c2c: c2c.exceptions(unreadable=session.warn_unreadable))
    document = {"exceptions": [_document(item) for item in items]}
    session.show(document, render.exceptions(items) if items else "Nothing is parked.")


@app.command()
def show(context: typer.Context, reference: Reference) -> None:
    """Show what is parked in one contract or invoice, and the commands that mend it."""
    session = session_of(context)
    workflow_id = session.contract_or_invoice(reference)
    steps = session.run(lambda c2c: c2c.contract_or_invoice(workflow_id).exceptions())
    items = [ParkedStep(workflow_id, step) for step in steps]
    zone = session.zone(workflow_id.split("/")[1])
    view = Group(*(render.parked(step, workflow_id, zone) for step in steps))
    document = {"exceptions": [_document(item) for item in items]}
    session.show(document, view if steps else f"Nothing is parked in {short(workflow_id)}.")


def _document(item: ParkedStep) -> dict[str, Any]:
    return {
        "of": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        **item.exception.model_dump(mode="json"),
    }


@app.command()
def retry(
    context: typer.Context, reference: Reference, by: By, step: Step = "", reason: Reason = ""
) -> None:
    """Try the step again, as it is."""
    _resolve(context, reference, Action.RETRY, by, step, reason)


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
    _resolve(context, reference, Action.AMEND, by, step, reason, documents.changes(set_))


@app.command()
def skip(
    context: typer.Context,
    reference: Reference,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="Why it may be skipped.")],
    step: Step = "",
) -> None:
    """Go on without the step."""
    _resolve(context, reference, Action.SKIP, by, step, reason)


@app.command()
def cancel(
    context: typer.Context, reference: Reference, by: By, step: Step = "", reason: Reason = ""
) -> None:
    """Cancel the contract because of the step; what was provisioned is taken back."""
    _resolve(context, reference, Action.CANCEL, by, step, reason)


def _resolve(
    context: typer.Context,
    reference: str,
    action: Action,
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
        Action.RETRY: "is tried again",
        Action.AMEND: "is tried again with the correction",
        Action.SKIP: "is skipped",
        Action.CANCEL: "ends with the contract",
    }[action]
    words = f"{short(workflow_id)}: step {resolved.step} ({resolved.doing.lower()}) {outcome}."
    session.show({"resolved": resolved.model_dump(mode="json"), "action": action}, words)
