"""GoCardless' payments, refunds and payouts as invoices see them.

A payment is money once it is `confirmed`, and may fail after that; `paid_out` is certain but for a
chargeback. Both are booked, and what comes after undoes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from contracts.model import JsonObject
from contracts.money import Money
from contracts.processors import (
    MAX_REVERSALS,
    Change,
    LinkRequest,
    ObjectKind,
    Payout,
    PayoutStatus,
    ProcessorPayment,
    Reversal,
    ReversalKind,
    minor_units,
)
from gateways.payments.account import Account
from gateways.payments.gocardless.api import GoCardlessApi
from gateways.payments.gocardless.events import change_of
from gateways.payments.lists import ListPage
from gateways.payments.objects import (
    INVOICE_FIELD,
    all_of,
    amount_of,
    in_currency,
    metadata_of,
    reference,
    text_field,
    text_of,
)

_MONEY = ("confirmed", "paid_out", "charged_back")
_NO_REFUND = ("cancelled", "bounced", "funds_returned")
"""Refunds that the customer has not got, or that came back."""
_BY_STATUS = (ReversalKind.CHARGEBACK, ReversalKind.FAILURE)
"""What undoes a payment without a record of its own."""
_PAYOUTS = {"paid": PayoutStatus.PAID, "bounced": PayoutStatus.FAILED}


class GoCardless(Account[GoCardlessApi]):
    """One creditor of GoCardless."""

    reads = ("events", "payments", "refunds", "payouts")
    key_name = "an access token"

    # --- payments ---------------------------------------------------------------------------------

    def read_payment(self, kind: ObjectKind, object_id: str) -> ProcessorPayment | None:
        if kind is ObjectKind.PAYMENT:
            return self._payment(object_id)
        links = self._api.read("refunds", object_id).get("links")
        payment_id = reference(links.get("payment")) if isinstance(links, dict) else ""
        # A refund of a mandate is of no payment in particular.
        return self._payment(payment_id) if payment_id else None

    def _payment(self, payment_id: str) -> ProcessorPayment:
        today = datetime.now(UTC).date()
        found = self._api.read("payments", payment_id)
        status = text_field(found, "status", self._api.unexpected)
        amount, is_money = amount_of(found, "amount", self._api.unexpected), status in _MONEY
        charged_on = self._day(found.get("charge_date") or found.get("created_at"))
        undone = [*self._undone(payment_id, status, amount, today)]
        revoked: list[str] = []
        if is_money:
            refunds, returned = self._refunds(payment_id)
            undone += refunds
            revoked = [*(_undoing(payment_id, kind) for kind in _BY_STATUS), *returned]
        standing = {item.id for item in undone}
        return ProcessorPayment(
            payment_id=payment_id,
            amount=amount,
            is_money=is_money,
            paid_on=charged_on,
            reversals=in_currency(undone, amount, self._api.unexpected),
            revoked=tuple(item for item in revoked if item not in standing)[:MAX_REVERSALS],
            invoice=metadata_of(found).get(INVOICE_FIELD, ""),
            text=text_of(found, found.get("description"), found.get("reference")),
        )

    def _undone(
        self, payment_id: str, status: str, amount: Money, today: date
    ) -> Iterator[Reversal]:
        """A payment has no record of its chargeback or failure but its status, which says no day:
        it is of today, as its event comes at once."""
        kind = ReversalKind.CHARGEBACK if status in _MONEY else ReversalKind.FAILURE
        if status in ("confirmed", "paid_out"):
            return
        yield Reversal(
            id=_undoing(payment_id, kind),
            kind=kind,
            amount=amount,
            on=today,
            reason=status.replace("_", " ")[:100],
        )

    def _refunds(self, payment_id: str) -> tuple[list[Reversal], list[str]]:
        """Those that stand, and the ids of the others."""
        rows: list[JsonObject] = []
        returned: list[str] = []
        for row in self._api.every("refunds", payment=payment_id):
            if row.get("status") in _NO_REFUND:
                returned.append(text_field(row, "id", self._api.unexpected))
            else:
                rows.append(row)
        rows = all_of(rows, MAX_REVERSALS - 1, "refunds", self._api.unexpected)
        return [self._refund(row) for row in rows], returned

    def _refund(self, row: JsonObject) -> Reversal:
        return Reversal(
            id=text_field(row, "id", self._api.unexpected),
            kind=ReversalKind.REFUND,
            amount=amount_of(row, "amount", self._api.unexpected),
            on=self._day(row.get("created_at")),
            reason=str(row.get("reference") or "")[:100],
        )

    # --- payouts ----------------------------------------------------------------------------------

    def read_payout(self, payout_id: str) -> Payout:
        found = self._api.read("payouts", payout_id)
        status = text_field(found, "status", self._api.unexpected)
        return Payout(
            payout_id=payout_id,
            status=_PAYOUTS.get(status, PayoutStatus.PENDING),
            net=amount_of(found, "amount", self._api.unexpected),
            fees=amount_of(found, "deducted_fees", self._api.unexpected),
            on=self._day(found.get("arrival_date") or found.get("created_at")),
            text=text_of({}, found.get("reference")),
        )

    # --- events and links -----------------------------------------------------------------------

    def _events(self, since: datetime, after: str) -> ListPage:
        from_then = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return self._api.page("events", after, **{"created_at[gte]": from_then})

    def _change(self, row: JsonObject) -> Change | None:
        return change_of(row)

    def _new_link(self, request: LinkRequest, named: Mapping[str, str], key: str) -> object:
        """A page that does not end. It may be used again: what is paid twice is shown to people."""
        fields = {
            "name": request.number,
            "payment_request_amount": str(minor_units(request.amount)),
            "payment_request_currency": request.amount.currency,
            "payment_request_description": request.number,
            "payment_request_metadata": named,
            "metadata": named,
        }
        found = self._api.create("billing_request_templates", fields, key)
        return found.get("authorisation_url")

    def _day(self, text: object) -> date:
        try:
            return date.fromisoformat(str(text)[:10])
        except ValueError:
            raise self._api.unexpected(f"a day that is none: {text!r}") from None


def _undoing(payment_id: str, kind: ReversalKind) -> str:
    return f"{payment_id} {kind}"
