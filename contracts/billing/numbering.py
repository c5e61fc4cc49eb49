"""From drafts to the lines and parts of an invoice: keys, products, and what is on no line."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.billing import keys
from contracts.billing.drafting import Draft
from contracts.billing.lines import Line
from contracts.billing.state import NO_LINE, BillingState, Part
from contracts.billing.terms import latest
from contracts.money import Money


def numbered(
    billing: BillingState, number: int, drafts: Sequence[Draft]
) -> tuple[tuple[Line, ...], tuple[Part, ...]]:
    """The lines of an invoice and their parts. What comes to nothing is on no line: its parts are
    settled with the invoice all the same."""
    currency = billing.contract.currency
    lines: list[Line] = []
    parts: list[Part] = []
    for draft in drafts:
        position = len(lines) if draft.amount else NO_LINE
        parts += [Part(position, *piece) for piece in draft.pieces]
        if not draft.amount:
            continue
        lines.append(
            Line(
                key=f"{number}.{position + 1}",
                order_line=draft.order_line,
                service_code=draft.service or service_code(billing, draft.order_line),
                description=draft.text,
                quantity=draft.quantity,
                unit_price=draft.unit_price,
                amount=Money(draft.amount, currency),
            )
        )
    return tuple(lines), tuple(parts)


def service_code(billing: BillingState, order_line: str) -> str:
    """The product that an order line bills."""
    contract = billing.contract
    item = contract.milestone(order_line)
    if item is not None:
        return contract.service(item.service).code
    if order_line in billing.plans:
        return contract.service(latest(billing, order_line).service).code
    special = {
        keys.DEPOSIT: contract.deposit.service if contract.deposit else None,
        keys.RETAINAGE: contract.retainage.service if contract.retainage else None,
        keys.TERMINATION: contract.termination.fee_service,
    }.get(order_line)
    if special:
        return contract.service(special).code
    # It is agreed no more, but was billed: by the product it was billed with.
    lines = (line for item in billing.invoices.values() for line in item.lines)
    return next(line.service_code for line in lines if line.order_line == order_line)
