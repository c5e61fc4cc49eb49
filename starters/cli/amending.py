"""`c2c contract ...` for what changes while a contract runs, and `c2c usage`."""

from __future__ import annotations

from typing import Annotated

import typer

from starters.cli import documents
from starters.cli.contracts import app
from starters.cli.errors import ExitCode
from starters.cli.options import (
    By,
    Contract,
    Reason,
    RequestId,
    Until,
    Yes,
    amount_option,
    day_option,
    one_of,
)
from starters.cli.sending import ToContract, to_contract
from starters.cli.session import session_of

usage = typer.Typer(no_args_is_help=True)

_AWAITS = "it awaits approval: c2c approvals list"
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


@app.command()
def change(
    context: typer.Context,
    contract: Contract,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The change order as JSON or TOML; - reads stdin."),
    ],
    by: By,
    reason: Annotated[
        str, typer.Option(metavar="WORDS", help="Why; may stand in the file instead.")
    ] = "",
    yes: Yes = False,
    request_id: RequestId = None,
) -> None:
    """Propose a change order: it takes effect once it is approved."""
    session = session_of(context)
    document = documents.read(file)
    if request_id:
        name, before = session.ask_contract(
            contract, lambda it: it.proposed(document, by=by, reason=reason), request_id
        )
        if before:
            session.show({"outcome": before}, f"This change of {name} was proposed before.")
            return
    name, found = session.ask_contract(
        contract, lambda it: it.preview_change(document, by=by, reason=reason)
    )
    from starters.cli import render

    session.tell(*render.change(found))
    session.confirm(f"Propose it as {by}?", yes=yes)
    _, outcome = session.ask_contract(
        contract, lambda it: it.propose_change(found.order), request_id
    )
    told = {
        "order": found.order,
        "changes": found.changes,
        "difference": found.difference,
        "weight": found.weight,
        "outcome": outcome,
    }
    session.show(told, f"Change order {found.order.number} of {name} is proposed; {_AWAITS}")


@to_contract(app)
def signed(
    by: By,
    reason: Reason,
    on: Annotated[
        str | None, day_option("When it was signed; else the day that the contract states.")
    ] = None,
) -> ToContract:
    """Say that a contract is signed, as on paper: it does not wait for its envelope."""
    return (
        lambda it: it.confirm_signature(by=by, reason=reason, on=on),
        lambda name, _: f"{name} is signed: it is set up in Odoo.",
    )


@to_contract(app)
def hold(kind: Kind, by: By, reason: Reason, until: Until = None) -> ToContract:
    """Hold billing or dunning of the whole contract; the other goes on."""
    end = f"until {until} has passed" if until else "until it is released"
    return (
        lambda it: it.set_hold(kind, by=by, reason=reason, until=until),
        lambda name, _: f"{kind.capitalize()} of {name} is on hold {end}.",
    )


@to_contract(app, "release-hold")
def release_hold(kind: Kind, by: By) -> ToContract:
    """Let billing or dunning of the contract go on."""
    return (
        lambda it: it.release_hold(kind, by=by),
        lambda name, _: f"{kind.capitalize()} of {name} goes on.",
    )


@to_contract(app)
def credit(
    number: Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="Which of its invoices.")],
    by: By,
    reason: Reason,
    amount: Annotated[
        str | None, amount_option("Without tax; left out, all that is left of it.")
    ] = None,
    reinvoice: Annotated[
        bool, typer.Option("--reinvoice", help="Invoice the same again; only a whole invoice.")
    ] = False,
) -> ToContract:
    """Credit an issued invoice, in whole or in part; the credit note needs its approval."""
    what = amount or "All that is left"
    again = " Once it is issued, the same is proposed again." if reinvoice else ""
    return (
        lambda it: it.request_credit(
            number, by=by, reason=reason, amount=amount, reinvoice=reinvoice
        ),
        lambda name, _: f"{what} of {name}/{number} is to be credited; {_AWAITS}.{again}",
    )


