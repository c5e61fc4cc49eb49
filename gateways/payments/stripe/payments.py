"""Stripe's payment intents, refunds, disputes and payouts as invoices see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

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
from gateways.payments.lists import ListPage
from gateways.payments.objects import (
    INVOICE_FIELD,
    all_of,
    amount_of,
    day_of,
    in_currency,
    metadata_of,
    reference,
    text_field,
    text_of,
)
from gateways.payments.stripe.api import StripeApi
from gateways.payments.stripe.events import TYPES, change_of

SPECIAL = {"ISK": 2, "MGA": 0, "UGX": 2}
"""Currencies that Stripe counts with other decimals than ISO 4217 has."""

_REFUNDED, _NOT_REFUNDED = ("pending", "requires_action", "succeeded"), ("failed", "canceled")
_TAKEN_BACK = (
    "needs_response",
    "under_review",
    "lost",
    "appeal_needs_response",
    "appeal_under_review",
)
"""Statuses of a dispute in which Stripe has taken the money back; a mere inquiry takes none."""
_NOT_TAKEN = (
    "won",
    "prevented",
    "warning_needs_response",
    "warning_under_review",
    "warning_closed",
)
_PAYOUTS = {
    "paid": PayoutStatus.PAID,
    "failed": PayoutStatus.FAILED,
    "canceled": PayoutStatus.CANCELLED,
}


class Stripe(Account[StripeApi]):
    """One account of Stripe, whose days are those of a time zone."""

    reads = ("events", "payment_intents", "refunds", "disputes", "payouts", "balance_transactions")
    key_name = "a key"

    def __init__(self, api: StripeApi, *, system: str, time_zone: str, link_words: str) -> None:
        super().__init__(api, system=system, link_words=link_words)
        self._zone = time_zone

    # --- payments ---------------------------------------------------------------------------------

    def read_payment(self, kind: ObjectKind, object_id: str) -> ProcessorPayment | None:
        intent = object_id if kind is ObjectKind.PAYMENT else self._intent_of(kind, object_id)
        return self._payment(intent) if intent else None

    def _intent_of(self, kind: ObjectKind, object_id: str) -> str:
        """Charges of old have no payment intent; their refunds are not ours."""
        kinds = {ObjectKind.REFUND: "refunds", ObjectKind.DISPUTE: "disputes"}
        return reference(self._api.read(kinds[kind], object_id).get("payment_intent"))

    def _payment(self, intent_id: str) -> ProcessorPayment:
        found = self._api.read("payment_intents", intent_id, **{"expand[]": "latest_charge"})
        is_money = text_field(found, "status", self._api.unexpected) == "succeeded"
        charge = found.get("latest_charge")
        paid = charge if isinstance(charge, dict) else found
        reversals, revoked = self._reversals(intent_id) if is_money else ([], [])
        amount = self._amount(found, "amount_received" if is_money else "amount")
        return ProcessorPayment(
            payment_id=intent_id,
            amount=amount,
            is_money=is_money,
            paid_on=day_of(paid.get("created"), self._zone, self._api.unexpected),
            reversals=in_currency(reversals, amount, self._api.unexpected),
            revoked=tuple(revoked[:MAX_REVERSALS]),
            invoice=metadata_of(found).get(INVOICE_FIELD, ""),
            text=text_of(found, found.get("description")),
        )

    def _reversals(self, intent_id: str) -> tuple[list[Reversal], list[str]]:
        """What undoes it, and the ids of what does no more."""
        both = (
            ("refunds", ReversalKind.REFUND, _REFUNDED, _NOT_REFUNDED),
            ("disputes", ReversalKind.CHARGEBACK, _TAKEN_BACK, _NOT_TAKEN),
        )
        standing: list[Reversal] = []
        revoked: list[str] = []
        for path, kind, undoing, void in both:
            rows: list[JsonObject] = []
            for row in self._api.every(path, payment_intent=intent_id):
                if self._stands(row, undoing, void):
                    rows.append(row)
                else:
                    revoked.append(text_field(row, "id", self._api.unexpected))
            rows = all_of(rows, MAX_REVERSALS // 2, path, self._api.unexpected)
            standing += [self._reversal(row, kind) for row in rows]
        return standing, revoked

    def _stands(self, row: JsonObject, standing: Sequence[str], void: Sequence[str]) -> bool:
        """Whether it undoes a payment now. One of which that is not known is not guessed: what
        stands no more is booked as money again."""
        status = row.get("status")
        if status not in standing and status not in void:
            raise self._api.unexpected(f"{row.get('id')} is {status}, of which nothing is known")
        return status in standing

    def _reversal(self, row: JsonObject, kind: ReversalKind) -> Reversal:
        return Reversal(
            id=text_field(row, "id", self._api.unexpected),
            kind=kind,
            amount=self._amount(row, "amount"),
            on=day_of(row.get("created"), self._zone, self._api.unexpected),
            reason=str(row.get("reason") or "").replace("_", " ")[:100],
        )

    # --- payouts ----------------------------------------------------------------------------------

    def read_payout(self, payout_id: str) -> Payout:
        found = self._api.read("payouts", payout_id)
        status = _PAYOUTS.get(str(found.get("status")), PayoutStatus.PENDING)
        is_sent = status in (PayoutStatus.PAID, PayoutStatus.FAILED)
        if found.get("reconciliation_status") == "in_progress" and is_sent:
            status = PayoutStatus.PENDING  # Not all its fees are listed; another event says so.
        net = self._amount(found, "amount")
        fees = Money.zero(net.currency)
        if is_sent and found.get("automatic") is True:
            fees = self._fees(payout_id, net)
        return Payout(
            payout_id=payout_id,
            status=status,
            net=net,
            fees=fees,
            on=day_of(found.get("arrival_date"), "UTC", self._api.unexpected),
            text=text_of({}, found.get("statement_descriptor")),
        )

    def _fees(self, payout_id: str, net: Money) -> Money:
        """What Stripe kept of all that is in the payout: fees on payments, refunds and disputes,
        and fees that are charged by themselves."""
        kept = Money.zero(net.currency)
        for row in self._api.every("balance_transactions", payout=payout_id):
            kept += self._amount({**row, "fee": row.get("fee", 0)}, "fee")
            if row.get("type") in ("stripe_fee", "stripe_fx_fee", "tax_fee", "network_cost"):
                kept -= self._amount(row, "amount")
        return kept

    # --- events and links -----------------------------------------------------------------------

    def _events(self, since: datetime, after: str) -> ListPage:
        params = {"created[gte]": int(since.timestamp()), "types[]": list(TYPES)}
        return self._api.page("events", after, **params)

    def _change(self, row: JsonObject) -> Change | None:
        return change_of(row)

    def _new_link(self, request: LinkRequest, named: Mapping[str, str], key: str) -> object:
        """It takes one payment, and does not end."""
        price = "line_items[0][price_data]"
        form = {
            f"{price}[currency]": request.amount.currency.lower(),
            f"{price}[unit_amount]": str(minor_units(request.amount, SPECIAL)),
            f"{price}[product_data][name]": request.number,
            "line_items[0][quantity]": "1",
            "restrictions[completed_sessions][limit]": "1",
            "payment_intent_data[description]": request.number,
            **{f"payment_intent_data[metadata][{name}]": text for name, text in named.items()},
            **{f"metadata[{name}]": text for name, text in named.items()},
        }
        return self._api.create("payment_links", form, key).get("url")

    def _amount(self, row: JsonObject, name: str) -> Money:
        return amount_of(row, name, self._api.unexpected, SPECIAL)
