"""From a proposal to a posted invoice: the draft, its approval, corrections; or its withdrawal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts import parking
from contracts.agenda.actions import Action, Failed, Question, Wanted
from contracts.agenda.machine import ActRule, MessageRule
from contracts.agenda.state import required
from contracts.approvals import ApprovalKind, ApprovalRound, Subject
from contracts.billing.lines import InvoiceProposal
from contracts.invoice import acts, approving, collecting, payments, recording
from contracts.invoice.answers import Draft
from contracts.invoice.content import (
    MAILED_TO,
    InvoiceContent,
    approval_hash,
    details,
    differences,
    in_words,
)
from contracts.invoice.messages import InvoiceBalance
from contracts.invoice.state import InvoiceStage, InvoiceState, KnownDraft
from contracts.model import MessageDay
from contracts.parking import Action as Choice
from contracts.parking import Resolution, StepException
from contracts.problems import InvalidContract, finding, problems_of
from contracts.processors import PaymentLink
from contracts.validation import amended

_DIFFERS = "invoice_differs_from_approval"
"""The invoice in Odoo is not what was approved. Its draft is written again; one that was changed
in another field, or is posted by now, is approved again as it is."""
_AMENDABLE = (
    "invoice_on, payment_term, purchase_order or lines.N.description; amounts follow from the "
    "contract, and Odoo mails to its customer's address: change that in Odoo"
)
_LANE = "draft"
"""A draft is not written again while it is posted, nor cancelled while it is written."""
_DAY: TypeAdapter[date] = TypeAdapter(MessageDay)


def to_issue(state: InvoiceState) -> list[Wanted]:
    """The one thing that comes next on the way to a posted invoice."""
    if acts.POST in state.uncertain:
        # It may be posted: whatever else has changed, that is found out first.
        return [_post(state)]
    if draft_is_outdated(state):
        basis = state.proposal.content_hash
        return [Action(acts.CREATE, key=acts.CREATE, basis=basis, lane=_LANE)]
    if state.approval_round is None or not state.approval_round.is_met:
        return approving.to_remind(state)
    if state.draft is None or not _approves(state.approval_round, state.draft.approval_hash):
        return [_approval_outdated(state)]
    return [_post(state)]


def to_take_back(state: InvoiceState) -> list[Wanted]:
    """A rejected draft must not stay behind in Odoo, where somebody might post it; then money that
    came for it goes where a person says."""
    if not state.draft_is_gone:
        return [Action(acts.DISCARD, key=acts.DISCARD, lane=_LANE)]
    return [
        payments.misplaced(
            payment,
            "payment_without_invoice",
            f"the invoice is {state.stage}, and {payment.amount} was paid for it",
        )
        for payment in state.payments
    ]


def _post(state: InvoiceState) -> Action:
    """Rests on the very proposal that was approved: once that changes, it is not wanted."""
    basis = state.proposal.content_hash
    return Action(acts.POST, key=acts.POST, basis=basis, lane=_LANE, irreversible=True)


def to_send(state: InvoiceState) -> Action:
    """The invoice goes to the customer, with a page to pay on where the legal entity wants one."""
    wants_link = state.rules.payment_links and not collecting.is_credit_note(state)
    is_owed = collecting.required_balance(state).residual.is_positive
    if wants_link and is_owed and not state.link_tried:
        return Action(acts.PAYMENT_LINK, key=acts.PAYMENT_LINK)
    return Action(acts.DELIVER, key=acts.DELIVER, irreversible=True)


def is_approved(state: InvoiceState) -> bool:
    """Whether everybody has approved it who must."""
    return state.approval_round is not None and state.approval_round.is_met


def invoice_on(state: InvoiceState) -> date:
    """The date the invoice is to have, in the legal entity's zone."""
    return state.invoice_on or state.today


def draft_is_outdated(state: InvoiceState) -> bool:
    """It says something else than the proposal, or (about to be posted) has another date."""
    draft = state.draft
    if draft is None or draft.content_hash != state.proposal.content_hash:
        return True
    return is_approved(state) and draft.invoice_on != invoice_on(state)


def _approves(approval_round: ApprovalRound, approval_hash: str) -> bool:
    given = {item.content_hash for item in approval_round.approvals}
    return given | {approval_round.subject.content_hash} == {approval_hash}


def _approval_outdated(state: InvoiceState) -> Question:
    message = "the proposal is no longer what was approved; it needs approval again"
    detail = Failed("business", "approval_outdated", message)
    return Question(acts.POST, key=acts.POST, basis=state.proposal.content_hash, detail=detail)


# --- what came of it ------------------------------------------------------------------------------


