"""What an event of a payment processor leads to: its invoice hears how the payment stands, or a
payout is booked."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.odoo.payouts import BookedRequest, NamedRequest, OdooPayouts
    from activities.processors import ObjectRequest, PaymentFound, ProcessorActivities
    from contracts.events import Delivery, EventOutcome, ForPayment
    from contracts.processors import ObjectKind, PayoutStatus, ProcessorPayment
    from workflows import options
    from workflows.sweeps import signalled

REPORTED = "payment_reported"
_NOT_SENT = (PayoutStatus.PENDING, PayoutStatus.CANCELLED)
_AWAITED = options.Urgency.AWAITED


async def delivered(task: ForPayment) -> Delivery:
    """Read the object as it is now, and hand it on."""
    request = ObjectRequest(system=task.system, kind=task.kind, object_id=task.object_id)
    if task.kind is ObjectKind.PAYOUT:
        return await _payout(request)
    found = await workflow.execute_activity_method(
        ProcessorActivities.read_payment,
        request,
        **options.payments(f"read {task.kind} {task.object_id}"),
    )
    if found.report is None:
        return _nothing("it is about no payment")
    workflow_id = found.workflow_id or await _named(found)
    if not workflow_id:
        return _nothing("the payment names no invoice of ours")
    if await signalled(workflow_id, REPORTED, found.report):
        return Delivery(outcome=EventOutcome.APPLIED, touched=(workflow_id,))
    return await _after_its_end(workflow_id, found.report.payment)


async def _named(found: PaymentFound) -> str:
    """The invoice by its number, where the payment states one."""
    if not found.text:
        return ""
    named = await workflow.execute_activity_method(
        OdooPayouts.invoice_named,
        NamedRequest(legal_entity=found.legal_entity, text=found.text),
        **options.odoo_finance("which invoice is named", _AWAITED),
    )
    return named.workflow_id


async def _after_its_end(workflow_id: str, payment: ProcessorPayment) -> Delivery:
    """An invoice that is settled is not followed any more: what Odoo has not got is for people."""
    unbooked = await workflow.execute_activity_method(
        OdooPayouts.unbooked_payments,
        BookedRequest(references=payment.references),
        **options.odoo_finance("what is booked", _AWAITED),
    )
    missing = payment.missing(unbooked.references)
    if not missing:
        return Delivery(outcome=EventOutcome.AFTER_CLOSE, why=f"{workflow_id} does not run")
    named = ", ".join(missing)
    why = f"{workflow_id} is not followed any more; book in Odoo what came after: {named}"
    return Delivery(outcome=EventOutcome.REFUSED, why=why[:300])


async def _payout(request: ObjectRequest) -> Delivery:
    found = await workflow.execute_activity_method(
        ProcessorActivities.read_payout,
        request,
        **options.payments(f"read payout {request.object_id}"),
    )
    if found.payout.status in _NOT_SENT:
        return _nothing(f"the payout is {found.payout.status}")
    await workflow.execute_activity_method(
        OdooPayouts.book_payout,
        found,
        **options.odoo_finance(f"book payout {request.object_id}", _AWAITED),
    )
    status = found.payout.status
    why = f"payout of {found.payout.net}, {found.payout.fees} fees: {status}"
    return Delivery(outcome=EventOutcome.APPLIED, why=why)


def _nothing(why: str) -> Delivery:
    return Delivery(outcome=EventOutcome.NOTHING_TO_DO, why=why)
