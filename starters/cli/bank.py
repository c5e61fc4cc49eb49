"""`c2c bank`: files of a bank, and the lines of them that wait for a person."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli.options import By, Reason, RequestId
from starters.cli.session import Session, session_of
from starters.client.names import MAX_LISTED

if TYPE_CHECKING:
    from contracts.bank.file import BankFileState, BankFileView, FileRef, Proposal
    from starters.cli.tables import Table
    from starters.client.bank import WaitingLine

app = typer.Typer(no_args_is_help=True)

File = Annotated[
    str,
    typer.Argument(metavar="FILE-ID", help="A file as it is listed: northwind/3f2a9c, or 3f2a9c."),
]
Open = Annotated[bool, typer.Option("--open", help="Only what waits for a person.")]
Limit = Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="At most so many files.")]


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CAMT.053 or CAMT.054 of the bank.")
    ],
    bank: Annotated[
        str, typer.Option("--bank", metavar="NAME", help="Its name under `bank` in the settings.")
    ],
) -> None:
    """Put a file where the bank's files are, and have it applied; twice changes nothing."""
    from starters.client import bank as files

    session = session_of(context)
    found = _put(session, file, bank)
    is_new = session.run(lambda c2c: files.start(c2c.client, found))
    shown = files.short_id(found.workflow_id)
    words = "is being applied" if is_new else "is being applied already"
    session.show(
        {"id": shown, "workflow_id": found.workflow_id, "started": is_new},
        f"{file.name} {words}: c2c bank lines {shown}",
    )


def _put(session: Session, file: Path, bank: str) -> FileRef:
    """Raises ConfigurationError, GatewayError, BankRefused."""
    from gateways.connectors import Group
    from starters.bank import put
    from wiring import remotes
    from wiring.settings import ConfigurationError

    settings = session.settings
    if bank not in settings.bank:
        known = ", ".join(settings.bank) or "none"
        raise ConfigurationError(f"no bank {bank} is configured; configured: {known}")
    with contextlib.closing(remotes.odoo(settings)) as odoo:
        source = remotes.built(settings, Group.BANK, odoo)[bank]
        return put(source, settings.bank[bank].legal_entity, file)


@app.command("list")
def list_(context: typer.Context, open_: Open = False, limit: Limit = 50) -> None:
    """List files, newest first, with what became of their lines."""
    from starters.client import bank as files

    session = session_of(context)
    found = session.run(
        lambda c2c: files.files(
            c2c.connection, only_open=open_, limit=limit, unreadable=session.warn_unreadable
        )
    )
    nothing = f"No such bank file at {session.place}."
    session.show({"files": [_file(item) for item in found]}, _files(found) if found else nothing)


@app.command()
def lines(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE-ID]")] = "",
) -> None:
    """List lines that wait for a person, with what each may pay, the likeliest first."""
    from starters.client import bank as files

    session = session_of(context)

    async def ask(c2c: Any) -> list[WaitingLine]:
        ids = [await files.find(c2c.connection, file, session.entities)] if file else None
        return await files.lines(c2c.connection, ids, unreadable=session.warn_unreadable)

    found = session.run(ask)
    document = {
        "lines": [{"file": item.file, **item.line.model_dump(mode="json")} for item in found]
    }
    where = file or session.place
    session.show(document, *(_line(item) for item in found), *_how(found, where))


@app.command()
def settle(
    context: typer.Context,
    file: File,
    line: Annotated[int, typer.Argument(metavar="LINE", help="Its number in the file.")],
    by: By,
    invoice: Annotated[
        list[str] | None,
        typer.Option(
            "--invoice",
            metavar="NUMBER",
            help="An invoice that it pays, by its number in Odoo; may be repeated. Each is paid up "
            "to what is open of it, in this order.",
        ),
    ] = None,
    undo: Annotated[
        str,
        typer.Option("--undo", metavar="KEY", help="Of a return, the line that it takes back."),
    ] = "",
    ignore: Annotated[
        str,
        typer.Option(
            "--ignore",
            metavar="REASON",
            help="It pays nothing of ours: it is left on suspense for the accountants.",
        ),
    ] = "",
    request_id: RequestId = None,
) -> None:
    """Decide what a line pays, what it takes back, or that nothing comes of it."""
    from contracts.bank.file import Settlement
    from starters.client import bank as files
    from starters.client.protocol import built

    session = session_of(context)
    asked = built(
        Settlement, line=line, by=by, invoices=tuple(invoice or ()), undoes=undo, ignore=ignore
    )

    async def ask(c2c: Any) -> str:
        workflow_id = await files.find(c2c.connection, file, session.entities)
        return await files.settle(c2c.connection, workflow_id, asked, request_id)

    answer = session.run(ask)
    session.show({"settled": answer}, f"{answer}.".capitalize())