def _drafted(state: InvoiceState, action: Action, draft: Draft) -> InvoiceState:
    """The draft exists in Odoo, with what it says there."""
    known = KnownDraft(
        invoice_id=draft.invoice_id,
        content_hash=action.basis,
        approval_hash=approval_hash(action.basis, state.invoice_on, draft.content),
        invoice_on=draft.invoice_on,
        content=draft.content,
    )
    before, asked = state.draft, state.approval_round
    # The rules stay as they were at the proposal.
    state = state.replace(draft=known, reached=(), policy=state.policy or draft.policy)
    if before is None or asked is None or asked.subject.content_hash == known.approval_hash:
        return state
    # What Odoo says by now is something nobody has approved.
    found = differences(before.content.undated, draft.content.undated)
    text = f"The draft says something else in Odoo ({in_words(found)}): approvals are void"
    return state.without_round().replace(changed_by_hand=True).noted(text)


def _posted(state: InvoiceState, action: Action, balance: InvoiceBalance) -> InvoiceState:
    state = payments.with_balance(state.replace(issued=True, superseded=()), balance)
    if state.draft is not None:
        # Its lines are Odoo's from now on; the state of an invoice that is collected stays small.
        content = state.draft.content.replace(lines=())
        state = state.replace(draft=state.draft.replace(content=content))
    return state.noted(f"Posted {balance.number}: {balance.total} with tax, due {balance.due_on}")


def _discarded(state: InvoiceState, action: Action, value: Any) -> InvoiceState:
    return state.replace(discarded=True).noted("The draft was cancelled")


def _delivered(state: InvoiceState, action: Action, value: Any) -> InvoiceState:
    return state.replace(delivered=True).noted("Delivered by e-mail")


def _linked(state: InvoiceState, action: Action, link: PaymentLink) -> InvoiceState:
    return state.replace(link_tried=True, payment_link=link).noted(f"To be paid at {link.url}")


def _not_linked(state: InvoiceState, action: Action, failure: Failed) -> InvoiceState:
    """The invoice does not wait for it."""
    return state.replace(link_tried=True).noted(f"Mailed without a link: {failure.message}")


def _skip_discard(state: InvoiceState, *_: Any) -> InvoiceState:
    return state.replace(discarded=True).noted("The draft was left in Odoo")


def _skip_delivery(state: InvoiceState, *_: Any) -> InvoiceState:
    return state.replace(delivered=True).noted("Delivery skipped")


def _retry_post(state: InvoiceState, parked: StepException, _: Resolution) -> InvoiceState:
    return _with_draft_outdated(state) if parked.code == _DIFFERS else state


def _retry_delivery(
    state: InvoiceState, parked: StepException, resolution: Resolution
) -> InvoiceState:
    """The person has seen where Odoo would mail the invoice to now, and lets it go there; what
    else was changed in it is to be corrected there."""
    if parked.code != _DIFFERS or parked.field != f"invoice.{MAILED_TO}":
        return state
    draft, address = required(state.draft), parked.value
    content = draft.content.replace(mailed_to=address)
    state = state.replace(draft=draft.replace(content=content))
    return state.noted(f"{resolution.by}: to be mailed to {address}")


# --- what follows ---------------------------------------------------------------------------------


def begin_approval(state: InvoiceState) -> InvoiceState:
    """The draft exists in Odoo before anybody approves it, with the tax Odoo computes."""
    if state.approval_round is not None or state.rejected_because:
        return state
    if draft_is_outdated(state):
        return state
    approval_round = _approval_round(state)
    subject = approval_round.subject
    text = f"Proposed {subject.amount}, {subject.total} with tax"
    state = state.replace(approval_round=approval_round).noted(text)
    return approving.with_rule_noted(state, approval_round)


def _approval_round(state: InvoiceState) -> ApprovalRound:
    proposal, rules, draft = state.proposal, state.rules, required(state.draft)
    is_credit = collecting.is_credit_note(state)
    kind = ApprovalKind.CREDIT_NOTE if is_credit else ApprovalKind.INVOICE
    subject = Subject(
        kind=kind,
        title=f"{kind.words} {proposal.number} of {proposal.contract_id} "
        f"for {proposal.customer_name}",
        # As Odoo says: the tier never falls below what the customer is asked to pay.
        amount=draft.odoo_totals.untaxed,
        total=draft.odoo_totals.total,
        content_hash=draft.approval_hash,
        customer_key=proposal.customer_key,
        customer_name=proposal.customer_name,
        requested_by=state.requested_by,
        as_planned=proposal.as_planned and not state.changed_by_hand,
        details=proposal_details(proposal, draft.content),
    )
    return ApprovalRound.begin(rules.approval, rules.calendar, subject, state.today)


