"""`c2c approvals`: what awaits a person's word, and that word, on one or on many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.identifiers import contract_of
from starters.cli import documents
from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import By, Yes, one_of
from starters.cli.session import Session, session_of
from starters.client.errors import Refused
from starters.client.names import MAX_LISTED
from starters.client.references import short

if TYPE_CHECKING:
    from rich.console import RenderableType

    from contracts.approvals import ApprovalRound
    from starters.client import C2C, Awaiting, Outcome
    from starters.client.approvals import Filter

app = typer.Typer(no_args_is_help=True)

_FORMS = "C-1001/1 (an invoice, a credit note or its write-off) or C-1001 (a change order)"
_NOTHING = "nothing awaits approval there"
_WRITE_OFF = "write_off"
_DONE = {
    "invoice": "it is posted and sent now",
    "credit_note": "it is posted and sent now",
    _WRITE_OFF: "it is written off now",
    "change_order": "the contract changes now",
}
"""What the last approval brings about."""

References = Annotated[list[str] | None, typer.Argument(metavar="[REF]...", help=f"{_FORMS}.")]
Customer = Annotated[
    str, typer.Option("--customer", metavar="KEY|NAME", help="Only those of this customer.")
]
UpTo = Annotated[
    str,
    typer.Option(
        "--up-to", metavar="'500.00 EUR'", help="Only amounts (without tax) in this currency up to."
    ),
]
Kind = Annotated[
    str,
    typer.Option(
        "--kind",
        metavar="KIND",
        parser=one_of("contracts.approvals", "ApprovalKind"),
        help=f"Only those of this kind: {', '.join(_DONE)}.",
    ),
]
Hash = Annotated[
    str,
    typer.Option(
        "--hash",
        metavar="HASH",
        help="Only this content: its hash, or the first characters of it as lists show them.",
    ),
]


@app.command("list")
def list_(
    context: typer.Context, customer: Customer = "", up_to: UpTo = "", kind: Kind = ""
) -> None:
    """List what awaits approval, the longest waiting first; --entity narrows it too."""
    session = session_of(context)
    items = _awaiting(session, _filter(session, customer, up_to, kind))
    document = {"approvals": [_document(item) for item in items]}
    session.show(
        document, _table(items) if items else f"Nothing awaits approval at {session.place}."
    )


@app.command()
def approve(
    context: typer.Context,
    by: By,
    references: References = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All that PERSON may approve; narrow it by the options.")
    ] = False,
    customer: Customer = "",
    up_to: UpTo = "",
    kind: Kind = "",
    content_hash: Hash = "",
    comment: Annotated[str, typer.Option(help="For the record.")] = "",
    yes: Yes = False,
) -> None:
    """Approve exactly the content that is shown, and nothing else.

    Of several, one that is refused does not stop the rest; the exit code is 1 if any was.
    """
    session = session_of(context)
    wanted = _filter(session, customer, up_to, kind)
    if all_ == bool(references):
        raise UsageError("give one or more references, or --all")
    if references and (customer.strip() or up_to or kind):
        raise UsageError("--customer, --up-to and --kind go with --all")
    if content_hash and (all_ or len(references or ()) > 1):
        raise UsageError("--hash goes with one reference")
    if references and len(references) == 1:
        _approve_one(session, references[0], by, content_hash, comment, yes)
    else:
        _approve_many(session, references or [], wanted, by, comment, yes)


def _approve_one(
    session: Session, reference: str, by: str, content_hash: str, comment: str, yes: bool
) -> None:
    item = _one(session, reference, content_hash)
    subject = item.approval_round.subject
    session.tell(_content(item))
    session.confirm(f"Approve {subject.amount} as {by}?", yes=yes)
    after = session.run(
        lambda c2c: c2c.contract_or_invoice(item.workflow_id).approve(
            by=by, comment=comment, seen=item.approval_round
        )
    )
    from starters.client import Outcome

    outcome = Outcome(item.workflow_id, item.approval_round, after)
    session.show(_outcomes_document([outcome], []), f"Approved {subject.amount}: {_told(outcome)}.")


def _approve_many(
    session: Session, references: Sequence[str], wanted: Filter, by: str, comment: str, yes: bool
) -> None:
    ids = list(dict.fromkeys(session.contract_or_invoice(item) for item in references))
    failed: list[Outcome] = []
    left_out: list[Awaiting] = []
    if ids:
        items, failed = session.run(lambda c2c: _find(c2c, ids))
    else:
        found = _awaiting(session, wanted)
        mine = [item.may_be_approved_by(by) for item in found]
        items = [item for item, is_mine in zip(found, mine, strict=True) if is_mine]
        left_out = [item for item, is_mine in zip(found, mine, strict=True) if not is_mine]
    if items:
        session.tell(_table(items))
        session.confirm(f"Approve these {len(items)} as {by}?", yes=yes)
    outcomes = failed + session.run(lambda c2c: c2c.approve_all(items, by=by, comment=comment))
    views: list[RenderableType] = [_outcomes(outcomes)] if outcomes else ["Nothing to approve."]
    if left_out:
        views.append(f"{len(left_out)} more await others: c2c approvals list")
    session.show(_outcomes_document(outcomes, left_out), *views)
    if not all(item.is_taken for item in outcomes):
        raise typer.Exit(ExitCode.REFUSED)


@app.command()
def reject(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="REF", help=f"{_FORMS}.")],
    by: By,
    comment: Annotated[str, typer.Option(help="Why: whoever proposed it reads it.")],
    content_hash: Hash = "",
) -> None:
    """Reject what awaits approval; an invoice's contract parks until it is proposed again."""
    session = session_of(context)
    item = _one(session, reference, content_hash)
    session.run(
        lambda c2c: c2c.contract_or_invoice(item.workflow_id).reject(
            by=by, comment=comment, seen=item.approval_round
        )
    )
    subject = item.approval_round.subject
    contract = short(contract_of(item.workflow_id))
    then = {
        _WRITE_OFF: "It stays open and is collected as before.",
        "change_order": "The contract stays as it is.",
    }.get(
        subject.kind,
        f"The contract parks until it is proposed again: c2c exceptions show {contract}",
    )
    document = {**_document(item), "outcome": "rejected", "comment": comment}
    session.show(document, f"Rejected {subject.title}, {subject.amount}. {then}")


