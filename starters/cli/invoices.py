"""`c2c invoice`: one invoice, payments known outside Odoo, and what is agreed with the customer."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli.options import By, Invoice, Reason, Until, amount_option, day_option
from starters.cli.sending import ToInvoice, to_invoice
from starters.cli.session import session_of

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(context: typer.Context, invoice: Invoice) -> None:
    """Show one invoice: its stage, lines, balance and what happened last."""
    session = session_of(context)
    name, state = session.ask_invoice(invoice, lambda it: it.state())
    _, trying = session.ask_invoice(invoice, lambda it: it.trying())
    from starters.cli import render

    document = {**state.model_dump(mode="json"), "trying": trying}
    session.show(document, *render.invoice(state, name, trying))


@to_invoice(app)
def paid(
    reference: Annotated[
        str,
        typer.Option("--reference", help="The payment's own: a repeat with it counts once."),
    ],
    amount: Annotated[str, amount_option("What was paid, with tax.")],
    on: Annotated[str, day_option("When it was paid.")],
) -> ToInvoice:
    """Record a payment that is known outside Odoo; it is registered there once."""
    return (
        lambda it: it.record_payment(reference, amount, paid_on=on),
        lambda name, _: f"Payment {reference} of {amount} is taken for {name}.",
    )


@to_invoice(app)
def dispute(
    by: By,
    reason: Reason,
    amount: Annotated[str | None, amount_option("With tax; left out, all that is open.")] = None,
    revised_due: Annotated[str | None, day_option("Due date once it is resolved.")] = None,
) -> ToInvoice:
    """Note that the customer disputes the invoice or a part: only the rest is reminded of."""
    return (
        lambda it: it.open_dispute(reason, by=by, amount=amount, revised_due_on=revised_due),
        lambda name, report: f"{report.disputed} of {name} is disputed; reminders leave it out.",
    )


@to_invoice(app, "resolve-dispute")
def resolve_dispute(
    by: By,
    comment: Annotated[str, typer.Option(metavar="WORDS", help="What was agreed.")],
    accept: Annotated[
        str | None,
        amount_option("With tax; it is credited. Left out, the dispute is rejected."),
    ] = None,
    revised_due: Annotated[str | None, day_option("The new due date, if it moves.")] = None,
) -> ToInvoice:
    """End a dispute: reject it, or accept an amount, which is proposed as a credit note."""

    def words(name: str, _: object) -> str:
        if accept:
            return f"{accept} is accepted; a credit note over it is proposed for approval."
        return f"The dispute is rejected: all of {name} is reminded of again."

    return (
        lambda it: it.resolve_dispute(comment, by=by, accepted=accept, revised_due_on=revised_due),
        words,
    )


@to_invoice(app)
def promise(
    by: By,
    on: Annotated[str, day_option("The last day it may come.")],
    amount: Annotated[str | None, amount_option("Left out, all that is not disputed.")] = None,
) -> ToInvoice:
    """Note the customer's promise to pay: reminders pause until the day has passed."""
    return (
        lambda it: it.promise_payment(on, by=by, amount=amount),
        lambda name, _: f"Reminders of {name} pause until {on} has passed.",
    )


@to_invoice(app)
def hold(by: By, reason: Reason, until: Until = None) -> ToInvoice:
    """Stop the reminders of one invoice. (Billing goes on; the contract has holds of its own.)"""
    end = f"until {until} has passed" if until else "until they are released"
    return (
        lambda it: it.hold_reminders(reason, by=by, until=until),
        lambda name, _: f"Reminders of {name} are on hold {end}.",
    )


@to_invoice(app)
def release(by: By, reason: Reason) -> ToInvoice:
    """Let the reminders of one invoice go on at the level they had."""
    return (
        lambda it: it.release_reminders(reason, by=by),
        lambda name, _: f"Reminders of {name} go on.",
    )


@to_invoice(app, "write-off")
def write_off(by: By, reason: Reason) -> ToInvoice:
    """Propose to write off what is open; another person has to approve it."""
    return (
        lambda it: it.ask_write_off(reason, by=by),
        lambda name, report: (
            f"{report.residual} of {name} is proposed for write-off; to approve: "
            f"c2c approvals approve {name} --by PERSON"
        ),
    )
