"""What becomes of an event that its contract refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NoReturn

import pytest

from activities import events
from activities.events import EventActivities, RefreshRequest, SignatureRequest
from contracts.agenda.machine import BUSY
from contracts.contract.messages import SignatureReported
from contracts.events import EventOutcome
from contracts.signatures import Envelope, EnvelopeStatus


async def test_what_a_contract_has_no_time_for_just_now_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is being closed out, and what was signed is still to be attached: nobody has to see to
    that."""

    async def busy(*_: object) -> NoReturn:
        raise events._Refused(BUSY)

    monkeypatch.setattr(events, "_update", busy)
    envelope = Envelope(
        envelope_id="e1",
        status=EnvelopeStatus.COMPLETED,
        changed_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    report = SignatureReported(system="docusign", envelope=envelope)
    contract = "contract/northwind/C-1"
    deliveries = EventActivities()
    told = [
        await deliveries.report_signature(
            SignatureRequest(contract=contract, report=report, id="1")
        ),
        await deliveries.refresh_contract(RefreshRequest(contract=contract, by="hubspot", id="1")),
    ]
    for item in told:
        assert item.delivery is not None
        assert (item.delivery.outcome, item.delivery.why) == (EventOutcome.WAITING, BUSY)