def proposal_details(proposal: InvoiceProposal, content: InvoiceContent) -> tuple[str, ...]:
    """What approvers are shown of an invoice beside its amount, one line each: what its draft says
    in Odoo, which is what is posted and mailed."""
    because = [f"because: {proposal.reason}"] if proposal.reason else []
    return (*details(content), *because)


def reject(state: InvoiceState) -> InvoiceState:
    """What the approvers have rejected is taken back."""
    found = state.approval_round
    if found is None or not found.is_rejected or state.rejected_because:
        return state
    return state.replace(rejected_because=found.rejected_because)


def stage_of_proposed(state: InvoiceState) -> InvoiceState:
    """The stage follows from its approval."""
    found = state.approval_round
    if state.rejected_because:
        return collecting.in_stage(state, InvoiceStage.REJECTED)
    if found is None:
        return collecting.in_stage(state, InvoiceStage.PROPOSED)
    stage = InvoiceStage.APPROVED if found.is_met else InvoiceStage.AWAITING_APPROVAL
    return collecting.in_stage(state, stage)


# --- corrections of a proposal --------------------------------------------------------------------


def correction_refusal(state: InvoiceState, resolution: Resolution) -> str | None:
    """Why a correction of the proposal cannot be accepted; None if it can."""
    if resolution.action is not Choice.AMEND:
        return None
    try:
        _amended_proposal(state, resolution)
    except InvalidContract as invalid:
        return str(invalid)
    return None


def _amended_proposal(
    state: InvoiceState, resolution: Resolution
) -> tuple[InvoiceProposal, date | None]:
    """The proposal and the invoice's date as corrected. Amounts cannot be amended here: they follow
    from the contract. Raises InvalidContract with every problem."""
    changes = dict(resolution.changes)
    stated = changes.pop("invoice_on", None)
    barred = [path for path in changes if not may_amend(path)]
    if barred:
        raise InvalidContract(
            [finding("not_amendable", path, changes[path], _AMENDABLE) for path in barred]
        )
    try:
        invoice_on = _DAY.validate_python(stated) if stated else state.invoice_on
    except ValidationError:
        expected = "a date such as 2026-03-31"
        raise InvalidContract([finding("date_malformed", "invoice_on", stated, expected)]) from None
    corrected = amended(state.proposal.model_dump(mode="json"), changes)
    try:
        return InvoiceProposal.model_validate(corrected), invoice_on
    except ValidationError as error:
        raise InvalidContract(problems_of(error)) from error


def may_amend(path: str) -> bool:
    """What finance may correct on a proposal; amounts follow from the contract."""
    head, *rest = path.split(".")
    return (head in ("payment_term", "purchase_order") and not rest) or (
        head == "lines" and rest[1:] == ["description"]
    )


def corrected(state: InvoiceState, parked: StepException, resolution: Resolution) -> InvoiceState:
    """The state after a decision to withdraw the proposal, or to amend it. Who amends a proposal
    asks for what it says now, and does not approve it alone."""
    if resolution.action is Choice.CANCEL:
        return state.replace(
            rejected_because=f"{resolution.by}: {resolution.reason or parked.message}"
        )
    before = state.proposal.content_hash, state.invoice_on
    proposal, invoice_on = _amended_proposal(state, resolution)
    state = state.replace(proposal=proposal, invoice_on=invoice_on, amended=True)
    state = _with_draft_outdated(state)
    if (proposal.content_hash, invoice_on) == before:
        return state
    requested_by = tuple(dict.fromkeys((*state.requested_by, resolution.by)))
    state = state.without_round().replace(changed_by_hand=True, requested_by=requested_by)
    return state.noted("The proposal changed: earlier approvals are void")


def _with_draft_outdated(state: InvoiceState) -> InvoiceState:
    """The draft in Odoo is to be written again."""
    if state.draft is None:
        return state
    return state.replace(draft=state.draft.replace(content_hash=""))


ACTS: Mapping[str, ActRule[InvoiceState]] = {
    acts.CREATE: ActRule(
        # However far a failed one came: the draft may stand in Odoo.
        parking.CREATE_INVOICE,
        _drafted,
        lambda state, *_: state.replace(draft_tried=True),
    ),
    acts.POST: ActRule(parking.POST_INVOICE, _posted, retried=_retry_post, left=recording.invoice),
    acts.DISCARD: ActRule(
        parking.DISCARD, _discarded, skipped=_skip_discard, left=recording.invoice
    ),
    acts.PAYMENT_LINK: ActRule(done=_linked, failed=_not_linked),
    acts.DELIVER: ActRule(
        parking.DELIVER,
        _delivered,
        skipped=_skip_delivery,
        retried=_retry_delivery,
        left=recording.invoice,
    ),
}
MESSAGES: Mapping[type, MessageRule[InvoiceState]] = {}
