"""`c2c approvals`: what awaits a person's word, and that word, on one or on many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.identifiers import contract_of
from starters.cli.errors import ExitCode, UsageError
from starters.cli.options import By, RequestId, Yes, amount_option, one_of
from starters.cli.session import Session, session_of
from starters.client.errors import Refused
from starters.client.names import MAX_LISTED
from starters.client.references import any_id, short

if TYPE_CHECKING:
    from contracts.approvals import ApprovalRound
    from starters.cli.tables import View
    from starters.client import C2C, Awaiting, Listed, Outcome

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
    str | None, amount_option("Only amounts (without tax) in this currency up to.", "--up-to")
]
Kind = Annotated[
    str | None,
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
    context: typer.Context, customer: Customer = "", up_to: UpTo = None, kind: Kind = None
) -> None:
    """List what awaits approval, the longest waiting first; --entity narrows it too."""
    session = session_of(context)
    found = _awaiting(session, customer, up_to, kind)
    document = {"approvals": [_document(item) for item in found.items], "more": found.more}
    nothing = f"Nothing awaits approval at {session.place}."
    session.show(document, _table(found.items) if found.items else nothing)


@app.command()
def approve(
    context: typer.Context,
    by: By,
    references: References = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All that PERSON may approve; narrow it by the options.")
    ] = False,
    customer: Customer = "",
    up_to: UpTo = None,
    kind: Kind = None,
    content_hash: Hash = "",
    comment: Annotated[str, typer.Option(metavar="WORDS", help="For the record.")] = "",
    yes: Yes = False,
    request_id: RequestId = None,
) -> None:
    """Approve exactly the content that is shown, and nothing else.

    Of several, one that is refused does not stop the rest; the exit code is 1 if any was.
    """
    session = session_of(context)
    if all_ == bool(references):
        raise UsageError("give one or more references, or --all")
    if references and (customer.strip() or up_to or kind):
        raise UsageError("--customer, --up-to and --kind go with --all")
    is_one = len(references or ()) == 1
    if (content_hash or request_id) and not is_one:
        raise UsageError("--hash and --request-id go with one reference")
    if references and is_one:
        _approve_one(session, references[0], by, content_hash, comment, yes, request_id)
    elif references:
        items, failed = _named(session, references)
        _approve_many(session, items, failed, [], by, comment, yes)
    else:
        mine: list[Awaiting] = []
        others: list[Awaiting] = []
        for item in _awaiting(session, customer, up_to, kind).items:
            (mine if item.may_be_approved_by(by) else others).append(item)
        _approve_many(session, mine, [], others, by, comment, yes)


def _approve_one(
    session: Session,
    reference: str,
    by: str,
    content_hash: str,
    comment: str,
    yes: bool,
    request_id: str | None,
) -> None:
    from starters.client import Outcome

    workflow_id = any_id(reference, session.entities)
    before = after = _decided(session, reference, "approve", by, comment, request_id)
    if before is None:
        item = _one(session, reference, content_hash)
        before = item.approval_round
        session.tell(*_content(item))
        session.confirm(f"Approve {before.subject.amount} as {by}?", yes=yes)
        _, after = session.ask_either(
            reference,
            lambda it: it.approve(by=by, comment=comment, seen=before),
            request_id,
        )
    outcome = Outcome(workflow_id, before, after)
    words = f"Approved {before.subject.amount}: {_told(outcome)}."
    session.show(_outcomes_document([outcome], []), words)


def _approve_many(
    session: Session,
    items: Sequence[Awaiting],
    failed: list[Outcome],
    left_out: Sequence[Awaiting],
    by: str,
    comment: str,
    yes: bool,
) -> None:
    if items:
        session.tell(_table(items))
        session.confirm(f"Approve these {len(items)} as {by}?", yes=yes)
    outcomes = failed + session.run(lambda c2c: c2c.approve_all(items, by=by, comment=comment))
    views: list[View | str] = [_outcomes(outcomes) if outcomes else "Nothing to approve."]
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
    comment: Annotated[
        str, typer.Option(metavar="WORDS", help="Why: whoever proposed it reads it.")
    ],
    content_hash: Hash = "",
    request_id: RequestId = None,
) -> None:
    """Reject what awaits approval; an invoice's contract parks until it is proposed again."""
    from starters.client import Awaiting

    session = session_of(context)
    workflow_id = any_id(reference, session.entities)
    seen = _decided(session, reference, "reject", by, comment, request_id)
    if seen is None:
        seen = _one(session, reference, content_hash).approval_round
        session.ask_either(
            reference,
            lambda it: it.reject(by=by, comment=comment, seen=seen),
            request_id,
        )
    subject, contract = seen.subject, short(contract_of(workflow_id))
    then = {
        _WRITE_OFF: "It stays open and is collected as before.",
        "change_order": "The contract stays as it is.",
    }.get(
        subject.kind,
        f"The contract parks until it is proposed again: c2c exceptions show {contract}",
    )
    document = {**_document(Awaiting(workflow_id, seen)), "outcome": "rejected", "comment": comment}
    session.show(document, f"Rejected {subject.title}, {subject.amount}. {then}")


