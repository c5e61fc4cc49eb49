"""`c2c keys`: the keys that Temporal's payloads are encrypted under, and those that sign."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from starters.cli.options import By, Contract, Reason, Yes
from starters.cli.session import Session, session_of

if TYPE_CHECKING:
    from gateways.encryption.keys import KeyRing
    from starters.cli.tables import View
    from starters.client import C2C
    from starters.erasing import CustomerFound, Erasing
    from starters.keys import Known

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keys of encryption: masters, and those of contracts. Keys that sign decisions."""


@app.command("list")
def list_(context: typer.Context) -> None:
    """Count the keys by the master that wraps them, and list what was erased."""
    from starters import keys  # late: cryptography comes with it

    session = session_of(context)
    found, masters = keys.known(_ring(session)), list(session.settings.encryption.masters)
    active = session.settings.encryption.active_master
    document = {
        "masters": masters,
        "active": active,
        "keys": found.by_master,
        "erased": found.erased,
    }
    session.show(document, *_views(found, masters, active))


def _views(found: Known, masters: list[str], active: str) -> list[View]:
    from starters.cli.tables import Table, verdict

    names = sorted({*masters, *found.by_master})
    rows = [
        (
            name,
            str(found.by_master.get(name, 0)),
            verdict("active" if name == active else "opens" if name in masters else "missing"),
        )
        for name in names
    ]
    erased = [
        (item.scope.removeprefix("contract/"), item.at, item.by, item.reason)
        for item in found.erased
    ]
    views: list[View] = [Table(("*Master", ">Keys", "Configured"), rows)]
    if erased:
        views.append(Table(("*Erased", "At", "By", "Reason"), erased))
    return views


@app.command("new-master")
def new_master(context: typer.Context) -> None:
    """Print a new master key; nothing is kept of it. Put it into a file that only c2c reads."""
    from gateways.encryption.masters import new_master as make  # late, as above

    made = make()
    session_of(context).show({"master": made}, made)


@app.command("new-signing")
def new_signing(
    context: typer.Context,
    private: Annotated[
        Path, typer.Argument(help="A new file for the private key; only you may read it.")
    ],
    public: Annotated[
        Path, typer.Argument(help="A JWK Set that the public key is added to; made if need be.")
    ],
) -> None:
    """Make a key pair that signs decisions. A private key that is there is never overwritten."""
    from gateways.identity.keys import new_pair  # late, as above
    from starters.client.errors import Refused

    try:
        key_id = new_pair(private, public)
    except FileExistsError:
        raise Refused(f"{private} is there already: give the new key another name") from None
    except OSError as error:
        raise Refused(f"{error.filename or private} cannot be written: {error.strerror}") from None
    words = f"Key {key_id}: {private} signs, {public} verifies."
    document = {"id": key_id, "private": str(private), "public": str(public)}
    session_of(context).show(document, words)


@app.command()
def rewrap(context: typer.Context) -> None:
    """Wrap all keys by the active master, so that the others can be taken away. Repeatable."""
    from starters import keys  # late, as above

    session = session_of(context)
    session.progress("Rewrapping ...")
    count = keys.rewrap(_ring(session))
    active = session.settings.encryption.active_master
    words = f"{count} keys are now wrapped by {active}." if count else f"All are, by {active}."
    session.show({"rewrapped": count, "active": active}, words)


@app.command()
def erase(
    context: typer.Context, contract: Contract, by: By, reason: Reason, yes: Yes = False
) -> None:
    """Destroy the keys of a closed contract: nobody can read its history any more, for good."""
    from starters.client import references  # late, as above
    from starters.client.references import short

    session, now = session_of(context), datetime.now(UTC)
    workflow_id = references.contract_id(contract, session.entities)
    session.run(lambda c2c: _erasing(session, c2c).check(workflow_id, now))
    session.confirm(
        f"Erase the keys of {short(workflow_id)}? Its history and all copies of it become "
        "unreadable for good, for everybody.",
        yes=yes,
    )
    done = session.run(
        lambda c2c: _erasing(session, c2c).erase(workflow_id, by=by, reason=reason, at=now)
    )
    words = f"{len(done.keys)} keys of {short(workflow_id)} were erased on {done.at} by {done.by}."
    session.show(done, words)


@app.command("erase-customer")
def erase_customer(
    context: typer.Context,
    customer: Annotated[
        str, typer.Argument(metavar="CUSTOMER", help="The customer's key, as contracts name it.")
    ],
    by: By,
    reason: Reason,
    partly: Annotated[
        bool, typer.Option("--partly", help="Erase those that may be; leave the others.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Destroy the keys of all contracts of a customer of one legal entity, for good."""
    session, now = session_of(context), datetime.now(UTC)
    entity = session.default_entity()
    found = session.run(lambda c2c: _erasing(session, c2c).of_customer(entity, customer, now))
    session.tell(_candidates(session, found))
    if found.due:
        session.confirm(
            f"Erase the keys of {len(found.due)} contracts of {customer}? Their histories and all "
            "copies become unreadable for good, for everybody. Odoo, the CRM and mails are not "
            "reached.",
            yes=yes,
        )
    done = session.run(
        lambda c2c: _erasing(session, c2c).erase_customer(
            entity, customer, by=by, reason=reason, at=now, partly=partly
        )
    )
    left = f"; {len(done.left)} are left" if done.left else ""
    words = f"{len(done.erased)} contracts of {customer} were erased{left}."
    session.show(
        done,
        words,
        "Odoo has the customer, the orders and the invoices as before, and so have the CRM and "
        "mails: see docs/encryption.md.",
    )


def _candidates(session: Session, found: CustomerFound) -> View:
    from starters.cli.tables import Table, moment, verdict
    from starters.client.references import short

    return Table(
        ("*Contract", "May be erased", "Ended", "Why not"),
        [
            (
                short(item.contract),
                verdict(item.standing),
                moment(item.ended_at, session.zone(item.contract.split("/")[1]))
                if item.ended_at
                else "",
                item.why,
            )
            for item in found.contracts
        ],
    )


def _erasing(session: Session, c2c: C2C) -> Erasing:
    """Raises ConfigurationError."""
    from starters.erasing import Erasing  # late, as above
    from wiring import retention

    return Erasing(c2c.client, retention.eraser(session.settings), session.settings.retention)


def _ring(session: Session) -> KeyRing:
    """Raises ConfigurationError."""
    from wiring import encryption

    return encryption.key_ring(session.settings)