@to_contract(app, "service-credit")
def service_credit(
    retainer: Annotated[str, typer.Argument(metavar="RETAINER", help="The retainer's key.")],
    by: By,
    reason: Reason,
    amount: Annotated[str, amount_option("Without tax.")],
    reference: Annotated[
        str, typer.Option("--reference", help="Its own reference: a repeat with it counts once.")
    ],
) -> ToContract:
    """Owe the customer a service credit: it is deducted from the next invoice."""
    return (
        lambda it: it.credit_service(
            retainer, reference=reference, amount=amount, reason=reason, by=by
        ),
        lambda name, _: f"{amount} is deducted from the next invoice of {name}.",
    )


@to_contract(app, "release-retainage")
def release_retainage(by: By, reason: Reason) -> ToContract:
    """Bill what was held back: the event that releases it has come."""
    return (
        lambda it: it.release_retainage(by=by, reason=reason),
        lambda name, _: f"What {name} has held back is billed; {_AWAITS}.",
    )


@app.command()
def refresh(
    context: typer.Context, contract: Contract, by: By, request_id: RequestId = None
) -> None:
    """Read the deal in the CRM again, and take what the CRM still owns."""
    session = session_of(context)
    name, told = session.ask_contract(contract, lambda it: it.refresh_customer(by=by), request_id)
    words = told or ["The deal says what the contract says: nothing changed."]
    session.show({"contract": name, "changes": told}, *words)


@app.command()
def burn(context: typer.Context, contract: Contract, by: By, request_id: RequestId = None) -> None:
    """Read the project's hours and costs in Odoo, and show them beside the budget."""
    session = session_of(context)
    name, rows = session.ask_contract(contract, lambda it: it.read_burn(by=by), request_id)
    from contracts.handover import in_words  # late: it takes long to import

    words = (f"{row.name}: {in_words(row)}" for row in rows)
    session.show({"contract": name, "burn": rows}, *words)


@to_contract(app)
def notice(
    side: SideOf,
    by: By,
    on: Annotated[str | None, day_option("When it was given; else today.")] = None,
) -> ToContract:
    """Note that a side does not want the term renewed: the contract expires at its end."""
    return (
        lambda it: it.give_notice(side, by=by, on=on),
        lambda name, _: f"Notice is noted: {name} is not renewed.",
    )


@to_contract(app)
def terminate(
    side: SideOf,
    by: By,
    reason: Reason,
    on: Annotated[str, day_option("The contract's last day.")],
    agreed: Annotated[
        bool, typer.Option("--agreed", help="Both sides agreed: no days of notice are needed.")
    ] = False,
) -> ToContract:
    """End a contract early: its plans end on that day, what was not reached is dropped."""
    return (
        lambda it: it.terminate(side, on=on, by=by, reason=reason, agreed=agreed),
        lambda name, _: (
            f"{name} ends on {on}; what it has earned until then is billed, and what it must give "
            "back is credited."
        ),
    )


@to_contract(app, "withdraw-termination")
def withdraw_termination(by: By, reason: Reason = "") -> ToContract:
    """Withdraw an early end, before its last day is over: the contract goes on."""
    return (
        lambda it: it.withdraw_termination(by=by, reason=reason),
        lambda name, _: f"{name} goes on: its early end is withdrawn.",
    )


@usage.command()
def record(
    context: typer.Context,
    contract: Contract,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Records with id, plan, on and quantity, as JSON or CSV; - reads stdin.",
        ),
    ],
    request_id: RequestId = None,
) -> None:
    """Record metered usage; a record's id counts once, so a file may be sent again."""
    session = session_of(context)
    records = documents.rows(file, "records")
    _, result = session.ask_contract(contract, lambda it: it.record_usage(records), request_id)
    counts = f"{result.taken} taken, {result.known} known already, {len(result.refused)} refused."
    session.show(result, counts, *(f"Refused: {text}" for text in result.refused))
    if result.refused:
        raise typer.Exit(ExitCode.REFUSED)
