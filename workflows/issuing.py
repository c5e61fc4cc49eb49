"""From a proposal to a posted invoice: draft with Odoo's tax, approval, posting; or rejection."""

from __future__ import annotations

from datetime import date

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from pydantic import TypeAdapter, ValidationError

    from activities.failures import FailureDetail
    from activities.odoo_finance import DraftRequest, InvoiceRef, OdooFinance, PostRequest
    from contracts import parking
    from contracts.approvals import ApprovalKind, ApprovalRound, Subject
    from contracts.billing.proposals import InvoiceProposal
    from contracts.invoice import collecting
    from contracts.invoice.messages import InvoiceBalance
    from contracts.invoice.state import InvoiceStage, KnownDraft
    from contracts.model import MessageDay
    from contracts.odoo_totals import OdooTotals
    from contracts.parking import Action, Resolution, StepException
    from contracts.validation import InvalidContract, Problem, amended, problems_of, show
    from workflows import options
    from workflows.approval import ApprovalProcess
    from workflows.document import DocumentCase
    from workflows.steps import Parked, StepCancelled

_DAY: TypeAdapter[date] = TypeAdapter(MessageDay)
_DIFFERS = "invoice_differs_from_approval"
"""The draft in Odoo no longer comes to what was approved: it is written, and quoted, anew."""


