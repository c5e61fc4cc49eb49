"""`c2c contract ...` for what changes while a contract runs, and `c2c usage`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from starters.cli import documents
from starters.cli.contracts import Reference
from starters.cli.errors import ExitCode
from starters.cli.options import By, Yes, one_of
from starters.cli.session import session_of
from starters.client.references import short

usage = typer.Typer(no_args_is_help=True)

_DAY = ["%Y-%m-%d"]
_DAY_SHOWN = "YYYY-MM-DD"
_AWAITS = "it awaits approval: c2c approvals list"

Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
Amount = Annotated[str, typer.Option("--amount", metavar="'100.00 EUR'", help="Without tax.")]
_MESSAGES = "contracts.contract.messages"
SideOf = Annotated[
    str,
    typer.Option(
        "--side", metavar="customer|firm", parser=one_of(_MESSAGES, "Side"), help="Who wants it."
    ),
]
Kind = Annotated[
    str,
    typer.Argument(
        metavar="billing|dunning", parser=one_of(_MESSAGES, "HoldKind"), help="What to hold."
    ),
]


def change(
    context: typer.Context,
    reference: Reference,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The change order as JSON or TOML; - reads stdin."),
    ],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; may stand in the file instead.")] = "",
    yes: Yes = False,
) -> None:
    """Propose a change order: it takes effect once it is approved."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    document = documents.read(file)
    found = session.run(
        lambda c2c: c2c.contract(workflow_id).preview_change(document, by=by, reason=reason)
    )
    from starters.cli import render

    order = found.order
    session.tell(render.change(found))
    session.confirm(f"Propose it as {by}?", yes=yes)
    outcome = session.run(lambda c2c: c2c.contract(workflow_id).propose_change(order))
    told = {
        "order": order.model_dump(mode="json"),
        "changes": found.changes,
        "difference": str(found.difference),
        "weight": str(found.weight),
        "outcome": outcome.model_dump(mode="json"),
    }
    name = short(workflow_id)
    words = f"Change order {order.number} of {name} is proposed; {_AWAITS}"
    session.show(told, words)


def hold(
    context: typer.Context,
    reference: Reference,
    kind: Kind,
    by: By,
    reason: Reason,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="Its last day; else until released."),
    ] = None,
) -> None:
    """Hold billing or dunning of the whole contract; the other goes on."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    last = _date(until)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).set_hold(kind, by=by, reason=reason, until=last)
    )
    end = f"until {last} has passed" if last else "until it is released"
    session.show(outcome, f"{kind.capitalize()} of {short(workflow_id)} is on hold {end}.")


def release_hold(context: typer.Context, reference: Reference, kind: Kind, by: By) -> None:
    """Let billing or dunning of the contract go on."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(lambda c2c: c2c.contract(workflow_id).release_hold(kind, by=by))
    session.show(outcome, f"{kind.capitalize()} of {short(workflow_id)} goes on.")


def terminate(
    context: typer.Context,
    reference: Reference,
    side: SideOf,
    by: By,
    reason: Reason,
    on: Annotated[
        datetime, typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="The contract's last day.")
    ],
    agreed: Annotated[
        bool, typer.Option("--agreed", help="Both sides agreed: no days of notice are needed.")
    ] = False,
) -> None:
    """End a contract early: its plans end on that day, what was not reached is dropped."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).terminate(
            side, on=on.date(), by=by, reason=reason, agreed=agreed
        )
    )
    words = (
        f"{short(workflow_id)} ends on {on.date()}; what it has earned until then is billed, "
        "and what it must give back is credited."
    )
    session.show(outcome, words)


def withdraw_termination(
    context: typer.Context,
    reference: Reference,
    by: By,
    reason: Annotated[str, typer.Option(metavar="WORDS", help="Why.")] = "",
) -> None:
    """Withdraw an early end, before its last day is over: the contract goes on."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).withdraw_termination(by=by, reason=reason)
    )
    session.show(outcome, f"{short(workflow_id)} goes on: its early end is withdrawn.")


def notice(
    context: typer.Context,
    reference: Reference,
    side: SideOf,
    by: By,
    on: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar=_DAY_SHOWN, help="When it was given; else today."),
    ] = None,
) -> None:
    """Note that a side does not want the term renewed: the contract expires at its end."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).give_notice(side, by=by, on=_date(on))
    )
    session.show(outcome, f"Notice is noted: {short(workflow_id)} is not renewed.")


def credit(
    context: typer.Context,
    reference: Reference,
    number: Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="Which of its invoices.")],
    by: By,
    reason: Reason,
    amount: Annotated[
        str,
        typer.Option(metavar="'100.00 EUR'", help="Without tax; left out, all that is left of it."),
    ] = "",
    reinvoice: Annotated[
        bool, typer.Option("--reinvoice", help="Invoice the same anew; only a whole invoice.")
    ] = False,
) -> None:
    """Credit an issued invoice, in whole or in part; the credit note needs its approval."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    part = documents.money(amount, "--amount") if amount else None
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).request_credit(
            number, by=by, reason=reason, amount=part, reinvoice=reinvoice
        )
    )
    what = part or "All that is left"
    anew = " Once it is issued, the same is proposed anew." if reinvoice else ""
    words = f"{what} of {short(workflow_id)}/{number} is to be credited; {_AWAITS}.{anew}"
    session.show(outcome, words)


def release_retainage(context: typer.Context, reference: Reference, by: By, reason: Reason) -> None:
    """Bill what was held back: the event that releases it has come."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).release_retainage(by=by, reason=reason)
    )
    session.show(outcome, f"What {short(workflow_id)} has held back is billed; {_AWAITS}.")


def service_credit(
    context: typer.Context,
    reference: Reference,
    retainer: Annotated[str, typer.Argument(metavar="RETAINER", help="The retainer's key.")],
    by: By,
    reason: Reason,
    amount: Amount,
    credit_reference: Annotated[
        str, typer.Option("--reference", help="Its own reference: a repeat with it counts once.")
    ],
) -> None:
    """Owe the customer a service credit: it is deducted from the next invoice."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    owed = documents.money(amount, "--amount")
    outcome = session.run(
        lambda c2c: c2c.contract(workflow_id).credit_service(
            retainer, reference=credit_reference, amount=owed, reason=reason, by=by
        )
    )
    words = f"{owed} is deducted from the next invoice of {short(workflow_id)}."
    session.show(outcome, words)


def refresh(context: typer.Context, reference: Reference, by: By) -> None:
    """Read the deal in the CRM anew, and take what the CRM still owns."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    told = session.run(lambda c2c: c2c.contract(workflow_id).refresh_customer(by=by))
    words = told or ["The deal says what the contract says: nothing changed."]
    session.show({"contract": short(workflow_id), "changes": told}, *words)


@usage.command()
def record(
    context: typer.Context,
    reference: Reference,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Records with id, plan, on and quantity, as JSON or CSV; - reads stdin.",
        ),
    ],
) -> None:
    """Record metered usage; a record's id counts once, so a file may be sent again."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    records = documents.rows(file, "records")
    result = session.run(lambda c2c: c2c.contract(workflow_id).record_usage(records))
    counts = f"{result.taken} taken, {result.known} known already, {len(result.refused)} refused."
    session.show(result, counts, *(f"Refused: {text}" for text in result.refused))
    if result.refused:
        raise typer.Exit(ExitCode.REFUSED)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
