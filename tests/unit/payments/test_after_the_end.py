"""What Odoo has to have of a payment whose invoice is not followed any more."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from contracts.money import Money
from contracts.processors import ProcessorPayment, Reversal, ReversalKind

ON = date(2026, 3, 2)
DISPUTE = Reversal(id="du_1", kind=ReversalKind.CHARGEBACK, amount=Money("100.00", "EUR"), on=ON)

PART = Reversal(id="re_1", kind=ReversalKind.REFUND, amount=Money("40.00", "EUR"), on=ON)


def payment(**changed: Any) -> ProcessorPayment:
    values: dict[str, Any] = {
        "payment_id": "pi_1",
        "amount": Money("100.00", "EUR"),
        "is_money": True,
        "paid_on": ON,
    }
    return ProcessorPayment(**(values | changed))


@pytest.mark.parametrize(
    ("now", "booked", "missing"),
    [
        (payment(), {"pi_1"}, []),
        (payment(), set(), ["pi_1"]),
        (payment(is_money=False), set(), []),
        (payment(reversals=(DISPUTE,)), {"pi_1", "du_1"}, []),
        (payment(reversals=(DISPUTE,)), {"pi_1"}, ["du_1"]),
        (payment(reversals=(DISPUTE,)), set(), []),
        (payment(reversals=(PART,)), set(), ["pi_1", "re_1"]),
        (payment(revoked=("du_1",)), {"pi_1"}, []),
        (payment(revoked=("du_1",)), {"pi_1", "du_1"}, ["du_1 undone"]),
        (payment(revoked=("du_1",)), {"pi_1", "du_1", "du_1 undone"}, []),
    ],
)
def test_what_is_not_booked_is_named(
    now: ProcessorPayment, booked: set[str], missing: list[str]
) -> None:
    unbooked = [item for item in now.references if item not in booked]
    assert now.missing(unbooked) == missing
