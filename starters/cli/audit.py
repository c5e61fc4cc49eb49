"""`c2c audit`: the audit record, read and verified."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import Contract
from starters.cli.session import Session, session_of
from starters.client.references import short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.audit.records import Verdict
    from gateways.audit.chains import Stored
    from gateways.audit.reading import Chain, ContractAudit, Reader
    from starters.cli.tables import View

app = typer.Typer(no_args_is_help=True)

_PROGRESS_EVERY = 1_000
_MOST_NAMED = 5


@app.callback()
def group() -> None:
    """The audit record: who decided what, chained by hash, beside Temporal."""


@app.command()
def verify(
    context: typer.Context,
    contract: Annotated[
        str | None, typer.Argument(metavar="[CONTRACT]", help="A contract, with its invoices.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Every contract of the legal entity that --entity says, or all"),
    ] = False,
) -> None:
    """Verify that nothing of the audit record was changed, removed, swapped or cut off."""
    session = session_of(context)
    if (contract is None) != every:
        raise UsageError("give either a CONTRACT or --all")
    from wiring import audit  # late: cryptography comes with it

    reader = audit.reader(session.settings)
    if contract is not None:
        found = _of_contract(session, reader, contract)
        verdicts, problems = [item.verdict for item in found.chains], list(found.problems)
        anchors = {"count": found.anchors, "last": found.anchored_at}
        _warn_of_silent(session, found)
        _report(session, verdicts, problems, anchors)
        return
    problems, count, last = [], 0, ""
    seen: dict[str, Verdict] = {}
    for name in session.chosen_entities():
        checked = reader.anchors(name)
        wrong = [*checked.problems, *reader.stamps(name)]
        problems += [f"{name}: {text}" for text in wrong]
        for item in _counted(session, name, reader.every(name, checked)):
            # Each legal entity anchors all events: one that a single one of them doubts is doubted.
            if item.of not in seen or seen[item.of].is_whole:
                seen[item.of] = item
        count, last = count + checked.count, max(last, checked.last_at)
    _report(session, list(seen.values()), problems, {"count": count, "last": last})


def _counted(session: Session, name: str, verdicts: Iterator[Verdict]) -> Iterator[Verdict]:
    """The verdicts, with a line now and then for who waits."""
    session.progress(f"Verifying {name} ...")
    for count, item in enumerate(verdicts, 1):
        if count % _PROGRESS_EVERY == 0:
            session.progress(f"  {count} chains")
        yield item


def _report(
    session: Session, verdicts: list[Verdict], problems: list[str], anchors: dict[str, Any]
) -> None:
    broken = [item for item in verdicts if not item.is_whole]
    is_whole = not broken and not problems
    entries = sum(item.entries for item in verdicts)
    document = {
        "whole": is_whole,
        "chains": len(verdicts),
        "entries": entries,
        "anchors": anchors,
        "problems": problems,
        "findings": [
            {"of": item.of, "seq": found.seq, "kind": found.kind, "text": found.text}
            for item in broken
            for found in item.findings
        ],
    }
    counted = f"{len(verdicts)} chains with {entries} entries, {anchors['count']} anchors"
    until = f", the last of {anchors['last']}" if anchors["last"] else ""
    words = "All is whole" if is_whole else "NOT whole"
    views: list[View | str] = [_findings(broken)] if broken else []
    session.show(document, *views, *problems, f"{words}: {counted}{until}.")
    if not anchors["count"]:
        session.warn("there is no anchor yet: a cut-off end shows only where a workflow knows it")
    for item in verdicts:
        if item.begun_again:
            session.warn(f"{short(item.of)} was started again behind its end")
    if not is_whole:
        raise typer.Exit(ExitCode.NOT_WHOLE)


def _warn_of_silent(session: Session, found: ContractAudit) -> None:
    if found.silent:
        names = ", ".join(map(short, found.silent[:_MOST_NAMED]))
        session.warn(
            f"{len(found.silent)} workflows gave no answer, so the ends of their chains are not "
            f"compared: {names}"
        )


def _findings(broken: list[Verdict]) -> View:
    from starters.cli.tables import Table, verdict

    return Table(
        ("*Of", ">Entry", "Finding", "What"),
        (
            (short(item.of), found.seq, verdict("no", found.kind), found.text)
            for item in broken
            for found in item.findings
        ),
    )


@app.command()
def show(context: typer.Context, contract: Contract) -> None:
    """Show the audit record of a contract and its invoices in sentences; --json prints a line of
    JSON for each entry. It does not need Temporal to know the contract any more."""
    session = session_of(context)
    from wiring import audit  # late, as above

    found = _of_contract(session, audit.reader(session.settings), contract)
    _warn_of_silent(session, found)
    if session.as_json:
        _print_lines(found)
    else:
        zone = session.zone(found.contract.split("/")[1])
        session.tell(*(view for chain in found.chains for view in _chain(chain, zone)))
        session.tell(*_state_of(found))
    if not found.is_whole:
        raise typer.Exit(ExitCode.NOT_WHOLE)


def _print_lines(found: ContractAudit) -> None:
    import json

    for chain in found.chains:
        for item in chain.entries:
            print(json.dumps(item.document, ensure_ascii=False))


def _chain(chain: Chain, zone: str) -> Iterator[View | str]:
    from contracts.views.audit import sentence
    from starters.cli.tables import Styled, Table, moment

    rows = [
        (
            item.record.seq,
            moment(datetime.fromisoformat(item.record.at), zone) if item.record.at else "",
            sentence(item.entry) if item.entry else Styled(_unread(item), "yellow"),
        )
        for item in chain.entries
    ]
    yield ""
    yield short(chain.of)
    yield Table((">No.", "At", "What"), rows)
    for finding in chain.verdict.findings:
        yield f"NOT whole: {finding.text}"


def _unread(item: Stored) -> str:
    return f"{item.record.what.replace('_', ' ')}: {item.sealed}"


def _state_of(found: ContractAudit) -> Iterator[str]:
    if found.erasure is not None:
        yield f"Its keys were erased on {found.erasure.at} by {found.erasure.by}."
    yield from found.problems
    if found.is_whole:
        until = f"; anchored last on {found.anchored_at}" if found.anchored_at else ""
        yield f"The record is whole{until}."


def _of_contract(session: Session, reader: Reader, contract: str) -> ContractAudit:
    """The record of a contract; where Temporal does not answer, from the store alone."""
    from starters.client import references
    from starters.client.errors import NotFound
    from wiring.client import TemporalUnreachable

    workflow_id = references.contract_id(contract, session.entities)
    try:
        return session.run(lambda c2c: c2c.contract(workflow_id).audit(reader))
    except TemporalUnreachable:
        session.warn("Temporal does not answer: what running workflows know is not compared")
    found = reader.contract(workflow_id)
    if not found.chains:
        raise NotFound(f"there is no audit record of {workflow_id}")
    return found