class Issuing:
    """The draft is made first, so that what is approved shows the tax Odoo computes."""

    def __init__(self, case: DocumentCase, approval_process: ApprovalProcess) -> None:
        self._case = case
        self._approval_process = approval_process

    async def run(self) -> InvoiceBalance | None:
        """Until the invoice is posted, whose balance is returned, or rejected (None)."""
        state = self._case.state
        balance = None
        try:
            while balance is None:
                if self._draft_is_outdated:
                    await self._draft()
                elif not self._is_approved:
                    await self._approval()
                else:
                    balance = await self._post()
        except StepCancelled:
            self._case.enter(InvoiceStage.REJECTED)
            await self._discard()
            return None
        state.issued = True
        self._case.note(f"Posted {balance.number}: {balance.total} with tax, due {balance.due_on}")
        return balance

    # --- draft ------------------------------------------------------------------------------

    @property
    def _invoice_on(self) -> date:
        return self._case.state.invoice_on or self._case.today

    @property
    def _draft_is_outdated(self) -> bool:
        """It says something else than the proposal, or (about to be posted) has another date."""
        state = self._case.state
        draft = state.draft
        if draft is None or draft.content_hash != state.proposal.content_hash:
            return True
        return self._is_approved and draft.invoice_on != self._invoice_on

    async def _draft(self) -> None:
        state = self._case.state
        draft = await self._case.steps.run(parking.CREATE_INVOICE, self._written_draft)
        if draft is None:
            return
        if state.draft is not None and state.approval_round is not None:
            self._compare(state.draft.odoo_totals, draft.odoo_totals)
        state.draft = draft

    async def _written_draft(self) -> KnownDraft:
        """Create the draft in Odoo, or write it anew; with what it comes to there."""
        state, invoice_on = self._case.state, self._invoice_on
        proposal = state.proposal
        draft = await workflow.execute_activity_method(
            OdooFinance.create_draft,
            DraftRequest(
                proposal=proposal,
                company_id=state.company_id,
                partner_id=state.partner_id,
                invoice_on=invoice_on,
                credited_invoice_id=state.credited_invoice_id,
                rewrites=state.draft is not None or state.amended,
                reached=state.reached,
            ),
            **options.odoo_finance(f"draft of {proposal.amount}"),
        )
        state.reached = ()
        if state.policy is None:
            # Once: the rules stay as they were at the proposal.
            state.policy = draft.policy
        return KnownDraft(
            invoice_id=draft.invoice_id,
            content_hash=proposal.content_hash,
            invoice_on=invoice_on,
            odoo_totals=draft.odoo_totals,
        )

    def _compare(self, before: OdooTotals, now: OdooTotals) -> None:
        """Tax that changed since is something nobody has approved."""
        if (now.total, set(now.taxes)) != (before.total, set(before.taxes)):
            self._case.state.approval_round = None
            self._case.note(
                f"With tax it came to {before.total} and now to {now.total}: approvals are void"
            )

    async def _discard(self) -> None:
        """A rejected draft must not stay behind in Odoo, where somebody might post it."""
        draft = self._case.state.draft
        if draft is None:
            return
        ref = InvoiceRef(invoice_id=draft.invoice_id)
        done = await self._case.steps.run(
            parking.DISCARD,
            lambda: workflow.execute_activity_method(
                OdooFinance.discard_draft,
                ref,
                **options.odoo_finance("cancel the draft", options.Urgency.BACKGROUND),
            ),
        )
        self._case.tell("The draft was cancelled" if done else "The draft was left in Odoo")

    # --- approval ---------------------------------------------------------------------------

    @property
    def _is_approved(self) -> bool:
        approval_round = self._case.state.approval_round
        return approval_round is not None and approval_round.is_met

    async def _approval(self) -> None:
        """Wait until enough people approved this very content. Raises StepCancelled once somebody
        rejected it."""
        state = self._case.state
        approval_round = state.approval_round
        if approval_round is None:
            approval_round = state.approval_round = self._begun()
            self._case.note(
                f"Proposed {approval_round.subject.amount}, {approval_round.subject.total} with tax"
            )
        if not approval_round.is_decided:
            self._case.enter(InvoiceStage.AWAITING_APPROVAL)
        await self._approval_process.run(
            approval_round, self._case.policy.calendar, order_id=state.order_id
        )
        if approval_round.is_rejected:
            state.rejected_because = approval_round.rejected_because
            raise StepCancelled
        if approval_round.is_met:
            self._case.enter(InvoiceStage.APPROVED)

    def _begun(self) -> ApprovalRound:
        state, policy = self._case.state, self._case.policy
        proposal = state.proposal
        is_credit = collecting.is_credit_note(state)
        kind = ApprovalKind.CREDIT_NOTE if is_credit else ApprovalKind.INVOICE
        subject = Subject(
            kind=kind,
            title=f"{kind.words} {proposal.number} of {proposal.contract_id} "
            f"for {proposal.customer_name}",
            amount=proposal.amount,
            total=state.odoo_totals.total if state.odoo_totals else None,
            content_hash=proposal.content_hash,
            customer_key=proposal.customer_key,
            customer_name=proposal.customer_name,
            requested_by=state.requested_by,
            as_planned=proposal.as_planned,
            details=collecting.proposal_details(proposal),
        )
        return ApprovalRound.begin(policy.approval, policy.calendar, subject, self._case.today)

    # --- posting ----------------------------------------------------------------------------

    async def _post(self) -> InvoiceBalance | None:
        """Post it; None if the content changed on the way, or the draft has to be written anew."""
        return await self._case.steps.run(
            parking.POST_INVOICE,
            self._posted,
            obsolete=lambda: not self._is_approved or self._draft_is_outdated,
        )

    async def _posted(self) -> InvoiceBalance:
        proposal, draft = self._approved_content()
        return await workflow.execute_activity_method(
            OdooFinance.post_invoice,
            PostRequest(
                invoice_id=draft.invoice_id,
                legal_entity=proposal.legal_entity,
                kind=proposal.kind,
                odoo_totals=draft.odoo_totals,
                proposed_on=proposal.proposed_on,
            ),
            **options.odoo_finance(f"post {proposal.amount}", options.Urgency.AWAITED),
        )

    def _approved_content(self) -> tuple[InvoiceProposal, KnownDraft]:
        """The proposal and its draft, checked once more right before use against the approval."""
        state = self._case.state
        proposal, draft, approval_round = state.proposal, state.draft, state.approval_round
        approved = {approval_round.subject.content_hash} if approval_round else set()
        approved |= (
            {item.content_hash for item in approval_round.approvals} if approval_round else set()
        )
        if draft is None or approved != {proposal.content_hash}:
            detail = FailureDetail(
                code="approval_outdated",
                message="the proposal is no longer what was approved; it needs approval again",
            )
            raise Parked(detail)
        return proposal, draft

    # --- what people decide about a parked step ---------------------------------------------

    def refusal(self, resolution: Resolution) -> str | None:
        """Why the proposal cannot be amended like this; None if it can."""
        if resolution.action is not Action.AMEND:
            return None
        try:
            self._amended(resolution)
        except InvalidContract as invalid:
            return str(invalid)
        return None

    def resolve(self, parked: StepException, resolution: Resolution) -> None:
        """Take what a person decided about the draft's or the posting's step."""
        state = self._case.state
        if resolution.action is Action.CANCEL:
            state.rejected_because = f"{resolution.by}: {resolution.reason or parked.message}"
        elif resolution.action is Action.AMEND:
            before = state.proposal.content_hash
            state.proposal, state.invoice_on = self._amended(resolution)
            state.amended = True
            self._outdate()
            if state.proposal.content_hash != before:
                state.approval_round = None
                self._case.note("The proposal changed: earlier approvals are void")
        elif parked.code == _DIFFERS:
            self._outdate()

    def _outdate(self) -> None:
        draft = self._case.state.draft
        if draft is not None:
            self._case.state.draft = draft.model_copy(update={"content_hash": ""})

    def _amended(self, resolution: Resolution) -> tuple[InvoiceProposal, date | None]:
        """The proposal and invoice date as corrected. Amounts cannot be amended here: they follow
        from the contract. Raises InvalidContract with every problem."""
        state = self._case.state
        changes = dict(resolution.changes)
        stated = changes.pop("invoice_on", None)
        barred = [path for path in changes if not _is_amendable(path)]
        if barred:
            raise InvalidContract(
                [_problem("not_amendable", path, show(changes[path])) for path in barred]
            )
        try:
            invoice_on = _DAY.validate_python(stated) if stated else state.invoice_on
        except ValidationError:
            raise InvalidContract(
                [_problem("date_malformed", "invoice_on", show(stated))]
            ) from None
        invoice = amended(state.proposal.model_dump(mode="json"), changes)
        try:
            return InvoiceProposal.model_validate(invoice), invoice_on
        except ValidationError as error:
            raise InvalidContract(problems_of(error)) from error


def _is_amendable(path: str) -> bool:
    """What finance may correct on a proposal; amounts follow from the contract."""
    head, *rest = path.split(".")
    return (head in ("payment_term", "purchase_order", "billing_email") and not rest) or (
        head == "lines" and rest[1:] == ["description"]
    )


def _problem(code: str, field: str, value: str) -> Problem:
    expected = {
        "not_amendable": "invoice_on, payment_term, purchase_order, billing_email or "
        "lines.N.description; amounts follow from the contract",
        "date_malformed": "a date such as 2026-03-31",
    }[code]
    return Problem(code=code, field=field, value=value, expected=expected)