# --- what is meant ------------------------------------------------------------------------------


def _filter(session: Session, customer: str, up_to: str, kind: str) -> Filter:
    from contracts.approvals import ApprovalKind
    from starters.client.approvals import Filter

    return Filter(
        customer=customer.strip(),
        up_to=documents.money(up_to, "--up-to") if up_to else None,
        kind=ApprovalKind(kind) if kind else None,
        entity=session.entity or "",
    )


def _awaiting(session: Session, wanted: Filter) -> list[Awaiting]:
    found = session.run(
        lambda c2c: c2c.approvals(
            customer=wanted.customer,
            up_to=wanted.up_to,
            kind=wanted.kind,
            legal_entity=wanted.entity,
            unreadable=session.warn_unreadable,
        )
    )
    if found.more:
        session.warn(f"only the newest {MAX_LISTED} were looked at; narrow it by --entity")
    return found.items


def _one(session: Session, reference: str, content_hash: str) -> Awaiting:
    """What awaits approval under one reference. Raises Refused if it is not one thing, or other
    content than named."""
    workflow_id = session.contract_or_invoice(reference)
    items = session.run(lambda c2c: c2c.contract_or_invoice(workflow_id).approvals())
    if not items:
        raise Refused(f"{short(workflow_id)}: {_NOTHING}")
    named = content_hash.strip().lower()
    meant = [item for item in items if item.approval_round.subject.content_hash.startswith(named)]
    if not meant:
        known = ", ".join(_hash(item.approval_round) for item in items)
        raise Refused(f"the proposal is {known} now, not {content_hash}; look at it again")
    if len(meant) > 1:
        known = ", ".join(
            f"{_hash(item.approval_round)} ({item.approval_round.subject.title})" for item in meant
        )
        raise Refused(f"several things await approval there; name one by --hash: {known}")
    return meant[0]


