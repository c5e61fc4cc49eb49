"""`c2c invoice`: one invoice, payments known outside Odoo, and what is agreed with the customer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.invoice.messages import (
    DisputeOpened,
    DisputeResolved,
    HoldChange,
    PaymentPromised,
    PaymentReceived,
    WriteOffAsked,
)
from contracts.money import Money
from starters import collecting, operations
from starters.cli import render
from starters.cli.errors import UsageError
from starters.cli.session import By, session_of
from starters.references import short

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
    state = session.run(lambda client: operations.invoice_state(client, workflow_id))
    session.show(state, render.invoice(state, workflow_id))


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
    payment = PaymentReceived(reference=reference, amount=_money(amount), paid_on=on.date())
    report = session.run(lambda client: operations.record_payment(client, workflow_id, payment))
    words = f"Payment {payment.reference} of {payment.amount} is taken for {short(workflow_id)}."
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
    opened = DisputeOpened(
        by=by,
        reason=reason,
        amount=_money(amount) if amount else None,
        revised_due_on=_date(revised_due),
    )
    report = session.run(lambda client: collecting.dispute(client, workflow_id, opened))
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
    resolved = DisputeResolved(
        by=by,
        comment=comment,
        accepted=_money(accept, "--accept") if accept else None,
        revised_due_on=_date(revised_due),
    )
    report = session.run(lambda client: collecting.resolve_dispute(client, workflow_id, resolved))
    if resolved.accepted and resolved.accepted.is_positive:
        words = f"{resolved.accepted} is accepted; a credit note over it is proposed for approval."
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
    promised = PaymentPromised(by=by, on=on.date(), amount=_money(amount) if amount else None)
    report = session.run(lambda client: collecting.promise(client, workflow_id, promised))
    words = f"Reminders of {short(workflow_id)} pause until {promised.on} has passed."
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
    change = HoldChange(by=by, reason=reason, until=_date(until))
    report = session.run(lambda client: collecting.change_hold(client, workflow_id, change))
    end = f"until {change.until} has passed" if change.until else "until they are released"
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
    change = HoldChange(on=False, by=by, reason=reason)
    report = session.run(lambda client: collecting.change_hold(client, workflow_id, change))
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
    asked = WriteOffAsked(by=by, reason=reason)
    report = session.run(lambda client: collecting.ask_write_off(client, workflow_id, asked))
    words = (
        f"{report.residual} of {short(workflow_id)} is proposed for write-off; to approve: "
        f"c2c approvals approve {short(workflow_id)} --by PERSON"
    )
    session.show(report, words)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _money(text: str, option: str = "--amount") -> Money:
    try:
        return Money.parse(text)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        is_ours = first["type"].startswith(("money_", "currency_"))
        expected = first["msg"] if is_ours else 'an amount with its currency, such as "100.00 EUR"'
        raise UsageError(f"{option} {text!r}: expected {expected}") from None
