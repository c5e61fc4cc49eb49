"""`c2c exceptions`: steps that wait for a person, of contracts and invoices alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli import documents
from starters.cli.errors import UsageError
from starters.cli.options import By, ContractOrInvoice, Reason
from starters.cli.sending import ToEither, to_either
from starters.cli.session import session_of
from starters.client.names import MAX_LISTED
from starters.client.references import short

if TYPE_CHECKING:
    from contracts.parking import StepException
    from starters.client import ParkedStep

app = typer.Typer(no_args_is_help=True)

Step = Annotated[
    str, typer.Option("--step", help="Which parked step; may be left out if it is the only one.")
]
_OUTCOMES = {
    "retry": "is tried again",
    "amend": "is tried again with the correction",
    "skip": "is skipped",
    "cancel": "ends with the contract",
}


@app.command("list")
def list_(context: typer.Context) -> None:
    """List every parked step, oldest first."""
    session = session_of(context)
    found = session.run(lambda c2c: c2c.exceptions(unreadable=session.warn_unreadable))
    from starters.cli import render

    listed = [_document(item) for item in found.items]
    document = {"exceptions": listed, "more": found.more, "events": found.events}
    nothing = f"Nothing is parked at {session.place}."
    session.show(document, render.exceptions(found.items) if found.items else nothing)
    if found.more:
        session.warn(
            f"of contracts and of invoices only the newest {MAX_LISTED} with an exception are "
            "listed; there are more"
        )
    if found.events:
        session.warn(f"{found.events} events wait for a person too: c2c events list --parked")


@app.command()
def show(context: typer.Context, reference: ContractOrInvoice) -> None:
    """Show what is parked in one contract or invoice, and the commands that decide it."""
    session = session_of(context)
    name, items = session.ask_either(reference, lambda it: it.parked())
    from starters.cli import render

    document = {"exceptions": [_document(item) for item in items]}
    if items:
        zone = items[0].time_zone or session.zone(name.split("/")[0])
        session.show(document, *(view for item in items for view in render.parked(item, zone)))
    else:
        session.show(document, f"Nothing is parked in {name}.")


def _document(item: ParkedStep) -> dict[str, Any]:
    return {
        "of": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        **item.exception.model_dump(mode="json"),
        "possible": list(item.possible),
    }


@to_either(app)
def retry(by: By, step: Step = "", reason: Reason = "") -> ToEither:
    """Try the step again, as it is."""
    return _resolve("retry", by, step, reason)


@to_either(app)
def amend(
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
) -> ToEither:
    """Correct the input, then try the step again."""
    if not set_:
        raise UsageError("amend needs at least one --set PATH=VALUE")
    return _resolve("amend", by, step, reason, documents.changes(set_))


@to_either(app)
def skip(by: By, reason: Reason, step: Step = "") -> ToEither:
    """Go on without the step."""
    return _resolve("skip", by, step, reason)


@to_either(app)
def cancel(by: By, step: Step = "", reason: Reason = "") -> ToEither:
    """Cancel the contract because of the step; what was provisioned is taken back."""
    return _resolve("cancel", by, step, reason)


def _resolve(
    action: str, by: str, step: str, reason: str, changes: dict[str, Any] | None = None
) -> ToEither:
    def words(name: str, resolved: StepException) -> str:
        return f"{name}: step {resolved.step} ({resolved.doing.lower()}) {_OUTCOMES[action]}."

    return (
        lambda it: it.resolve_exception(action, by=by, step=step, reason=reason, changes=changes),
        words,
    )
