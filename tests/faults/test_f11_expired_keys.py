"""F11: the API key expires while everything is under way.

Steps park as credentials and try again slowly by themselves; once the file holds a new key all of
it goes on, without a restart and with nothing done twice. A sweep fails and its successor starts
where the last good one ended.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from temporalio.client import WorkflowFailureError

from contracts.invoice.state import InvoiceStage, InvoiceState
from tests.faults.stories import tell_of_an_expired_key
from tests.world import World, single


def _tried(times: int, state: InvoiceState) -> bool:
    return bool(state.exceptions) and state.exceptions[0].attempts >= times


async def test_a_new_key_in_the_file_mends_everything_that_was_under_way(
    world: World,
) -> None:
    await tell_of_an_expired_key(world)


async def test_a_key_that_stays_expired_is_tried_ever_more_slowly_and_listed(
    world: World,
) -> None:
    invoice = await world.proposed(single())
    # Noon: an invoice whose date changes at midnight is drafted anew, which is another step.
    await world.skip_to(invoice, datetime.now(UTC).date() + timedelta(days=1))
    await asyncio.to_thread(world.server.expire_keys, "c2c")
    try:
        await world.approve(invoice)
        first = await world.parked(invoice)
        tries = first.attempts
        for minutes in (2, 3, 5, 9, 16, 16):
            await world.skip(invoice, minutes=minutes)
            state = await world.invoice(
                invoice,
                until=partial(_tried, tries + 1),
            )
            assert state.exceptions[0].attempts == tries + 1
            assert state.exceptions[0].since == first.since, "as old as it is"
            tries += 1
        listed = (await world.c2c.exceptions(unreadable=lambda *_: None)).items
        assert (invoice, "credentials") in [(e.workflow_id, e.exception.kind) for e in listed]
    finally:
        await asyncio.to_thread(world.server.renew_keys, "c2c")
    await world.skip(invoice, minutes=16)
    await world.invoice(invoice, InvoiceStage.OPEN)


async def test_what_changed_while_no_sweep_could_look_is_told_by_the_next(world: World) -> None:
    invoice = await world.open(single())
    await world.pay(invoice)
    await asyncio.to_thread(world.server.expire_keys, "c2c")
    try:
        with pytest.raises(WorkflowFailureError):
            await world.sweep()
    finally:
        await asyncio.to_thread(world.server.renew_keys, "c2c")
    await world.sweep()
    await world.invoice(invoice, InvoiceStage.PAID)