# --- what is meant ------------------------------------------------------------------------------


def _awaiting(
    session: Session, customer: str, up_to: str | None, kind: str | None
) -> Listed[Awaiting]:
    from contracts.approvals import ApprovalKind
    from contracts.money import Money

    found = session.run(
        lambda c2c: c2c.approvals(
            customer=customer.strip(),
            up_to=Money.parse(up_to) if up_to else None,
            kind=ApprovalKind(kind) if kind else None,
            legal_entity=session.entity or "",
            unreadable=session.warn_unreadable,
        )
    )
    if found.more:
        session.warn(f"only the newest {MAX_LISTED} were looked at; narrow it by --entity")
    return found


def _decided(
    session: Session, reference: str, decision: str, by: str, comment: str, request_id: str | None
) -> ApprovalRound | None:
    """The round as the same request left it before; None if it is sent for the first time."""
    if not request_id:
        return None
    _, found = session.ask_either(
        reference, lambda it: it.decided(decision, by=by, comment=comment), request_id
    )
    return found


def _one(session: Session, reference: str, content_hash: str) -> Awaiting:
    """What awaits approval under one reference. Raises Refused if it is not one thing, or other
    content than named."""
    name, items = session.ask_either(reference, lambda it: it.approvals())
    if not items:
        raise Refused(f"{name}: {_NOTHING}")
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


def _named(session: Session, references: Sequence[str]) -> tuple[list[Awaiting], list[Outcome]]:
    """What awaits approval under these references, and those where nothing does."""
    ids = list(dict.fromkeys(any_id(item, session.entities) for item in references))
    return session.run(lambda c2c: _find(c2c, ids))


async def _find(c2c: C2C, ids: Sequence[str]) -> tuple[list[Awaiting], list[Outcome]]:
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


def _table(items: Sequence[Awaiting]) -> View:
    from starters.cli.tables import Table

    columns = ("*Of", "What", ">Without tax", ">Tax", ">Total", "Asked for", "Needs", "*Hash")
    return Table(columns, (_row(item) for item in items))


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


def _content(item: Awaiting) -> list[View]:
    """What one approval is about: the content, the rule, and who has approved it so far."""
    from starters.cli.tables import Pairs, Words

    found = item.approval_round
    subject, requirement = found.subject, found.requirement
    is_write_off = subject.kind == _WRITE_OFF
    pairs = [
        ("Open, with tax" if is_write_off else "Without tax", subject.amount),
        ("Tax", "" if is_write_off else subject.tax),
        ("Total with tax", "" if is_write_off else subject.total),
        ("Requested by", ", ".join(requirement.requested_by)),
        ("Asked for on", requirement.asked_on),
        ("Rule", requirement.rule),
        ("Approved by", ", ".join(f"{one.by} ({one.at:%Y-%m-%d})" for one in found.approvals)),
        ("Needs", found.missing),
        ("Hash", _hash(found)),
    ]
    return [
        Words(f"{subject.title} ({short(item.workflow_id)})", "bold"),
        *(Words(f"- {line}") for line in subject.details),
        Pairs(pairs),
    ]


def _outcomes(outcomes: Sequence[Outcome]) -> View:
    from starters.cli.tables import Table, verdict

    return Table(
        ("*Of", "What", ">Amount", "Outcome", ""),
        (
            (
                short(item.workflow_id),
                item.before.subject.title if item.before else "",
                item.before.subject.amount if item.before else "",
                verdict("approved" if item.is_taken else "refused"),
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
    """One approval for programs: what it is about beside the rest of its round."""
    found = item.approval_round.model_dump(mode="json")
    return {
        "of": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        **found.pop("subject"),
        "tax": item.approval_round.subject.tax,
        "needs": item.approval_round.missing,
        **found,
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
