"""`c2c contract ...` for what changes while a contract runs, and `c2c usage`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer
from pydantic import BaseModel
from temporalio.client import Client

from contracts.billing.usage import UsageRecord
from contracts.changes import ChangeOrder
from contracts.contract.messages import (
    CreditRequest,
    CustomerRefresh,
    Hold,
    HoldKind,
    HoldRequest,
    NoticeGiven,
    RetainageRelease,
    ServiceCredit,
    Side,
    TerminationRequest,
    UsageReport,
    UsageTaken,
)
from contracts.model import JsonObject
from starters import amending, operations
from starters.cli import documents, render
from starters.cli.contracts import Reference
from starters.cli.errors import ExitCode
from starters.cli.session import By, session_of
from starters.references import short

usage = typer.Typer(no_args_is_help=True)

RECORDS_AT_ONCE = 2_000
"""How many usage records one message carries: well below what Temporal takes."""

_DAY = ["%Y-%m-%d"]
_DAY_SHOWN = "YYYY-MM-DD"
_AWAITS = "it awaits approval: c2c approvals list"

Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
Amount = Annotated[str, typer.Option("--amount", metavar="'100.00 EUR'", help="Without tax.")]
SideOf = Annotated[Side, typer.Option("--side", help="Who wants it.")]
Kind = Annotated[HoldKind, typer.Argument(metavar="billing|dunning", help="What to hold.")]


def change(
    context: typer.Context,
    reference: Reference,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="The change order as JSON or TOML; - reads stdin."),
    ],
    by: By,
    reason: Annotated[str, typer.Option(help="Why; may stand in the file instead.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Propose a change order: it takes effect once it is approved."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    document = documents.read(file)
    state = session.run(lambda client: operations.contract_state(client, workflow_id))
    order = _order(document, state.change_orders + 1, by, reason)
    found = amending.preview(state, order)
    session.tell(render.change(found))
    if not yes and session.may_ask:
        typer.confirm(f"Propose it as {by}?", abort=True)
    outcome = session.run(lambda client: amending.propose_change(client, workflow_id, order))
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


def _order(document: JsonObject, number: int, by: str, reason: str) -> ChangeOrder:
    """The change order in a file; who proposes it and its number do not come from there."""
    stated = {**document, "number": number, "by": by}
    return ChangeOrder.model_validate({**stated, "reason": reason} if reason else stated)


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
    wanted = Hold(by=by, reason=reason, until=_date(until))
    end = f"until {wanted.until} has passed" if wanted.until else "until it is released"
    request = HoldRequest(kind=kind, by=by, hold=wanted)
    _hold(context, reference, request, f"{kind.capitalize()} of {{}} is on hold {end}.")


def release_hold(context: typer.Context, reference: Reference, kind: Kind, by: By) -> None:
    """Let billing or dunning of the contract go on."""
    request = HoldRequest(kind=kind, by=by)
    _hold(context, reference, request, f"{kind.capitalize()} of {{}} goes on.")


def _hold(context: typer.Context, reference: str, request: HoldRequest, words: str) -> None:
    session = session_of(context)
    workflow_id = session.contract(reference)
    outcome = session.run(lambda client: amending.set_hold(client, workflow_id, request))
    session.show(outcome, words.format(short(workflow_id)))


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
    request = TerminationRequest(side=side, by=by, reason=reason, on=on.date(), agreed=agreed)
    outcome = session.run(lambda client: amending.terminate(client, workflow_id, request))
    words = (
        f"{short(workflow_id)} ends on {request.on}; what it has earned until then is billed, "
        "and what it must give back is credited."
    )
    session.show(outcome, words)


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
    given = NoticeGiven(side=side, by=by, on=_date(on))
    outcome = session.run(lambda client: amending.give_notice(client, workflow_id, given))
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
    request = CreditRequest(
        number=number,
        amount=documents.money(amount, "--amount") if amount else None,
        by=by,
        reason=reason,
        reinvoice=reinvoice,
    )
    outcome = session.run(lambda client: amending.request_credit(client, workflow_id, request))
    what = request.amount or "All that is left"
    anew = " Once it is issued, the same is proposed anew." if reinvoice else ""
    words = f"{what} of {short(workflow_id)}/{number} is to be credited; {_AWAITS}.{anew}"
    session.show(outcome, words)


def release_retainage(context: typer.Context, reference: Reference, by: By, reason: Reason) -> None:
    """Bill what was held back: the event that releases it has come."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    release = RetainageRelease(by=by, reason=reason)
    outcome = session.run(lambda client: amending.release_retainage(client, workflow_id, release))
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
    owed = ServiceCredit(
        retainer=retainer,
        reference=credit_reference,
        reason=reason,
        amount=documents.money(amount, "--amount"),
        by=by,
    )
    outcome = session.run(lambda client: amending.credit_service(client, workflow_id, owed))
    words = f"{owed.amount} is deducted from the next invoice of {short(workflow_id)}."
    session.show(outcome, words)


def refresh(context: typer.Context, reference: Reference, by: By) -> None:
    """Read the deal in the CRM anew, and take what the CRM still owns."""
    session = session_of(context)
    workflow_id = session.contract(reference)
    request = CustomerRefresh(by=by)
    told = session.run(lambda client: amending.refresh_customer(client, workflow_id, request))
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
    # All are looked at before the first is sent.
    found = _Records.model_validate({"records": documents.rows(file, "records")}).records
    result = session.run(lambda client: _record(client, workflow_id, found))
    counts = f"{result.taken} taken, {result.known} known already, {len(result.refused)} refused."
    session.show(result, counts, *(f"Refused: {text}" for text in result.refused))
    if result.refused:
        raise typer.Exit(ExitCode.REFUSED)


class _Records(BaseModel):
    """A whole file, so that each problem names its row in it."""

    records: list[UsageRecord]


async def _record(client: Client, workflow_id: str, records: list[UsageRecord]) -> UsageTaken:
    """Send the records, many at a time; what is sent twice counts once."""
    result = UsageTaken()
    for start in range(0, len(records), RECORDS_AT_ONCE):
        report = UsageReport(records=tuple(records[start : start + RECORDS_AT_ONCE]))
        taken = await operations.record_usage(client, workflow_id, report)
        result.taken += taken.taken
        result.known += taken.known
        result.refused += taken.refused
    return result


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