async def _find(c2c: C2C, ids: Sequence[str]) -> tuple[list[Awaiting], list[Outcome]]:
    """What awaits approval in these workflows, and those where nothing does."""
    from starters.client import Outcome, calls

    found: list[Awaiting] = []
    failed: list[Outcome] = []
    for workflow_id in ids:
        try:
            items = await c2c.contract_or_invoice(workflow_id).approvals()
        except calls.FAILURES as error:
            failed.append(Outcome(workflow_id, None, problem=str(error)))
        else:
            found += items
            failed += [] if items else [Outcome(workflow_id, None, problem=_NOTHING)]
    return found, failed


# --- how it is shown ----------------------------------------------------------------------------


def _hash(found: ApprovalRound) -> str:
    from contracts.approvals import HASH_PREFIX

    return found.subject.content_hash[:HASH_PREFIX]


def _table(items: Sequence[Awaiting]) -> RenderableType:
    columns = (
        "*Of",
        "What",
        ">Without tax",
        ">Tax",
        ">Total",
        "Asked for",
        "Needs",
        "*Hash",
    )
    from starters.cli.tables import table

    return table(columns, (_row(item) for item in items))


def _row(item: Awaiting) -> tuple[object, ...]:
    subject, requirement = item.approval_round.subject, item.approval_round.requirement
    has_tax = subject.kind != _WRITE_OFF
    return (
        short(item.workflow_id),
        subject.title,
        subject.amount if has_tax else "",
        subject.tax or "" if has_tax else "",
        subject.total or ("" if has_tax else subject.amount),
        requirement.asked_on,
        item.approval_round.missing,
        _hash(item.approval_round),
    )


def _content(item: Awaiting) -> RenderableType:
    """What one approval is about: the content, the rule, and who has approved it so far."""
    from rich.console import Group

    from starters.cli.tables import Words, pairs

    found = item.approval_round
    subject, requirement = found.subject, found.requirement
    given = ", ".join(f"{one.by} ({one.at:%Y-%m-%d})" for one in found.approvals)
    is_write_off = subject.kind == _WRITE_OFF
    parts: list[RenderableType] = [
        Words(f"{subject.title} ({short(item.workflow_id)})", "bold"),
        *(Words(f"- {line}") for line in subject.details),
        pairs(
            [
                ("Open, with tax" if is_write_off else "Without tax", subject.amount),
                ("Tax", "" if is_write_off else subject.tax),
                ("Total with tax", "" if is_write_off else subject.total),
                ("Requested by", ", ".join(requirement.requested_by)),
                ("Asked for on", requirement.asked_on),
                ("Rule", requirement.rule),
                ("Approved by", given),
                ("Needs", found.missing),
                ("Hash", _hash(found)),
            ]
        ),
    ]
    return Group(*parts)


def _outcomes(outcomes: Sequence[Outcome]) -> RenderableType:
    from rich.text import Text

    from starters.cli.tables import table

    return table(
        ("*Of", "What", ">Amount", "Outcome", ""),
        (
            (
                short(item.workflow_id),
                item.before.subject.title if item.before else "",
                item.before.subject.amount if item.before else "",
                Text("approved", style="green") if item.is_taken else Text("refused", style="red"),
                _told(item),
            )
            for item in outcomes
        ),
    )


def _told(outcome: Outcome) -> str:
    """What an approval has brought about, or why it was not taken."""
    after = outcome.after
    if after is None:
        return outcome.problem
    return f"still needed: {after.missing}" if after.missing else _DONE[after.subject.kind]


def _document(item: Awaiting) -> dict[str, Any]:
    subject = item.approval_round.subject
    return {
        "of": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        "kind": subject.kind,
        "title": subject.title,
        "amount": str(subject.amount),
        "tax": str(subject.tax) if subject.tax else None,
        "total": str(subject.total) if subject.total else None,
        "content_hash": subject.content_hash,
        "needs": item.approval_round.missing,
        **item.approval_round.model_dump(mode="json"),
    }


def _outcomes_document(outcomes: Sequence[Outcome], left_out: Sequence[Awaiting]) -> dict[str, Any]:
    return {
        "approvals": [
            {
                "of": short(item.workflow_id),
                "workflow_id": item.workflow_id,
                "outcome": "approved" if item.is_taken else "refused",
                "message": _told(item),
                "approval_round": item.after or item.before,
            }
            for item in outcomes
        ],
        "refused": sum(not item.is_taken for item in outcomes),
        "left_out": [_document(item) for item in left_out],
    }