@app.command()
def retry(context: typer.Context, file: File, by: By, request_id: RequestId = None) -> None:
    """Try what failed of a file again, now."""
    _decide(context, file, "retry", by, "", request_id)


@app.command()
def accept(
    context: typer.Context, file: File, by: By, reason: Reason = "", request_id: RequestId = None
) -> None:
    """Say that what was noticed of a file, such as a gap before it, is all right; or that what the
    store has of its audit record counts."""
    _decide(context, file, "accept", by, reason, request_id)


@app.command()
def refuse(
    context: typer.Context, file: File, by: By, reason: Reason, request_id: RequestId = None
) -> None:
    """Let nothing come of a file of which nothing is applied yet."""
    _decide(context, file, "refuse", by, reason, request_id)


def _decide(
    context: typer.Context, file: str, decision: str, by: str, reason: str, request_id: str | None
) -> None:
    from contracts.bank.file import FileDecision
    from starters.client import bank as files

    session = session_of(context)

    async def ask(c2c: Any) -> str:
        workflow_id = await files.find(c2c.connection, file, session.entities)
        return await files.decide(
            c2c.connection,
            workflow_id,
            FileDecision(decision),
            by=by,
            reason=reason,
            request_id=request_id,
        )

    answer = session.run(ask)
    session.show({"decided": answer}, f"{answer}.".capitalize())


# --- what is shown --------------------------------------------------------------------------------


def _file(item: BankFileView) -> dict[str, Any]:
    from starters.client.bank import short_id

    state = item.state
    return {
        "id": short_id(state.file.workflow_id),
        "workflow_id": state.file.workflow_id,
        **state.model_dump(mode="json", exclude={"parked", "decided"}),
        "open_lines": item.open_lines,
    }


def _files(found: list[BankFileView]) -> Table:
    from starters.cli.tables import Table, moment
    from starters.client.bank import short_id

    return Table(
        ("*File", "Bank", "Name", "Received (UTC)", "Stage", ">Lines", ">Applied", ">Waiting"),
        (
            (
                short_id(item.state.file.workflow_id),
                item.state.file.bank,
                item.state.file.name,
                moment(item.state.received_at, "UTC"),
                "exception" if _waits_as_a_whole(item.state) else item.state.stage,
                item.state.lines,
                item.state.next_line - item.open_lines,
                item.open_lines,
            )
            for item in found
        ),
    )


def _waits_as_a_whole(state: BankFileState) -> bool:
    return bool(state.exception or state.unrecorded or state.notices)


def _line(item: WaitingLine) -> Any:
    from starters.cli.tables import Pairs

    line = item.line
    payer = " ".join(filter(None, (line.counterparty, line.account)))
    candidates = [
        (f"Candidate {place}", _candidate(it)) for place, it in enumerate(line.candidates, start=1)
    ]
    return Pairs(
        [
            ("Line", f"{item.file} {line.number}"),
            ("Booked", f"{line.booked_on}: {line.amount} of {payer or 'an unknown payer'}"),
            ("Says", line.text),
            ("Parked", str(line.problem)),
            *candidates,
        ]
    )


def _candidate(item: Proposal) -> str:
    paid = ", ".join(item.invoices) or item.undoes
    of = f" of {item.customer}" if item.customer else ""
    opened = f", {item.open} open" if item.open is not None else ""
    return f"{paid}{of}{opened} ({', '.join(item.hints)})"


def _how(found: list[WaitingLine], where: str) -> list[str]:
    if not found:
        return [f"No line waits at {where}."]
    return ["To decide: c2c bank settle FILE-ID LINE --invoice NUMBER, or --ignore REASON"]
