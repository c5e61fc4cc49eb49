"""`c2c invoice`: one invoice, payments known outside Odoo, and what is agreed with the customer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from starters.cli.contracts import attempt_document
from starters.cli.documents import money
from starters.cli.options import By
from starters.cli.session import session_of
from starters.client.references import short

app = typer.Typer(no_args_is_help=True)

_DAY = ["%Y-%m-%d"]
_DAY_SHOWN = "YYYY-MM-DD"

Reference = Annotated[
    str, typer.Argument(metavar="REF", help="C-1001/1, northwind/C-1001/1 or the workflow id.")
]


@app.command()
def show(context: typer.Context, reference: Reference) -> None:
    """Show one invoice: its stage, lines, balance and what happened last."""
    session = session_of(context)
    workflow_id = session.invoice(reference)
    state = session.run(lambda c2c: c2c.invoice(workflow_id).state())
    from starters.cli import render

    trying = session.run(lambda c2c: c2c.trying([workflow_id]))
    document = {**state.model_dump(mode="json"), "trying": [attempt_document(it) for it in trying]}
    session.show(document, render.invoice(state, workflow_id, trying))


@app.command()
def paid(
    context: typer.Context,
    invoice: Reference,
    reference: Annotated[
        str, typer.Option(help="The payment's own reference: a repeat with it counts once.")
    ],
    amount: Annotated[str, typer.Option(metavar="'100.00 EUR'", help="Amount with currency.")],
    on: Annotated[
        datetime,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="When it was paid."),
    ],
) -> None:
    """Record a payment that is known outside Odoo; it is registered there once."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    paid = money(amount, "--amount")
    report = session.run(
        lambda c2c: c2c.invoice(workflow_id).record_payment(reference, paid, paid_on=on.date())
    )
    words = f"Payment {reference} of {paid} is taken for {short(workflow_id)}."
    session.show(report, words)


@app.command()
def dispute(
    context: typer.Context,
    invoice: Reference,
    by: By,
    reason: Annotated[str, typer.Option(help="What the customer contests.")],
    amount: Annotated[
        str, typer.Option(metavar="'100.00 EUR'", help="With tax; left out, all that is open.")
    ] = "",
    revised_due: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="Due date once it is resolved."),
    ] = None,
) -> None:
    """Note that the customer disputes the invoice or a part: only the rest is reminded of."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    disputed = money(amount, "--amount") if amount else None
    report = session.run(
        lambda c2c: c2c.invoice(workflow_id).open_dispute(
            reason, by=by, amount=disputed, revised_due_on=_date(revised_due)
        )
    )
    words = f"{report.disputed} of {short(workflow_id)} is disputed; reminders leave it out."
    session.show(report, words)


@app.command("resolve-dispute")
def resolve_dispute(
    context: typer.Context,
    invoice: Reference,
    by: By,
    comment: Annotated[str, typer.Option(help="What was agreed.")],
    accept: Annotated[
        str,
        typer.Option(
            metavar="'100.00 EUR'",
            help="With tax; it is credited. Left out, the dispute is rejected.",
        ),
    ] = "",
    revised_due: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="The new due date, if it moves."),
    ] = None,
) -> None:
    """End a dispute: reject it, or accept an amount, which is proposed as a credit note."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    accepted = money(accept, "--accept") if accept else None
    report = session.run(
        lambda c2c: c2c.invoice(workflow_id).resolve_dispute(
            comment, by=by, accepted=accepted, revised_due_on=_date(revised_due)
        )
    )
    if accepted and accepted.is_positive:
        words = f"{accepted} is accepted; a credit note over it is proposed for approval."
    else:
        words = f"The dispute is rejected: all of {short(workflow_id)} is reminded of again."
    session.show(report, words)


@app.command()
def promise(
    context: typer.Context,
    invoice: Reference,
    by: By,
    on: Annotated[
        datetime,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="The last day it may come."),
    ],
    amount: Annotated[
        str, typer.Option(metavar="'100.00 EUR'", help="Left out, all that is not disputed.")
    ] = "",
) -> None:
    """Note the customer's promise to pay: reminders pause until the day has passed."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    promised = money(amount, "--amount") if amount else None
    report = session.run(
        lambda c2c: c2c.invoice(workflow_id).promise_payment(on.date(), by=by, amount=promised)
    )
    words = f"Reminders of {short(workflow_id)} pause until {on.date()} has passed."
    session.show(report, words)


@app.command()
def hold(
    context: typer.Context,
    invoice: Reference,
    by: By,
    reason: Annotated[str, typer.Option(help="Why nobody is to be reminded.")],
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="Its last day; else until released."),
    ] = None,
) -> None:
    """Stop the reminders of one invoice. (Billing goes on; the contract has holds of its own.)"""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    last = _date(until)
    report = session.run(
        lambda c2c: c2c.invoice(workflow_id).hold_reminders(reason, by=by, until=last)
    )
    end = f"until {last} has passed" if last else "until they are released"
    session.show(report, f"Reminders of {short(workflow_id)} are on hold {end}.")


@app.command()
def release(
    context: typer.Context,
    invoice: Reference,
    by: By,
    reason: Annotated[str, typer.Option(help="For the record.")],
) -> None:
    """Let the reminders of one invoice go on at the level they had."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    report = session.run(lambda c2c: c2c.invoice(workflow_id).release_reminders(reason, by=by))
    session.show(report, f"Reminders of {short(workflow_id)} go on.")


@app.command("write-off")
def write_off(
    context: typer.Context,
    invoice: Reference,
    by: By,
    reason: Annotated[str, typer.Option(help="Why it will not be paid.")],
) -> None:
    """Propose to write off what is open; another person has to approve it."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    report = session.run(lambda c2c: c2c.invoice(workflow_id).ask_write_off(reason, by=by))
    words = (
        f"{report.residual} of {short(workflow_id)} is proposed for write-off; to approve: "
        f"c2c approvals approve {short(workflow_id)} --by PERSON"
    )
    session.show(report, words)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
