"""`c2c invoice`: one invoice, and payments known outside Odoo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.money import Money
from contracts.receivable import PaymentReceived
from starters import operations
from starters.cli import render
from starters.cli.errors import UsageError
from starters.cli.session import session_of
from starters.references import short

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[
    str, typer.Argument(metavar="REF", help="C-1001/1, northwind/C-1001/1 or the workflow id.")
]


@app.command()
def show(context: typer.Context, reference: Reference) -> None:
    """Show one invoice: its stage, lines, balance and what happened last."""
    session = session_of(context)
    workflow_id = session.invoice(reference)
    state = session.run(lambda client: operations.receivable_state(client, workflow_id))
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
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="When it was paid."),
    ],
) -> None:
    """Record a payment that is known outside Odoo; it is registered there once."""
    session = session_of(context)
    workflow_id = session.invoice(invoice)
    payment = PaymentReceived(reference=reference, amount=_money(amount), paid_on=on.date())
    report = session.run(lambda client: operations.record_payment(client, workflow_id, payment))
    words = f"Payment {payment.reference} of {payment.amount} is taken for {short(workflow_id)}."
    session.show(report, words)


def _money(text: str) -> Money:
    try:
        return Money.parse(text)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        is_ours = first["type"].startswith(("money_", "currency_"))
        expected = first["msg"] if is_ours else 'an amount with its currency, such as "100.00 EUR"'
        raise UsageError(f"--amount {text!r}: expected {expected}") from None
