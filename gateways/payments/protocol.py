"""What the rest of the system may ask of a payment processor."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from contracts.problems import Problem
from contracts.processors import (
    Changes,
    LinkRequest,
    ObjectKind,
    PaymentLink,
    Payout,
    ProcessorPayment,
)

__all__ = ["Processor"]


class Processor(Protocol):
    """A payment processor, called from many threads at once.

    Every method raises GatewayError where the processor as a whole refuses or cannot be reached.
    """

    @property
    def system(self) -> str:
        """The name it is configured under ("stripe", "gocardless")."""

    def read_payment(self, kind: ObjectKind, object_id: str) -> ProcessorPayment | None:
        """The payment with this id, or that of this refund or dispute, as it is now with all that
        undoes it; none where that has no payment. Raises GatewayError of kind business with the
        code `payment_not_found`."""

    def read_payout(self, payout_id: str) -> Payout:
        """A payout as it is now. Raises GatewayError of kind business with the code
        `payment_not_found`."""

    def changed(self, since: datetime, after: str = "") -> Changes:
        """A page of the events at or after `since` (aware), and the processor's own time. A page
        begins behind the mark `after`."""

    def create_link(self, request: LinkRequest) -> PaymentLink:
        """A page on which the customer can pay the invoice, made once for each invoice. What is
        paid there names the invoice's workflow. Raises GatewayError of kind business with the code
        `payment_link_refused`."""

    def missing_setup(self) -> list[Problem]:
        """What the account still lacks for the above to work; empty when all is there."""

    def ensure_setup(self) -> list[Problem]:
        """Create what is missing; safe to repeat. Returns what a person has to do."""
