"""`c2c approvals`: what finance says about invoice proposals."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from contracts.approvals import HASH_PREFIX
from contracts.receivable import InvoiceReport, ReceivableState
from starters import operations
from starters.cli import render
from starters.cli.invoices import Reference
from starters.cli.session import By, Session, session_of
from starters.operations import Pending, Refused
from starters.references import short

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the proposals that await approval."""
    session = session_of(context)
    items = session.run(
        lambda client: operations.pending_approvals(client, unreadable=session.warn_unreadable)
    )
    document = {"approvals": [_document(item) for item in items]}
    session.show(document, render.approvals(items) if items else "Nothing awaits approval.")


def _document(item: Pending) -> dict[str, Any]:
    state = item.state
    return {
        "invoice": short(item.workflow_id),
        "workflow_id": item.workflow_id,
        "amount": str(state.proposal.amount),
        "content_hash": state.proposal.content_hash,
        "proposal": state.proposal.model_dump(mode="json"),
        "requirement": state.requirement.model_dump(mode="json") if state.requirement else None,
        "approvals": [given.model_dump(mode="json") for given in state.approvals],
    }


@app.command()
def approve(
    context: typer.Context,
    reference: Reference,
    by: By,
    content_hash: Annotated[
        str,
        typer.Option(
            "--hash",
            metavar="HASH",
            help=f"Approve only this content: its hash, or the first {HASH_PREFIX} characters.",
        ),
    ] = "",
    comment: Annotated[str, typer.Option(help="For the record.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Approve a proposal: exactly the content that is shown, and nothing else."""
    session = session_of(context)
    workflow_id = session.invoice(reference)
    state = session.run(lambda client: operations.receivable_state(client, workflow_id))
    shown = state.proposal.content_hash
    if content_hash and not shown.startswith(content_hash.strip().lower()):
        raise Refused(
            f"the proposal is {shown[:HASH_PREFIX]} now, not {content_hash}; look at it again"
        )
    session.tell(render.proposal(state, workflow_id))
    if not yes and session.may_ask:
        typer.confirm(f"Approve {state.proposal.amount} as {by}?", abort=True)
    report = session.run(
        lambda client: operations.approve(
            client, workflow_id, by=by, content_hash=content_hash or shown, comment=comment
        )
    )
    session.show(report, _outcome(state, by))


def _outcome(before: ReceivableState, by: str) -> str:
    """What an approval has brought about, from the state before it."""
    given = {item.by for item in before.approvals} | {by.strip().lower()}
    needed = before.requirement.approvals if before.requirement else 1
    amount = before.proposal.amount
    if len(given) < needed:
        return f"Approved {amount}; {needed - len(given)} more approval is needed."
    return f"Approved {amount}: the invoice is created, posted and sent now."


@app.command()
def reject(
    context: typer.Context,
    reference: Reference,
    by: By,
    comment: Annotated[str, typer.Option(help="Why: whoever mends the contract reads it.")],
) -> None:
    """Reject a proposal; the contract parks until somebody proposes it again."""
    session = session_of(context)
    workflow_id = session.invoice(reference)
    report = session.run(
        lambda client: operations.reject(client, workflow_id, by=by, comment=comment)
    )
    _show_rejected(session, workflow_id, report)


def _show_rejected(session: Session, workflow_id: str, report: InvoiceReport) -> None:
    contract = short(workflow_id.partition("/invoice/")[0])
    session.show(
        report,
        f"Rejected {report.amount}. The contract parks until it is proposed again: "
        f"c2c exceptions show {contract}",
    )
