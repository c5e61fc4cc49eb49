"""What Odoo does not post and a person gives up leaves nothing in Odoo that somebody might post."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contracts.invoice.messages import PaymentReceived
from contracts.parking import Action
from sandbox.odoo.errors import UserError
from sandbox.odoo.payments import Payment
from sandbox.odoo.records import on_records
from starters.client import messages
from tests.world import World, eur, single


@on_records
def _refuses(payments: Payment, ids: list[int]) -> None:
    raise UserError("The journal is locked.")


def states(world: World, reference: str) -> list[str]:
    found = world.admin.search_read("account.payment", [("memo", "=", reference)], ["state"])
    return [row["state"] for row in found]


async def test_the_draft_of_a_payment_that_is_given_up_is_cancelled_in_odoo(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice = await world.open(single())
    reference, today = f"{invoice}-1", datetime.now(UTC).date()
    monkeypatch.setattr(Payment, "action_post", _refuses)
    payment = PaymentReceived(reference=reference, amount=eur("100.00"), paid_on=today)
    await world.tell(invoice, messages.RECORD_PAYMENT, payment)
    parked = await world.parked(invoice)
    assert (parked.step, parked.uncertain) == (f"register_payment:{reference}", False)
    assert states(world, reference) == ["draft"]
    await world.resolve(invoice, Action.SKIP, reason="it is booked by hand")
    state = await world.invoice(invoice, until=lambda found: not found.given_up)
    assert not state.exceptions
    assert states(world, reference) == ["canceled"]
