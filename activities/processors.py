"""Payment processors: what became of payments, payouts, and pages to pay on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from activities.failures import BusinessRefusal
from activities.odoo.payouts import PayoutBooks, PayoutRequest
from contracts.identifiers import is_invoice_workflow_id, legal_entity_of
from contracts.invoice.messages import PaymentReported
from contracts.processors import Changes, LinkRequest, ObjectKind, PaymentLink
from gateways.payments.protocol import Processor


class ObjectRequest(BaseModel):
    """A payment, refund, dispute or payout of the processor of that name."""

    system: str
    kind: ObjectKind
    object_id: str


class PaymentFound(BaseModel):
    """How the payment stands, for the invoice that it names (its workflow; empty: none). `report`
    is none where the object has no payment. `text` may name the invoice by its number."""

    report: PaymentReported | None = None
    workflow_id: str = ""
    legal_entity: str = ""
    text: str = ""


class EventsRequest(BaseModel):
    """Events at or after `since` (aware; the processor's clock). `after` is the mark that this page
    begins behind; "": the first page."""

    system: str
    since: datetime
    after: str = ""


class PageRequest(BaseModel):
    """A page to pay an invoice on, of the processor of that name."""

    system: str
    link: LinkRequest


class ProcessorSetup(BaseModel):
    """What the configuration says of one: whose payments it takes, and where they are booked."""

    legal_entity: str
    books: PayoutBooks


class ProcessorActivities:
    """Activities on the `payments` task queue; one connector a processor, by the name it is
    configured under."""

    def __init__(
        self, processors: Mapping[str, Processor], setups: Mapping[str, ProcessorSetup]
    ) -> None:
        self._processors = processors
        self._setups = setups

    def _processor(self, system: str) -> Processor:
        processor = self._processors.get(system)
        if processor is None:
            known = ", ".join(self._processors) or "none"
            raise BusinessRefusal(
                "payments_not_configured",
                f"no payment processor {system} is configured; configured: {known}",
                field="system",
                value=system,
            )
        return processor

    @activity.defn
    def read_payment(self, request: ObjectRequest) -> PaymentFound:
        """The payment that the object is or is about, as it is now. Refuses one that names an
        invoice of another legal entity: whoever takes payments for one must not settle another's.
        """
        found = self._processor(request.system).read_payment(request.kind, request.object_id)
        setup = self._setups[request.system]
        if found is None:
            return PaymentFound()
        named = found.invoice if is_invoice_workflow_id(found.invoice) else ""
        if named and legal_entity_of(named) != setup.legal_entity:
            raise BusinessRefusal(
                "payment_foreign",
                f"payment {found.payment_id} of {request.system}, which is for "
                f"{setup.legal_entity}, names the invoice {named}",
                field="c2c_invoice",
                value=named,
            )
        return PaymentFound(
            report=PaymentReported(
                system=request.system,
                journal=setup.books.journal,
                payment=found,
                # Two workers' clocks may differ by more than two readings are apart.
                read_at=activity.info().started_time,
            ),
            workflow_id=named,
            legal_entity=setup.legal_entity,
            text=found.text,
        )

    @activity.defn
    def read_payout(self, request: ObjectRequest) -> PayoutRequest:
        """A payout as it is now, and where it is booked."""
        payout = self._processor(request.system).read_payout(request.object_id)
        books = self._setups[request.system].books
        return PayoutRequest(system=request.system, payout=payout, books=books)

    @activity.defn
    def changed_payments(self, request: EventsRequest) -> Changes:
        """A page of what happened since a moment."""
        return self._processor(request.system).changed(request.since, request.after)

    @activity.defn
    def create_payment_link(self, request: PageRequest) -> PaymentLink:
        """A page to pay an invoice on; the same one where it was made already."""
        return self._processor(request.system).create_link(request.link)
